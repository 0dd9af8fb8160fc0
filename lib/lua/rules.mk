# SPDX-License-Identifier: MIT
# Lua glue shared by ned and io. The interpreter itself is Debian's liblua5.4.a (variable LUA_LIB).
LUA_LIB := /usr/lib/x86_64-linux-gnu/liblua5.4.a
HOST_LUA_LIBS := $(LUA_LIB) -lm -ldl
$(call library,lua)
