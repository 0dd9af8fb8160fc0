# SPDX-License-Identifier: MIT
$(call program,moe,acpi elf logline sk rt proto util)
TEST_moe_phys_test_CFLAGS := -I$(SRC)/pkg/moe/src
TEST_moe_stack_test_CFLAGS := -I$(SRC)/pkg/moe/src
$(call host-test,moe_phys_test,pkg/moe/test/phys_test.c pkg/moe/src/phys.c pkg/moe/src/account.c,util)
$(call host-test,moe_stack_test,pkg/moe/test/stack_test.c pkg/moe/src/stack.c,util)
TEST_moe_wallclock_test_CFLAGS := -I$(SRC)/pkg/moe/src
$(call host-test,moe_wallclock_test,pkg/moe/test/wallclock_test.c pkg/moe/src/wallclock.c,util)
