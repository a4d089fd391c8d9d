# make          what there is to make
# Variables, such as `make test VENV=/tmp/venv PYTHON=python3.13`:
VENV ?= .venv
# The first Python that is new enough and can make an environment.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
# One version, installed first: a range would pull gigabytes of CUDA into a fresh environment.
TORCH ?= 2.13.0
# What `make bench` runs.
BENCH ?= $(sort $(wildcard benchmarks/*.py))

BIN = $(VENV)/bin
READY = $(VENV)/.ready

.PHONY: help install demo test check bench docs clean
.DEFAULT_GOAL := help

help:
	@echo "make demo     train a small model for a few minutes, and let it write"
	@echo "make test     run the tests"
	@echo "make check    format, lint, types, layout, the command line's page"
	@echo "make bench    run the benchmarks (some take long; BENCH=benchmarks/NAME.py runs one)"
	@echo "make docs     write docs/command-line.md anew"
	@echo "make clean    remove caches and builds; runs/ and $(VENV) stay"
	@echo "make install  make the environment $(VENV), which all of these do where it is missing"

install: $(READY)

$(READY): pyproject.toml
	@test -x $(BIN)/python || test -n "$(PYTHON)" || { \
		echo "no Python from 3.11 on that can make an environment; name one: make PYTHON=..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check torch==$(TORCH)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -e '.[dev]'
	@touch $@

demo: $(READY)
	@run=runs/demo; number=1; \
	while [ -e $$run ]; do number=$$((number + 1)); run=runs/demo-$$number; done; \
	$(BIN)/elman train --config examples/demo.toml --out $$run || exit; \
	echo; echo "$(BIN)/elman sample $$run --prompt 'The '"; echo; \
	$(BIN)/elman sample $$run --prompt 'The '

test: $(READY)
	$(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyrefly check --python-interpreter-path $(BIN)/python
	$(BIN)/python -m pytest tests/test_layout.py
	$(BIN)/python scripts/command_line.py --check

bench: $(READY)
	@test -n "$(BENCH)" || echo "there are no benchmarks"
	@for script in $(BENCH); do echo "== $$script"; $(BIN)/python $$script || exit; done

docs: $(READY)
	$(BIN)/python scripts/command_line.py

clean:
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis
	find src tests scripts benchmarks examples -name __pycache__ -prune -exec rm -rf {} +
