# SPDX-License-Identifier: MIT
$(call program,hello,sk rt proto util)
