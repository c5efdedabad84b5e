# Three commands do all the set-up: `make read` reads the sample line, `make demo` serves a web page
# that reads lines, `make test` runs the tests.
# Each makes the virtual environment it needs, the first time only.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PACKAGE := setup.cfg pyproject.toml

.PHONY: read demo test lint clean

read: $(VENV)/installed
	@$(BIN)/hwr-hf read samples/line.png

# Gradio would send usage statistics; this page stays on this machine.
demo: $(VENV)/installed-app
	@GRADIO_ANALYTICS_ENABLED=False $(BIN)/python space/app.py

test: $(VENV)/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

lint: $(VENV)/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

clean:
	rm -rf $(VENV) build src/*.egg-info

$(VENV)/bin/pip:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed; name one with: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/installed: $(VENV)/bin/pip $(PACKAGE)
	@echo "Installing hwr_hf into $(VENV): the first time this takes a few minutes." >&2
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/installed-app: $(VENV)/bin/pip $(PACKAGE)
	@echo "Installing hwr_hf[app] into $(VENV): the first time this takes a few minutes." >&2
	$(BIN)/pip install --quiet --editable '.[app]'
	@touch $@ $(VENV)/installed

$(VENV)/installed-dev: $(VENV)/bin/pip $(PACKAGE)
	@echo "Installing hwr_hf[dev] into $(VENV): the first time this takes a few minutes." >&2
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/installed $(VENV)/installed-app
