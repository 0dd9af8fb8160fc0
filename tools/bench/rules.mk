# SPDX-License-Identifier: MIT
# make bench: measures, and writes docs/benchmarks.md.
$(O)/bench/blkbench: $(SRC)/tools/bench/blkbench.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(MUSL_CC) -std=gnu17 -O2 -Wall -Wextra -static $(USER_IDIR) -o $@ $<
$(call bare-guest,bench/exitguest,$(SRC)/tools/bench/exitguest.c)
$(O)/bench/vmload: $(SRC)/tests/guest/vmload.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) -std=gnu17 -O2 -Wall -Wextra -static -pthread -o $@ $<
$(O)/bench/insncount.so: $(SRC)/tools/bench/insncount.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) -std=gnu17 -O2 -Wall -Wextra -fPIC -shared -fvisibility=hidden -o $@ $<

.PHONY: bench
bench: all guest $(addprefix $(O)/bench/,blkbench exitguest vmload insncount.so)
	$(Q)SKERRY_BUILD=$(O) $(SRC)/tools/bench/bench $(BENCH_ARGS)
