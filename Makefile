# One word each: make demo | test | bench | check. Each makes its own virtual environment in $(VENV),
# installs what it needs there, builds the native core, and is quick the second time.
#
#   PYTHON=...   the interpreter that makes the environment (CPython 3.11 or newer)
#   VENV=...     where the environment goes
#   ARGS=...     passed on: make test ARGS="tests/search -k golden", make demo ARGS="--help"

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
NATIVE := $(shell find csrc bindings -name '*.cc' -o -name '*.h' 2>/dev/null)
CPP := $(filter %.cc %.h,$(NATIVE))

.PHONY: help demo test bench check sanitize fuzz soak format build clean
.DELETE_ON_ERROR:

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## ?/\1\t/' | expand -t 10

demo: $(VENV)/installed  ## a planner cooks in a kitchen whose rules it never saw; writes out/demo.gif
	$(BIN)/python -m rollout demo $(ARGS)

test: $(VENV)/installed $(VENV)/test-tools  ## all tests
	$(BIN)/python -m pytest $(ARGS)

bench: $(VENV)/installed $(VENV)/test-tools  ## time us beside rivals and floors; one table of ratios, out/bench.{json,png}; PEERS=1 installs more rivals
	$(BIN)/python -m rollout bench $(if $(PEERS),--peers) $(ARGS)

check: $(VENV)/installed $(VENV)/test-tools $(VENV)/check-tools  ## linters, types, formatting, native warnings as errors, stubs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $(CPP)
	g++ -std=c++20 -fsyntax-only -Wall -Wextra -Werror -Icsrc tests/stress/*.cc
	ROLLOUT_WERROR=1 $(BIN)/python setup.py --quiet build_ext --build-temp build/werror --build-lib build/werror/lib
	$(BIN)/python -m pytest -q tests/test_stubs.py

sanitize: $(VENV)/installed $(VENV)/test-tools  ## tests under ASAN, UBSAN and TSAN: KIND=address or KIND=thread for one of the two
	$(foreach kind,$(or $(KIND),address thread),$(BIN)/python tests/sanitize.py $(kind) $(ARGS) &&) true

fuzz: $(VENV)/installed  ## fuzz layouts, plug-ins' descriptions and snapshots, FUZZ_SECONDS=60 each; the first two need clang
	$(BIN)/python tests/fuzz/run.py $(FUZZ_SECONDS)

soak: $(VENV)/installed  ## 200 million steps over all environments, with constant memory; ARGS=STEPS for fewer
	$(BIN)/python tests/soak/soak.py $(ARGS)

format: $(VENV)/check-tools  ## rewrite Python and C++ as `make check` wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP)

build: $(VENV)/installed  ## the virtual environment and the native core

clean:  ## remove the environment and everything built
	rm -rf $(VENV) build dist out *.egg-info rollout/_native*.so

# the build requirements live in the environment itself, so that a rebuild finds its object files again
$(VENV)/python-ready: constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(0 if sys.version_info >= (3, 11) else "make: needs CPython 3.11 or newer, $(PYTHON) is " + v + "; run make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt 'setuptools>=68' 'pybind11>=2.13' wheel
	@touch $@

$(VENV)/dependencies: $(VENV)/python-ready pyproject.toml
	@echo "installing rollout and what it needs into $(VENV): torch is large, so the first time takes minutes"
	$(PIP) install -c constraints.txt --no-build-isolation --editable .
	@touch $@

$(VENV)/installed: $(VENV)/dependencies setup.py $(NATIVE)
	$(BIN)/python setup.py --quiet build_ext --inplace
	@touch $@

# tests compare with other packages; these are installed bare, since their own requirements are not used
$(VENV)/test-tools: $(VENV)/dependencies tests/oracles.txt
	$(PIP) install -c constraints.txt --no-build-isolation --editable '.[test]'
	$(PIP) install --no-deps -r tests/oracles.txt
	@touch $@

$(VENV)/check-tools: $(VENV)/dependencies
	$(PIP) install -c constraints.txt ruff mypy clang-format
	@touch $@
