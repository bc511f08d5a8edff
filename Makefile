# Rollcall: every way in. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# Users in the bench's tenant.
N ?= 100000
# How long lives are soaked.
TIME ?= 30m
# How often a life that failed is tried to be made smaller.
SHRINKS ?= 60

.PHONY: help run demo test soak bench docs lint ci prerequisites tools

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: prerequisites ## build, start everything in ./.rollcall, import the demo tenant, stay until Ctrl-C
	@cargo build --workspace --bins
	@./target/debug/rollcall-local run

demo: prerequisites ## the same, but print the run's summary, check it and end
	@cargo build --workspace --bins
	@./target/debug/rollcall-local demo

test: prerequisites tools ## all tests, on real PostgreSQL and NATS
	@cargo build --workspace --bins --tests
	@# One PostgreSQL for all tests. nextest runs them side by side but leaves out those in the documentation; those from
	@# end to end share one stack, and so one process.
	@if cargo nextest --version >/dev/null 2>&1; then \
		cargo test --workspace --doc --quiet && \
		./target/debug/rollcall-local with-postgres cargo nextest run --workspace --exclude rollcall-tests && \
		cargo test --package rollcall-tests; \
	else \
		./target/debug/rollcall-local with-postgres cargo test --workspace; \
	fi

soak: prerequisites ## random weeks of directory life under faults for TIME=30m, from SEED=1 on; a failure is shrunk and printed
	@cargo build --workspace --bins
	@ROLLCALL_SOAK_TIME=$(TIME) ROLLCALL_SOAK_SEED=$(SEED) ROLLCALL_SOAK_SHRINKS=$(SHRINKS) cargo test --package rollcall-tests --test it -- \
		--exact simulation::lives::weeks_of_directory_life_end_as_the_oracle_says --nocapture

bench: prerequisites ## the floors and Rollcall side by side; N=1000000 for a million users, RULES=--rules for many clauses and a group
	@cargo build --release --workspace --bins
	@cargo run --release --package rollcall-tests --bin bench -- --users $(N) $(RULES)

docs: prerequisites ## write docs/configuration.md from what the services say of their settings
	@cargo build --workspace --bins
	@ROLLCALL_WRITE_DOCS=1 cargo test --quiet --package rollcall-tests --test it -- \
		--exact operating::configuration::the_reference_of_the_configuration_is_current_and_explains_every_key

lint: ## formatting and clippy, warnings are errors
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets -- -D warnings

ci: lint test ## what the CI runs

prerequisites:
	@deploy/install-prerequisites.sh

tools:
	@deploy/install-tools.sh
