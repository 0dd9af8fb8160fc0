# SPDX-License-Identifier: MIT
LIB_sk_DEPS := proto util
$(call library,sk)
