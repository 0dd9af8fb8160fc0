# SPDX-License-Identifier: MIT
$(call program,blktest,sk rt virtio proto util)
