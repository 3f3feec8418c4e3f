# The one entry point, the same for people and for CI. Every target sets up what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export REPLATFORM_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/sophia-replatform
VENV := $(REPLATFORM_CACHE)/venv-$(shell sha256sum requirements/dev.txt | cut -c1-12)
export PATH := $(VENV)/bin:$(PATH)
export LAB_K3S ?= stand-in
export MOLECULE_GLOB := molecule/*/molecule.yml
# Where it is set each run of Ansible compiles the collection anew.
unexport PYTHONDONTWRITEBYTECODE

RUN_ANSIBLE := ansible-playbook -i inventories/lab $(if $(filter release,$(LAB_K3S)),-e @lab/k3s-release.yml)
# The stores that a handover is tested on, with what they load.
STORES := pgbouncer libc-ares2 libevent-2.1-7 redis-server redis-tools libjemalloc2 liblzf1 libatomic1 rsync libpopt0 libxxhash0
# The packet filter that an edge takes ports over with, and a name server for the records.
NFTABLES := nftables libnftables1 libnftnl11 libjansson4 libedit2 libbsd0 libmd0
BIND := bind9 bind9-libs bind9-dnsutils liblmdb0 libmaxminddb0 libfstrm0 libprotobuf-c1 libuv1 libjson-c5 libnghttp2-14 python3-dnspython
UNPACKED := docker-registry prometheus $(STORES) $(NFTABLES) $(BIND)
SCRIPTS = $(shell git grep -lE '^\#!/(usr/)?bin/(env )?(ba)?sh')

say = @printf '\n\033[1m== %s\033[0m\n' "$(1)"

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

.PHONY: venv
venv: $(VENV)/.ready ## Make the locked Python environment and print its folder
	@echo $(VENV)

$(VENV)/.ready: requirements/dev.txt replatform/launcher
	@tools/venv $(VENV) && touch $@

.PHONY: demo
demo: $(VENV)/.ready ## Start the lab, move it from Swarm to K3s under load, and show the report (LAB_KEEP=1 keeps the lab)
	$(call say,A fresh lab)
	@lab/down
	@lab/up
	@tools/rotate artifacts/lab
	$(call say,A window of three minutes is approved in which the notes are stopped to be moved)
	@$(RUN_ANSIBLE) playbooks/approve.yml -e service=notes -e window=180 -e to=k3s -e by=demo
	$(call say,The migration)
	@$(RUN_ANSIBLE) playbooks/migrate.yml || { $(RUN_ANSIBLE) playbooks/report.yml; exit 1; }
	$(call say,The result)
	@$(RUN_ANSIBLE) playbooks/verify.yml
	@if [ -z "$(LAB_KEEP)" ]; then lab/down; lab/engine stop; fi
	@echo "report: artifacts/lab/report.html"

.PHONY: test
test: checks unit molecule ## Run every test

# Two of them run at a time, those that take longest first, so that a CPU is seldom idle.
.PHONY: checks
checks: $(VENV)/.ready
	$(call say,What the lab is made of + lint + sanity + delivery + repositories + chart + handbook: two at a time and each shown when it has ended)
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target parts lint sanity delivery repositories chart docs

.PHONY: lint
lint: $(VENV)/.ready ## ansible-lint (production profile), yamllint, ruff, mypy, shellcheck, role documentation
	$(call say,Lint)
	@ruff check .
	@ruff format --check .
	@mypy
	@shellcheck $(SCRIPTS)
	@yamllint --strict .
	@ansible-lint --strict
	@for role in roles/*/; do tools/role_readme --check "$$(basename "$$role")"; done
	@antsibull-changelog lint

.PHONY: unit
unit: $(VENV)/.ready ## Unit and property tests; of those that run Ansible or real servers some, others with each commit
	$(call say,Unit tests)
	@tools/apt-install zstd postgresql-15 iproute2 iptables
	@unpacked=$$(tools/apt-unpack $(UNPACKED)); PATH=$$unpacked/usr/bin:$$unpacked/usr/sbin:$$PATH pytest -n 3 --drawn

.PHONY: repositories
repositories: $(VENV)/.ready ## Phase 1 on whole repositories: tidied, again, restored, again
	$(call say,Repositories)
	@tests/repositories/run --drawn

.PHONY: soak
soak: $(VENV)/.ready ## For hours: every unit test with new examples, killed at every step, every molecule scenario
	$(call say,Soak)
	@tools/apt-install zstd postgresql-15 iproute2 iptables
	@unpacked=$$(tools/apt-unpack $(UNPACKED)); export PATH=$$unpacked/usr/bin:$$unpacked/usr/sbin:$$PATH HYPOTHESIS_PROFILE=soak; \
	  pytest -n 2 --ignore tests/unit/traffic --ignore tests/unit/handover; pytest tests/unit/traffic tests/unit/handover
	@tests/repositories/run
	@tests/delivery/run
	@lab/prepare
	@HYPOTHESIS_PROFILE=soak LAB_PROBER_RATE=550 tools/molecule --all
	@lab/engine stop

.PHONY: docs
docs: $(VENV)/.ready ## The handbook, in artifacts/handbook; a broken link fails
	$(call say,Handbook)
	@mkdocs --quiet build --strict
	@echo "handbook: artifacts/handbook/index.html"

.PHONY: release
release: $(VENV)/.ready ## The archive and the changelog, in artifacts/release, used in an empty environment
	$(call say,Release)
	@tools/release

.PHONY: sanity
sanity: $(VENV)/.ready ## ansible-test sanity on the built artefact
	$(call say,Sanity of the built artefact)
	@tools/sanity

.PHONY: chart
chart: $(VENV)/.ready ## helm lint, helm template, and the result against the schemas of today's Kubernetes
	$(call say,Chart)
	@tests/chart/run

.PHONY: delivery
delivery: $(VENV)/.ready ## The unified workflow: its linters, the same deployment by Flux; there and back, and drift, as drawn
	$(call say,Delivery)
	@tests/delivery/run --drawn

# The engine that this starts is stopped again: whoever works on the lab starts it.
.PHONY: parts
parts: $(VENV)/.ready
	$(call say,What the lab is made of)
	@lab/prepare
	@lab/engine stop

.PHONY: molecule
molecule: $(VENV)/.ready ## On the lab: the whole migration, killed on its way, and another scenario with each commit
	$(call say,Molecule)
	@lab/prepare
	@LAB_PROBER_RATE=$${LAB_PROBER_RATE:-100} tools/molecule $$(tools/scenarios sample | sed 's/^/--scenario-name /')
	@lab/engine stop

.PHONY: bench
bench: $(VENV)/.ready ## Side-by-side ratios; with the lab up also draining, on its Swarm
	@tools/apt-install zstd postgresql-15
	@unpacked=$$(tools/apt-unpack $(STORES)); PATH=$$unpacked/usr/bin:$$unpacked/usr/sbin:$$PATH benchmarks/run

.PHONY: lab-up
lab-up: $(VENV)/.ready ## Start the embedded fleet with its Swarm and its sample platform
	@lab/up

.PHONY: lab-down
lab-down: $(VENV)/.ready ## Remove the embedded fleet; images and builds stay in the cache
	@lab/down

.PHONY: clean
clean: ## Remove the lab, the cache folder and the packages that were installed for it
	@tools/clean
