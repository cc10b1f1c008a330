# Everything prepares itself: a virtual environment in .venv, pinned by constraints.txt. Nothing global.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
READY := $(VENV)/ready
PROTO_VENV := .venv-protos
PROTO_READY := $(PROTO_VENV)/ready
MODELS_VENV := .venv-models
MODELS_READY := $(MODELS_VENV)/ready
FUZZ_VENV := .venv-fuzz
FUZZ_READY := $(FUZZ_VENV)/ready

.PHONY: fuzz bench-tls bench-verdicts bench-ratio help demo test test-models check format protos constraints bench bench-call bench-engines bench-peers bench-users bench-scan bench-compare bench-fleet bench-restarts bench-workers bench-cancel bench-outcomes bench-shadows bench-attacks soak-crosstalk soak-candidates soak-crash soak-power soak-machine clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    real models, real traffic, two rollouts (KEEP=1 keeps it running)"
	@echo "make test    the tests"
	@echo "make test-models  the sidecar before real model servers: MLServer, called by Triton's client"
	@echo "make check   linters, types, contracts, generated code"
	@echo "make protos  generate the code of protos/understudy/v1"
	@echo "make bench   what things cost, beside their peers"
	@echo "make soak-candidates  200 rollouts whose candidates are killed, stopped or never up (half an hour)"
	@echo "make soak-crash    kill the control service at each of its writes (half an hour)"
	@echo "make soak-power    cut its power at each of its writes and syncs"
	@echo "make soak-machine  10 000 random histories of rollouts (ARGS=200: so many)"
	@echo "make fuzz    ten minutes of made-up bytes at the HTTP/2 of the relay"
	@echo "make clean   remove what make made"

$(READY): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install -c constraints.txt pip
	@$(PIP) install -c constraints.txt --editable '.[otlp,demo]' --group dev
	@touch $@

$(PROTO_READY): protos/requirements.txt
	@test -x $(PROTO_VENV)/bin/python || $(PYTHON) -m venv $(PROTO_VENV)
	@$(PROTO_VENV)/bin/python -m pip --disable-pip-version-check --quiet install -r protos/requirements.txt
	@touch $@

$(MODELS_READY): tests/models/requirements.txt tests/models/constraints.txt
	@test -x $(MODELS_VENV)/bin/python || $(PYTHON) -m venv $(MODELS_VENV)
	@$(MODELS_VENV)/bin/python -m pip --disable-pip-version-check --quiet install -r tests/models/requirements.txt -c tests/models/constraints.txt
	@touch $@

$(FUZZ_READY): tests/fuzz/requirements.txt
	@test -x $(FUZZ_VENV)/bin/python || $(PYTHON) -m venv $(FUZZ_VENV)
	@$(FUZZ_VENV)/bin/python -m pip --disable-pip-version-check --quiet install -r tests/fuzz/requirements.txt
	@touch $@

# Ten minutes; what it learns stays in .venv-fuzz, what it finds lies here as crash-*.
fuzz: $(FUZZ_READY)
	@mkdir -p $(FUZZ_VENV)/learnt
	@PYTHONPATH=.:protos $(FUZZ_VENV)/bin/python -m tests.fuzz.connection -max_total_time=600 -max_len=4096 $(ARGS) $(FUZZ_VENV)/learnt tests/fuzz/corpus

demo: $(READY)
	@$(BIN)/understudy demo $(if $(KEEP),--keep) $(if $(ENGINE),--engine $(ENGINE))

test: $(READY)
	@$(BIN)/python -m pytest -n 2 --dist worksteal -p no:cacheprovider $(ARGS)

test-models: $(READY) $(MODELS_READY)
	@$(MODELS_VENV)/bin/python -m pytest -p no:cacheprovider --confcutdir tests/models tests/models $(ARGS)

check: $(READY) $(PROTO_READY)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@cd protos && ../$(BIN)/buf lint
	@$(BIN)/python protos/check_generated.py $(PROTO_VENV)/bin/python

format: $(READY)
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

protos: $(PROTO_READY)
	@PATH=$(CURDIR)/$(PROTO_VENV)/bin:$$PATH $(PROTO_VENV)/bin/python protos/generate.py

constraints: $(READY)
	@echo '# Versions known to work together; `pip install -c constraints.txt`. Made with `make constraints`.' > constraints.txt
	@$(BIN)/python -m pip freeze --exclude-editable --all | grep -v '^setuptools==' >> constraints.txt

soak-crosstalk: $(READY)
	@CROSSTALK_CALLS=200000 $(BIN)/python -m pytest -p no:cacheprovider tests/proxy/engines/test_crosstalk.py $(ARGS)

bench: bench-call bench-engines bench-peers bench-tls bench-workers bench-users bench-scan bench-compare bench-fleet bench-restarts bench-cancel bench-shadows

bench-call: $(READY)
	@$(BIN)/python benchmarks/cost_per_call.py

bench-engines: $(READY)
	@$(BIN)/python -m benchmarks.relay_cost $(ARGS)

bench-peers: $(READY)
	@$(BIN)/python -m benchmarks.peers $(ARGS)

bench-tls: $(READY)
	@$(BIN)/python -m benchmarks.tls_cost $(ARGS)

bench-users: $(READY)
	@$(BIN)/python benchmarks/users_moved.py

bench-scan: $(READY)
	@$(BIN)/python benchmarks/scan_cost.py

bench-compare: $(READY)
	@$(BIN)/python benchmarks/comparing.py

bench-fleet: $(READY)
	@$(BIN)/python benchmarks/fleet.py $(ARGS)

bench-restarts: $(READY)
	@$(BIN)/python benchmarks/restarts.py
	@$(BIN)/python benchmarks/restarts.py --max-connection-age 2
	@$(BIN)/python benchmarks/restarts.py --engine relay
	@$(BIN)/python benchmarks/restarts.py --engine relay --workers 2

bench-workers: $(READY)
	@$(BIN)/python -m benchmarks.workers $(ARGS)

bench-shadows: $(READY)
	@$(BIN)/python -m benchmarks.hostile_shadows $(ARGS)

bench-attacks: $(READY)
	@$(BIN)/python -m benchmarks.attacks $(ARGS)

bench-outcomes: $(READY)
	@$(BIN)/python -m benchmarks.outcomes $(ARGS)

bench-cancel: $(READY)
	@$(BIN)/python benchmarks/cancelling.py
	@$(BIN)/python benchmarks/cancelling.py --engine relay

soak-candidates: $(READY)
	@$(BIN)/python -m tests.soak.candidates $(ARGS)

soak-crash: $(READY)
	@$(BIN)/python -m tests.soak.crash $(ARGS)

soak-power: $(READY)
	@$(BIN)/python -m tests.soak.power_cut

soak-machine: $(READY)
	@$(BIN)/python -m tests.soak.machine $(ARGS)

bench-verdicts: $(READY)
	@$(BIN)/python -m benchmarks.verdicts $(ARGS)

bench-ratio: $(READY)
	@$(BIN)/python -m benchmarks.sample_ratio $(ARGS)

clean:
	@rm -rf $(VENV) $(PROTO_VENV) $(MODELS_VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
