// SPDX-License-Identifier: MIT
/* The controller's namespaces: found at the start, and looked at again when they may have changed. See ctrl.h.
 *
 * A namespace that was found once keeps its struct nvme_ns for good, also when it is gone, since clients point to it.
 * `live` tells them whether it is what they know: 0 when it is gone, and another number when another namespace has its
 * identifier (by its NGUID, EUI64 and UUID), or when its format is another one. */
#include "ctrl_priv.h"

#include "log.h"
#include <abi/types.h>
#include <stdlib.h>
#include <string.h>

#define LIST_ENTRIES 1024u /* of a list of namespaces [NVMe-1.4 5.15.2.3, 5.14.1.4] */

void nvme_ns_special(const struct nvme_ns *ns, struct nvme_sqe *sqe)
{
    bool read = sqe->opcode == NVME_IO_READ;

    if (ns->info.protect) {
        sqe->cdw12 |= (uint32_t)NVME_RW_PRACT | (read ? ns->info.read_flags : 0);
        sqe->cdw14 = ns->info.ref_tag ? sqe->cdw10 : 0; /* of the first block */
    }
    if (ns->info.metadata) {
        sqe->mptr = ns->ctrl->meta.dev + (read ? NVME_META_BYTES : 0);
    }
}

/* Room for the separate metadata of one command; what is read there, nobody looks at. */
static int64_t meta_prepare(struct nvme_ctrl *c, const struct ident_ns *info)
{
    if (info->metadata == 0 || c->meta.mem) {
        return SK_OK;
    }
    return c->hw->ops->dma_alloc(c->hw, 2ul * NVME_META_BYTES, &c->meta);
}

/* With SK_OK: *why is NULL when it can be used. */
static int64_t ns_identify(struct nvme_ctrl *c, uint32_t nsid, struct ident_ns *info, const char **why)
{
    int64_t err = ctrl_identify_page(c, NVME_CNS_NAMESPACE, nsid, "Identify Namespace");

    *why = "it cannot be identified";
    if (err) {
        return err == SK_EIO ? SK_OK : err; /* one bad namespace does not end the others */
    }
    *why = ident_ns_parse(c->scratch.mem, info);
    if (!*why && hw_r32(c->hw, NVME_VS) >= NVME_VS_1_3) {
        err = ctrl_identify_page(c, NVME_CNS_NS_DESCS, nsid, "Identify, namespace descriptors");
        *why = err ? "its descriptors cannot be read" : ident_descs_parse(c->scratch.mem, info);
    }
    if (!*why && meta_prepare(c, info)) {
        *why = "there is no memory for its metadata";
    }
    return err == SK_EIO ? SK_OK : err;
}

static void ns_set(struct nvme_ns *ns, const struct ident_ns *info)
{
    uint64_t most = max(ns->ctrl->id.max_transfer, info->block_size);
    uint64_t blocks = min(65536ull, info->metadata ? NVME_META_BYTES / info->metadata : 65536ull);

    ns->info = *info;
    ns->max_transfer = (uint32_t)min(most, blocks * info->block_size);
    ns->unscanned = true;
}

static int64_t ns_add(struct nvme_ctrl *c, uint32_t nsid, const struct ident_ns *info)
{
    struct nvme_ns *ns = calloc(1, sizeof(*ns));
    struct nvme_ns **list = realloc(c->ns, (c->ns_count + 1) * sizeof(*list));

    if (list) {
        c->ns = list;
    }
    if (!ns || !list) {
        free(ns);
        return SK_ENOMEM;
    }
    *ns = (struct nvme_ns){.ctrl = c, .nsid = nsid, .live = 1, .edition = 1, .listed = true};
    ns_set(ns, info);
    ns->queue = ctrl_queue_first(c);
    if (!ns->queue) {
        free(ns);
        return SK_EIO;
    }
    c->ns[c->ns_count++] = ns;
    log_info("Making NSID %u visible to clients", nsid);
    return SK_OK;
}

static void ns_lose(struct nvme_ns *ns, const char *why)
{
    if (ns->live) {
        ns->live = 0;
        ns->ctrl->ns_changed = true;
        log_warn("NVMe[%s]: NSID %u is gone%s%s", ns->ctrl->id.serial, ns->nsid, why ? ": " : "", why ? why : "");
    }
}

static bool same_format(const struct ident_ns *a, const struct ident_ns *b)
{
    return a->block_size == b->block_size && a->metadata == b->metadata && a->protect == b->protect &&
           a->ref_tag == b->ref_tag;
}

/* It is known, and now like this. */
static void ns_update(struct nvme_ns *ns, const struct ident_ns *info)
{
    bool same = ns->info.identity == info->identity && same_format(&ns->info, info);
    bool back = !ns->live, resized = ns->info.blocks != info->blocks, protection = ns->info.readonly != info->readonly;
    const char *serial = ns->ctrl->id.serial;

    if (same && !back && !resized && !protection) {
        return;
    }
    ns->ctrl->ns_changed = true;
    if (!same) {
        ns->edition++;
        log_warn("NVMe[%s]: NSID %u is another namespace, or formatted in another way, than before", serial, ns->nsid);
    } else if (back) {
        log_info("NVMe[%s]: NSID %u is back", serial, ns->nsid);
    } else if (resized) {
        log_info("NVMe[%s]: NSID %u has %llu blocks now (it had %llu)", serial, ns->nsid,
                 (unsigned long long)info->blocks, (unsigned long long)ns->info.blocks);
    }
    if (same && protection) {
        log_warn("NVMe[%s]: NSID %u is %s", serial, ns->nsid,
                 info->readonly ? "write-protected now" : "not write-protected any more");
    }
    ns->live = ns->edition;
    ns_set(ns, info);
}

static struct nvme_ns *ns_find(const struct nvme_ctrl *c, uint32_t nsid)
{
    for (unsigned i = 0; i < c->ns_count; i++) {
        if (c->ns[i]->nsid == nsid) {
            return c->ns[i];
        }
    }
    return NULL;
}

/* An active namespace. */
static int64_t ns_check(struct nvme_ctrl *c, uint32_t nsid, bool changed)
{
    struct nvme_ns *ns = ns_find(c, nsid);
    struct ident_ns info;
    const char *why;

    if (ns) {
        ns->listed = true;
    }
    if (ns && ns->live && !changed) {
        return SK_OK;
    }
    if (!ns && c->ns_count == NVME_NS_MAX) {
        log_error("NVMe[%s]: NSID %u is not used: %u namespaces are the most", c->id.serial, nsid, NVME_NS_MAX);
        return SK_OK;
    }
    int64_t err = ns_identify(c, nsid, &info, &why);

    if (err) {
        return err;
    }
    if (why && ns) {
        ns_lose(ns, why);
    } else if (why) {
        log_warn("NVMe[%s]: NSID %u is not used: %s", c->id.serial, nsid, why);
    } else if (ns) {
        ns_update(ns, &info);
    } else {
        c->ns_changed = true;
        err = ns_add(c, nsid, &info);
    }
    return err;
}

static bool in_list(const uint32_t *list, uint32_t nsid)
{
    for (unsigned i = 0; i < LIST_ENTRIES && list[i]; i++) {
        if (list[i] == nsid || list[i] == NVME_NSID_ALL) {
            return true;
        }
    }
    return false;
}

/* Looks at all active namespaces [NVMe-1.4 5.15.2.3]; at those that are known if they are in the list of changed ones,
 * or if there is none. */
static int64_t active_check(struct nvme_ctrl *c, const uint32_t *changed)
{
    uint32_t last = 0;

    for (;;) {
        uint32_t page[LIST_ENTRIES]; /* a copy: the scratch buffer is needed for each namespace */
        int64_t err = ctrl_identify_page(c, NVME_CNS_ACTIVE_LIST, last, "Identify, active namespaces");

        if (err) {
            return err;
        }
        memcpy(page, c->scratch.mem, sizeof(page));
        for (unsigned i = 0; i < LIST_ENTRIES; i++) {
            if (page[i] <= last || page[i] > NVME_NSID_MAX) {
                return SK_OK; /* the end, or no ascending list */
            }
            last = page[i];
            err = ns_check(c, last, !changed || in_list(changed, last));
            if (err) {
                return err;
            }
        }
    }
}

int64_t ctrl_namespaces(struct nvme_ctrl *c, const uint32_t *changed)
{
    for (unsigned i = 0; i < c->ns_count; i++) {
        c->ns[i]->listed = false;
    }
    int64_t err = active_check(c, changed);

    for (unsigned i = 0; i < c->ns_count && !err; i++) {
        if (!c->ns[i]->listed) {
            ns_lose(c->ns[i], NULL);
        }
    }
    return err;
}

void ctrl_scan_tables(struct nvme_ctrl *c)
{
    for (unsigned i = 0; i < c->ns_count; i++) {
        if (c->ns[i]->unscanned && c->ns[i]->live) {
            c->ns[i]->unscanned = false;
            nvme_ns_scan(c->ns[i]);
        }
    }
}
