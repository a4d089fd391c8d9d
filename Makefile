# make          what there is to make
# Variables, such as `make test VENV=/tmp/venv PYTHON=python3.13`:
VENV ?= .venv
# The first Python that is new enough and can make an environment.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
# One version, installed first: a range would pull gigabytes of CUDA into a fresh environment.
TORCH ?= 2.13.0
# The versions of everything else, so that a release of another project cannot turn a check red.
LOCK = constraints.txt
# What `make bench` runs.
BENCH ?= $(sort $(wildcard benchmarks/*.py))

# What `make fuzz` is given, such as FUZZ='table --seed 1234'.
FUZZ ?= --inputs 200000 --kills 500 --replay --keep

# What builds the native kernels; where the system has none, it is installed in the environment.
CMAKE ?= $(or $(shell command -v cmake),$(BIN)/cmake)
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

MAKEFLAGS += --no-print-directory
BIN = $(VENV)/bin
READY = $(VENV)/.ready
SOURCES = find native -name '*.h' -o -name '*.cpp'
SANITIZERS = address,undefined thread
# Warnings are errors here, and for nobody who only installs; the sanitizers are known to make up that one.
SANITIZED = -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all -Werror -Wno-error=maybe-uninitialized

.PHONY: help install native native-check cells demo test check format lock bench fuzz docs package clean
.DEFAULT_GOAL := help

help:
	@echo "make demo     train a small model for a few minutes, and let it write"
	@echo "make test     run the tests"
	@echo "make check    format, lint, types, layout, the command line's page, the built-in cells' kernels"
	@echo "make format   write Python and C++ in the format that check wants"
	@echo "make native   build the native kernels anew after a change, in place"
	@echo "make cells    write native/cells anew from the formulas of elman/nn/cells"
	@echo "make native-check  run native/tests, the Python extension among them, under the sanitizers"
	@echo "make bench    run the benchmarks (some take long; BENCH=benchmarks/NAME.py runs one)"
	@echo "make fuzz     damage every kind of input, and kill trainings, for hours (docs/fuzzing.md; FUZZ=...)"
	@echo "make lock     write $(LOCK) anew: the newest versions that the checks and tests are to run with"
	@echo "make docs     write docs/command-line.md anew, and the documentation as a site: build/site/index.html"
	@echo "make package  build an sdist and wheels, install each in an environment of its own, and try it"
	@echo "make clean    remove caches and builds; runs/ and $(VENV) stay"
	@echo "make install  make the environment $(VENV), which all of these do where it is missing"

install: $(READY)

$(READY): pyproject.toml $(LOCK)
	@test -x $(BIN)/python || test -n "$(PYTHON)" || { \
		echo "no Python from 3.11 on that can make an environment; name one: make PYTHON=..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check torch==$(TORCH)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint $(LOCK) -e '.[dev]'
	@test -f src/elman/_native.abi3.so || { echo; echo "Without the native kernels, which could not be built: all \
	works, slower. \`make native\` tries again, and says why."; echo; }
	@touch $@

native: $(READY) $(CMAKE)
	@$(CMAKE) -S . -B build/native -DCMAKE_BUILD_TYPE=Release -DPython_EXECUTABLE=$(abspath $(BIN)/python) >/dev/null
	@$(CMAKE) --build build/native --parallel $(JOBS)

cells: $(READY)
	$(BIN)/python scripts/cells.py

native-check: $(READY) $(CMAKE)
	@for kind in $(SANITIZERS); do \
		folder=build/native-$${kind%%,*}; echo "== $$kind"; \
		$(CMAKE) -S . -B $$folder -DELMAN_TESTS=ON -DCMAKE_BUILD_TYPE=Check \
			-DPython_EXECUTABLE=$(abspath $(BIN)/python) \
			-DCMAKE_CXX_FLAGS="$(SANITIZED) -fsanitize=$$kind" >/dev/null && \
		$(CMAKE) --build $$folder --parallel $(JOBS) && \
		(cd $$folder && $(dir $(CMAKE))ctest --output-on-failure) || exit; \
	done

$(BIN)/cmake: $(READY)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet 'cmake>=3.20'

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
	$(SOURCES) | xargs -r $(BIN)/clang-format --dry-run --Werror
	$(BIN)/python -m pytest tests/test_layout.py
	$(BIN)/python scripts/command_line.py --check
	$(BIN)/python scripts/cells.py --check

format: $(READY)
	$(BIN)/ruff format .
	$(SOURCES) | xargs -r $(BIN)/clang-format -i

# In an environment of its own, for what is installed by hand is nobody else's.
lock:
	@scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	$(MAKE) VENV=$$scratch/venv LOCK=/dev/null install && \
	{ head -1 $(LOCK); $$scratch/venv/bin/python -m pip freeze --exclude-editable | grep -v '^torch=='; } \
		> $$scratch/lock && mv $$scratch/lock $(LOCK)

bench: $(READY)
	@test -n "$(BENCH)" || echo "there are no benchmarks"
	@for script in $(BENCH); do echo "== $$script"; $(BIN)/python $$script || exit; done

fuzz: $(READY)
	$(BIN)/python -m fuzz $(FUZZ)

# Not --quiet: mkdocs then counts no warnings, and --strict passes whatever is broken.
docs: $(READY)
	$(BIN)/python scripts/command_line.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

package: $(READY)
	$(BIN)/python scripts/package_check.py

clean:
	rm -rf build dist src/elman/_native.* .pytest_cache .ruff_cache .hypothesis
	find src tests fuzz scripts benchmarks examples -name __pycache__ -prune -exec rm -rf {} +
