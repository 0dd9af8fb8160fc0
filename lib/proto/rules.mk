# SPDX-License-Identifier: MIT
# Headers only; the archive is empty, so that programs can name the library like any other.
$(call library,proto)
