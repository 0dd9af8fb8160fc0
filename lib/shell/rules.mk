# SPDX-License-Identifier: MIT
LIB_shell_CFLAGS := -Os
$(call library,shell)
$(call host-test,shell,lib/shell/test/shell_test.c lib/shell/src/shell.c,shell)
$(call fuzz-target,shell,lib/shell/test/shell_fuzz.c lib/shell/src/shell.c,shell,lib/shell/test/corpus/shell)
