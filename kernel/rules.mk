# SPDX-License-Identifier: MIT
# The kernel: every .c and .S below kernel/ (but tests) in one ELF image.
KERNEL := $(O)/bin/kernel
KERNEL_SRC := $(patsubst $(SRC)/%,%,$(shell find $(SRC)/kernel -path $(SRC)/kernel/test -prune -o \( -name '*.c' -o -name '*.S' \) -print | LC_ALL=C sort))
KERNEL_OBJ := $(KERNEL_SRC:%=$(O)/obj/kernel/%.o)
