"""The real bot and the real simulator in one process, on a virtual clock: what may go wrong is tried by seed.

Read it in this order:

    clock.py         the virtual clock, which every reader of `time` sees while a world runs
    loop.py          an event loop on that clock; a thread is a greenlet, so that its order comes from the seed
    network.py       requests and sockets between bot and simulator, in memory, with delays from the seed
    markets.py       two markets with a scripted life
    model.py         the forecast and the policy that drive the bot: they trade often, and the seed says when
    life.py          one life of the bot, from its start to its stop or its death at a chosen edge
    world.py         one schedule: the venue, its faults, one or two lives, the checks after each market minute
    invariants.py    what must hold
    shrink.py        the smallest schedule that still fails
    campaign.py      many schedules over processes, resumable; commands.py is `oddsmith drill`

Only the edges are replaced: the wire, the clock, threads, and the bundle. Everything between is the code that trades.
"""
