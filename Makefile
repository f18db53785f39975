PYTHON ?= python3
BIN := .venv/bin
SOURCES := src tests benchmarks notebooks pipelines docs

.PHONY: demo story notebooks test chaos docs pictures setup lint fix bench check clean

demo: .venv/local  ## the whole story, offline, on this machine
	$(BIN)/phi-azure demo

story: .venv/local  ## the same as commands: a gate passed, traffic shifted and rolled back, a poor model refused
	PATH="$(CURDIR)/$(BIN):$$PATH" examples/story.sh

notebooks: .venv/dev  ## executes the notebooks, which really trains, and keeps their outputs
	$(BIN)/python notebooks/execute.py

test: .venv/dev  ## the tests, in parallel
	$(BIN)/pytest -n auto

chaos: .venv/dev  ## the test of random faults at full length: 200 courses of each kind, half an hour
	PHI_AZURE_COURSES=200 $(BIN)/pytest -n auto tests/test_chaos.py tests/test_story.py -m 'not engine'

setup: .venv/dev  ## the environment for work on phi_azure

lint: .venv/dev  ## style, types, direction of imports
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: .venv/dev  ## what can be put right by itself
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

docs: .venv/dev  ## the documentation site, in site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

pictures: .venv/dev  ## the pictures of the documentation: a job is trained here, the terminal and the pages are taken
	$(BIN)/python docs/make_pictures.py

bench: .venv/dev  ## the measurements
	$(BIN)/python benchmarks/startup.py

check: lint test  ## what CI runs

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip  # the resolver of pip 23.2, which Python 3.11 brings, gives up here

.venv/local: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[local]'
	@touch $@

.venv/dev: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[local,edge,dev]'
	@touch $@

clean:  ## removes what was made here, but no .phi-azure
	rm -rf .venv site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
