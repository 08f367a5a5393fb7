# The two commands that do everything on a fresh Debian 12: `make ask Q="…"` and `make test`.
# They install what is missing, build, and run. `make help` lists the rest.

Q ?= How many days lie between 1969-07-20 and 2026-11-22, and is that number prime?
# The question as it was typed: neither make nor the shell reads anything into it.
export OZONE_QUESTION := $(value Q)
CARGO_FLAGS := --release --locked
# With nextest where it is installed, with cargo's own runner elsewhere: the same tests.
TEST := $(shell cargo nextest --version >/dev/null 2>&1 && echo "nextest run $(if $(CI),--profile ci)" || echo "test")

.PHONY: ask build test test-clients setup check eval-curve demo-energy clean help

ask: build ## asks the shipped model Q="…"
	@target/release/ozone ask "$$OZONE_QUESTION"

build: setup ## leaves the binary at target/release/ozone
	@cargo build $(CARGO_FLAGS) --quiet --package ozone-cli

test: setup ## builds and runs all tests
	cargo $(TEST) $(CARGO_FLAGS) --workspace
	@scripts/test-clients.sh

test-clients: ## runs the clients that people use against a scripted server
	@scripts/test-clients.sh

setup: ## installs missing system packages and Python's
	@scripts/setup.sh

check: setup ## format, clippy, tests, docs
	@cargo xtask check

# Answers are kept in runs/curve: a stopped one goes on.
CURVE := target/release/ozone eval hard -n 400 --out runs/curve
eval-curve: build ## draws accuracy against cost of the shipped models: docs/curve.svg
	@$(CURVE) $(foreach model,$(notdir $(wildcard models/*)),-m $(model)) \
		-e none -e low -e medium -e high --svg docs/curve.svg --html runs/curve.html

# A made-up state with its own web. MODEL=… asks a model of your configuration in place of the script.
demo-energy: setup ## shows a question being answered with sources, an image tool and a chart
	@cargo xtask demo-energy $(if $(MODEL),--model $(MODEL))

clean: ## removes what was built
	@cargo clean
	@rm -rf .venv

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'
