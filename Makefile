# Every command of the project; `make demo` is the one to start with.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed
TRAINING := .venv-training
TRAINER := $(TRAINING)/.installed

# Weights beside the repository are used unless the caller names others.
ifeq ($(origin BYSTANDER_MODELS),undefined)
ifneq ($(wildcard ../shared/models),)
export BYSTANDER_MODELS := $(abspath ../shared/models)
endif
endif

# Pictures and clips to train and test on, see configs/training/.
ifeq ($(origin BYSTANDER_SHARED),undefined)
ifneq ($(wildcard ../shared/images),)
export BYSTANDER_SHARED := $(abspath ../shared)
endif
endif

# A process a core; tests/conftest.py says what stays together. Matrix products keep to that core,
# too: OpenBLAS's threads wait for each other by spinning, which takes long where all are busy.
SPREAD := -n logical --maxprocesses 8 --no-loadscope-reorder

.PHONY: help demo test test-all test-postgres images lint format api-types docs bench up train train-smoke clean

help:
	@echo "make demo    mask an example video and say where the result is"
	@echo "make test    run the tests of every part, in a few minutes"
	@echo "make test-all run those and the long ones: the whole service, the browser, fuzzing"
	@echo "make test-postgres run the tests of jobs and API against PostgreSQL (part of test-all)"
	@echo "make images  build the container images, start them, mask a video in them (Docker, or root and buildah)"
	@echo "make lint    check style (ruff) and types (mypy)"
	@echo "make format  apply the style"
	@echo "make api-types make the web app's types from the service's OpenAPI document"
	@echo "make docs    build the documentation, with the reference of the library, into out/docs"
	@echo "make bench   measure speed and memory beside the alternatives"
	@echo "make up      start the service (:3000) and the web app (:8501) on this machine (HOST=, PORT=, APP_PORT=; Ctrl-C stops both)"
	@echo "make train   make the person segmenter's weights again (hours; 6 GB of packages)"
	@echo "make clean   remove what the commands above made, the environment too"

$(INSTALLED): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv (a minute or two)"
	@$(BIN)/python -m pip install -qq -c constraints.txt -e '.[dev]'
	@touch $@

.venv: $(INSTALLED)

demo: $(INSTALLED)
	@$(BIN)/bystander demo

test test-all test-postgres: export OPENBLAS_NUM_THREADS := 1

test: $(INSTALLED)
	@$(BIN)/python -m pytest $(SPREAD) -m "not long"

test-all: $(INSTALLED)
	@$(BIN)/python -m pytest $(SPREAD)
	@$(MAKE) --no-print-directory test-postgres

# The tests of jobs and API that open a store (tests/server/conftest.py) once more, against a server
# of their own from Debian's package.
test-postgres: export BYSTANDER_TEST_POSTGRES := 1
test-postgres: $(INSTALLED)
	@$(BIN)/python -m pytest $(SPREAD) tests/server/jobs tests/server/http

images: $(INSTALLED)
	@$(BIN)/python -m deploy.docker.images

lint: $(INSTALLED)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(INSTALLED)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

api-types: $(INSTALLED)
	@$(BIN)/python -m deploy.api_types

docs: $(INSTALLED)
	@$(BIN)/mkdocs build --quiet
	@echo "out/docs/index.html"

bench: $(INSTALLED)
	@$(BIN)/python -m benchmarks

# torch and Ultralytics stay out of .venv: nothing but training needs them.
$(TRAINER): pyproject.toml constraints.txt
	@test -x $(TRAINING)/bin/python || $(PYTHON) -m venv $(TRAINING)
	@echo "installing into $(TRAINING) (6 GB, a few minutes)"
	@$(TRAINING)/bin/python -m pip install -qq -c constraints.txt -e '.[dev,training]'
	@touch $@

train: $(TRAINER)
	@$(TRAINING)/bin/python -m training configs/training/person-seg-n.yaml -o out/training

train-smoke: $(TRAINER)
	@rm -rf out/smoke
	@$(TRAINING)/bin/python -m training configs/training/smoke.yaml -o out/smoke
	@$(TRAINING)/bin/python -m pytest tests/training/test_fine_tune.py tests/training/export

up: $(INSTALLED)
	@exec $(BIN)/python -m frontend.up --host $(or $(HOST),127.0.0.1) --port $(or $(PORT),3000) --app-port $(or $(APP_PORT),8501)

clean:
	@rm -rf .venv .venv-bench .venv-training build dist out .mypy_cache .ruff_cache .pytest_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
