# make demo: install, and run the whole chain on sample_data/, of texts and of images. make test: lint, types, tests. make docs: the pages that code writes.
PYTHON ?= python3
BIN := .venv/bin
DEMO := runs/demo

.PHONY: demo install test lint format docs clean

install: .venv/installed

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --editable '.[dev]'
	touch $@

demo: install
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/pipelines/text.sh sample_data/text.csv builtin:text-tiny $(DEMO)
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/pipelines/images.sh sample_data/images builtin:image-tiny $(DEMO)-images

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# One thread a process: two workers of two threads each would fight for two cores.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadgroup --durations 10

format: .venv/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/installed-dev
	$(BIN)/python scripts/make_cli_docs.py
	$(BIN)/python scripts/make_method_docs.py

clean:
	rm -rf .venv runs build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
