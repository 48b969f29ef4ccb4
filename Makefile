# The short names of what one does here; CMake, Ninja and tools/ do the work.
BUILD ?= build
PREFIX ?= /usr/local
CONFIGURE = cmake -S . -B $(BUILD) -G Ninja -DCMAKE_INSTALL_PREFIX=$(PREFIX)

.PHONY: all demo check check-long soak conformance bench bench-instructions fuzz format install clean

all:
	tools/setup build
	$(CONFIGURE) >/dev/null
	cmake --build $(BUILD)

demo:           # a request sealed end to end through a proxy that is not trusted
	tools/setup demo
	$(CONFIGURE) >/dev/null
	cmake --build $(BUILD)
	demo/run --build $(BUILD)

check:          # every test and every check of the house
	tools/setup check
	tools/check

check-long:     # and what takes longer: all files linted, long tests, each fuzzer for a minute, all mutants
	tools/setup long
	tools/check --long

soak:           # a million worlds from seeds, or SEEDS=FROM-TO (docs/simulator.md)
	tools/setup build
	$(CONFIGURE) >/dev/null
	cmake --build $(BUILD)
	$(BUILD)/bin/coapsule-sim --seeds $(or $(SEEDS),0-999999) --jobs $(or $(JOBS),$(shell nproc))

conformance:    # renew docs/conformance.md and tests/expected-ids.txt from a whole run
	tools/setup check
	$(CONFIGURE) >/dev/null
	cmake --build $(BUILD)
	tools/run-tests --build $(BUILD)
	tools/coverage --write --results $(BUILD)/results.json

bench:          # what servers cost, ours beside others, and single steps (docs/performance.md)
	tools/setup bench
	cmake -S . -B build-bench -G Ninja -DCMAKE_BUILD_TYPE=Release -DCOAPSULE_BENCH=ON -DCOAPSULE_TESTS=OFF >/dev/null
	cmake --build build-bench
	for program in build-bench/bench/bench_*; do $$program || exit 1; done
	bench/run --build build-bench

bench-instructions: # what a request costs, counted, against bench/instructions.budget
	tools/setup long
	cmake -S . -B build-bench -G Ninja -DCMAKE_BUILD_TYPE=Release -DCOAPSULE_BENCH=ON -DCOAPSULE_TESTS=OFF >/dev/null
	cmake --build build-bench --target hot_path
	tools/bench-instructions

fuzz:           # each fuzzer for SECONDS, and the lines that they reach
	tools/setup long
	tools/fuzz --seconds $(or $(SECONDS),60) --lines

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

install:
	$(CONFIGURE) >/dev/null
	cmake --build $(BUILD)
	DESTDIR=$(DESTDIR) cmake --install $(BUILD)

deb:            # a Debian package, in build/
	tools/setup build
	$(CONFIGURE) >/dev/null
	cmake --build $(BUILD)
	cd $(BUILD) && cpack -G DEB

clean:
	rm -rf build build-*
