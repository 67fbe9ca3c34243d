# `make run` and `make test` are all that a newcomer needs; `make help` lists the rest.

PYTHON ?= python3
BIN = .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run setup test test-long lint format test-ui lock build bench clean

help:  ## Show this list
	@sed -nE 's/^([a-z-]+):.*  ## (.*)/\1\t\2/p' Makefile | while IFS='	' read -r target text; do \
	  printf '  make %-9s %s\n' "$$target" "$$text"; done

run:  ## Set up and serve page, REST and WebSocket (ARGS="--port 4000" for options)
	@$(PYTHON) scripts/setup.py run
	@exec $(BIN)/cipher serve $(ARGS)

setup:  ## Set up for development without starting anything
	@$(PYTHON) scripts/setup.py test

test: setup lint test-ui  ## Set up, then check style, types and layering, and run every test
	$(BIN)/pytest $(ARGS)

test-long: setup  ## Run the sweeps of the durability tests with their large numbers
	$(BIN)/pytest --long $(ARGS)

lint: setup  ## Check style, types and layering
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python scripts/page.py npm run --silent typecheck

format: setup  ## Format the Python code and mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

test-ui: setup
	$(BIN)/python scripts/page.py npm test --silent

lock:  ## Resolve the dependencies anew into the requirements files
	@$(PYTHON) scripts/setup.py lock

build:  ## Build the wheel and the source distribution, the page inside, into dist/
	@$(PYTHON) scripts/setup.py run
	$(BIN)/hatchling build

bench: setup  ## Measure everything that needs no peers into bench/results/
	for bench in appends reads size start first_token postgres cache; do $(BIN)/python bench/$$bench.py || exit; done

clean:  ## Remove everything that set-up, builds and tests made; data/ stays
	rm -rf .venv ui/node_modules src/cipher/web/static dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find bench scripts src tests -name __pycache__ -prune -exec rm -rf {} +
