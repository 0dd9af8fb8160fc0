# SPDX-License-Identifier: MIT
$(call program,cons,logline sk rt proto util)

CONS_MUX := pkg/cons/src/mux.c pkg/cons/src/menu.c lib/logline/src/logline.c
$(call host-test,cons-mux,pkg/cons/test/mux_test.c $(CONS_MUX),logline util)
$(call host-test,cons-options,pkg/cons/test/options_test.c pkg/cons/src/options.c,util)
$(call fuzz-target,cons-mux,pkg/cons/test/mux_fuzz.c $(CONS_MUX),logline util,pkg/cons/test/corpus/cons-mux)
