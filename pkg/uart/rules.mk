# SPDX-License-Identifier: MIT
$(call program,uart,sk rt proto util)
$(call host-test,uart,pkg/uart/test/uart_test.c pkg/uart/src/uart16550.c pkg/uart/src/options.c,util)
$(call fuzz-target,uart,pkg/uart/test/uart_fuzz.c pkg/uart/src/uart16550.c,util,pkg/uart/test/corpus/uart)
