# SPDX-License-Identifier: MIT
NED_L4_LUA := $(SRC)/pkg/ned/src/L4.lua
PROG_ned_CFLAGS := $(call lib-inc,util proto) -DNED_L4_LUA=\"$(NED_L4_LUA)\"
PROG_ned_LDLIBS := $(LUA_LIB)
$(call program,ned,lua rt sk)
$(O)/obj/user/pkg/ned/src/l4_lua.S.o: $(NED_L4_LUA)

TEST_ned_CFLAGS := -DNED_L4_LUA=\"$(NED_L4_LUA)\" -DNED_SRC=\"$(SRC)\" -I$(SRC)/pkg/ned/src
TEST_ned_LDLIBS := $(HOST_LUA_LIBS)
$(call host-test,ned,pkg/ned/test/ned_test.c pkg/ned/test/os_fake.c pkg/ned/src/cap.c pkg/ned/src/primitives.c \
    pkg/ned/src/watch.c pkg/ned/src/state.c pkg/ned/src/l4_lua.S lib/lua/src/luax.c,lua util proto)
$(TEST_ned_OBJ): $(NED_L4_LUA) $(SRC)/pkg/uvmm/configs/vmm.lua
