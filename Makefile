# make demo    the default job on real input         make check   format, lint, types
# make test    every test                            make test-fast   what needs no converter
# make setup   the environment, everything pinned    make clean   all that the others made
# make setup-arm  emulated Arm cores for the demo    make test-all    every case of slow tests, not a few of each
# make fuzz    odd and damaged input against the command: FUZZ_INPUTS of it, chosen by FUZZ_SEED

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
RECIPE := examples/basic_pitch/testpress.toml
WHEELS := $(wildcard examples/*/requirements.txt)
# For example TORCH_INDEX=https://download.pytorch.org/whl/cpu, to take PyTorch's CPU build on Linux.
TORCH_INDEX ?=
FUZZ_INPUTS ?= 10000
FUZZ_SEED   ?= 1

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: setup setup-arm demo test test-all test-fast fuzz check clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt $(WHEELS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch==2.13.0
	$(BIN)/pip install -q -c constraints.txt -e ".[all,sign,example,dev]"
	$(BIN)/pip install -q --no-deps $(WHEELS:%=-r %)
	touch $@

setup-arm: $(READY)
	$(BIN)/testpress setup arm

# Exit code 3 says that a budget broke. Here it is meant to: the float16 Core ML bundle shows what a report is for.
demo: $(READY)
	@$(BIN)/testpress run $(RECIPE); status=$$?; \
	if [ $$status -eq 3 ]; then echo "(a release job would stop here with exit code 3)"; else exit $$status; fi

# Two processes test on two cores: libraries that took both in each would wait for each other.
test test-all test-fast: export OMP_NUM_THREADS = 1
test test-all test-fast: export OPENBLAS_NUM_THREADS = 1

# Files in their own order: the longest tests are not in the last ones.
test: $(READY)
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

test-all: export TESTPRESS_CASES = all
test-all: test

test-fast: $(READY)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow"

fuzz: $(READY)
	$(BIN)/python -m tests.fuzz --inputs $(FUZZ_INPUTS) --seed $(FUZZ_SEED)

check: $(READY)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

clean:
	rm -rf $(VENV) .cache build *.egg-info examples/*/testpress-out
