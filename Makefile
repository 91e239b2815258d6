# What a person does twice has a target here. `make setup` is a no-op until pyproject.toml or
# constraints.txt change; the other targets call it. Packages are installed with their hashes; torch is not,
# because which build of it suits a machine (CPU, CUDA, ROCm) is the machine's choice: make TORCH=... setup.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# Blender as a module needs another numpy than the engine.
HOST := .venv-host
BPY := 5.0.1
TORCH ?= torch==2.13.0
STAMP := $(VENV)/.understudy-setup
# Tools that Understudy does not need itself.
TOOLS := build/tools
JOBS ?= 2
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup lock audit demo test test-host test-slow fuzz lint types addon generate bench population kills base regions docs clean

help: ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  \1\t/' | expand -t 16

setup: $(STAMP) ## Build .venv from the pinned versions

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	awk '/^[^ ]/ { kept = !/^face-alignment==/ } kept' constraints.txt > $(VENV)/hashes.txt
	sed -E '/^ +--hash/d; s/ *\\$$//' $(VENV)/hashes.txt > $(VENV)/versions.txt
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r $(VENV)/hashes.txt
	$(BIN)/python -m pip install --quiet -c $(VENV)/versions.txt $(TORCH)
	$(BIN)/python -m pip install --quiet -c $(VENV)/versions.txt --no-build-isolation -e ".[cpu,dev]"
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r constraints.txt
	touch $@

lock: $(TOOLS)/.installed ## Write the hashes in constraints.txt anew; newer versions with make lock ARGS=--upgrade
	cp constraints.txt build/locked.txt
	echo face-alignment==1.5.0 | $(TOOLS)/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 \
	  --generate-hashes --no-annotate --no-header --extra cpu --extra dev pyproject.toml - -o build/locked.txt $(ARGS)
	awk '/^[^ ]/ { kept = !/^(torch|triton|opencv-python|(nvidia|cuda)-[^=]*)==/ } kept' build/locked.txt > constraints.txt

audit: setup $(TOOLS)/.installed ## Look the installed packages up in the public list of vulnerabilities (network)
	$(TOOLS)/bin/pip-audit --path $$($(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))") $(ARGS)

$(TOOLS)/.installed: Makefile
	test -x $(TOOLS)/bin/python || $(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet pip-audit uv
	touch $@

demo: setup ## Render, train, swap and score the demo shot into demo-out
	$(BIN)/understudy models fetch
	$(BIN)/understudy demo $(ARGS)

test: setup ## Run the default tests
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

test-host: setup $(HOST)/.understudy-bpy ## Run the tests inside Blender, which it installs (1 GB)
	UNDERSTUDY_BLENDER_PYTHON=$(CURDIR)/$(HOST)/bin/python $(BIN)/python -m pytest tests/host/test_blender*.py $(ARGS)

$(HOST)/.understudy-bpy: Makefile
	test -x $(HOST)/bin/python || $(PYTHON) -m venv $(HOST)
	$(HOST)/bin/python -m pip install --quiet bpy==$(BPY)
	touch $@

test-slow: setup ## Run the tests that take minutes
	$(BIN)/python -m pytest -m slow $(ARGS)

fuzz: setup ## Read damaged inputs: make fuzz ARGS="--count 10000", make fuzz ARGS="--reader exr --seed 123"
	PYTHONPATH=tests $(BIN)/python -m fuzz $(ARGS)

lint: setup ## Check style and the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup ## Check the types
	$(BIN)/mypy

addon: setup ## Pack Blender's add-on as understudy_blender.zip
	mkdir -p build
	$(BIN)/python plugin/understudy_blender/package.py build/understudy_blender.zip

generate: setup ## Write the files that follow from the declared options
	$(BIN)/python -m understudy.app.generate
	PYTHONPATH=plugin $(BIN)/python -m understudy_nuke.gizmo
	$(BIN)/python bench/gizmo_picture.py gizmos/Understudy.gizmo docs/nuke_group.png
	$(BIN)/python bench/gizmo_picture.py gizmos/UnderstudyPropagate.gizmo docs/nuke_propagate.png

docs: generate ## Write the pages that are generated

bench: setup ## Train on the demo, swap it and score it: make bench ARGS="--minutes 10,30 --refine-minutes 15"
	$(BIN)/python bench/truth.py $(ARGS)

population: setup ## Score the defaults on twelve rendered pairs that differ: make population ARGS="--half choosing"
	$(BIN)/python bench/population.py $(ARGS)

kills: setup ## Kill extract and track 30 times each on the demo, and compare what they write with whole runs
	$(BIN)/python bench/kills.py $(ARGS)

base: setup ## Render and train the base model that new models begin with: an hour on two quiet cores
	$(BIN)/python bench/base.py $(ARGS)

regions: setup ## Render and train the network of region mattes: an hour on two quiet cores
	$(BIN)/python bench/regions.py $(ARGS)

clean: ## Remove the tools' caches; results, models and .venv stay
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find engine tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
