# SPDX-License-Identifier: MIT
# Host tests of hardware virtualization: SVM's and VMX's files without the hardware.
VM_DIR := kernel/arch/x86_64/vm
VM_TEST_SRC := kernel/test/vm/svm_fake.c $(addprefix $(VM_DIR)/,doorbell.c svm_state.c svm_exit.c svm_nmi.c vm_check.c vm_vcpu.c)
VMX_TEST_SRC := kernel/test/vm/vmx_fake.c $(addprefix $(VM_DIR)/,doorbell.c vmx_state.c vmx_exit.c vm_check.c vm_vcpu.c)
VM_TEST_CFLAGS := -I$(SRC)/kernel/include -I$(SRC)/kernel/arch/x86_64

TEST_svm_defs_test_CFLAGS := $(VM_TEST_CFLAGS)
TEST_vmx_defs_test_CFLAGS := $(VM_TEST_CFLAGS)
TEST_vmx_state_test_CFLAGS := $(VM_TEST_CFLAGS)
TEST_vmx_exit_test_CFLAGS := $(VM_TEST_CFLAGS)
TEST_doorbell_test_CFLAGS := $(VM_TEST_CFLAGS)
TEST_svm_state_test_CFLAGS := $(VM_TEST_CFLAGS)
TEST_svm_exit_test_CFLAGS := $(VM_TEST_CFLAGS)
TEST_svm_tcg_test_CFLAGS := $(VM_TEST_CFLAGS)
TEST_svm_state_fuzz_CFLAGS := $(VM_TEST_CFLAGS)
TEST_vmx_state_fuzz_CFLAGS := $(VM_TEST_CFLAGS)
$(call host-test,svm_defs_test,kernel/test/vm/svm_defs_test.c,)
$(call host-test,vmx_defs_test,kernel/test/vm/vmx_defs_test.c,)
$(call host-test,vmx_state_test,kernel/test/vm/vmx_state_test.c $(VMX_TEST_SRC),)
$(call host-test,vmx_exit_test,kernel/test/vm/vmx_exit_test.c $(VMX_TEST_SRC),)
$(call host-test,doorbell_test,kernel/test/vm/doorbell_test.c $(VM_DIR)/doorbell.c,)
$(call host-test,svm_state_test,kernel/test/vm/svm_state_test.c $(VM_TEST_SRC),)
$(call host-test,svm_exit_test,kernel/test/vm/svm_exit_test.c $(VM_TEST_SRC),)
$(call host-test,svm_tcg_test,kernel/test/vm/svm_tcg_test.c $(VM_DIR)/svm_tcg.c $(VM_TEST_SRC),)
$(call fuzz-target,vmx_state_fuzz,kernel/test/vm/vmx_state_fuzz.c $(VMX_TEST_SRC),,kernel/test/vm/corpus/svm_state)
$(call fuzz-target,svm_state_fuzz,kernel/test/vm/svm_state_fuzz.c $(VM_TEST_SRC),,kernel/test/vm/corpus/svm_state)

# vmtest: a root program for QEMU (tests/kernel/test_vm.py). Without the C library.
VMTEST_SRC := $(patsubst $(SRC)/%,%,$(sort $(wildcard $(SRC)/kernel/test/vmtest/*.[cS])))
VMTEST_OBJ := $(VMTEST_SRC:%=$(O)/obj/user/%.o)
$(VMTEST_OBJ): PRIV := -I$(SRC)/lib/sk/include -ffreestanding -fno-tree-loop-distribute-patterns
KERNEL_EXTRA += $(O)/bin/vmtest
$(O)/bin/vmtest: $(VMTEST_OBJ)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && ld -m elf_x86_64 -nostdlib -static -z noexecstack -z separate-code -z max-page-size=4096 \
	    --build-id=none -e _start -Ttext-segment=0x400000 -o $@ $(VMTEST_OBJ)
