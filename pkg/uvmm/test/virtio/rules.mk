# SPDX-License-Identifier: MIT
# Host tests of the guest's PCI bus and virtio devices.
UVMM_VIO_SRC := $(addprefix pkg/uvmm/,src/pci/config.c src/pci/host.c src/pci/msix.c src/virtio/common.c src/virtio/transport.c src/virtio/mmio.c src/virtio/rng.c \
    src/virtio/console.c src/virtio/blk.c src/virtio/blk_session.c src/virtio/blk_lost.c src/timer.c test/virtio/fakes.c) \
    lib/virtio/src/vring.c lib/virtio/src/packed.c lib/virtio/src/inflight.c lib/virtio/src/gmem.c lib/sk/src/msg.c
UVMM_VIO_LIBS := virtio sk proto util

TEST_uvmm-pci_CFLAGS := -I$(SRC)/pkg/uvmm/test/virtio/fake
TEST_uvmm-virtio_CFLAGS := $(TEST_uvmm-pci_CFLAGS)
TEST_uvmm-blk_CFLAGS := $(TEST_uvmm-pci_CFLAGS)
TEST_uvmm-blk-lost_CFLAGS := $(TEST_uvmm-pci_CFLAGS)
TEST_uvmm-vio_CFLAGS := $(TEST_uvmm-pci_CFLAGS)
$(call host-test,uvmm-pci,pkg/uvmm/test/virtio/pci_test.c $(UVMM_VIO_SRC),$(UVMM_VIO_LIBS))
$(call host-test,uvmm-virtio,pkg/uvmm/test/virtio/virtio_test.c $(UVMM_VIO_SRC),$(UVMM_VIO_LIBS))
TEST_uvmm-mmio_CFLAGS := $(TEST_uvmm-pci_CFLAGS)
$(call host-test,uvmm-mmio,pkg/uvmm/test/virtio/mmio_test.c $(UVMM_VIO_SRC),$(UVMM_VIO_LIBS))
$(call host-test,uvmm-blk-lost,pkg/uvmm/test/virtio/blk_lost_test.c pkg/uvmm/test/virtio/blk_server.c $(UVMM_VIO_SRC),$(UVMM_VIO_LIBS))
$(call host-test,uvmm-blk,pkg/uvmm/test/virtio/blk_test.c pkg/uvmm/test/virtio/blk_server.c $(UVMM_VIO_SRC),$(UVMM_VIO_LIBS))
$(call fuzz-target,uvmm-vio,pkg/uvmm/test/virtio/vio_fuzz.c $(UVMM_VIO_SRC),$(UVMM_VIO_LIBS),pkg/uvmm/test/virtio/corpus)
