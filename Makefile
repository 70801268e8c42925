# Two commands do everything: `make demo` and `make test`. Each installs what it needs into .venv first, with pip alone.

PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$p && break; done)
BIN := .venv/bin

.PHONY: demo run test builds readme check soak bench model screenshots clean

demo: .venv/cloud
	$(BIN)/echo-device demo

# The cloud stub with a broker of its own, and the device on the microphone; Ctrl-C stops both.
run: .venv/cloud
	$(BIN)/cloud-stub serve --embedded-broker & cloud=$$!; trap "kill $$cloud" EXIT; $(BIN)/echo-device run

test: .venv/test
	$(BIN)/python -m pytest

# What makes a thing and looks at what was made: a speech model of three words, trained from nothing, and what pip would
# install on a Raspberry Pi. Seldom broken, and long.
builds: .venv/test
	$(BIN)/python -m pytest -m "builds and not soak" --dist load

# Runs every command of the README and of the talk, and compares what the README shows with what they print.
readme: .venv/test
	$(BIN)/python -m pytest -n 0 -m readme tests/test_readme.py tests/hardware/test_documents.py

check: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

soak: .venv/test
	RESIDUAL_ECHO_SOAK=1 $(BIN)/python -m pytest -m "" --timeout 3600

# Makes the speech model anew, into build/model; goes on where it was interrupted. People's recordings are learned from
# where RESIDUAL_ECHO_RECORDINGS names their folder. Needs: apt install espeak-ng flite libfst-tools
model: .venv/train .venv/torch
	$(BIN)/python -m device.model_building

# Minutes; the README's figures: .venv/bin/python -m benchmarks --full
bench: .venv/cloud
	$(BIN)/python -m benchmarks

# The README's pictures, anew; needs Chromium.
screenshots: .venv/test
	RESIDUAL_ECHO_SCREENSHOTS=1 $(BIN)/python -m pytest -n 0 tests/browser/test_screenshots.py

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: apt install python3 python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/cloud: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[cloud]'
	@touch $@

.venv/test: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@ .venv/cloud

.venv/train: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[train]'
	@touch $@ .venv/cloud

# The plain torch for Linux brings gigabytes of CUDA; a build named +cpu cannot. Any torch that is already here will do.
TORCH := 2.13.0
ifeq ($(shell uname -s),Linux)
TORCH := $(TORCH)+cpu
endif
.venv/torch: | .venv/bin/python
	@$(BIN)/python -c 'import torch' 2>/dev/null \
	|| $(BIN)/python -m pip install --quiet --disable-pip-version-check 'torch==$(TORCH)' 2>/dev/null \
	|| { echo "pip finds no CPU build of torch $(TORCH). Name PyTorch's index of CPU builds in PIP_EXTRA_INDEX_URL; or"; \
	     echo "Debian has one: apt install python3-torch,"; \
	     echo "then: rm -rf .venv && python3 -m venv --system-site-packages .venv"; exit 1; }
	@touch $@

clean:
	rm -rf .venv build *.egg-info
