# SPDX-License-Identifier: MIT
$(call library,sk)
