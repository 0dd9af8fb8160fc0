# SPDX-License-Identifier: MIT
# Host tests of the kernel's core against a fake of arch.h.
KERNEL_CORE_SRC := $(patsubst $(SRC)/%,%,$(filter-out %/vcpu.c %/guest.c,$(sort $(wildcard $(SRC)/kernel/object/*.c)))) \
                   kernel/api/syscall.c kernel/api/debug.c kernel/test/host/fake.c
KERNEL_HOST_CFLAGS := -I$(SRC)/kernel/include -I$(SRC)/kernel/test/host

TEST_kernel-object_CFLAGS := $(KERNEL_HOST_CFLAGS)
TEST_kernel-memory_CFLAGS := $(KERNEL_HOST_CFLAGS)
TEST_kernel-ipc_CFLAGS := $(KERNEL_HOST_CFLAGS)
$(call host-test,kernel-object,kernel/test/host/test_object.c $(KERNEL_CORE_SRC))
$(call host-test,kernel-memory,kernel/test/host/test_memory.c $(KERNEL_CORE_SRC))
$(call host-test,kernel-ipc,kernel/test/host/test_ipc.c $(KERNEL_CORE_SRC))
