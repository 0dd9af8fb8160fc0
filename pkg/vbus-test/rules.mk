# SPDX-License-Identifier: MIT
$(call program,vbus-test,sk rt proto util)
