# Everything begins here, on a machine with Python 3.11+, and Node 20.19+ for the pages.

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

PAGE := webform/out/index.html
PAGE_SOURCES := $(shell find webform/app webform/components webform/lib webform/public -type f 2>/dev/null) \
	$(filter-out webform/next-env.d.ts webform/tsconfig.json,$(wildcard webform/*.ts webform/*.mjs webform/package.json))
NODE_IS_THERE = node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null && npm --version >/dev/null 2>&1

.DEFAULT_GOAL := help
.PHONY: help setup run test check web bench clean

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do printf '  make %-8s %s\n' "$$name" "$$text"; done

setup: $(VENV)/.synced ## Install what is needed, here in the folder
	@if $(NODE_IS_THERE); then $(MAKE) --no-print-directory $(PAGE); else \
	echo "Node 20.19+ was not found: going on without the pages (the API serves a plain form). Install Node and run make again to have them."; fi

run: setup ## Run the whole product on this machine; ARGS="--port 9000 --data-dir DIR" are handed on
	@exec $(BIN)/fte up $(ARGS)

test: setup ## Run the tests (not the slow ones)
	$(BIN)/pytest -n 2 -m "not slow and not model" $(ARGS)
	@if $(NODE_IS_THERE); then cd webform && npm test; else echo "Node 20.19+ was not found: the tests of the pages did not run."; fi

check: $(VENV)/.synced ## Format, lint, import direction, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/pyright

web: $(PAGE) ## Build the web form

bench: $(VENV)/.synced ## Measure messages a second, beside LangGraph's defaults
	$(BIN)/fte bench $(ARGS)

clean: ## Remove what was installed and built; data stays
	rm -rf $(VENV) webform/node_modules webform/.next webform/out .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# uv comes into the environment from the package index, so that the machine needs nothing but Python.
$(VENV)/.synced: pyproject.toml uv.lock | $(BIN)/uv
	$(BIN)/uv sync --locked --inexact
	@touch $@

$(BIN)/uv:
	@for name in python3.13 python3.12 python3.11 python3; do \
		if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
			echo "Making $(VENV) with $$name"; \
			$$name -m venv $(VENV) && $(BIN)/python -m pip install --quiet --disable-pip-version-check uv; exit; \
		fi; \
	done; echo "Python 3.11 or newer was not found: install it, then run make again." >&2; exit 1

webform/node_modules/.package-lock.json: webform/package.json webform/package-lock.json
	cd webform && npm ci
	@touch $@

$(PAGE): webform/node_modules/.package-lock.json $(PAGE_SOURCES)
	cd webform && npm run build
	@touch $@
