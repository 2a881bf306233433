# `make` sets up and runs the default recipe; `make test` passes the tests; `make help` lists all.

.DELETE_ON_ERROR:
.SUFFIXES:
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := recipe

ROOT := .
include recipes/environment.mk

.PHONY: recipe install test test-all lint help clean

recipe: $(INSTALLED) ## set up, train on the corpus that ships here, translate and score its test set
	@$(MAKE) --no-print-directory -C recipes/office-help
install: $(INSTALLED) ## set up the virtual environment in .venv
# One process a core, each with one thread: what is tested is tiny, and would wait for more threads.
PYTEST = OMP_NUM_THREADS=1 $(ENVIRONMENT)/bin/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile
test: $(INSTALLED_DEV) ## run the tests
	$(PYTEST)
test-all: $(INSTALLED_DEV) ## run the tests, the slow ones too
	$(PYTEST) -m '' -rs
lint: $(INSTALLED_DEV) ## check style and types
	$(ENVIRONMENT)/bin/ruff check .
	$(ENVIRONMENT)/bin/ruff format --check .
	$(ENVIRONMENT)/bin/mypy
clean: ## remove what recipes made, and the virtual environment
	rm -rf recipes/*/out $(ENVIRONMENT)
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 12
	@echo "Recipes: make -C recipes/NAME; make -C recipes/NAME help lists its stages."
