# Rollcall: every way in. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# Users in the bench's tenant.
N ?= 100000
# How long lives are soaked.
TIME ?= 30m
# What the image is called after.
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
# Seconds for each fuzz target.
EACH ?= 600
# How often a life that failed is tried to be made smaller.
SHRINKS ?= 60

.PHONY: help run demo test soak bench docs lint audit image image-check fuzz fuzz-smoke ci prerequisites tools

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: prerequisites ## build, start everything in ./.rollcall, import the demo tenant, stay until Ctrl-C
	@cargo build --locked --workspace --bins
	@./target/debug/rollcall-local run

demo: prerequisites ## the same, but print the run's summary, check it and end
	@cargo build --locked --workspace --bins
	@./target/debug/rollcall-local demo

test: prerequisites tools ## all tests, on real PostgreSQL and NATS
	@cargo build --locked --workspace --bins --tests
	@# One PostgreSQL for all tests. nextest runs them side by side but leaves out those in the documentation; those from
	@# end to end share one stack, and so one process.
	@if cargo nextest --version >/dev/null 2>&1; then \
		cargo test --locked --workspace --doc --quiet && \
		./target/debug/rollcall-local with-postgres cargo nextest run --locked --workspace --exclude rollcall-tests && \
		cargo test --locked --package rollcall-tests; \
	else \
		./target/debug/rollcall-local with-postgres cargo test --locked --workspace; \
	fi

soak: prerequisites ## random weeks of directory life under faults for TIME=30m, from SEED=1 on; a failure is shrunk and printed
	@cargo build --locked --workspace --bins
	@ROLLCALL_SOAK_TIME=$(TIME) ROLLCALL_SOAK_SEED=$(SEED) ROLLCALL_SOAK_SHRINKS=$(SHRINKS) cargo test --locked --package rollcall-tests --test it -- \
		--exact simulation::lives::weeks_of_directory_life_end_as_the_oracle_says --nocapture

bench: prerequisites ## the floors and Rollcall side by side; N=1000000 for a million users, RULES=--rules for many clauses and a group
	@cargo build --locked --release --workspace --bins
	@cargo run --locked --release --package rollcall-tests --bin bench -- --users $(N) $(RULES)

docs: prerequisites ## write docs/configuration.md from what the services say of their settings
	@cargo build --locked --workspace --bins
	@ROLLCALL_WRITE_DOCS=1 cargo test --locked --quiet --package rollcall-tests --test it -- \
		--exact operating::configuration::the_reference_of_the_configuration_is_current_and_explains_every_key

lint: tools ## formatting, clippy (warnings are errors), and what packages may be used (deny.toml)
	cargo fmt --all -- --check
	cargo fmt --manifest-path fuzz/Cargo.toml -- --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	./target/tools/bin/cargo-deny --locked check bans licenses sources

audit: tools ## known advisories against the packages that are used; fetches their database
	./target/tools/bin/cargo-deny --locked check advisories

image: ## the container image, as rollcall:VERSION; needs Docker with BuildKit
	docker build --file deploy/Dockerfile --tag rollcall:$(VERSION) --build-arg VERSION=$(VERSION) \
		--build-arg REVISION=$(shell git rev-parse HEAD) --build-arg SOURCE_DATE_EPOCH=$(shell git log -1 --pretty=%ct) .

image-check: prerequisites tools ## the image's programs: built as it builds them, started in an empty root, weighed
	@deploy/build-binaries.sh
	@IMAGE_OF_ROLLCALL=$(CURDIR)/target/image/rollcall-image cargo test --locked --workspace --test it -- image::started --nocapture

fuzz: tools ## texts, pages and messages that nobody expects, for EACH=600 seconds a target
	@deploy/fuzz.sh $(EACH)

fuzz-smoke: tools ## the same, for a few seconds each
	@deploy/fuzz.sh 8

ci: lint fuzz-smoke test image-check ## what the CI runs

prerequisites:
	@deploy/install-prerequisites.sh

tools:
	@deploy/install-tools.sh
