# SPDX-License-Identifier: MIT
LIB_rt_DEPS := sk proto util
LIB_rt_CFLAGS := -Os
$(call library,rt)

TEST_rt_symbols_test_CFLAGS := -I$(SRC)/lib/rt/src
TEST_rt_symbols_CFLAGS := -I$(SRC)/lib/rt/src
$(call host-test,rt_symbols_test,lib/rt/test/symbols_test.c lib/rt/src/symbols.c lib/rt/src/exception.c,rt util)
$(call fuzz-target,rt_symbols,lib/rt/test/symbols_fuzz.c lib/rt/src/symbols.c,rt util,lib/rt/test/corpus/symbols)
