# One word per habit. Everything is installed into .venv by `setup`; nothing outside the checkout is touched but the cache
# (SITERECOVERY_CACHE, ~/.cache/siterecovery by default) of what contract and real tests need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEV := hypothesis import-linter mypy openstacksdk pylint pytest pytest-timeout pytest-xdist PyYAML python-linstor python-openstackclient ruff types-PyYAML types-requests
PACKAGES := src/siterecovery clients/python-protectorclient/src/protectorclient sandbox/src/sandbox

.PHONY: setup demo test test-scenarios test-crashes test-kubernetes kube lint format bench bench-kubernetes contract-venv test-real sandbox-up sandbox-down
.PHONY: demo-kubernetes kubernetes-up kubernetes-down clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml sandbox/pyproject.toml clients/python-protectorclient/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Site Recovery needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ". Say which: make PYTHON=python3.11 ...")'
	@echo "Setting up $(VENV); the first time this takes a few minutes ..."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[mysql,postgresql]' -e sandbox -e clients/python-protectorclient $(DEV)
	touch $@

# Two clouds, two arrays and two Protectors on this machine; a group of VMs goes away, comes home and survives a lost site.
demo: setup
	@$(BIN)/sandbox demo

test: setup
	$(BIN)/pytest -q -n 2 --dist loadfile $(TESTS)

# Operators' stories on whole sandbox worlds, and the engine killed at every point of every move (ten to twenty minutes each on two cores).
test-scenarios: setup
	$(BIN)/pytest -q -n 2 -o timeout=900 tests/scenarios

test-crashes: setup
	$(BIN)/pytest -q -n 2 -o timeout=900 tests/crashes

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pylint --score=n $(PACKAGES)

format: setup
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format -q .

# py-pure-client and two Cinder releases for the contract tests, in the cache (about five minutes the first time).
contract-venv: setup
	$(BIN)/python tests/contract/array/provision.py

# Two real OpenStack sites on loopback: installs them into the cache the first time (about ten minutes).
test-real: setup
	$(BIN)/pytest -q tests/real

# The real kube-apiserver, etcd, kubectl, Helm, KubeVirt and so on: from KUBEBUILDER_ASSETS, the cache, or built into it (about
# fifteen minutes the first time).
kube: setup
	$(BIN)/python -m sandbox.kubernetes.binaries

# Stories on real Kubernetes planes with real KubeVirt on loopback (forty to fifty minutes); TESTS="tests/kubernetes/chart" for a part.
test-kubernetes: kube
	$(BIN)/pytest -q $(or $(TESTS),tests/kubernetes)

# The documented scenarios on three clusters, then the first cluster is lost and comes back.
demo-kubernetes: setup
	@$(BIN)/sandbox kubernetes demo

# Three clusters with Site Recovery and two groups of VMs to play with, detached: cd .sandbox/kubernetes && source env
kubernetes-up: setup
	@$(BIN)/sandbox kubernetes up --site-recovery

kubernetes-down: setup
	@$(BIN)/sandbox kubernetes down

# How fast it is, as ratios (benchmarks/README.md); about fifteen minutes. BENCH="--sizes 1,10" for less.
bench: setup
	$(BIN)/python -m benchmarks $(BENCH)

# The same of the Kubernetes half, on light worlds.
bench-kubernetes: kube
	$(BIN)/python -m benchmarks.kubernetes $(BENCH)

sandbox-up: setup
	@$(BIN)/sandbox up

sandbox-down: setup
	@$(BIN)/sandbox down

# What runs is ended first: without its state directory nobody would find it again.
clean:
	@test ! -x $(BIN)/sandbox || { $(BIN)/sandbox down; $(BIN)/sandbox kubernetes down; \
		$(BIN)/sandbox kubernetes down --state .sandbox/kubernetes/demo; }
	rm -rf $(VENV) .sandbox .mypy_cache .ruff_cache .pytest_cache
