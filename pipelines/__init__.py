"""Pure code: from venue bytes to a decision, and the DVC stages that train what decides.

It knows nothing of Prefect, BentoML or an MLflow server. Read it in this order:

    core/         the objects that travel (domain), money on integers, errors, params.yaml, settings, product paths
    venue/        Polymarket: wire messages, listing, books, trades, order gateway
    news/         headline sources, scorers, which market a headline is about
    features/     the ordered list of features, batch form and live form
    trading/      fill arithmetic (kernel), sizing, limits (risk), ledger, order states, policies/
    inference/    the sealed bundle and the forecaster that it carries
    decide.py     the one function that turns inputs and account into an order or a named refusal
    decision_record.py   what `decide` saw, as bytes of the journal: written live, read by parity
    rows/         what the rows of an event say, made from raw bars, headlines and reference prices
    replay/       histories replayed bar by bar through `decide`; lanes of many accounts for training

    pull/ validate/ featurize/ forecast/ agent/ backtest/ package/ gate/     one folder per DVC stage:
                  stage.py has run() (read files, call pure functions, write files); stages talk through files
    parity/ drift/ costs/ export/     commands that read the running system's records

A layer imports only the ones above it in this list; `lint-imports` holds that. Measurements that people run (league,
stacks, tune, sweep) are in `benchmarks/`.
"""
