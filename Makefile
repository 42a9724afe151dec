# SPDX-License-Identifier: GPL-3.0-or-later
# `make demo` shows the main job, `make test` passes the tests; each sets up its own virtual environment.

PYTHON ?= python3
SOURCES := $(shell find firmware -name '*.py' -o -path 'firmware/scripts/*') pyproject.toml
DEMO := .venv-demo
TEST := .venv-test
PYTEST = $(TEST)/bin/python -m pytest -q

.PHONY: demo test lint fast interop sim bench frames clean python

demo: $(DEMO)/ready
	@$(DEMO)/bin/muleteer demo $(DEMO_FLAGS)

test: lint fast interop sim

lint: $(TEST)/ready
	$(TEST)/bin/ruff check firmware tests
	$(TEST)/bin/ruff format --check firmware tests
	$(TEST)/bin/mypy

fast: $(TEST)/ready
	$(PYTEST) -m 'not interop and not slow and not bench' tests

interop: $(TEST)/ready nncp
	$(PYTEST) -m 'interop and not slow and not bench' tests

sim: $(TEST)/ready nncp
	$(PYTEST) -m 'slow and not bench' tests

bench: $(DEMO)/ready nncp
	$(DEMO)/bin/python tests/bench/run.py $(BENCH_FLAGS)

clean:
	rm -rf $(DEMO) $(TEST) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Plain install: the commands start the fast way (see firmware/scripts).
$(DEMO)/ready: $(SOURCES) | python
	@test -x $(DEMO)/bin/python || $(PYTHON) -m venv $(DEMO)
	@echo "Installing Muleteer into $(DEMO) ..."
	@$(DEMO)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade .
	@touch $@

# Editable install: tests see the tree as it is.
$(TEST)/ready: pyproject.toml $(wildcard firmware/scripts/*) | python
	@test -x $(TEST)/bin/python || $(PYTHON) -m venv $(TEST)
	@echo "Installing Muleteer and its test tools into $(TEST) ..."
	@$(TEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --editable '.[test]'
	@touch $@

python:
	@command -v $(PYTHON) >/dev/null || { echo "Missing: Python. Install it: sudo apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Muleteer needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V). Name another: make PYTHON=python3.13 ..."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Missing: Python's venv module. Install it: sudo apt-get install python3-venv"; exit 1; }

nncp:
	@command -v nncp-file >/dev/null || \
	  { echo "Missing: the real NNCP, which these tests talk to. Install it: sudo apt-get install nncp"; exit 1; }
.PHONY: nncp
