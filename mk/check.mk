# SPDX-License-Identifier: MIT
# make check: everything but the long tests. make check-long: those.
PYTEST := /usr/bin/python3 -m pytest -q -p no:cacheprovider
PYTEST_ENV := SKERRY_BUILD=$(O)

.PHONY: check check-unit check-fuzz check-tools check-system check-long fuzz

check: check-unit check-fuzz check-tools check-system

check-unit: $(HOST_TESTS)
	$(Q)$(SRC)/tools/run-unit-tests $(HOST_TESTS)

# Replays each corpus and fuzzes for FUZZ_SECONDS per target.
FUZZ_SECONDS ?= 3
check-fuzz: $(FUZZ_TARGETS:%=$(O)/fuzz/%)
	$(Q)$(foreach t,$(FUZZ_TARGETS),$(SRC)/tools/run-fuzz $(O)/fuzz/$t $(FUZZ_$t_CORPUS) $(FUZZ_SECONDS) &&) true
fuzz: FUZZ_SECONDS := 300
fuzz: check-fuzz

# The build's and boot's own tools.
check-tools:
	$(Q)$(PYTEST_ENV) $(PYTEST) $(SRC)/tests/boot

# In QEMU: the kernel's suites, then the tutorial and everything around it. One after the other.
check-system: all guest memtest check-unit check-fuzz check-tools
	$(Q)$(PYTEST_ENV) $(PYTEST) -m 'not long' $(wildcard $(SRC)/tests/kernel $(SRC)/tests/moe $(SRC)/tests/scenario)

check-long: all guest memtest tiny
	$(Q)$(PYTEST_ENV) $(PYTEST) -m long $(SRC)/tests/scenario
