# Each target sets up what it needs: a virtual environment in .venv from the locked versions, and the programs of a
# local Kubernetes control plane in the user's cache folder. `make help` lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PROJECTS := . simulator gotools controlplane playground benchmarks chaos
CRD := crds/cce.huaweicloud.com_imagecaches.yaml
# helm takes nothing from outside of a chart's folder, so the chart has copies of these.
CHART := deploy/helm/imagecache-operator
COPIED := $(CRD) deploy/kustomize/components/finalizer-policy/policy.yaml \
  deploy/monitoring/alerts.yaml deploy/monitoring/dashboard.json
# The alerts as an object of the Prometheus operator, for kustomize: its own head, then alerts.yaml.
RULE := deploy/monitoring/prometheus-rule.yaml
MAKE_RULE := { sed '/^spec:/q' $(RULE); sed 's/^./  &/' deploy/monitoring/alerts.yaml; }
PYTEST_ARGS ?=
BENCH_ARGS ?=
CHAOS_ARGS ?=
SOAK_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo playground test image-test lint format bench chaos soak generate lock clean

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup: $(STAMP) ## the virtual environment, with exactly the versions that were tested

$(STAMP): requirements/dev.txt pyproject.toml $(foreach project,$(filter-out .,$(PROJECTS)),$(project)/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed, and $(PYTHON) is older: run make PYTHON=python3.12, say" >&2; exit 2; }
	@echo "Setting up $(VENV): some 90 packages, about a minute"
	@$(PYTHON) -m venv --clear $(VENV) \
	  || { echo "The module venv is needed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation \
	  $(foreach project,$(PROJECTS),--editable ./$(project))
	@touch $@

demo: $(STAMP) ## the main job from end to end, in about a minute; exit status 0 only if what it shows is true
	@$(BIN)/python -m imagecache_playground demo

playground: $(STAMP) ## control plane, simulator and operator, left running for you to try; Ctrl-C ends it
	@$(BIN)/python -m imagecache_playground playground

test: $(STAMP) ## all tests
	@$(BIN)/python -m imagecache_controlplane --programs-only >/dev/null
	@$(BIN)/python -m imagecache_gotools >/dev/null
	@# More than there are cores, since most of the time of a test with processes is waiting.
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

image-test: $(STAMP) ## the image built, measured, and run as a restricted pod; needs root, buildah and runc, about 5 minutes
	@$(BIN)/python -m pytest --timeout 1200 $(PYTEST_ARGS) image

bench: $(STAMP) ## the benchmarks, about 25 minutes, as a table and in build/bench.json; BENCH_ARGS=--quick for a first look
	@$(BIN)/python -m imagecache_benchmarks $(BENCH_ARGS)

chaos: $(STAMP) ## the operator killed at every point of create, replace, delete in a cloud that misbehaves, about 9 minutes
	@$(BIN)/python -m imagecache_chaos $(CHAOS_ARGS)

soak: $(STAMP) ## two hours of load, faults and restarts, in 12 minutes; SOAK_ARGS="--hours 0.2" for a first look
	@$(BIN)/python -m imagecache_chaos.soak $(SOAK_ARGS)

lint: $(STAMP) ## format, style, types, layers, workflows, generated files
	@$(BIN)/ruff format --check --quiet . || { echo "Run make format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/zizmor --offline --quiet --no-progress .github
	@$$($(BIN)/python -m imagecache_gotools actionlint)
	@$(BIN)/imagecache-operator crd | diff -u $(CRD) - || { echo "$(CRD) is out of date: run make generate" >&2; exit 1; }
	@$(MAKE_RULE) | cmp - $(RULE) || { echo "Run make generate" >&2; exit 1; }
	@for file in $(COPIED); do cmp $$file $(CHART)/files/$$(basename $$file) || { echo "Run make generate" >&2; exit 1; }; done

format: $(STAMP) ## format the code and mend what can be mended
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format .

generate: $(STAMP) ## the files that are made from code
	@$(BIN)/imagecache-operator crd > $(CRD)
	@cp $(COPIED) $(CHART)/files
	@$(MAKE_RULE) > $(RULE).new && mv $(RULE).new $(RULE)

lock: $(STAMP) ## the newest versions that pyproject.toml allows, locked
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --output-file requirements/runtime.txt --upgrade pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --group dev --constraint requirements/runtime.txt --output-file requirements/dev.txt --upgrade pyproject.toml

clean: ## what was made here; the control plane's programs and the tools stay in the user's cache folder
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
