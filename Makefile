# venv-rpm-macros: `make demo` shows it, `make test` proves it.
# Both install what they need on Debian 12 or Fedora, and say what needs root.

.DEFAULT_GOAL := help
.PHONY: help setup root check test torture mock bench unit advisories pythons rpms release demo clean

PYTHON ?= /usr/bin/python3
BIN := build/venv/bin

help:
	@echo "make demo     build everything; two applications on a throw-away RPM host (root)"
	@echo "make test     every test (root)"
	@echo "make torture  a fault at every call, every hostile input, real packages (root; long)"
	@echo "make mock     the packages and an application in a chroot of mock (root; MOCK=the command)"
	@echo "make bench    how fast it is, beside uv and pip (root; quiet machine; SETS=\"ten zuul\" RUNS=3)"
	@echo "make check    ruff and mypy"
	@echo "make unit     the tests that need no root"
	@echo "make advisories DB=all.zip  every version of every OSV record there, evaluated twice"
	@echo "make rpms     the RPMs, in dist/"
	@echo "make release  the source archive, SRPM, RPMs and dist-git's sources file, in dist/; the same"
	@echo "              bytes from the same commit"
	@echo "make clean    remove what was built; downloaded wheels stay in build/wheels"

setup:
	@sh tests/setup.sh

root:
	@[ "$$(id -u)" = 0 ] || { echo "this needs root: it makes namespaces and overlays for a \
	throw-away RPM host. As an ordinary user: make check, make unit, make rpms" >&2; exit 1; }

$(BIN)/pytest: pyproject.toml | setup
	$(PYTHON) -m venv --system-site-packages build/venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

check: $(BIN)/pytest
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(BIN)/pytest
	$(BIN)/python -m pytest tests/unit tests/macros

pythons: $(BIN)/pytest
	$(BIN)/python -m tests.pythons

rpms: $(BIN)/pytest
	sh fedora/build.sh

release: check rpms
	@git diff --quiet HEAD || { echo "release: there are changes that are not committed" >&2; exit 1; }
	@cd dist && sha256sum *.tar.gz *.rpm

# The unit tests under two Pythons leave some of two cores to what takes one core and less time.
# The packages that %check has seen are those that the tests install. In the order of folders, short
# files are the last, and both processes have work to the end; xdist begins with those of many tests.
test: root $(BIN)/pytest
	@$(MAKE) --no-print-directory -j 3 --output-sync=target check pythons rpms
	VENV_TEST_RPMS=$(CURDIR)/dist $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

torture: root $(BIN)/pytest
	VENV_TORTURE=1 $(BIN)/python -m pytest tests/faults tests/hostile tests/growth \
	tests/generators/test_passes.py

# In a chroot of the running system's own programs, without a network. Its own command: mock is not
# everywhere, and takes minutes.
MOCK ?= mock
mock: root rpms
	@command -v $(firstword $(MOCK)) >/dev/null || { echo "make mock: there is no $(firstword $(MOCK)): \
	see CONTRIBUTING.md" >&2; exit 1; }
	VENV_TEST_MOCK="$(MOCK)" VENV_TEST_RPMS=$(CURDIR)/dist $(BIN)/python -m pytest tests/mock

advisories: $(BIN)/pytest
	VENV_TEST_ADVISORIES=$(abspath $(DB)) $(BIN)/python -m pytest -s tests/unit/test_advisories.py

bench: root $(BIN)/pytest
	$(BIN)/python -m tests.bench --runs $(or $(RUNS),3) $(if $(DOCUMENT),--document) $(SETS)

demo: root rpms
	$(BIN)/python examples/demo.py

clean:
	rm -rf build/venv* build/sources build/rpmbuild.* dist
