# SPDX-License-Identifier: MIT
$(call program,moe-test,sk rt proto util)
