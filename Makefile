# make            what you can do
# make run        from nothing to a bot that trades a model it trained
# make test       the test suite
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV_PYTHON := .venv/bin/python
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install run league evaluate tune sample parity flows test soak lint types docs params infra-test lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

install: ## make .venv from requirements.lock (PYTHON=python3.12; ONLY=serve: the bot alone; GPU=1: CUDA for TensorFlow; NLP=1: transformers; LEAGUE=1: Prophet and fracast)
	@bash infra/install.sh

run: install ## simulate, train, judge, trade (SOURCE=recorded RECORDED=path, FRESH=1, DURATION=seconds)
	@exec $(VENV_PYTHON) -m oddsmith run --source $(or $(SOURCE),simulated) $(if $(RECORDED),--recording "$(RECORDED)") \
	  $(if $(filter 1,$(FRESH)),--fresh) $(if $(DURATION),--duration $(DURATION))

flows: install ## serve every flow on its schedule, with the Prefect UI (with `make run`, or alone)
	@exec $(VENV_PYTHON) -m oddsmith flows serve

test: install ## run the suite, fast tests first (ARGS="-k words" for a part; NIGHTLY=1: the long drills too, NIGHTLY=only: nothing else; WORKERS=0: in one process)
	@$(VENV_PYTHON) -m pytest $(if $(filter 1,$(NIGHTLY)),,-m "$(if $(filter only,$(NIGHTLY)),,not )nightly") --numprocesses $(or $(WORKERS),2) --dist loadgroup --no-loadscope-reorder $(ARGS)

soak: install ## a long run of the simulator's conservation test (STEPS=200 RUNS=2000: operations are their product)
	@SOAK_STEPS=$(or $(STEPS),200) SOAK_RUNS=$(or $(RUNS),2000) $(VENV_PYTHON) -m pytest --timeout 0 tests/code/simulator/test_simulator_conservation.py

lint: install ## formatting, lint, spelling, import directions, unused dependencies
	@$(VENV_PYTHON) -m ruff format --check . && $(VENV_PYTHON) -m ruff check . && .venv/bin/codespell && .venv/bin/lint-imports && .venv/bin/deptry .

types: install ## mypy strict on the packages
	@$(VENV_PYTHON) -m mypy

docs: install ## the pages as a site in site/, every link checked (SERVE=1: at http://127.0.0.1:8100, following edits)
	@NO_MKDOCS_2_WARNING=1 $(VENV_PYTHON) -m mkdocs $(if $(filter 1,$(SERVE)),serve --dev-addr 127.0.0.1:8100,build --strict && echo "site/index.html")

params: install ## change numbers and keep the comments: make params SET="simulator.edge=0.5 forecast.epochs=2"
	@$(VENV_PYTHON) -m oddsmith params set $(SET)

league: install ## every forecaster under one protocol, docs/results/league.md (STACKS=1: the guide's model stacks)
	@$(VENV_PYTHON) -m oddsmith $(if $(filter 1,$(STACKS)),stacks $(NAMES),league $(KINDS))

evaluate: install ## strategies and agents over SEEDS=10 synthetic worlds at EDGE=1.0; resumable; docs/results
	@$(VENV_PYTHON) -m oddsmith evaluate --edge $(or $(EDGE),1.0) --seeds $(or $(SEEDS),10)

tune: install ## Optuna study of the agent on the last pull (TRIALS=20); goes on where it stopped
	@$(VENV_PYTHON) -m oddsmith tune --trials $(or $(TRIALS),20)

sample: install ## fetch 20-level books of 18 Bitcoin 15-minute markets (CC BY 4.0, 2.6 MB, PyPI) and import them
	@.venv/bin/uv pip install --quiet --python $(VENV_PYTHON) --no-deps --target var/sample resolvedkit==0.1.0
	@$(VENV_PYTHON) -m oddsmith data import var/sample/resolvedkit/sample_data/books.parquet --to data/recordings/btc15m.parquet \
	  --about var/sample/resolvedkit/sample_data/markets.parquet --replace

parity: install ## replay the running bot's journal through decide(): reports/parity.json
	@$(VENV_PYTHON) -m oddsmith parity

infra-test: install ## Terraform: format, validate, mocked tests, apply and destroy on an emulator (QUICK=1: without it)
	@QUICK=$(QUICK) bash infra/test.sh

lock: ## resolve the newest versions that pyproject.toml allows, for every Python (KEEP=1: keep what still fits)
	@bash infra/lock.sh

clean: ## forget what was computed here; journal, champions and backups in var/ stay (ALL=1: not even they)
	rm -rf $(if $(filter 1,$(ALL)),var,$(addprefix var/,checkpoints evaluate forecasters league stacks benchmarks peers)) data/raw data/replay data/features data/forecasts data/window.json models/forecaster models/agent models/choice models/bundle models/verdict.json
	find reports -type f ! -name .gitignore -delete
