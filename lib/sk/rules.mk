# SPDX-License-Identifier: MIT
LIB_sk_DEPS := proto util
$(call library,sk)

# The fake kernel's invoke.h comes first in the include path.
SK_TEST_SRC := lib/sk/test/fake/fake.c lib/sk/src/env.c lib/sk/src/msg.c lib/sk/src/server.c lib/sk/src/vm.c
TEST_sk_msg_test_CFLAGS := -I$(SRC)/lib/sk/test/fake
TEST_sk_server_test_CFLAGS := -I$(SRC)/lib/sk/test/fake
TEST_sk_vm_test_CFLAGS := -I$(SRC)/lib/sk/test/fake
$(call host-test,sk_msg_test,lib/sk/test/msg_test.c $(SK_TEST_SRC),sk proto util)
$(call host-test,sk_server_test,lib/sk/test/server_test.c $(SK_TEST_SRC),sk proto util)
TEST_sk_mutex_test_CFLAGS := -I$(SRC)/lib/sk/test/fake
$(call host-test,sk_mutex_test,lib/sk/test/mutex_test.c lib/sk/src/mutex.c,sk proto util)
$(call host-test,sk_vm_test,lib/sk/test/vm_test.c $(SK_TEST_SRC),sk proto util)
