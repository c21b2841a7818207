# The words of this house. Everything made lies under build/.
PYTHON ?= python3
BIN := build/venv/bin
PY := $(BIN)/python
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help build test house types lint cover bench demo docs mission long sanitize mutate lock clean environment lint-environment

help: ## what there is to say
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

environment:
	@$(PYTHON) tools/preflight.py
	@$(PYTHON) tools/environment.py runtime test

lint-environment: environment
	@$(PYTHON) tools/environment.py lint

build: environment ## set up build/venv and compile; then build/venv/bin/blaster runs
	@$(PY) tools/build.py release

# A test run uses one processor, and half of its time waits for processes. Each process begins with
# a share of the tests, and takes some of another's when it has none left.
SHARED = -n 2 --dist worksteal

test: build ## run the tests against the release build (T=tests/rules for some of them)
	@$(PY) -m pytest $(or $(T),$(SHARED))

house: build ## check the structure: layers, sizes, exports, words
	@$(PY) -m pytest -q tests/house

types: build lint-environment ## mypy strict, and the stubs of compiled modules against them
	@$(BIN)/mypy
	@$(PY) tools/stubs.py

lint: lint-environment ## ruff and cython-lint
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/cython-lint src

# Left out: what judges by a clock of real processes, for which the trace build is too slow, and
# tests of the whole engine, whose rooms have tests of their own.
UNTRACED = tests/house tests/crash tests/interop tests/mission tests/sim \
	tests/engine/test_delivery_ends.py

cover: build ## run the tests on the trace build; at least 90 % of the lines of src
	@$(PY) tools/build.py trace
	@PYTHONPATH=. $(PY) tools/cover.py $(SHARED) $(UNTRACED:%=--ignore=%)

bench: build ## time the kernels (release build only)
	@$(PY) -m pytest bench/micro --benchmark-enable --benchmark-only

demo: build ## send a whole mailing to providers on this machine (ARGS="--contacts 20000 --json")
	@$(PYTHON) tools/environment.py runtime demo
	@$(BIN)/blaster demo $(ARGS)

docs: build ## write what is made from the code: docs/truth-table.md, docs/schema
	@PYTHONPATH=. $(PY) tools/truth_table.py
	@PYTHONPATH=. $(PY) tools/schemas.py

mission: build ## run the acceptance rows, and count them
	@PYTHONPATH=. $(PY) tools/mission.py

long: build ## run the tests that take minutes (T=tests/crash for some of them)
	@$(PY) -m pytest -m long $(or $(T),$(SHARED)) || test $$? -eq 5 # 5: there are none
ifndef T
	@$(MAKE) --no-print-directory sanitize mutate
endif

sanitize: build ## run the property tests of the rules under gcc's sanitizers
	@$(PY) tools/build.py sanitize
	@$(PY) tools/sanitize.py $(T)

mutate: build ## flip comparisons in the kernels; each must make a test fail
	@PYTHONPATH=. $(PY) tests/rules/mutate.py

lock: environment ## write constraints.txt anew from pyproject's ranges
	@PYTHONPATH=. $(PY) tools/lock.py

clean: ## remove build/
	@rm -rf build
