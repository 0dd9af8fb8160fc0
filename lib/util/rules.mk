# SPDX-License-Identifier: MIT
# A header only; the archive is empty, so that programs can name the library like any other.
$(call library,util)
