# The words that README.md and CI use. Each target says what it does; `make help` lists them.
SHELL := bash
.DEFAULT_GOAL := help

# `make demo KUBECONFIG=...` is a wish; a KUBECONFIG that merely stands in the environment is not.
ifeq ($(origin KUBECONFIG),command line)
demo_arguments := --kubeconfig "$(KUBECONFIG)"
endif
# make cluster TEST=cluster_testbed FILTER=part_of_a_test_name
TEST ?=
FILTER ?=

.PHONY: help demo test fuzz bench testbed testbed-down fmt lint unit cluster crds chart man deny notice image release

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

demo: ## the main job, told step by step, on a Kubernetes of its own (or KUBECONFIG=... on yours, after asking)
	tests/testbed/demo.sh $(demo_arguments)

test: ## everything: formatting, lints, unit tests, cluster tests; builds the test bed when it is missing
	tests/run.sh all

fuzz: ## every parser of what others write, with changed inputs, a minute each (FUZZ_TARGET=cfssl FUZZ_SECONDS=600 FUZZ_SEED=1)
	cargo test --locked --lib fuzz:: -- --ignored --nocapture

unit: ## formatting aside, what needs no cluster: seconds
	tests/run.sh unit

cluster: ## the cluster tests in a test bed (TEST=cluster_testbed FILTER=words to run some)
	tests/run.sh cluster "$(TEST)" $(FILTER)

bench: ## speed, API writes and memory on the test bed, as a table
	cargo build --release --locked --features jemalloc
	cargo bench --no-run --locked --features jemalloc
	cargo bench --locked --features jemalloc $(if $(FILTER),-- $(FILTER))

testbed: ## starts a test bed that stays, and says how to use it
	tests/testbed/testbed.sh up

testbed-down: ## ends it
	tests/testbed/testbed.sh down

fmt: ## formats the sources
	cargo fmt

lint: ## what CI says about formatting and style
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings

crds: ## writes crds/ from src/api
	cargo run --quiet --locked -- crds --output-dir crds

chart: ## writes the parts of deploy/chart that come from deploy/, crds/ and values.yaml
	deploy/chart.sh

man: ## writes the manual pages to target/man
	cargo run --quiet --locked -- man target/man

deny: ## licences, sources, bans and (where their database can be reached) advisories of the dependencies
	tests/run/deny.sh

notice: ## writes NOTICE: the licences of the crates in the program
	deploy/release/dependencies.py notice

image: ## the container image as a tar, without docker
	deploy/image.sh

release: ## binaries and images for amd64 and arm64, manifest, chart, SBOM and checksums, in target/release-VERSION (docs/release.md)
	deploy/release.sh
