# What a developer does here, one target each; `make` alone lists them.

python := .venv/bin/python
# in the order of the files: the long ones come early, and no worker is left alone with one at the end. More workers than
# the two processors that the suite is kept short for: tests wait for processes, disks and time-outs
PYTEST_ARGS ?= -n 4 --dist loadfile --no-loadscope-reorder
# kept from one process to the next: hundreds of them would each compile the sources and the tests again
unexport PYTHONDONTWRITEBYTECODE
LOCK_ARGS ?=
SECONDS ?=
KILLS ?= 330
SEED ?=
TAG ?=
NAME ?=
WORDS ?=
SCENE ?= steady
PORT ?= 0
entrypoint := dist/viam-billing/viam-billing
tools := build/tools/bin
compile := $(tools)/uv --no-config pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-emit-index-url --no-header

.PHONY: help setup demo machine dashboard page page-packages test coverage test-page lint forecast bench soak build dist test-archive test-viam-server validate-focus lock tools audit sbom clean check-release quick-reference bench-archive crash fuzz mutate namespace test-arm64

help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "make %-16s  %s\n", $$1, $$2 }' Makefile

setup: ## make .venv with everything for development, or bring it up to date
	./setup.sh --dev

demo: ## show the module at work against a simulated cloud
	./setup.sh --demo
	$(python) -m viam_billing_sandbox.demo

machine: ## run the module under viam-server, with a simulated cloud and data capture (VIAM_SERVER=its path, PORT=N)
	./setup.sh --demo
	@$(python) -m viam_billing_sandbox.viam_server $(if $(filter-out 0,$(PORT)),--port $(PORT)) $(if $(VIAM_SERVER),"$(VIAM_SERVER)")

dashboard: setup page ## show the page with a stand-in machine (SCENE=over-budget or another one, PORT=N)
	@echo "Open the address after page: in a browser; Ctrl-C ends it."
	@$(python) -m viam_billing_sandbox.machine --scene $(SCENE) --port $(PORT) --page dashboard/dist

page: ## build the page into dashboard/dist, which needs Node 20.19 or newer
	dashboard/install.sh
	cd dashboard && npm run --silent build -- --logLevel warn

test: ## run the checks and the whole test suite (PYTEST_ARGS for pytest)
	@$(MAKE) --no-print-directory -j 2 lint test-page
	$(python) -m pytest $(PYTEST_ARGS)

coverage: setup ## run the suite and measure its branch coverage of the module; a drop below fail_under is a failure
	$(python) -m coverage erase
	$(python) -m coverage run -m pytest $(PYTEST_ARGS)
	$(python) tests/whole_coverage.py
	$(python) -m coverage combine --quiet
	$(python) -m coverage report

test-page: setup page-packages ## check the page and test it in Chromium; without Node or Chromium that is left out, or fails with ALL=1
	dashboard/test.sh

page-packages: # beside setup; test.sh tells what is missing or failed
	@dashboard/install.sh >/dev/null 2>&1 || :

lint: setup ## check style, format and types
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy

forecast: setup ## judge the projection over simulated and public real months, or SERIES=folder of CSV files
ifdef SERIES
	$(python) tests/forecast/forecast.py --series "$(SERIES)"
else
	./bundle/forecast.sh
	$(python) tests/forecast/forecast.py --public build/forecast/series
endif

mutate: setup ## break the money rules one at a time and see a test fail for each (WORDS="late limit" for some of them)
	PYTHONPATH=tests $(python) tests/mutations/mutate.py $(WORDS)

bench: setup ## measure next to the bare SDK and the naive way; prints a table and writes build/bench.json
	$(python) tests/benchmarks/bench.py

bench-archive: setup build ## measure the start of the archive's module, next to run.sh and to what Viam's template makes
	$(python) tests/benchmarks/bench_archive.py

soak: setup ## let callers and faults at the module for 3 minutes (SECONDS=N; SEED=N repeats an earlier run's faults)
	$(python) tests/soak/soak.py --seconds $(or $(SECONDS),180) $(if $(SEED),--seed $(SEED))

crash: setup ## kill the module at every boundary of a charge, 330 times (KILLS=N; SEED=N), then let a storm at it
	$(python) tests/crash/crash.py --kills $(KILLS) $(if $(SEED),--seed $(SEED))

fuzz: setup ## feed the module arbitrary requests, answers and files for 10 minutes (SECONDS=N; SEED=N repeats a run)
	$(python) tests/fuzz/fuzz.py --seconds $(or $(SECONDS),600) $(if $(SEED),--seed $(SEED))

build: ## build the archive for the registry, check it and start it once
	./build.sh

dist: setup ## build the distribution viam-billing, wheel and sdist, which a caller installs with pip
	./bundle/dist.sh dist

validate-focus: setup ## validate the FOCUS export with the FinOps foundation's validator
	./bundle/focus.sh

test-archive: setup build ## run the integration suite against the archive, and read what is in it
	rm -rf build/unpacked
	mkdir build/unpacked
	tar -xzf dist/archive.tar.gz -C build/unpacked
	MODULE_COMMAND="'$(CURDIR)/build/unpacked/$(entrypoint)'" \
		$(python) -m pytest $(PYTEST_ARGS) tests/package tests/integration

test-arm64: ## run set-up, demo, core tests and build on arm64, natively or emulated (docker with qemu-user)
	./bundle/arm64.sh

test-viam-server: setup build ## run the module, as folder and as archive, under a real viam-server (VIAM_SERVER=its path)
	$(python) -m pytest $(PYTEST_ARGS) tests/viam_server

quick-reference: setup ## renew docs/quick-reference.md from the code
	PYTHONPATH=tests $(python) tests/support/quick_reference.py

namespace: ## put the module under another namespace of Viam's registry (NAME=your-namespace)
	@python3 -I bundle/set_namespace.py "$(NAME)"

check-release: ## say whether a tag may be released (TAG=0.1.0): it is the version, and the changelog has it
	@python3 -I bundle/check_release.py "$(TAG)"

tools: setup ## make build/tools, which lock, audit and sbom use
	./bundle/tools.sh

audit: tools ## look for known vulnerabilities in the locked packages
	$(tools)/python -I -m pip_audit --strict --disable-pip --require-hashes --progress-spinner off \
		$(addprefix -r ,$(wildcard requirements/*.txt))

sbom: tools ## write dist/sbom.cdx.json, the packages that the archive ships, as CycloneDX has it
	mkdir -p dist
	rm -rf build/shipped
	$(tools)/uv --no-config venv --quiet --no-project --python $(python) build/shipped
	$(tools)/uv --no-config pip install --quiet --python build/shipped/bin/python --require-hashes --only-binary :all: \
		-r requirements/runtime.txt
	$(tools)/python -I -m cyclonedx_py environment --output-reproducible --pyproject pyproject.toml \
		--output-file dist/sbom.cdx.json build/shipped/bin/python

lock: tools ## remake requirements/*.txt from pyproject.toml with uv (LOCK_ARGS=--upgrade for newer versions)
	$(compile) $(LOCK_ARGS) -o requirements/runtime.txt --extra module pyproject.toml
	$(compile) $(LOCK_ARGS) -o requirements/dev.txt -c requirements/runtime.txt --extra module --extra cli --group dev pyproject.toml
	$(compile) -o requirements/demo.txt -c requirements/dev.txt --extra module --group demo pyproject.toml
	$(compile) $(LOCK_ARGS) -o requirements/build.txt -c requirements/runtime.txt --group build
	$(compile) $(LOCK_ARGS) -o requirements/tools.txt -c requirements/runtime.txt --group tools
	$(compile) $(LOCK_ARGS) -o requirements/focus.txt --group focus
	$(compile) $(LOCK_ARGS) -o requirements/forecast.txt --group forecast
	$(compile) $(LOCK_ARGS) -o requirements/forecast-others.txt -c requirements/forecast.txt --group forecast-others

clean: ## remove everything that the other targets made, .venv too
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.*
	rm -rf dashboard/node_modules dashboard/dist dashboard/screens
	find src tests bundle -name __pycache__ -type d -prune -exec rm -rf {} +
