# What people type. Each target first installs the Debian packages it needs and misses (scripts/bootstrap), then works
# quietly: a line for each step that takes longer than a second, logs in build/logs/.
#
#   make demo                  the main job end to end, on a clip of its own or MEDIA=path; KEEP=1 leaves the daemon running
#   make test                  build and run every test
#   make build                 what users run, in build/release/bin
#   make install PREFIX=/usr   programs, headers, libraries and the CMake package (DESTDIR is honoured)
#   make check                 format, layers, lint and tests
#   make asan, make tsan       the tests under sanitizers
#   make chaos                 the long fault runs: a disk that stops at 10,000 points, 1,000 kills with -9, 200,000 small jobs (20 minutes)
#   make deb                   Debian packages in build/release/packages: hotwell and libhotwell-dev
#   make bench                 benchmarks: tables, and JSON in build/bench/; PARTS="calls media" takes some of them
#   make clean
#
# JOBS=N limits how much is done at once (default: the cores).

JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
MAKEFLAGS += --no-print-directory
release := build/release

.PHONY: help demo build test check asan tsan bench install clean fuzz chaos deb
.DEFAULT_GOAL := help

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

# tools/configure PRESET [OPTION=VALUE...] runs CMake only where the build directory does not have these yet.
build:
	@scripts/bootstrap build
	@tools/configure release
	@tools/step build-release "building (release)" cmake --build $(release) --target product -j $(JOBS)

demo: build
	@scripts/demo

test:
	@scripts/bootstrap build test
	@tools/configure release HOTWELL_TESTS=ON
	@tools/step build-tests "building (release, with tests)" cmake --build $(release) -j $(JOBS)
	@tools/run-tests $(release) --jobs $(JOBS)

check:
	@scripts/bootstrap build test check
	@tools/step format "checking the format" tools/format --check
	@tools/step layers "checking the layers" tools/check-layers
	@tools/step page "checking the page" tools/check-page
	@tools/configure tidy
	@tools/step tidy "linting" tools/tidy build/tidy --jobs $(JOBS)
	@$(MAKE) test

asan tsan:
	@scripts/bootstrap build test
	@tools/configure $@ HOTWELL_TESTS=ON
	@tools/step build-$@ "building ($@)" cmake --build build/$@ -j $(JOBS)
	@tools/run-tests build/$@ --jobs $(JOBS) $(if $(filter tsan,$@),--label 'pool|cache|monitor|engine|server|http')

bench:
	@scripts/bootstrap build bench
	@tools/configure release HOTWELL_BENCH=ON
	@tools/step build-bench "building (release, with benchmarks)" cmake --build $(release) --target product benchmarks -j $(JOBS)
	@bench/run $(release) build/bench $(PARTS)

chaos:
	@scripts/bootstrap build test
	@tools/configure release HOTWELL_TESTS=ON
	@tools/step build-chaos "building (release)" cmake --build $(release) --target product hotwell-test-worker hotwell_cache_crash_test hotwell_cli_test -j $(JOBS)
	@HOTWELL_CRASH_POINTS=10000 $(release)/bin/hotwell_cache_crash_test --gtest_brief=1
	@HOTWELL_CRASH_POINTS=10000 $(release)/bin/hotwell_cli_test --gtest_filter='DaemonKill.*' --gtest_brief=1
	@tests/crash/chaos/chaos.py $(release)/bin --kills 1000 --jobs 10000
	@tests/crash/chaos/soak.py $(release)/bin --jobs 200000

install:
	@scripts/bootstrap build
	@tools/configure release CMAKE_INSTALL_PREFIX=$(PREFIX)
	@tools/step build-release "building (release)" cmake --build $(release) --target product -j $(JOBS)
	@tools/step install "installing under $(DESTDIR)$(PREFIX)" cmake --install $(release)
	@echo "installed under $(DESTDIR)$(PREFIX)"

clean:
	@rm -rf build var/demo

fuzz:
	@scripts/bootstrap build fuzz
	@tests/fuzz/run

deb:
	@scripts/bootstrap build deb
	@tools/configure release CMAKE_INSTALL_PREFIX=/usr
	@tools/step build-release "building (release)" cmake --build $(release) --target product -j $(JOBS)
	@tools/step deb "packing" cpack --config $(release)/CPackConfig.cmake
	@ls $(release)/packages/*.deb
