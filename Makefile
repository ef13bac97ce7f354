# Two commands do everything from a fresh clone: `make demo` and `make test`.
# Both make .venv inside the clone with locked versions; later calls start at once.
.DEFAULT_GOAL := help
PY := .venv/bin/python
VLIT := .venv/bin/vlit
LOCK := pyproject.toml constraints.txt scripts/setup.sh

.PHONY: help demo test cover lint docs bench lock clean
.NOTPARALLEL:    # two targets must not set up the same .venv at once

help:            ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 10

.venv/.core: $(LOCK)
	@echo "setting up .venv (once)"; scripts/setup.sh assess,tune && touch $@
.venv/.dev: $(LOCK)
	@echo "setting up .venv for development (once)"; scripts/setup.sh dev && touch .venv/.core $@

demo: .venv/.core  ## the main job on 44 real photos: measured instruction set, a tuned model, report
	@$(VLIT) demo

test: .venv/.dev   ## lint, types, tests
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .
	@.venv/bin/mypy
	@OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 .venv/bin/pytest -n auto

cover: .venv/.dev  ## the tests with their coverage, which takes a quarter longer
	@OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 .venv/bin/pytest -n auto --cov --cov-report=term

docs: .venv/.dev   ## build the documentation into site/
	@NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true .venv/bin/mkdocs build --strict --quiet

lint: .venv/.dev   ## format and fix what can be fixed
	@.venv/bin/ruff check --fix . ; .venv/bin/ruff format .

bench: .venv/.dev  ## run every benchmark and rewrite benchmarks/RESULTS.md
	@$(PY) -m benchmarks

# torch is pinned in pyproject.toml; which build of it, and what that needs of CUDA, is each machine's own affair.
lock: .venv/.dev   ## renew constraints.txt: pyproject.toml with its extras but Ray, and what installs it
	@printf 'uv\nhatchling\neditables\n' | .venv/bin/uv pip compile --quiet --universal --upgrade --python-version 3.11 \
	  --no-header --no-annotate --extra dev --extra serve pyproject.toml - \
	  | grep -vE '^(torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==' > constraints.new && mv constraints.new constraints.txt

clean:           ## remove what the targets made
	rm -rf .venv site .coverage .pytest_cache .mypy_cache .ruff_cache
