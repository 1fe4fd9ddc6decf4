# The same few commands by hand and in CI. Needs only Python 3.11+ with venv, and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_COMPILE = $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --no-header --no-emit-index-url --quiet

.PHONY: install demo test bench format lint type lock clean

install: $(VENV)/.installed

# The lock file is the truth: a new lock makes a new install.
$(VENV)/.installed: requirements-dev.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements-dev.lock
	touch $@

demo: install
	$(BIN)/python -m server demo

test: lint type
	$(BIN)/python -m kernels.warm
	$(BIN)/python -m pytest --numprocesses=auto --dist=loadgroup

bench: install
	$(BIN)/python -m bench

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: install
	$(BIN)/mypy

# Rewrites the three lock files from pyproject.toml: run time, development, and everything with the extras.
lock: install
	$(UV_COMPILE) --generate-hashes --output-file requirements.lock
	$(UV_COMPILE) --generate-hashes --constraint requirements.lock --group dev --output-file requirements-dev.lock
	$(UV_COMPILE) --constraint requirements-dev.lock --all-extras --output-file requirements-extras.lock

clean:
	rm -rf $(VENV) .aisle .mypy_cache .ruff_cache .pytest_cache .hypothesis
