# SPDX-License-Identifier: MIT
# The hostile guest; `module hostile` finds it in bin/.
HOSTILE := $(SRC)/pkg/uvmm/test/hostile
BARE_CFLAGS := $(COMMON) -ffreestanding -nostdlib -fpie -fvisibility=hidden -mno-red-zone -mgeneral-regs-only -fno-stack-protector \
    -fno-jump-tables -fno-asynchronous-unwind-tables -fcf-protection=none -I$(HOSTILE)
BARE_LDFLAGS := -static -Wl,-T,$(HOSTILE)/hostile.ld -Wl,--build-id=none -Wl,--no-warn-rwx-segments

# bare-guest: PATH below $(O), SOURCE. A kernel on machine.h: flat image -> bzImage.
define bare-guest-body
$(O)/$1: $2 $(addprefix $(HOSTILE)/,entry.S header.S machine.c machine.h hostile.ld) $(O)/flags
	$$(call say,GUEST,$$@)
	$(Q)mkdir -p $$(@D) $(O)/obj/guest && $(CC) $(BARE_CFLAGS) $(BARE_LDFLAGS) -o $(O)/obj/guest/$(notdir $1).elf \
	    $(HOSTILE)/entry.S $(HOSTILE)/machine.c $2
	$(Q)$(OBJCOPY) -O binary $(O)/obj/guest/$(notdir $1).elf $(O)/obj/guest/$(notdir $1).payload
	$(Q)$(CC) -c -DPAYLOAD='"$(O)/obj/guest/$(notdir $1).payload"' -o $(O)/obj/guest/$(notdir $1).o $(HOSTILE)/header.S
	$(Q)$(OBJCOPY) -O binary -j .image $(O)/obj/guest/$(notdir $1).o $$@
endef
bare-guest = $(eval $(call bare-guest-body,$1,$2))

EXTRA_TARGETS += $(O)/bin/hostile
$(call bare-guest,bin/hostile,$(HOSTILE)/hostile.c)
