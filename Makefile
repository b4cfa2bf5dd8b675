# audiosearch: `make help` lists the targets.
#
# `make demo`, `make test` and `make test-quick` do all their own set-up; each keeps its own virtual
# environment, so that the demo shows the program as a user has it, and the quick tests need what
# takes a minute to install: both without torch.

# The first of these that runs and is new enough (pyenv leaves names of Pythons that are off).
IS_NEW := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(or $(shell for python in python3.11 python3.12 python3.13 python3.14 python3; do \
    $$python -c '$(IS_NEW)' 2>/dev/null && { command -v $$python; break; }; done),python3)
DEV    := .venv
USER   := .venv-demo
QUICK  := .venv-quick
IN     := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
BIN    := $(DEV)/$(IN)
DEMO   := .demo
SOUNDS ?=
PARITY ?= $(AUDIOSEARCH_PARITY)

define see_python
@$(PYTHON) -c '$(IS_NEW)' 2>/dev/null || { echo "audiosearch needs Python 3.11 or later; $(PYTHON) is" \
    "$$($(PYTHON) --version 2>/dev/null || echo not there). Give one: make PYTHON=/path/to/python3.12"; exit 2; }
endef

.DEFAULT_GOAL := help
.PHONY: help demo test test-quick check page-check screenshots format notebook bench soak parity wheel wheels-check release clean

help:  ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(USER)/.installed: pyproject.toml
	$(call see_python)
	@echo "Making $(USER) and installing audiosearch in it (a minute or two) ..."
	@$(PYTHON) -m venv $(USER)
	@$(USER)/$(IN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(DEV)/.installed: pyproject.toml
	$(call see_python)
	@echo "Making $(DEV) and installing audiosearch with the extras dev, eval, train and cluster (a few minutes) ..."
	@$(PYTHON) -m venv $(DEV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,eval,train,cluster]'
	@touch $@

$(QUICK)/.installed: pyproject.toml
	$(call see_python)
	@echo "Making $(QUICK) and installing audiosearch with the extra dev in it (a minute or two) ..."
	@$(PYTHON) -m venv $(QUICK)
	@$(QUICK)/$(IN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(USER)/.installed  ## Index a folder of sounds and ask it three questions (SOUNDS=/my/folder)
	@PATH="$(CURDIR)/$(USER)/$(IN):$$PATH" sh docs/demo.sh "$(DEMO)" "$(SOUNDS)"

test: check  ## Everything: style, types, layers and all the tests
	$(BIN)/pytest -n auto --dist loadfile

test-quick: $(QUICK)/.installed  ## The tests without torch and without the slow ones (a few minutes)
	$(QUICK)/$(IN)/pytest -n auto --dist loadfile -m 'not slow'

check: $(DEV)/.installed  ## Style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory page-check

# Pinned, so that what passes today passes tomorrow; npm keeps what it has fetched.
TYPESCRIPT := 5.9.3

page-check:  ## The types of the page's modules (needs node and npm)
	@if ! command -v npm >/dev/null; then \
	    echo "The page's types are not checked: there is no npm (apt-get install npm, or nodejs.org)"; \
	elif ! npm exec --yes --package=typescript@$(TYPESCRIPT) -- tsc --version >/dev/null 2>&1; then \
	    echo "The page's types are not checked: npm cannot fetch typescript $(TYPESCRIPT)"; \
	else \
	    npm exec --yes --package=typescript@$(TYPESCRIPT) -- tsc --project tests/browser/tsconfig.json; \
	fi

screenshots: $(DEV)/.installed  ## Take the pictures of the page anew, in docs/images/ (needs Chromium)
	$(BIN)/python docs/screenshots.py

format: $(DEV)/.installed  ## Let ruff lay out the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

notebook: $(DEV)/.installed  ## Run the notebooks anew and keep what they show
	@mkdir -p build/notebook && rm -rf build/notebook/*
	@$(BIN)/python -m audiosearch.training.synth.examples build/notebook/sounds
	cd build/notebook && for name in explore night; do "$(CURDIR)/$(BIN)/python" \
	    "$(CURDIR)/docs/run_notebook.py" "$(CURDIR)/docs/notebooks/$$name.ipynb" || exit 1; done

bench: $(DEV)/.installed  ## Measure indexing and search (SOUNDS=/my/folder)
	$(BIN)/python -m benchmarks.indexing "$(SOUNDS)"
	$(BIN)/python -m benchmarks.cold_find "$(SOUNDS)"

soak: $(DEV)/.installed  ## Hours of kills, damaged files, random histories and swaps, at low priority
	nice -n 19 $(BIN)/python -m benchmarks.kills --kills 500
	nice -n 19 $(BIN)/python -m benchmarks.fuzz --files 10000
	nice -n 19 $(BIN)/python -m benchmarks.histories --histories 10000
	nice -n 19 $(BIN)/python -m benchmarks.swaps --histories 100

parity: $(DEV)/.installed  ## Compare with numbers of the authors' own code (PARITY=/their/folder)
	@test -d "$(PARITY)" || { echo "PARITY=FOLDER must name the folder of reference numbers"; exit 2; }
	AUDIOSEARCH_PARITY="$(abspath $(PARITY))" $(BIN)/pytest -q -s tests/integration/test_parity*.py

wheel: $(DEV)/.installed  ## Build the wheel into dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

wheels-check: $(DEV)/.installed  ## Try the wheel in a clean environment of every Python (downloads much)
	$(BIN)/python -m benchmarks.clean_installs

release: $(DEV)/.installed  ## Prepare a release: changelog, version, checks, dist/ (VERSION=0.2.0)
	$(BIN)/python .ci/release.py begin "$(VERSION)"
	$(BIN)/python .ci/supply.py audit
	$(MAKE) test
	rm -rf dist && $(BIN)/python -m hatchling build
	$(BIN)/python .ci/supply.py write dist "$(VERSION)"
	$(BIN)/python .ci/release.py look "$(VERSION)"

clean:  ## Remove environments, caches and the demo's library
	rm -rf $(DEV) $(USER) $(QUICK) $(DEMO) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
