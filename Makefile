# Two commands do everything: `make demo` and `make test`. Both need Python 3.11 and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
QUICK := $(BIN)/pytest -q -n 2 -m "not postgres and not thorough" --hypothesis-profile quick
COMPILE := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-annotate --no-header -q

.PHONY: demo serve test check lint types unit covered integration browser screenshots bench soak audit sbom lock clean

demo: $(STAMP)  ## the main job on real data, then a server on 127.0.0.1:8000
	$(BIN)/tactful demo

serve: $(STAMP)  ## the server alone
	$(BIN)/tactful serve

test: lint types covered integration browser  ## every test; CI runs `make sbom` and `make audit` besides

check: lint types unit  ## the fast loop: lint, types, floors, unit and property tests

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy

unit: $(STAMP)
	$(QUICK) --doctest-modules engine guardrails api tests/unit tests/properties tests/contracts

covered: $(STAMP)  ## the same, and by the tests of guardrails/ every branch of it is taken
	$(QUICK) --doctest-modules engine api tests/unit --ignore=tests/unit/guardrails
	$(QUICK) --doctest-modules guardrails tests/unit/guardrails tests/properties tests/contracts \
	  --cov=guardrails --cov-branch --cov-fail-under=100 --cov-report=term-missing:skip-covered

integration: $(STAMP)  ## properties tried harder, PostgreSQL, HTTP, hosts, Spark, the whole of the demo's data
	PYTHONPATH=tests $(BIN)/python -m support.java
	$(BIN)/pytest -q -n 2 -m "hypothesis and not postgres and not thorough" tests/unit tests/properties tests/contracts
	$(BIN)/pytest -q -n 3 -m "postgres or thorough" tests/contracts tests/properties
	$(BIN)/pytest -q -n 3 --dist loadfile --no-loadscope-reorder tests/integration

browser: $(STAMP)  ## pages in a real Chromium, which is installed if the machine has none
	PYTHONPATH=tests $(BIN)/python -m support.chromium
	$(BIN)/pytest -q -n 3 tests/browser

screenshots: $(STAMP)  ## pictures of the main pages, for the README
	PYTHONPATH=tests $(BIN)/python -m support.chromium
	$(BIN)/tactful demo --no-serve > /dev/null
	PYTHONPATH=tests $(BIN)/python -m tests.browser.screenshots

bench: $(STAMP)  ## figures beside their peers, all from one run
	$(BIN)/python -m tests.bench

soak: $(STAMP)  ## an hour of steady traffic: memory, failures, and a log that verifies
	$(BIN)/python -m tests.bench.soak

audit: $(STAMP)  ## known weaknesses of what is pinned; says so where nobody could be asked
	PYTHONPATH=tests $(BIN)/python -m support.audit

sbom: $(STAMP)  ## the bill of materials, each component with its reason: dist/sbom.json
	PYTHONPATH=tests $(BIN)/python -m support.sbom

lock:  ## pin every dependency again, and of those what an image runs with; needs uv
	$(COMPILE) --all-extras -o requirements.lock
	$(COMPILE) --extra oidc --extra otel --extra s3 -c requirements.lock -o requirements.runtime.lock

# The lock names everything, so pip looks nothing up: where somebody asks for an extra of a pinned package, it would
# take the newest release instead, find no hash for that, and stop.
$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tactful needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m pip check --disable-pip-version-check
	touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
