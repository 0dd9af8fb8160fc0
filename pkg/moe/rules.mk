# SPDX-License-Identifier: MIT
$(call program,moe,elf sk rt proto util)
