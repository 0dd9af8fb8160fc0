# SPDX-License-Identifier: MIT
# The hostile guest: flat kernel -> bzImage. `module hostile` finds it in bin/.
HOSTILE := $(SRC)/pkg/uvmm/test/hostile
HOSTILE_OBJ := $(O)/obj/hostile
HOSTILE_CFLAGS := $(COMMON) -ffreestanding -nostdlib -fpie -fvisibility=hidden -mno-red-zone -mgeneral-regs-only -fno-stack-protector \
    -fno-jump-tables -fno-asynchronous-unwind-tables -fcf-protection=none
HOSTILE_SRC := $(addprefix $(HOSTILE)/,entry.S hostile.c machine.c)
EXTRA_TARGETS += $(O)/bin/hostile

$(HOSTILE_OBJ)/hostile.elf: $(HOSTILE_SRC) $(HOSTILE)/machine.h $(HOSTILE)/hostile.ld $(O)/flags
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(HOSTILE_CFLAGS) -static -Wl,-T,$(HOSTILE)/hostile.ld -Wl,--build-id=none -Wl,--no-warn-rwx-segments \
	    -o $@ $(HOSTILE_SRC)
$(O)/bin/hostile: $(HOSTILE_OBJ)/hostile.elf $(HOSTILE)/header.S
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D) && $(OBJCOPY) -O binary $< $(HOSTILE_OBJ)/payload
	$(Q)$(CC) -c -DPAYLOAD='"$(HOSTILE_OBJ)/payload"' -o $(HOSTILE_OBJ)/header.o $(HOSTILE)/header.S
	$(Q)$(OBJCOPY) -O binary -j .image $(HOSTILE_OBJ)/header.o $@
