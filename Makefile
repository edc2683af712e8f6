# make train   set up, then train the small recipe and report what it learned
# make test    set up, then run the whole test suite (no GPU, no network)
# make check   set up, then what CI runs: lint, format, types, tests
# make demo    set up, then watch a memory being kept for three sessions
# make docs    write docs/cli.md, docs/recipe-keys.md and the lab's tables anew
# make clean   remove the environment and caches (runs stay)
#
# Variables: PYTHON (3.11 or newer), RECIPE, ARGS (passed on: make train ARGS="seed=3 --name seed3"),
# TORCH_ARGS (passed to the installation of torch, to choose another build of it).

VENV ?= .venv
RECIPE ?= recipes/memory_r2_small.toml
ARGS ?=
TORCH_ARGS ?=

BIN := $(VENV)/bin
# A file's tests share what they trained, so they stay together. In the order of the folders the long ones, those of
# integration, come first; by number of tests, xdist's own order, they would come last, with one core idle beside them.
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder
INSTALLED := $(VENV)/.installed
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(firstword $(shell for p in python3 python3.13 python3.12 python3.11; do $$p -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$p; done))

# Waiting OpenMP threads sleep instead of spinning: several times faster on a busy two-core machine.
export OMP_WAIT_POLICY ?= PASSIVE

.DEFAULT_GOAL := help
.PHONY: help train test check demo docs clean

help:
	@sed -n 's/^# make/make/p' Makefile

$(INSTALLED): constraints.txt pyproject.toml
	@$(if $(PYTHON),$(PYTHON),python3) -c '$(NEW_ENOUGH)' || { echo "fairmem needs Python 3.11 or newer; say which: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV)"
	@$(BIN)/python -m pip install --quiet $$(grep '^torch==' constraints.txt) $(TORCH_ARGS)
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[train,dev]'
	@touch $@

train: $(INSTALLED)
	$(BIN)/fairmem train $(RECIPE) $(ARGS)

test: $(INSTALLED)
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

check: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

demo: $(INSTALLED)
	@$(BIN)/fairmem demo

docs: $(INSTALLED)
	$(BIN)/python -m fairmem.cli.reference cli > docs/cli.md
	$(BIN)/python -m fairmem.cli.reference recipe > docs/recipe-keys.md
	$(BIN)/python -m fairmem.lab.tables docs/results/lab.json docs/guide/lab.md docs/algorithms.md

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis build dist
