# SPDX-License-Identifier: MIT
LIB_virtio_DEPS := util
$(call library,virtio)
VRING_SRC := $(addprefix lib/virtio/src/,vring.c packed.c inflight.c gmem.c)
$(call host-test,virtio-vring,lib/virtio/test/vring_test.c $(VRING_SRC),virtio util)
$(call host-test,virtio-packed,lib/virtio/test/packed_test.c $(VRING_SRC),virtio util)
$(call host-test,virtio-inflight,lib/virtio/test/inflight_test.c $(VRING_SRC),virtio util)
$(call fuzz-target,vring,lib/virtio/test/vring_fuzz.c $(VRING_SRC),virtio util,lib/virtio/test/corpus/vring)
# Accesses to shared memory are calls into weave.c; clang would do so at each function's begin and end, too.
WEAVE_SRC := $(addprefix lib/virtio/test/weave/,weave.c pair.c driver.c) $(VRING_SRC)
TEST_virtio-weave_CFLAGS := -fno-sanitize=address,undefined -fsanitize=thread -Wno-tsan
$(call host-test,virtio-weave,lib/virtio/test/weave/weave_test.c $(WEAVE_SRC),virtio util)
TEST_weave_CFLAGS := -fno-sanitize=address,undefined -fsanitize=thread -mllvm -tsan-instrument-func-entry-exit=0
$(call fuzz-target,weave,lib/virtio/test/weave/weave_fuzz.c $(WEAVE_SRC),virtio util,lib/virtio/test/corpus/weave)
