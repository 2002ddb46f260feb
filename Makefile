# venv-rpm-macros: `make demo` shows it, `make test` proves it.
# Both install what they need on Debian 12 or Fedora, and say what needs root.

.DEFAULT_GOAL := help
.PHONY: help setup check test unit transactions demo rpms bench clean

VENV := build/venv
PYTHON ?= /usr/bin/python3
BIN := $(VENV)/bin

help:
	@echo "make demo     build everything and show two applications on a throw-away RPM host (root)"
	@echo "make test     pass every test (root)"
	@echo "make check    ruff and mypy"
	@echo "make unit     the tests that need no root"
	@echo "make rpms     leave the RPMs in dist/"
	@echo "make clean    remove what was built; downloaded wheels stay in build/wheels"

setup:
	@sh fedora/setup.sh

$(BIN)/pytest: pyproject.toml | setup
	$(PYTHON) -m venv --system-site-packages $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

check: $(BIN)/pytest
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(BIN)/pytest
	$(BIN)/python -m pytest tests/unit tests/macros

rpms: setup
	sh fedora/build.sh dist

test: check
	$(BIN)/python -m tests.run

demo: setup
	$(PYTHON) examples/demo.py

clean:
	rm -rf build/host build/rpm dist
