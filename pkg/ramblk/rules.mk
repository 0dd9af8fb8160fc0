# SPDX-License-Identifier: MIT
$(call program,ramblk,sk rt virtio proto util)

RAMBLK_REQUEST := pkg/ramblk/src/request.c pkg/ramblk/src/disk.c lib/virtio/src/gmem.c lib/virtio/src/vring.c lib/virtio/src/packed.c
$(call host-test,ramblk-request,pkg/ramblk/test/request_test.c $(RAMBLK_REQUEST),virtio util)
$(call host-test,ramblk-options,pkg/ramblk/test/options_test.c pkg/ramblk/src/options.c,virtio util)
$(call fuzz-target,ramblk-request,pkg/ramblk/test/request_fuzz.c $(RAMBLK_REQUEST),virtio util,pkg/ramblk/test/corpus/ramblk-request)
