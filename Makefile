# Everything a person or a machine does with the source. `make help` lists it.
SHELL := /bin/bash
BUILD := $(CURDIR)/build
TOOLS := $(BUILD)/tools
GOLANGCI_VERSION := v2.15.0
GOLANGCI := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
export CGO_ENABLED := 1

.PHONY: help build test lint demo bench peers soak stores fuzz clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

build: $(BUILD)/cooper ## build/cooper

# A module of its own keeps ./... out of build, where the demo leaves source files.
$(BUILD)/go.mod:
	@mkdir -p $(BUILD)
	@echo 'module build' > $@

# The Go tool knows what is up to date; make does not.
.PHONY: $(BUILD)/cooper $(BUILD)/s3server
$(BUILD)/cooper: $(BUILD)/go.mod
	go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o $@ ./cmd/cooper

$(BUILD)/s3server: $(BUILD)/go.mod # for the demo (a module of its own)
	cd test/s3server && go build -trimpath -o $@ .

demo: build $(BUILD)/s3server ## the main jobs, for real, on an embedded S3 server
	@go run ./test/demo -cooper $(BUILD)/cooper -server $(BUILD)/s3server -dir $(BUILD)/demo

test: ## all tests; installs or starts what it needs, or says what it skips
	@scripts/test

lint: $(GOLANGCI) ## vet, format and lint
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not formatted:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	$(GOLANGCI) run ./...

$(GOLANGCI):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv $(TOOLS)/golangci-lint $@

bench: build ## measure against the floor (minutes; see docs/benchmarks.md)
	scripts/lab
	go run ./bench -cooper $(BUILD)/cooper

peers: build ## measure beside s3invsync and rclone, installing them (half an hour)
	scripts/peers
	go run ./bench -cooper $(BUILD)/cooper -parts $(or $(PARTS),$(PEERS)) -json $(BUILD)/peers.json

PEERS := peers-first,peers-few,peers-100k,peers-dir,peers-million

soak: build $(BUILD)/s3server ## thousands of kills, all pairs of quirks, all flips of bits (hours)
	COOPER_SOAK=20 go test -count=1 -timeout 12h -run 'TestKill|TestFault|Crash|Quirks|Flipped|HalfDone|RandomPlatforms|CompressAndGarbage|Years' -v ./test/kill ./test/flips ./test/years ./internal/gc/detect ./internal/job ./internal/tree ./internal/store/s3 ./internal/verb/replace

stores: build ## the jobs on S3 servers of others (an hour; STORES=moto for one)
	scripts/stores/run $(STORES)

fuzz: ## every fuzz test for a minute
	@scripts/fuzz 60s

clean: ## remove what was built
	rm -rf $(BUILD)
