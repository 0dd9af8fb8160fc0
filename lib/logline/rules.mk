# SPDX-License-Identifier: MIT
$(call library,logline)
$(call host-test,logline,lib/logline/test/logline_test.c lib/logline/src/logline.c,logline util)
