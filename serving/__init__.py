"""The live process: one bot on one account, as a BentoML service.

Read it in this order:

    service.py       BentoML around the bot; start.py says what may start
    bot.py           opens one session after another; account, journal and model outlive them
    session.py       what lives as long as one connection: feed, turns, upkeep, user stream
    market/          feed (stream -> bars -> windows), bars, windows, history (bars before the first live one),
                     selection (which markets), headlines
    bar_turn.py      one closed bar: tidy up, mark, forecast, decide, journal, send, compare
    loaded_model.py  a verified bundle and one turn of it over all markets; champion.py finds the bundle and says if
                     it is armed, model_watch.py swaps it between two bars
    account/         trading_account (venue and accounting together), accounting (ledger and baselines), execution (the
                     only caller of gateway.place), breaker, settlement, and the journal with schema, database and lock
    upkeep.py        between the bars: listing, headlines, resolutions, payments, our own trades
    safety/          what stops buying: heartbeat, block (403), venue_watch with its preconditions, feed_watch,
                     parent_watch; quote_watch takes quotes of a maker back between bars;
                     doctor.py checks a machine without placing an order; shadow decides the same bars
                     with a second bundle on paper (shadow_account), compared by paired_losses
    dashboard/       status (the picture of now), state_json, exporter (metrics), web with its doors, the page
    install.py       a bundle becomes a bento

What displays reads what decides, never the other way round. Nothing heavy is imported here: no TensorFlow, torch,
pandas, MLflow or Prefect.
"""
