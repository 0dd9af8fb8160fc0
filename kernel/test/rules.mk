# SPDX-License-Identifier: MIT
# Host tests of the kernel's core against a fake of arch.h.
KERNEL_CORE_SRC := $(patsubst $(SRC)/%,%,$(filter-out %/vcpu.c %/guest.c,$(sort $(wildcard $(SRC)/kernel/object/*.c)))) \
                   kernel/api/syscall.c kernel/api/debug.c kernel/test/host/fake.c
KERNEL_HOST_CFLAGS := -I$(SRC)/kernel/include -I$(SRC)/kernel/test/host

TEST_kernel-object_CFLAGS := $(KERNEL_HOST_CFLAGS)
TEST_kernel-memory_CFLAGS := $(KERNEL_HOST_CFLAGS)
TEST_kernel-ipc_CFLAGS := $(KERNEL_HOST_CFLAGS)
TEST_kernel-sched_CFLAGS := $(KERNEL_HOST_CFLAGS)
$(call host-test,kernel-object,kernel/test/host/test_object.c $(KERNEL_CORE_SRC))
$(call host-test,kernel-memory,kernel/test/host/test_memory.c $(KERNEL_CORE_SRC))
$(call host-test,kernel-ipc,kernel/test/host/test_ipc.c $(KERNEL_CORE_SRC))
$(call host-test,kernel-sched,kernel/test/host/test_sched.c $(KERNEL_CORE_SRC))

# ktest: the kernel's own root task for the test in QEMU (tests/kernel), freestanding.
KTEST_SRC := $(sort $(wildcard $(SRC)/kernel/test/ktest/*.c))
KTEST_CFLAGS := $(USER_CFLAGS) -ffreestanding -fno-tree-loop-distribute-patterns -I$(SRC)/lib/sk/include
KERNEL_EXTRA += $(O)/bin/ktest
$(O)/bin/ktest: $(KTEST_SRC) $(wildcard $(SRC)/kernel/test/ktest/*.h $(SRC)/include/abi/*.h) $(SRC)/lib/sk/include/sk/sys.h $(O)/flags
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(KTEST_CFLAGS) -nostdlib -static -no-pie -Wl,-e,_start -Wl,-z,noexecstack \
	    -Wl,-z,separate-code -Wl,-z,max-page-size=4096 -Wl,--build-id=none -o $@ $(KTEST_SRC)

TEST_kernel-elf_CFLAGS := $(KERNEL_HOST_CFLAGS)
$(call host-test,kernel-elf,kernel/test/host/test_elf.c kernel/api/elf.c)
$(call fuzz-target,kernel-elf,kernel/test/host/fuzz_elf.c kernel/api/elf.c,,kernel/test/host/corpus/elf)
