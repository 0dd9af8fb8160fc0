# SPDX-License-Identifier: MIT
LIB_fmt_CFLAGS := -Os
$(call library,fmt)
TEST_fmt_CFLAGS := -fno-builtin -Wno-format -Wno-format-security
$(call host-test,fmt,lib/fmt/test/fmt_test.c,util)
