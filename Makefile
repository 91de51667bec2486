# `make` lists the targets. Everything happens in .venv; nothing outside this folder is changed.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
WORKERS ?= 2
ARGS ?=
FUZZ ?= 2000
SECONDS_A_READER ?= 30

BIN := .venv/bin
# Written when .venv holds what the lock file and pyproject.toml ask for.
INSTALLED := .venv/.installed

export PIP_DISABLE_PIP_VERSION_CHECK := 1
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help setup test check format fuzz fuzz-coverage demo bench-timing bench-width bench-calogan bench-reweighting bench-judges bench-showers bench-calochallenge bench-inference bench-jets bench-scale bench-service bench-startup release try-release docs-tables site site-serve lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: $(INSTALLED) ## make .venv and install the locked packages and the project (a no-op if nothing changed)

test: check ## set up, then run every check and the tests (ARGS="tests/test_events.py -k nan" narrows them)
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(INSTALLED) ## set up, then ruff, mypy and the order of the rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(INSTALLED) ## let ruff mend and format the source
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

fuzz: $(INSTALLED) ## set up, then damage files of every kind in thousands of ways and read them (FUZZ=500 examples of each)
	SIMULACRA_FUZZ=$(FUZZ) $(BIN)/pytest -q -p no:cacheprovider tests/fuzzing/test_fuzzed_readers.py $(ARGS)

fuzz-coverage: $(INSTALLED) ## set up with atheris, then damage files so that they reach new lines of each reader (SECONDS_A_READER=30)
	$(BIN)/python -m pip install -qq --only-binary :all: 'atheris>=3.0'
	$(BIN)/python tests/fuzzing/coverage_guided.py all $(SECONDS_A_READER)

demo: $(INSTALLED) ## set up, then judge two generators beside Geant4 (ARGS=--quick: in a minute; ARGS=jets or ARGS=reweighting: Pythia)
	$(BIN)/simulacra demo $(ARGS)

bench-timing: $(INSTALLED) ## set up, then time Geant4 and the generator on this machine
	$(BIN)/python -m benchmarks.timing $(ARGS)

bench-calogan: $(INSTALLED) ## set up, then judge every shipped generator on Geant4's test showers
	$(BIN)/python -m benchmarks.calogan $(ARGS)

bench-width: $(INSTALLED) ## set up, then train and judge CaloGAN at several widths (hours; ARGS=data/calogan-eplus.zarr)
	$(BIN)/python -m benchmarks.width $(ARGS)

bench-reweighting: $(INSTALLED) ## set up, then reweight and fit with real Pythia: the figures of docs/reweighting.md (an hour)
	$(BIN)/python -m benchmarks.reweighting $(ARGS)

bench-judges: $(INSTALLED) ## set up, then plant failures for the judges to see: the figures of docs/judges.md (half an hour)
	$(BIN)/python -m benchmarks.judges $(ARGS)

bench-showers: $(INSTALLED) ## set up, then show how good and how fast each family's showers are, on one truth (25 minutes)
	$(BIN)/python -m benchmarks.showers $(ARGS)

bench-calochallenge: $(INSTALLED) ## set up, then judge showers in the mesh of the CaloChallenge's set 2 by its classifier (an hour)
	$(BIN)/python -m benchmarks.calochallenge $(ARGS)

bench-inference: $(INSTALLED) ## set up, then time torch, ONNX Runtime and 8-bit products side by side (ARGS=calo-gamma)
	$(BIN)/python -m benchmarks.inference $(ARGS)

bench-jets: $(INSTALLED) ## set up, then simulate jets and judge every system of jets on them (ARGS="--only clouds")
	$(BIN)/python -m benchmarks.jets $(ARGS)

bench-sky: $(INSTALLED) ## set up, then judge every system of the sky on surveys' data in ../shared/data (ARGS="--only stars")
	$(BIN)/python -m benchmarks.sky $(ARGS)

bench-scale: $(INSTALLED) ## set up, then train, generate and judge with 100 to 100,000 showers of 40,500 cells in 4 GiB (hours)
	$(BIN)/python -m benchmarks.scale $(ARGS)

bench-service: $(INSTALLED) ## set up, then ask a service for 200 showers a second, one each (4 minutes; ARGS="--rates 400")
	$(BIN)/python -m benchmarks.service $(ARGS)

bench-startup: $(INSTALLED) ## set up, then time import simulacra and simulacra --help
	$(BIN)/python -m benchmarks.startup $(ARGS)

release: $(INSTALLED) ## set up, then build wheel and sdist into dist/, check what they hold and print their sizes
	$(BIN)/python .ci/release.py

try-release: release ## build, then install the wheel with [geant4,jets] in a fresh environment and use it (minutes, and the index)
	$(BIN)/python .ci/try_release.py $(ARGS)

docs-tables: $(INSTALLED) ## set up, then write the tables of README.md and docs/ from benchmarks/results (ARGS=--check)
	$(BIN)/python -m benchmarks.documents $(ARGS)

site: $(INSTALLED) ## set up, then build the documentation into site/ (open site/index.html)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict $(ARGS)

site-serve: $(INSTALLED) ## set up, then show the documentation on a local port while it is written
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve $(ARGS)

lock: $(BIN)/python ## resolve requirements.lock anew from pyproject.toml and constraints.txt
	$(BIN)/python .ci/lock.py

clean: ## remove .venv, the caches and what was built
	rm -rf .venv build dist site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache src/*.egg-info
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || { echo "$(PYTHON) is not on the PATH: install Python 3.11, or name one: make PYTHON=/path/to/python3.11"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Simulacra needs Python 3.11 or later, $(PYTHON) is older"; exit 1; }
	"$(PYTHON)" -m venv --clear .venv

$(INSTALLED): requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing the packages of requirements.lock into .venv (minutes, the first time)"
	@$(BIN)/python -m pip install -qq --only-binary :all: -r requirements.lock
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation -e .
	@touch $@
