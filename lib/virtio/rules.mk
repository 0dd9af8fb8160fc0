# SPDX-License-Identifier: MIT
LIB_virtio_DEPS := util
$(call library,virtio)
$(call host-test,virtio-vring,lib/virtio/test/vring_test.c lib/virtio/src/vring.c lib/virtio/src/gmem.c,virtio util)
$(call fuzz-target,vring,lib/virtio/test/vring_fuzz.c lib/virtio/src/vring.c lib/virtio/src/gmem.c,virtio util,lib/virtio/test/corpus/vring)
