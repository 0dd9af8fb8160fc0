# SPDX-License-Identifier: MIT
# The whole build, non-recursive. Input: SRC (source tree), O (build folder).
#
# Each module has a rules.mk that declares what it is:
#   $(call library,NAME)                 lib/NAME/src/*.c -> libNAME.a; API in lib/NAME/include
#   $(call program,NAME,LIBS)            pkg/NAME/src/**.c -> bin/NAME, a static program for Skerry
#   $(call host-test,NAME,SOURCES,LIBS)  cmocka test, ASan + UBSan, run by `make check-unit`
#   $(call fuzz-target,NAME,SOURCES,LIBS,CORPUS) libFuzzer target; replayed and run by `make check-fuzz`
# Paths in rules.mk are relative to the source tree. LIBS are names of lib/ folders.

ifeq ($(filter else-if shortest-stem,$(.FEATURES)),)
$(error GNU make 4 is needed)
endif
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules --no-print-directory

Q := $(if $(filter 1,$(V)),,@)
ifneq ($(filter 1,$(V)),)
say =
else
say = @printf '  %-8s %s\n' '$1' '$(patsubst $(O)/%,%,$2)'
endif

# --- tools and flags ----------------------------------------------------------------------------
CC      := gcc
MUSL_CC := musl-gcc
AR      := ar
HOST_CC := gcc
CLANG   := clang-14
OBJCOPY := objcopy

-include $(O)/config.mk

WARN := -Wall -Wextra -Wconversion -Wno-sign-conversion -Wshadow -Wundef -Wmissing-prototypes -Wstrict-prototypes \
        -Wvla -Wpointer-arith -Wimplicit-fallthrough -Werror
COMMON := -std=gnu17 -O2 -g -fno-common -ffunction-sections -fdata-sections -fno-strict-aliasing \
          -fmacro-prefix-map=$(SRC)/= -ffile-prefix-map=$(SRC)/= $(WARN) -I$(SRC)/include

KERNEL_CFLAGS := $(COMMON) -ffreestanding -nostdlib -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone -mgeneral-regs-only \
                 -fno-omit-frame-pointer -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none \
                 -I$(SRC)/kernel/include -I$(SRC)/kernel/arch/x86_64
# musl first, then the kernel and library headers that Debian keeps in /usr/include
USER_CFLAGS := $(COMMON) -fno-pic -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none -fno-omit-frame-pointer
USER_IDIR   := -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu
USER_LDFLAGS := -static -no-pie -nostartfiles -Wl,-e,_sk_start -Wl,--gc-sections -Wl,-z,noexecstack -Wl,-T,$(SRC)/mk/user.ld \
                -Wl,-z,max-page-size=4096 -Wl,--build-id=none
SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined
HOST_CFLAGS := $(COMMON) -fno-omit-frame-pointer -DHOST_TEST=1 $(SAN)

# --- templates ------------------------------------------------------------------------------------
lib-inc = $(foreach l,$1,-I$(SRC)/lib/$l/include)
dep-flags = -MMD -MP -MT $@ -MF $@.d

# A file that changes when the flags do, so that objects are rebuilt.
$(O)/flags: FORCE
	$(Q)mkdir -p $(O)
	$(Q)printf '%s\n' '$(subst ','\'',$(KERNEL_CFLAGS) | $(USER_CFLAGS) | $(USER_LDFLAGS) | $(HOST_CFLAGS))' > $@.new
	$(Q)cmp -s $@ $@.new && rm $@.new || mv $@.new $@
.PHONY: FORCE
FORCE:

PROGRAMS :=
LIBRARIES :=
HOST_TESTS :=
FUZZ_TARGETS :=
KERNEL_EXTRA :=

# library: LIB_NAME_DEPS (set before the call) lists other libraries whose headers it needs.
define library-body
LIBRARIES += $(O)/lib/lib$1.a
LIB_$1_SRC := $$(patsubst $(SRC)/%,%,$$(sort $$(wildcard $(SRC)/lib/$1/src/*.c $(SRC)/lib/$1/src/*.S)))
LIB_$1_OBJ := $$(patsubst %,$(O)/obj/user/%.o,$$(LIB_$1_SRC))
$$(LIB_$1_OBJ): PRIV := -I$(SRC)/lib/$1/src $$(call lib-inc,$1 $$(LIB_$1_DEPS)) $$(LIB_$1_CFLAGS)
$(O)/lib/lib$1.a: $$(LIB_$1_OBJ)
	$$(call say,AR,$$@)
	$(Q)mkdir -p $$(@D) && rm -f $$@ && $(AR) rcD $$@ $$^
endef
library = $(eval $(call library-body,$1))

# program: sources below pkg/NAME/src, private headers there; PROG_NAME_LDLIBS: extra archives.
define program-body
PROGRAMS += $(O)/bin/$1
PROG_$1_SRC := $$(patsubst $(SRC)/%,%,$$(sort $$(shell find $(SRC)/pkg/$1/src -name '*.c' -o -name '*.S' | LC_ALL=C sort)))
PROG_$1_OBJ := $$(patsubst %,$(O)/obj/user/%.o,$$(PROG_$1_SRC))
$$(PROG_$1_OBJ): PRIV := -I$(SRC)/pkg/$1/src -I$(SRC)/pkg/$1/include $$(call lib-inc,$2) $$(PROG_$1_CFLAGS)
$(O)/bin/$1: $$(PROG_$1_OBJ) $$(foreach l,$2,$(O)/lib/lib$$l.a) $(O)/flags $(SRC)/mk/user.ld
	$$(call say,LD,$$@)
	$(Q)mkdir -p $$(@D) && $(MUSL_CC) $(USER_LDFLAGS) -o $$@.dbg $$(PROG_$1_OBJ) \
	    -Wl,--start-group $$(foreach l,$2,$(O)/lib/lib$$l.a) $$(PROG_$1_LDLIBS) -Wl,--end-group -Wl,-Map=$$@.map
	$(Q)$(OBJCOPY) --strip-debug $$@.dbg $$@
endef
program = $(eval $(call program-body,$1,$2))

# host-test: a program per test; HOST_TEST=1 is defined; includes of LIBS and of lib/util. Tests with the same flags and libraries share
# their objects, which are in a folder named after these: group-of,FLAGS,LIBS; group-body,KIND,GROUP,COMPILER,FLAGS,LIBS.
empty :=
space := $(empty) $(empty)
group-of = $(subst /,_,$(subst =,_,$(subst ",,$(subst \,,$(subst $(space),,$(subst $(SRC)/,,$1)$(sort $2))))))
group-objects = $(patsubst %,$(O)/obj/$1/$2/%.o,$3)
define group-body
ifndef GROUP_$1_$2
GROUP_$1_$2 := $4 $(call lib-inc,$5)
$(O)/obj/$1/$2/%.o: $(SRC)/% $(O)/flags
	$$(call say,$(if $(filter host,$1),HOSTCC,FUZZCC),$$@)
	$(Q)mkdir -p $$(@D) && $3 $$(GROUP_$1_$2) $$(dep-flags) -c -o $$@ $$<
endif
endef
define host-test-body
$(call group-body,host,$4,$(HOST_CC) $(HOST_CFLAGS),$(TEST_$1_CFLAGS),$3)
HOST_TESTS += $(O)/test/$1
TEST_$1_OBJ := $(call group-objects,host,$4,$2)
$(O)/test/$1: $(call group-objects,host,$4,$2)
	$$(call say,HOSTLD,$$@)
	$(Q)mkdir -p $$(@D) && $(HOST_CC) $(SAN) -o $$@ $$(filter %.o,$$^) $$(TEST_$1_LDLIBS) -lcmocka
endef
host-test = $(eval $(call host-test-body,$1,$2,$3,$(call group-of,$(TEST_$1_CFLAGS),$3)))

FUZZ_CFLAGS := $(filter-out -Werror,$(COMMON)) -Wno-everything -DHOST_TEST=1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
define fuzz-target-body
$(call group-body,fuzz,$5,$(CLANG) $(FUZZ_CFLAGS),$(TEST_$1_CFLAGS),$3)
FUZZ_TARGETS += $1
FUZZ_$1_CORPUS := $(SRC)/$4
$(O)/fuzz/$1: $(call group-objects,fuzz,$5,$2)
	$$(call say,FUZZLD,$$@)
	$(Q)mkdir -p $$(@D) && $(CLANG) -fsanitize=fuzzer,address,undefined -o $$@ $$(filter %.o,$$^) $$(TEST_$1_LDLIBS)
endef
fuzz-target = $(eval $(call fuzz-target-body,$1,$2,$3,$4,$(call group-of,$(TEST_$1_CFLAGS),$3)))

$(O)/obj/user/%.c.o: $(SRC)/%.c $(O)/flags
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(MUSL_CC) $(USER_CFLAGS) $(PRIV) $(USER_IDIR) $(dep-flags) -c -o $@ $<
$(O)/obj/user/%.S.o: $(SRC)/%.S $(O)/flags
	$(call say,AS,$@)
	$(Q)mkdir -p $(@D) && $(MUSL_CC) $(USER_CFLAGS) $(PRIV) $(USER_IDIR) $(dep-flags) -c -o $@ $<
$(O)/obj/kernel/%.c.o: $(SRC)/%.c $(O)/flags
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(KERNEL_CFLAGS) $(dep-flags) -c -o $@ $<
$(O)/obj/kernel/%.S.o: $(SRC)/%.S $(O)/flags
	$(call say,AS,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(KERNEL_CFLAGS) $(dep-flags) -c -o $@ $<

# --- modules ----------------------------------------------------------------------------------------
include $(sort $(wildcard $(SRC)/kernel/rules.mk $(SRC)/lib/*/rules.mk $(SRC)/pkg/*/rules.mk $(SRC)/pkg/*/test/*/rules.mk $(SRC)/tests/*/rules.mk \
          $(SRC)/tests/rules.mk $(SRC)/tools/*/rules.mk))

include $(SRC)/mk/boot.mk

.PHONY: all config clean
all: $(KERNEL) $(PROGRAMS) $(KERNEL_EXTRA) $(EXTRA_TARGETS)

clean:
	$(Q)rm -rf $(O)/obj $(O)/lib $(O)/bin $(O)/test $(O)/fuzz $(O)/flags

include $(SRC)/mk/check.mk

-include $(shell find $(O)/obj $(O)/test $(O)/fuzz -name '*.d' 2>/dev/null)
