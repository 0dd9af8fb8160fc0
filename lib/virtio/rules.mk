# SPDX-License-Identifier: MIT
LIB_virtio_DEPS := util
$(call library,virtio)
VRING_SRC := $(addprefix lib/virtio/src/,vring.c packed.c inflight.c gmem.c)
$(call host-test,virtio-vring,lib/virtio/test/vring_test.c $(VRING_SRC),virtio util)
$(call host-test,virtio-packed,lib/virtio/test/packed_test.c $(VRING_SRC),virtio util)
$(call host-test,virtio-inflight,lib/virtio/test/inflight_test.c $(VRING_SRC),virtio util)
$(call fuzz-target,vring,lib/virtio/test/vring_fuzz.c $(VRING_SRC),virtio util,lib/virtio/test/corpus/vring)
