"""Runs the real bot and the real simulator in one process, on a virtual clock, with faults that a seed decides.

Read it in this order:

    clock.py         the virtual clock, which every reader of `time` sees while a world runs
    loop.py          an event loop on that clock; threads are greenlets, so that the seed decides their order
    wires.py         the simulator's applications, called in memory, with delays from the seed
    network.py       the clients of the bot on these wires; sockets.py its WebSockets
    markets.py       two markets whose prices and ends come from the seed
    model.py         the forecast and the policy of the bot: they trade often, and the seed decides when
    life.py          one process of the bot, from its start to its stop, or to its kill at a chosen point
    plan.py          a schedule and its result; plans.py has the kinds of schedules
    world.py         plays one schedule: the venue, its faults, the processes of the bot; playing.py gives it a clock
    invariants.py    the rules that are checked after each bar and at the end
    shrink.py        the smallest schedule that still fails
    campaign.py      many schedules over processes, resumable; commands.py is `oddsmith drill`

Replaced are the network, the clock, threads, and the bundle. All other code is the code that trades.
"""
