# Everything a person needs, from a machine with make and Python >= 3.11 only. `make help` lists the targets.
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo-out
RULES ?=
PYTEST_FLAGS ?=
PIP_FLAGS := --quiet --quiet --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.PHONY: help demo test lint format type imports bench docs docs-check examples all clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.runtime ## forge rules from examples/templates, scan examples/traffic, print the report
	@$(BIN)/ruleforge demo --out $(OUT)

test: $(VENV)/.dev ## run the tests; those that need the development data say so and are skipped without it
	@$(BIN)/python -m pytest $(PYTEST_FLAGS)

lint: $(VENV)/.dev imports ## style, format and import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(VENV)/.dev ## rewrite files to the house format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

type: $(VENV)/.dev ## mypy --strict
	@$(BIN)/mypy

imports: $(VENV)/.dev ## the layers of docs/explanation/architecture.md
	@$(BIN)/lint-imports

bench: $(VENV)/.dev ## speed and memory beside other engines, into bench/results.json; RULES=folder: the rules to measure with
	@$(BIN)/python bench/run.py $(RULES)

docs: $(VENV)/.dev ## write docs/reference from the registries and --help
	@$(BIN)/python scripts/make_docs.py

docs-check: $(VENV)/.dev ## fail when docs/reference or examples are not what the scripts write
	@$(BIN)/python scripts/make_docs.py --check
	@$(BIN)/python scripts/make_examples.py --check

examples: $(VENV)/.dev ## write the sample traffic again (deterministic)
	@$(BIN)/python scripts/make_examples.py

all: lint type test docs-check demo ## what CI runs, apart from the wheel

clean: ## remove the environment and everything that was made
	@rm -rf $(VENV) $(OUT) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find src tests scripts bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# Two stamps, so that the demo does not install linters. `touch` comes last: a broken install is tried again.
$(VENV)/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "RuleForge needs Python 3.11 or newer. Install it (Debian, Ubuntu: apt-get install" \
	"python3 python3-venv), or say which: make PYTHON=/path/to/python3.12"; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than Python 3.11"; exit 2; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments." \
	"Debian, Ubuntu: apt-get install python3-venv; other systems: the package that holds 'venv' and 'ensurepip'"; exit 2; }
	@echo "Making $(VENV) with $$("$(PYTHON)" --version) ..."
	@"$(PYTHON)" -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml | $(VENV)/bin/python
	@echo "Installing RuleForge into $(VENV) (once, about a minute) ..."
	@$(BIN)/python -m pip install $(PIP_FLAGS) --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install $(PIP_FLAGS) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.runtime
	@echo "Installing the development tools into $(VENV) (once) ..."
	@$(BIN)/python -m pip install $(PIP_FLAGS) --group dev
	@touch $@
