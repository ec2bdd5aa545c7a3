# Everything here works in a fresh clone: `.venv` is made on first use and again when pyproject.toml
# changes. All paths are relative, so that a clone may lie in a folder with spaces.
#
#   make test WELLPOSED_PYTHON=/path/to/python   uses that environment as it is and installs nothing
#   make test TORCH=torch==2.13.0                takes PyTorch as PyPI has it (CUDA on Linux)
#   make test ARGS="-k layers"                   hands more arguments to pytest

# Everything was measured with this one; where the local part "+cpu" is unknown, see the fall-back.
TORCH ?= torch==2.13.0+cpu
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
ARGS ?=

ifdef WELLPOSED_PYTHON
  PYTHON := $(WELLPOSED_PYTHON)
  SETUP :=
  export PYTHONPATH := $(CURDIR)/src
else
  PYTHON := .venv/bin/python
  SETUP := .venv/ready
endif

# Idle threads sleep instead of spinning: docs/decisions/013.
export OMP_WAIT_POLICY ?= PASSIVE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test lint format types smoke clean

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r name text; \
	  do printf '  make %-8s %s\n' "$$name" "$$text"; done

setup: $(SETUP) ## Make .venv with everything needed (done by the other targets on their own)

demo: $(SETUP) ## Train a small enhancer in minutes, score it, and hear the difference
	@"$(PYTHON)" -m wellposed demo $(ARGS)

test: $(SETUP) ## Run the tests, on up to four cores
	@"$(PYTHON)" -m pytest -n auto --maxprocesses 4 --dist worksteal $(ARGS)

lint: $(SETUP) ## Check style and format
	@"$(PYTHON)" -m ruff check
	@"$(PYTHON)" -m ruff format --check

format: $(SETUP) ## Put the code into the agreed format
	@"$(PYTHON)" -m ruff check --fix
	@"$(PYTHON)" -m ruff format

types: $(SETUP) ## Check the types
	@"$(PYTHON)" -m pyrefly check --python-interpreter-path "$(PYTHON)"

smoke: $(SETUP) ## Train, resume, evaluate and use a tiny model in a temporary folder
	@.ci/smoke "$(PYTHON)"

clean: ## Remove what the other targets left behind, .venv included
	rm -rf .venv .pytest_cache .ruff_cache dist
	find src tests benchmarks -type d -name __pycache__ -prune -exec rm -rf {} +

# PyTorch comes first, because Linux would otherwise get CUDA (gigabytes) from PyPI. A PyTorch that
# is already in .venv is kept, whatever it is: the constraint stops pip from replacing it.
# First try: the CPU wheel from wherever pip is configured to look. Second: PyTorch's own CPU index
# beside PyPI; there "2.13.0" means "2.13.0+cpu" on Linux, and the plain wheel on macOS.
# PESQ is built from source, and constriction has no wheel for some machines; without them everything
# else still works.
.venv/ready: pyproject.toml
	@test -x .venv/bin/python || { \
	  for python in python3 python3.13 python3.12 python3.11; do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	    python=; \
	  done; \
	  test -n "$$python" || { \
	    echo "make: no Python 3.11 or newer found (python3 is: $$(python3 --version 2>&1))." >&2; \
	    echo "make: install one, or pass WELLPOSED_PYTHON=/path/to/python of an environment." >&2; \
	    exit 1; }; \
	  echo "Making .venv with $$("$$python" --version); the first time takes some minutes."; \
	  "$$python" -m venv .venv || { rm -rf .venv; exit 1; }; }
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip --upgrade
	@.venv/bin/python -c 'import torch' 2>/dev/null \
	  || .venv/bin/python -m pip install --disable-pip-version-check "$(TORCH)" 2>/dev/null \
	  || .venv/bin/python -m pip install --disable-pip-version-check \
	    "$(firstword $(subst +, ,$(TORCH)))" --extra-index-url "$(TORCH_INDEX)"
	@.venv/bin/python -c 'from importlib.metadata import version as v; print("torch==" + v("torch"))' \
	  > .venv/keep.txt
	@.venv/bin/python -m pip install --disable-pip-version-check -q -c .venv/keep.txt \
	    -e '.[dev,metrics,codec,tune]' \
	  || { echo "make: once more without PESQ (needs a C compiler) and constriction." >&2; \
	    .venv/bin/python -m pip install --disable-pip-version-check -c .venv/keep.txt -e '.[dev]'; }
	@touch .venv/ready
