# One door to everything. Bare `make` prints this help.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
LOCK := .cache/lock
FROZEN = $(LOCK)/bin/pip freeze --exclude understudy | sort -f
# Tests run in this many processes; `make test WORKERS=0` runs them in one, for a debugger.
WORKERS ?= 2
TESTS ?= tests
# What code of the code interpreter runs on: the demo takes the small one, the tests both.
KERNELS := .cache/kernels

.DEFAULT_GOAL := help
.PHONY: help demo test test-cluster test-faults lint types check serve bench bench-cluster docs lock clean

help: ## Print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.runtime $(KERNELS)/minimal/understudy-lock ## Show the main job against a server of its own, in a few seconds
	@$(BIN)/understudy demo --environment $(KERNELS)/minimal

test: $(VENV)/.dev ## Run the whole test suite (TESTS=tests/cli for a part of it)
	@$(BIN)/python -m pytest -n $(WORKERS) -m "not cluster and not faults" $(TESTS)

test-cluster: $(VENV)/.dev ## Run the tests with PostgreSQL, NATS and S3 servers, installed if missing
	@tests/services/install.sh
	@$(BIN)/python -m pytest -n $(WORKERS) -m cluster $(TESTS)

test-faults: $(VENV)/.dev ## Let everything in a cluster fail under load for some minutes
	@tests/services/install.sh
	@$(BIN)/python -m pytest -m faults $(TESTS)

lint: $(VENV)/.dev ## Check style, formatting and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: $(VENV)/.dev ## Check the types of source and tests
	@$(BIN)/mypy

check: lint types ## Exactly what CI runs: lint, types, then tests
	@$(MAKE) --no-print-directory test

serve: $(VENV)/.runtime ## Start the server; arguments in ARGS, e.g. ARGS="--port 9000"
	@$(BIN)/understudy serve $(ARGS)

bench: $(VENV)/.dev ## Measure speed and write bench/results (ARGS=--quick for a short one)
	@$(BIN)/python -m bench $(ARGS)

bench-cluster: $(VENV)/.dev ## Measure a cluster on this machine: PostgreSQL, NATS, API, workers
	@tests/services/install.sh
	@$(BIN)/python -m bench.cluster $(ARGS)

docs: $(VENV)/.runtime ## Write what the docs take from elsewhere: the diagram, the measurements
	@$(BIN)/python docs/generate.py

# Both are chosen together, so that what tests need never contradicts what the server needs.
lock: ## Choose the newest versions of all dependencies and write both lock files
	@rm -rf $(LOCK) && $(PYTHON) -m venv $(LOCK)
	@$(LOCK)/bin/pip install --quiet --upgrade pip
	@$(LOCK)/bin/pip install --quiet . --group dev
	@$(FROZEN) > $(LOCK).all
	@rm -rf $(LOCK) && $(PYTHON) -m venv $(LOCK)
	@$(LOCK)/bin/pip install --quiet --upgrade pip
	@$(LOCK)/bin/pip install --quiet --constraint $(LOCK).all .
	@{ sed -n 1p requirements.lock; $(FROZEN); } > $(LOCK)/runtime
	@{ sed -n 1,2p requirements-dev.lock; grep -vxFf $(LOCK)/runtime $(LOCK).all; } > $(LOCK)/dev
	@mv $(LOCK)/runtime requirements.lock && mv $(LOCK)/dev requirements-dev.lock

clean: ## Remove the environment and all caches; data folders stay
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment is made once; a changed lock file or pyproject.toml brings it up to date.
$(VENV)/.made:
	@command -v $(PYTHON) > /dev/null || { echo "There is no $(PYTHON). Install Python 3.11 or newer, or name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11. Name a newer one: make PYTHON=python3.12"; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) cannot make environments. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@touch $@

$(VENV)/.runtime: $(VENV)/.made requirements.lock pyproject.toml
	@echo "Installing understudy ..."
	@$(PIP) install -r requirements.lock
	@$(PIP) install --no-deps -e .
	@touch $@

# Without it the demo leaves one scene out and says so, hence the dash.
$(KERNELS)/%/understudy-lock: src/understudy/sandbox/environments/%.lock | $(VENV)/.runtime
	@echo "Installing what the sandbox runs on ..."
	-@$(BIN)/understudy sandbox install $(@D) --size $* > /dev/null && touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo "Installing what tests and checks need ..."
	@$(PIP) install -r requirements-dev.lock
	@touch $@
