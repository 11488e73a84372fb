# Two commands do everything: `make demo` and `make test`. Both need Python 3.11 and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo serve test check lint types unit integration bench lock clean

demo: $(STAMP)  ## the main job on real data, then a server on 127.0.0.1:8000
	$(BIN)/tactful demo

serve: $(STAMP)  ## the server alone
	$(BIN)/tactful serve

test: check integration  ## everything that CI runs

check: lint types unit  ## the fast loop: lint, types, floors, unit and property tests

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy

unit: $(STAMP)
	$(BIN)/pytest -q -n 2 -m "not postgres and not thorough" --hypothesis-profile quick \
	  --doctest-modules engine guardrails api tests/unit tests/properties tests/contracts \
	  --cov=guardrails --cov-branch --cov-fail-under=100 --cov-report=term-missing:skip-covered

integration: $(STAMP)  ## properties tried harder, PostgreSQL, HTTP, the whole of the demo's data
	$(BIN)/pytest -q -n 2 -m "hypothesis and not postgres and not thorough" tests/unit tests/properties tests/contracts
	$(BIN)/pytest -q -n 2 -m "postgres or thorough" tests/contracts tests/properties
	$(BIN)/pytest -q -n 2 --dist loadgroup tests/integration

bench: $(STAMP)  ## figures beside their peers, all from one run
	$(BIN)/python -m tests.bench

lock:  ## pin every dependency again; needs uv
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate --no-header -q -o requirements.lock

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tactful needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
