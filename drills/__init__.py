"""The real bot and the real simulator in one process, on a virtual clock: what may go wrong is tried by seed.

Read it in this order:

    clock.py         the virtual clock, which every reader of `time` sees while a world runs
    loop.py          an event loop on that clock; a thread is a greenlet, so that its order comes from the seed
    wires.py         the simulator's applications, called in memory, with delays from the seed
    network.py       the clients of the bot on these wires; sockets.py its WebSockets
    markets.py       two markets with a scripted life
    model.py         the forecast and the policy that drive the bot: they trade often, and the seed says when
    life.py          one life of the bot, from its start to its stop or its death at a chosen edge
    plan.py          a schedule, and what became of it; plans.py has the kinds of schedules
    world.py         one schedule: the venue, its faults, the lives of the bot; playing.py gives it its clock
    invariants.py    what must hold after each bar and at the end
    shrink.py        the smallest schedule that still fails
    campaign.py      many schedules over processes, resumable; commands.py is `oddsmith drill`

Only the edges are replaced: the wire, the clock, threads, and the bundle. Everything between is the code that trades.
"""
