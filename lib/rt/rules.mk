# SPDX-License-Identifier: MIT
LIB_rt_DEPS := sk proto util
$(call library,rt)
