# Targets make .venv themselves. Another Python: PYTHON=python3.12 make demo
PYTHON ?= python3
READY := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test lint new-curriculum

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

demo: $(READY) ## a whole study on the bundled data, to a report: some minutes on two CPU cores
	.venv/bin/python -m study.run

test: lint ## lint, then the test suite
	.venv/bin/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder

lint: $(READY) ## style, format and types
	.venv/bin/python -m ruff check
	.venv/bin/python -m ruff format --check
	.venv/bin/python -m mypy

new-curriculum: $(READY) ## a curriculum and its test, to change into your own: make new-curriculum NAME=my_idea
	.venv/bin/python -m curricula.new "$(NAME)"

# The stamp is written last, so an installation that was interrupted is made again.
# The last file that venv writes is pip: without it, .venv is not whole.
$(READY): pyproject.toml .ci/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  found=$$($(PYTHON) --version 2>/dev/null || echo "not there"); \
	  echo "error: Python 3.11 or later is needed, but $(PYTHON) is $$found;" \
	    "name another: PYTHON=python3.12 make $(MAKECMDGOALS)" >&2; \
	  exit 1; }
	@test -x .venv/bin/pip || $(PYTHON) -m venv .venv
	@echo "installing into .venv; the first time takes some minutes"
	@.venv/bin/python -m pip install -qq --no-input --disable-pip-version-check -c .ci/constraints.txt -e '.[dev]'
	@touch $@
