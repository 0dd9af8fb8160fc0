# SPDX-License-Identifier: MIT
PROG_nvme-drv_CFLAGS := -Os
$(call program,nvme-drv,fmt sk rt gpt virtio shell proto util)

NVME_CORE := $(addprefix pkg/nvme-drv/src/,blkdev.c blkrange.c blkreq.c bounce.c ctrl.c dptr.c event.c fair.c ident.c limit.c log.c ns.c ns_list.c pool.c power.c queue.c recover.c stat.c) \
             lib/gpt/src/gpt.c lib/gpt/src/mbr.c lib/virtio/src/gmem.c lib/virtio/src/vring.c lib/virtio/src/packed.c lib/virtio/src/inflight.c
NVME_MODEL := $(addprefix pkg/nvme-drv/test/,model.c model_admin.c model_io.c) $(NVME_CORE)

$(call host-test,nvme-regs,pkg/nvme-drv/test/regs_test.c,util)
$(call host-test,nvme-ctrl,pkg/nvme-drv/test/ctrl_test.c $(NVME_MODEL),gpt virtio util)
$(call host-test,nvme-power,pkg/nvme-drv/test/power_test.c $(NVME_MODEL),gpt virtio util)
$(call host-test,nvme-event,pkg/nvme-drv/test/event_test.c $(NVME_MODEL),gpt virtio util)
$(call host-test,nvme-blk-fault,pkg/nvme-drv/test/blk_fault_test.c $(NVME_MODEL),gpt virtio util)
$(call host-test,nvme-blk,pkg/nvme-drv/test/blk_test.c $(NVME_MODEL),gpt virtio util)
$(call host-test,nvme-change,pkg/nvme-drv/test/change_test.c $(NVME_MODEL),gpt virtio util)
$(call host-test,nvme-range,pkg/nvme-drv/test/range_test.c $(NVME_MODEL),gpt virtio util)
$(call host-test,nvme-qos,pkg/nvme-drv/test/qos_test.c $(NVME_MODEL),gpt virtio util)
TEST_nvme-share_CFLAGS := -I$(SRC)/pkg/nvme-drv/test/fake
$(call host-test,nvme-share,pkg/nvme-drv/test/share_test.c pkg/nvme-drv/src/share.c,gpt virtio proto sk util)
$(call host-test,nvme-options,pkg/nvme-drv/test/options_test.c pkg/nvme-drv/src/factory_arg.c pkg/nvme-drv/src/options.c pkg/nvme-drv/src/limit.c pkg/nvme-drv/src/target.c lib/gpt/src/gpt.c,gpt virtio util)
$(call fuzz-target,nvme-options,pkg/nvme-drv/test/options_fuzz.c pkg/nvme-drv/src/factory_arg.c pkg/nvme-drv/src/options.c pkg/nvme-drv/src/limit.c pkg/nvme-drv/src/target.c lib/gpt/src/gpt.c,gpt virtio util,pkg/nvme-drv/test/corpus/nvme-options)
$(call fuzz-target,nvme-ident,pkg/nvme-drv/test/ident_fuzz.c pkg/nvme-drv/src/ident.c,gpt virtio util,pkg/nvme-drv/test/corpus/nvme-ident)
NVME_SESSION := $(addprefix pkg/nvme-drv/src/,session.c client.c share.c target.c stat_show.c) pkg/nvme-drv/test/world.c lib/sk/src/msg.c \
                lib/shell/src/shell.c $(NVME_MODEL)
TEST_nvme-session_CFLAGS := -I$(SRC)/pkg/nvme-drv/test/fake
$(call host-test,nvme-session,pkg/nvme-drv/test/session_test.c $(NVME_SESSION),gpt virtio proto shell sk util)
$(call fuzz-target,nvme-session,pkg/nvme-drv/test/session_fuzz.c pkg/nvme-drv/test/fuzz_ring.c $(NVME_SESSION),gpt virtio proto shell sk util,pkg/nvme-drv/test/corpus/nvme-session)
$(call fuzz-target,nvme-event,pkg/nvme-drv/test/event_fuzz.c pkg/nvme-drv/src/admin.c lib/shell/src/shell.c $(NVME_MODEL),gpt virtio proto shell sk util,pkg/nvme-drv/test/corpus/nvme-event)
$(call fuzz-target,nvme-dptr,pkg/nvme-drv/test/dptr_fuzz.c $(NVME_MODEL),gpt virtio util,pkg/nvme-drv/test/corpus/nvme-dptr)
