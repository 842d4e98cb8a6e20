# `make` lists the targets. Everything else is in the tools it calls: go,
# golangci-lint, and tools/ for what must be fetched or built first.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory
.DEFAULT_GOAL := help

CACHE  := $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/thalassa
LINT   := $(CACHE)/golangci-lint
PREFIX ?= /usr/local
# Which packages to test, lint, measure or fuzz, and which tests, benchmarks or fuzz targets in them.
PKG      ?= ./...
RUN      ?=
BENCH    ?= .
COUNT    ?= 1
SAVE     ?=
FUZZTIME ?= 30s
# How often a test that has failed is tried again before it counts, in a list of all that were.
RERUN    ?= 0
# The HAProxy to test with: a path, "installed", a folder of tools/setup haproxys
# ("trixie") or the beginning of a version ("3.2"). Default: the installed one, and
# every one at hand in the tests that compare them.
HAPROXY ?=
# How long to soak, and the seed of another soak to repeat its choices.
DURATION ?= 30m
SEED     ?=
WITH     := $(if $(HAPROXY),THALASSA_HAPROXY='$(HAPROXY)')
# How often `make bench-ha` measures each event.
ROUNDS   ?= 5
# Where long runs keep what they measured; `make figures` shows it.
FIGURES  ?= $(CURDIR)/bench/reliability.jsonl
# Flags of `thalassa dev`.
ARGS ?=

# Debian keeps haproxy where an ordinary user does not look.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin

.PHONY: help setup build build-ha demo test quick test-haproxys soak memory linearizable faults staged foretold hundred figures cover screenshots bench bench-ha fuzz lint docs yardsticks fmt vuln package sbom docker install clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Get all that development needs: HAProxy, Consul, Chromium, Pacemaker, the linters
	@tools/setup haproxy consul chromium pacemaker pebble golangci-lint shellcheck ui-tools oidc-tools

build: ## Build bin/thalassa, static (as does go build ./cmd/thalassa)
	@echo 'Building bin/thalassa'
	@CGO_ENABLED=0 go build -trimpath -o bin/thalassa ./cmd/thalassa

build-ha: build ## Build bin/thalassa-cib too, which watches a Pacemaker cluster, and bin/thalassa-pam (cgo)
	@tools/setup pacemaker-dev pam-dev
	@cd cmd/thalassa-cib && CGO_ENABLED=1 go build -trimpath -o ../../bin/thalassa-cib .
	@cd cmd/thalassa-pam && CGO_ENABLED=1 go build -trimpath -o ../../bin/thalassa-pam .

demo: build ## Run Consul, HAProxy and Thalassa with example services (ARGS="…")
	@tools/setup haproxy consul
	@echo 'Starting Consul, HAProxy, the agent and the example services'
	@exec bin/thalassa dev $(ARGS)

# Of the tests that pass, only those of the whole program are listed as they end: they
# are the slow ones. Failed and skipped tests are listed with what they say.
LISTED := grep --line-buffered -vE '^PASS (e2e\.[^ ]*/|([^e]|e[^2])[^ ]*\.(Test|Fuzz|Example))'

# The yardsticks are tested with everything else; tools is a module of its own.
YARDSTICKS := (cd tools && go test ./yardsticks)

# tested NAME,PACKAGES,FLAGS runs tests. Those that were tried again are listed in a file of the name.
tested = THALASSA_ARTIFACTS=$(CURDIR)/bin/test/artifacts $(WITH) go tool -modfile=tools/go.mod gotestsum --format testname --packages "$(2)" \
	  --rerun-fails=$(RERUN) --rerun-fails-max-failures 6 --rerun-fails-run-root-test --rerun-fails-abort-on-data-race \
	  --rerun-fails-report bin/test/again-$(1) --jsonfile-timing-events bin/test/$(1).json -- \
	  -race -ldflags=-w -timeout 60m $(3) | $(LISTED)

# Package e2e takes longest by far: most of its tests run alone, because they measure. When
# everything is tested, the other packages run beside it: haproxy, which mostly waits for HAProxy,
# and one after the other the rest. Its clusters of three nodes, two at once, follow at a lower
# priority, beside those of the other packages that are left.
CLUSTERS := ^Test(Cluster(Of|Accepted|Afternoon|Group|Sessions|Commands|Without|Foretold|Jobs$$|Manage|Hundred|Starts|Membership|From|Founded|Init|Takes|Replaces|Forg|Drafts|$$)|Watcher)
ifeq ($(PKG)$(RUN),./...)
TESTED = go test -race -ldflags=-w -run '^$$$$' ./e2e >/dev/null; \
	{ wrong=0; $(call tested,e2e,./e2e,-skip '$(CLUSTERS)') || wrong=1; \
	  ( renice -n 5 $$BASHPID >/dev/null; $(call tested,clusters,./e2e,-run '$(CLUSTERS)') ) || wrong=1; exit $$wrong; } & whole=$$!; \
	$(call tested,haproxy,./haproxy,) & waits=$$!; \
	$(YARDSTICKS) || failed=1; \
	$(call tested,others,$$(go list ./... | grep -vE '/(e2e|haproxy)$$' | tr '\n' ' '),-p 1) || failed=1; \
	wait $$waits || failed=1; \
	wait $$whole || failed=1
else
TESTED = $(call tested,these,$(PKG),$(if $(RUN),-run '$(RUN)')) || failed=1
endif

test: ## Run all tests, with the race detector (PKG=./lb/... RUN=Name HAPROXY=3.2 RERUN=2)
	@tools/setup haproxy consul chromium pacemaker pebble ui-tools oidc-tools nfpm image
	@mkdir -p bin/test && rm -f bin/test/again-*
	@echo 'Building the tests of $(PKG) with the race detector; results follow as tests end'
	@failed=0; $(TESTED); exit $$failed
	@for again in bin/test/again-*; do \
	  if [ -s "$$again" ]; then echo 'These failed, and were tried again (runs, failures):'; cat "$$again"; fi; \
	done

# Libraries that only compute are compiled without the race detector in `make quick`: SQLite,
# argon2id and scrypt take ten times as long with it, and share nothing with our goroutines.
PLAIN := modernc.org/... golang.org/x/crypto/... filippo.io/... github.com/haproxytech/... crypto/internal/... regexp/... compress/... unicode/... strconv

# go test -short skips what calls testkit.Needs; package e2e needs everything. Without
# symbols the linker takes half the time; races are reported with lines all the same. The
# race detector waits a second for races at the end of each package; a tenth is enough. The
# garbage collectors of the linker and of the tests take a tenth of the time; fewer runs do.
# Eight packages at once, because several mostly wait.
# `make lint` has go vet.
quick: ## Test all that needs no root, cluster, browser or server (seconds, or two minutes), with the race detector
	@mkdir -p bin/test
	@failed=0; GORACE=atexit_sleep_ms=100 GOGC=400 \
	go tool -modfile=tools/go.mod gotestsum --format standard-quiet --hide-summary skipped --jsonfile bin/test/quick.json \
	  --packages "$$(go list ./... | grep -v /e2e$$ | tr '\n' ' ')" -- -short -race -vet=off $(PLAIN:%=-gcflags=%=-race=false) -ldflags='-s -w' -p 8 -timeout 5m || failed=1; \
	$(YARDSTICKS) || failed=1; \
	echo 'Skipped: package e2e, and these numbers of tests:'; \
	{ grep -oE ': needs [A-Za-z]+' bin/test/quick.json || true; } | sort | uniq -c | sed 's/: needs/that need/'; \
	exit $$failed

test-haproxys: ## Run the tests that use HAProxy with each of its releases
	@tools/setup haproxy haproxys consul chromium pebble ui-tools oidc-tools
	@tools/haproxys $(PKG) $(if $(RUN),-run '$(RUN)')

soak: ## Change, reload and kill at random for long (DURATION=30m SEED=1 HAPROXY=3.2)
	@tools/setup haproxy consul
	@CI=true THALASSA_FIGURES='$(FIGURES)' THALASSA_SOAK=$(DURATION) THALASSA_SOAK_SEED=$(SEED) $(WITH) go test -count 1 -v -timeout 0 -run '^TestSoak$$' ./e2e

faults: ## Take away what a node holds, under load, for long, and damage databases (FAULTS=10s)
	@tools/setup haproxy consul
	@CI=true THALASSA_FIGURES='$(FIGURES)' THALASSA_FAULTS=$(or $(FAULTS),10s) $(WITH) go test -count 1 -v -timeout 0 -run '^(TestTakenAway|TestLittleMemory)$$' ./e2e
	@THALASSA_FIGURES='$(FIGURES)' go test -count 1 -run 'Damage|Truncated|Flipped|Wrecked|Garbage|Sound' ./store

memory: ## Send and read as much as the API takes, with 300 MB for the agent and its HAProxy (root)
	@tools/setup haproxy
	@CI=true THALASSA_FIGURES='$(FIGURES)' THALASSA_MEMORY=1 $(WITH) go test -count 1 -v -timeout 20m -run '^TestLittleMemory$$' ./e2e

linearizable: ## Kill at random while clients change and read, and check the record (DURATION=30m SEED=1)
	@tools/setup haproxy consul
	@CI=true THALASSA_FIGURES='$(FIGURES)' THALASSA_LINEARIZABLE=$(DURATION) THALASSA_LINEARIZABLE_SEED=$(SEED) $(WITH) go test -count 1 -v -timeout 0 -run '^TestLinearizable$$' ./e2e

staged: ## Draft, commit, restore and kill at random, and compare with a model (DURATION=30m SEED=1)
	@tools/setup haproxy consul
	@CI=true THALASSA_FIGURES='$(FIGURES)' THALASSA_STAGED=$(DURATION) THALASSA_STAGED_SEED=$(SEED) $(WITH) go test -count 1 -v -timeout 0 -run '^TestStaged$$' ./e2e

foretold: ## Act at random on a cluster of three nodes, and compare with what was foretold, as root (ACTIONS=200)
	@tools/setup haproxy consul pacemaker
	@CI=true THALASSA_FIGURES='$(FIGURES)' THALASSA_FORETOLD=$(or $(ACTIONS),200) $(WITH) go test -count 1 -v -timeout 2h -run '^TestClusterForetold$$' ./e2e

hundred: ## Kill the node with the management address while a client makes a hundred steps, as root (SEEDS=10 SEED=1 PACEMAKER=trixie)
	@tools/setup haproxy consul pacemaker $(if $(PACEMAKER),pacemakers)
	@CI=true THALASSA_PACEMAKER='$(PACEMAKER)' THALASSA_FIGURES='$(FIGURES)' THALASSA_HUNDRED=$(or $(SEEDS),10) THALASSA_HUNDRED_SEED=$(SEED) $(WITH) go test -count 1 -v -timeout 8h -run '^TestClusterHundred$$' ./e2e

screenshots: ## Make the pictures of the README from the demo under load
	@tools/setup haproxy consul chromium
	@mkdir -p docs/screenshots
	@THALASSA_SCREENSHOTS=$(CURDIR)/docs/screenshots go test -count 1 -run '^TestScreenshots$$' ./e2e

cover: ## Show how much of each function the tests reach
	@tools/setup haproxy consul pacemaker pebble nfpm
	@go test -timeout 20m -coverpkg=./... -coverprofile=coverage.out $(PKG)
	@go tool cover -func=coverage.out

bench: ## Run the benchmarks, beside the baselines (PKG=./e2e BENCH=Register COUNT=3 SAVE=1)
	@tools/setup haproxy consul consul-template
	@$(WITH) tools/bench $(if $(SAVE),-save) $(COUNT) '$(BENCH)' $(PKG)

bench-ha: ## Measure failovers in a cluster of three nodes, as root (ROUNDS=5)
	@tools/setup haproxy consul pacemaker
	@ROUNDS=$(ROUNDS) go test -count=1 -run '^$$' -v -bench '^BenchmarkFailover$$' -benchtime 1x -timeout 60m ./e2e

fuzz: ## Run every fuzz target for a while (FUZZTIME=10m PKG=./template)
	@THALASSA_FIGURES='$(FIGURES)' tools/fuzz $(FUZZTIME) $(PKG)

figures: ## Write docs/figures.md from what soak, staged, linearizable, foretold, hundred, faults and fuzz have kept
	@go test -count 1 -run '^TestPageOfFigures$$' ./internal/testkit/figures -update

lint: ## Check the source: linters, formatting, vet, go.mod, scripts
	@tools/setup golangci-lint shellcheck
	@$(LINT) config verify
	@$(LINT) run --show-stats=false $(PKG)
	@go vet $(PKG)
	@go mod tidy -diff
	@if command -v shellcheck >/dev/null; then shellcheck .ci/run tools/setup tools/former tools/fuzz tools/haproxys tools/bench tools/package packaging/ocf-haproxy packaging/ocf-agent packaging/post* packaging/prerm; fi
	@if command -v shellcheck >/dev/null; then shellcheck --shell=sh internal/testkit/cluster/*.sh; fi

docs: ## Write docs/cli.md from the commands, docs/grants.md from the routes, docs/hrapi-points.md
	@go test -count 1 -run '^TestReferenceIsUpToDate$$' ./cli -update
	@go test -count 1 -run '^TestGrantsOfEveryRoute$$' ./api -update
	@go test -count 1 -run '^TestEveryPointHasAProof$$' ./api/hrapi -update

yardsticks: ## Print how long, branched and documented the code is
	@cd tools && go run ./yardsticks ..

fmt: ## Format the Go source
	@tools/setup golangci-lint
	@$(LINT) fmt

vuln: ## Look for known vulnerabilities (asks vuln.go.dev)
	@go tool -modfile=tools/go.mod govulncheck ./...

sbom: build ## Write the bill of materials of the programs in bin as CycloneDX JSON (VERSION=)
	@tools/setup cyclonedx-gomod
	@tools/sbom/write $(CACHE)/cyclonedx-gomod

package: build ## Build the Debian package in bin, with thalassa-cib and thalassa-pam if they are built (VERSION=)
	@tools/setup nfpm
	@tools/package $(CACHE)/nfpm

docker: ## Build the container image thalassa:latest
	@docker build --tag thalassa .

install: build ## Install program, systemd unit, man pages, example settings (PREFIX= DESTDIR=)
	@install -D -m 0755 bin/thalassa $(DESTDIR)$(PREFIX)/bin/thalassa
	@install -D -m 0644 packaging/thalassa.service $(DESTDIR)$(PREFIX)/lib/systemd/system/thalassa.service
	@install -m 0644 packaging/thalassa-node.socket packaging/thalassa-node@.service packaging/thalassa-membership.socket packaging/thalassa-membership@.service $(DESTDIR)$(PREFIX)/lib/systemd/system
	@sed -i 's|=/usr/local/bin/thalassa|=$(PREFIX)/bin/thalassa|' $(DESTDIR)$(PREFIX)/lib/systemd/system/thalassa.service $(DESTDIR)$(PREFIX)/lib/systemd/system/thalassa-node@.service $(DESTDIR)$(PREFIX)/lib/systemd/system/thalassa-membership@.service
	@install -D -m 0644 packaging/thalassa.preset $(DESTDIR)$(PREFIX)/lib/systemd/system-preset/50-thalassa.preset
	@install -D -m 0644 packaging/thalassa.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/thalassa.conf
	@install -D -m 0644 packaging/thalassa.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/thalassa.conf
	@install -D -m 0755 packaging/ocf-haproxy $(DESTDIR)/usr/lib/ocf/resource.d/thalassa/haproxy
	@install -D -m 0755 packaging/ocf-agent $(DESTDIR)/usr/lib/ocf/resource.d/thalassa/agent
	@install -D -m 0644 packaging/thalassa.yaml $(DESTDIR)$(PREFIX)/share/doc/thalassa/thalassa.yaml
	@rm -rf bin/man && mkdir -p bin/man && bin/thalassa manpages bin/man
	@install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5
	@install -m 0644 bin/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	@install -m 0644 bin/man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5
	@bin/thalassa completion bash | install -D -m 0644 /dev/stdin $(DESTDIR)$(PREFIX)/share/bash-completion/completions/thalassa
	@bin/thalassa completion zsh | install -D -m 0644 /dev/stdin $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_thalassa
	@bin/thalassa completion fish | install -D -m 0644 /dev/stdin $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/thalassa.fish

clean: ## Remove what was built here (the cached tools stay)
	@rm -rf bin coverage.out
