# Everything here sets itself up: Python 3.11+ with venv, make and a package index are enough.
UV := $(shell command -v uv 2>/dev/null || echo .tools/uv/bin/uv)
PYTHON ?= python3
FUZZ_SECONDS ?= 60
BIN := .venv/bin
export UV_PYTHON_DOWNLOADS ?= never
# A proxy that inspects TLS has its certificate in the system's store, which pip does not read by itself.
export UV_SYSTEM_CERTS ?= true
CERTIFICATES := $(firstword $(SSL_CERT_FILE) $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem))
ifneq ($(CERTIFICATES),)
export PIP_CERT ?= $(CERTIFICATES)
endif
# Where there is no home folder to keep downloads in, as for the arbitrary user of a container.
ifneq ($(shell test -w "$$HOME" && echo writable),writable)
export UV_CACHE_DIR ?= $(CURDIR)/.cache/uv
endif
# The settings of whoever runs this must not reach the tests.
CLEAN := env -u DATABASE_URL -u CADENCE_SYNC_DATABASE_URL -u PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-unit test-system torture torture-web fuzz bench bench-guard bench-cli bench-reporting bench-fleet bench-month check lint types layers lock coverage schema format build constraints sbom notices audit pin-images clean bi bi-test bi-describe dbt-test deploy-test alerts-test systemd-score screenshots bench-web docs docs-serve docs-generate pictures

help: ## Show what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

demo: .venv/ready ## Watch a listing become history, in a temporary Postgres
	@$(BIN)/cadence-sync demo

test: .venv/ready ## Run all tests that need nothing but Python packages
	$(CLEAN) $(BIN)/python -m pytest -q -n 4

test-unit: .venv/ready ## Run the tests that need no database (half a minute)
	$(CLEAN) CADENCE_SYNC_TEST_EXAMPLES=0.1 $(BIN)/python -m pytest -q -n 2 -m "not database and not process and not system and not long and not bi and not dbt and not deploy"

test-system: .venv/ready ## Run the wheel, the web UI in a browser, and the tests of databases and machines on Debian's Postgres and pgbouncer
	sh tests/support/chromium.sh
	sh tests/system/wheel.sh "$(UV)"
	$(CLEAN) sh tests/system/postgres.sh $(BIN)/python -m pytest -q -n 2 -m "database or system"

screenshots: .venv/ready ## Take the pictures of the web UI in docs/images/; installs Chromium
	sh tests/support/chromium.sh
	$(CLEAN) $(BIN)/python -m tools.screenshots docs/images

torture: .venv/ready ## Run 200 kills, 10,000 hostile bodies and the long model test (many minutes)
	$(CLEAN) CADENCE_SYNC_TORTURE_KILLS=200 CADENCE_SYNC_TORTURE_BODIES=10000 CADENCE_SYNC_TORTURE_EXAMPLES=100 \
	CADENCE_SYNC_TORTURE_STEPS=50 $(BIN)/python -m pytest -q tests/torture

torture-web: .venv/ready ## Send hostile requests to a daemon for three minutes; fails where the probe waits longer than 100 ms
	$(CLEAN) CADENCE_SYNC_TORTURE_WEB_SECONDS=180 CADENCE_SYNC_TORTURE_WEB_LATENCY=0.1 $(BIN)/python -m pytest -q -n 0 --timeout 900 tests/torture/test_web.py

fuzz: .venv/ready ## Look for bodies that break the decoder, guided by coverage, for FUZZ_SECONDS
	$(UV) run --frozen --extra embedded --group fuzz python tests/fuzz/fuzz_decode.py -max_total_time=$(FUZZ_SECONDS)

bench: .venv/ready ## Compare with dlt and with the least work possible, in one go (many minutes); installs dlt
	$(UV) sync --frozen --all-extras --group bench --quiet
	$(CLEAN) $(BIN)/python -m bench
	$(CLEAN) $(BIN)/python -m bench.plot

bench-guard: .venv/ready ## Fail where a sync costs more than it should, by figures that no machine changes
	$(CLEAN) $(BIN)/python -m bench.guard

bench-cli: .venv/ready ## Time short commands beside a bare start of the interpreter; fails where a goal is missed
	$(CLEAN) $(BIN)/python -m bench.cli

bench-reporting: .venv/ready ## Time queries of the reporting layer on a million versions, beside their plans (minutes)
	$(CLEAN) $(BIN)/python -m bench.reporting

bench-fleet: .venv/ready ## Poll thousands of organizations through the queue (about 10 minutes)
	$(CLEAN) $(BIN)/python -m bench.fleet

bench-month: .venv/ready ## Live through a month of 200 organizations with a fast clock (minutes)
	$(CLEAN) $(BIN)/python -m bench.month

bench-web: .venv/ready ## Time every page over ten years of weekly changes of 400 cadences (minutes)
	$(CLEAN) $(BIN)/python -m bench.web

bi: .venv/ready .bi/superset/ready ## Show the dashboard in a Superset on this machine; installs Superset
	@$(BIN)/python -m dashboards.tool

bi-test: .venv/ready .bi/superset/ready ## Give Superset the dashboard, ask every chart for data, and take a picture; installs Superset and Chromium
	sh tests/support/chromium.sh
	$(CLEAN) $(BIN)/python -m pytest -q -m bi tests/bi

dbt-test: .venv/ready .bi/dbt/ready ## Let dbt read its project and say how fresh the data are; installs dbt
	$(CLEAN) $(BIN)/python -m pytest -q -m dbt tests/bi

deploy-test: .venv/ready .tools/deploy/ready ## Check what is in deploy/ with systemd, promtool, kustomize and schemas; installs them
	sh tests/deploy/tools.sh
	$(CLEAN) $(BIN)/python -m pytest -q -m deploy tests/deploy

alerts-test: ## Run the unit tests of the alert rules; installs promtool
	sh tests/deploy/tools.sh
	promtool check rules deploy/prometheus/alerts.yml
	promtool test rules deploy/prometheus/alerts.test.yml

systemd-score: ## Show how far the systemd units are confined
	sh tests/deploy/tools.sh
	systemd-analyze security --offline=true --no-pager deploy/systemd/*.service

bi-describe: .venv/ready ## Write Superset's datasets and dbt's sources, after a change of the views
	$(CLEAN) $(BIN)/python -m tools.bi_descriptions

# Zensical checks links and anchors; a page that the navigation lacks, or has in vain, it does not mention.
docs: .venv/ready ## Build the documentation into site/; a link that leads nowhere fails; installs Zensical
	$(UV) sync --frozen --all-extras --group docs --quiet
	$(BIN)/zensical build --strict --clean
	$(CLEAN) $(BIN)/python -m pytest -q tests/docs/test_site.py

docs-serve: .venv/ready ## Show the documentation on loopback, and again after each change
	$(UV) sync --frozen --all-extras --group docs --quiet
	$(BIN)/zensical serve

docs-generate: .venv/ready ## Write the reference pages, after a change of settings, commands, tables or metrics
	$(CLEAN) $(BIN)/python -m tools.reference.generate

pictures: .venv/ready ## Render the terminal's picture, docs/images/terminal.svg
	$(CLEAN) $(BIN)/python -m tools.terminal_picture

check: lint types layers lock coverage schema ## Run every rule that a tool enforces

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready
	$(BIN)/mypy

layers: .venv/ready
	$(BIN)/lint-imports

lock: .venv/ready
	$(UV) lock --check

coverage: .venv/ready
	$(BIN)/python -m pytest -q tests/core --cov --cov-report=term:skip-covered

schema: .venv/ready
	$(CLEAN) $(BIN)/python -m pytest -q tests/db/test_migrations.py

format: .venv/ready ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

build: .venv/ready ## Build the wheel into dist/
	$(UV) build --wheel --out-dir dist

constraints: .venv/ready ## Write dist/constraints.txt, for `pip install --constraint`: the tested versions
	@mkdir -p dist
	$(UV) export --frozen --quiet --no-dev --all-extras --no-emit-project --no-hashes --output-file dist/constraints.txt

sbom: .venv/ready ## Write dist/sbom.cdx.json: what is installed with every extra, as CycloneDX
	@mkdir -p dist
	$(UV) export --frozen --quiet --no-dev --all-extras --preview-features sbom-export --format cyclonedx1.5 --output-file dist/sbom.cdx.json

notices: .venv/ready ## Write dist/THIRD-PARTY-NOTICES: the licenses of what the image redistributes
	@mkdir -p dist
	UV_PROJECT_ENVIRONMENT=.tools/notices $(UV) sync --frozen --no-dev --no-editable --quiet
	.tools/notices/bin/python tools/notices.py > dist/THIRD-PARTY-NOTICES

audit: .venv/ready ## Ask osv.dev for known vulnerabilities of what uv.lock names; needs the internet
	$(UV) audit --frozen $(AUDIT_OPTIONS)

pin-images: ## Write images.env: the container images by digest; needs docker and the registries
	sh deploy/pin-images.sh

clean: ## Remove what was built here
	rm -rf .venv .tools .bi .cache dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage

.venv/ready: pyproject.toml uv.lock | $(UV)
	@echo "Installing cadence-sync and what it needs into .venv (about 30 s the first time) ..."
	@$(UV) sync --frozen --all-extras --quiet
	@touch .venv/ready

# Superset 6.1 knows Python up to 3.12.
.bi/superset/ready: dashboards/superset/requirements.txt | $(UV)
	$(UV) venv --quiet --clear --python ">=3.11,<3.13" .bi/superset
	$(UV) pip install --quiet --python .bi/superset/bin/python -r dashboards/superset/requirements.txt
	@touch .bi/superset/ready

.bi/dbt/ready: dashboards/dbt/requirements.txt | $(UV)
	$(UV) venv --quiet --clear --python ">=3.11,<3.14" .bi/dbt
	$(UV) pip install --quiet --python .bi/dbt/bin/python -r dashboards/dbt/requirements.txt
	@touch .bi/dbt/ready

.tools/deploy/ready: tests/deploy/requirements.txt | $(UV)
	$(UV) venv --quiet --clear .tools/deploy
	$(UV) pip install --quiet --python .tools/deploy/bin/python -r tests/deploy/requirements.txt
	@touch .tools/deploy/ready

.tools/uv/bin/uv:
	@echo "Installing uv, which sets up everything else, into .tools/uv (about 10 s) ..."
	@$(PYTHON) -m venv .tools/uv
	@.tools/uv/bin/pip install --quiet --disable-pip-version-check "uv>=0.9"
