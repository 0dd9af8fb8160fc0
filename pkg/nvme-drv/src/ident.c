// SPDX-License-Identifier: MIT
// Identify data: see ident.h.
#include "ident.h"

#include <string.h>

#define SHUTDOWN_MIN_MS 5000u /* also where the controller says nothing */
#define SHUTDOWN_MAX_MS 60000u

static void text_copy(char *out, const char *in, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = in[i];

        *out++ = c >= 0x20 && c < 0x7f ? c : c == 0 ? ' ' : '?';
    }
    *out = 0;
}

/* The field is padded with blanks [NVMe-1.4 5.15.2.2], by some drives in front; others are part of it. */
static void text_trim(char *text)
{
    size_t first = strspn(text, " "), len = strlen(text);

    while (len > first && text[len - 1] == ' ') {
        len--;
    }
    memmove(text, text + first, len - first);
    text[len - first] = 0;
}

const char *ident_ctrl_parse(const struct nvme_id_ctrl *id, struct ident_ctrl *out)
{
    *out = (struct ident_ctrl){.cntlid = id->cntlid, .nn = id->nn, .mdts = id->mdts};
    out->abort_limit = (uint8_t)min(id->acl + 1u, 8u); /* each takes a place of the admin queue */
    text_copy(out->serial, id->sn, sizeof(id->sn));
    text_trim(out->serial);
    text_copy(out->model, id->mn, sizeof(id->mn));
    text_copy(out->firmware, id->fr, sizeof(id->fr));
    out->event_limit = (uint8_t)min(id->aerl + 1u, IDENT_EVENTS_MAX);
    out->error_entries = id->elpe;
    out->ns_events = (id->oaes & NVME_OAES_NS) != 0;
    out->ns_attach = (id->oacs & NVME_OACS_NS) != 0;
    out->vwc = out->cache = (id->vwc & NVME_VWC_PRESENT) != 0;
    out->dsm = (id->oncs & NVME_ONCS_DSM) != 0;
    out->write_zeroes = (id->oncs & NVME_ONCS_WRITE_ZEROES) != 0;
    out->max_transfer = id->mdts == 0 || id->mdts >= 8 ? IDENT_MAX_TRANSFER : 4096u << id->mdts;
    out->shutdown_ms = max(id->rtd3e / 1000, SHUTDOWN_MIN_MS);
    out->shutdown_ms = min(out->shutdown_ms, SHUTDOWN_MAX_MS);
    uint64_t sgls = field_get(NVME_SGLS_SUPPORT, id->sgls);

    out->dptr = sgls == 1 ? DPTR_SGL : sgls == 2 ? DPTR_SGL_DWORD : DPTR_PRP;
    if (field_get(NVME_SQES_MIN, id->sqes) > 6 || field_get(NVME_SQES_MAX, id->sqes) < 6 ||
        field_get(NVME_SQES_MIN, id->cqes) > 4 || field_get(NVME_SQES_MAX, id->cqes) < 4) {
        return "it does not take queue entries of 64 and 16 bytes";
    }
    return NULL;
}

/* Metadata [NVMe-1.4 8.2, 8.3]: data can be exchanged alone when the metadata are protection information only, which
 * the controller adds and removes (PRACT), or when they are transferred apart from the data. Of larger ones that hold
 * protection information, the controller makes that and takes the rest from the buffer. */
static const char *parse_metadata(const struct nvme_id_ns *id, uint32_t lbaf, struct ident_ns *out)
{
    uint64_t bytes = field_get(NVME_LBAF_MS, lbaf), type = field_get(NVME_DPS_TYPE, id->dps);

    if (type > 3 || (type != 0 && bytes < 8)) {
        return "its kind of protection information is impossible";
    }
    if (bytes > (type != 0 ? 8 : 0) && (id->flbas & NVME_FLBAS_EXTENDED)) {
        return "its metadata lie within the blocks (extended LBAs); format it with separate metadata or none";
    }
    out->special = bytes != 0;
    out->protect = type != 0;
    out->ref_tag = type == 1 || type == 2;
    out->metadata = (uint16_t)(type == 0 || bytes > 8 ? bytes : 0);
    /* the reference tag is not checked: blocks that were never written need not have a right one, but zeros have a
     * right guard */
    out->read_flags = type == 0 ? 0 : (uint32_t)NVME_RW_CHECK_GUARD;
    return NULL;
}

/* FNV-1a */
static uint64_t hash(uint64_t h, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        h = (h ^ data[i]) * 0x100000001b3ull;
    }
    return h;
}

const char *ident_descs_parse(const uint8_t page[4096], struct ident_ns *out)
{
    for (unsigned off = 0; off + 4 <= 4096 && page[off + 1] != 0; off += 4u + page[off + 1]) { /* NIDL 0: the end */
        out->identity = hash(out->identity, page + off, min(4u + page[off + 1], 4096 - off));
        if (page[off] != NVME_NIDT_CSI || page[off + 1] != 1 || off + 5 > 4096) {
            continue;
        }
        switch (page[off + 4]) {
        case NVME_CSI_NVM:
            break;
        case NVME_CSI_KV:
            return "it is a key-value namespace, not a disk of blocks";
        case NVME_CSI_ZNS:
            return "it is a zoned namespace, which cannot be written in any order as guests do";
        default:
            return "it has a command set that is not known";
        }
    }
    return NULL;
}

const char *ident_ns_parse(const struct nvme_id_ns *id, struct ident_ns *out)
{
    uint64_t format = field_get(NVME_FLBAS_FORMAT, id->flbas);
    uint32_t lbaf = id->lbaf[format];
    uint64_t lbads = field_get(NVME_LBAF_LBADS, lbaf);

    if (format > id->nlbaf) {
        return "its format index is beyond its list of formats";
    }
    if (lbads < 9 || lbads > 16) {
        return "its block size is not supported (512 bytes to 64 KiB are)";
    }
    if (id->nsze == 0 || id->nsze > (uint64_t)INT64_MAX >> lbads) {
        return "its size is impossible";
    }
    bool perf = (id->nsfeat & NVME_NSFEAT_OPTPERF) != 0;

    *out = (struct ident_ns){
        .blocks = id->nsze,
        .identity = hash(hash(0xcbf29ce484222325ull, id->nguid, sizeof(id->nguid)), id->eui64, sizeof(id->eui64)),
        .block_size = 1u << lbads,
        .readonly = (id->nsattr & NVME_NSATTR_WP) != 0,
        .zeroes_deallocate = (id->dlfeat & NVME_DLFEAT_DEAC) != 0,
        .write_granularity = perf ? id->npwg + 1u : 1,
        .write_optimal = perf ? id->nows + 1u : 1,
        .discard_granularity = perf ? id->npdg + 1u : 1,
    };
    return parse_metadata(id, lbaf, out);
}

static const struct status_text {
    uint16_t code; /* SCT << 8 | SC */
    const char *text;
} status_texts[] = {
    /* [NVMe-1.4 4.6.1.2, figures 126 to 130] */
    {0x000, "success"},
    {0x001, "invalid command opcode"},
    {0x002, "invalid field in command"},
    {0x003, "command identifier conflict"},
    {0x004, "data transfer error"},
    {0x005, "aborted by power loss"},
    {0x006, "internal error"},
    {0x007, "abort requested"},
    {0x008, "aborted as its queue was deleted"},
    {0x009, "aborted as a fused command failed"},
    {0x00a, "aborted as a fused command is missing"},
    {0x00b, "invalid namespace or format"},
    {0x00c, "command sequence error"},
    {0x00d, "invalid SGL segment descriptor"},
    {0x00e, "invalid number of SGL descriptors"},
    {0x00f, "invalid SGL data length"},
    {0x011, "invalid SGL descriptor type"},
    {0x012, "invalid use of the controller's memory buffer"},
    {0x013, "invalid PRP offset"},
    {0x014, "atomic write unit exceeded"},
    {0x015, "operation denied"},
    {0x016, "invalid SGL offset"},
    {0x018, "host identifier is inconsistent"},
    {0x01c, "sanitize failed"},
    {0x01d, "sanitize in progress"},
    {0x01e, "invalid granularity of SGL data"},
    {0x01f, "command not supported for its place in the controller's memory buffer"},
    {0x020, "namespace is write protected"},
    {0x021, "command was interrupted"},
    {0x022, "transient transport error"},
    {0x080, "LBA out of range"},
    {0x081, "capacity exceeded"},
    {0x082, "namespace not ready"},
    {0x083, "reservation conflict"},
    {0x084, "format in progress"},
    {0x100, "invalid completion queue"},
    {0x101, "invalid queue identifier"},
    {0x102, "invalid queue size"},
    {0x103, "too many Abort commands"},
    {0x105, "too many outstanding event requests"},
    {0x106, "invalid firmware slot"},
    {0x108, "invalid interrupt vector"},
    {0x109, "invalid log page"},
    {0x10a, "invalid format"},
    {0x10b, "firmware activation needs a reset"},
    {0x10c, "invalid queue deletion"},
    {0x10d, "feature cannot be saved"},
    {0x10e, "feature cannot be changed"},
    {0x10f, "feature is not specific to a namespace"},
    {0x115, "insufficient capacity for the namespace"},
    {0x116, "no namespace identifier is free"},
    {0x118, "namespace is already attached"},
    {0x119, "namespace is private"},
    {0x11a, "namespace is not attached"},
    {0x12c, "command set is not supported"},
    {0x180, "conflicting attributes"},
    {0x181, "invalid protection information"},
    {0x182, "attempted write to read-only range"},
    {0x1b8, "zone boundary error"},
    {0x1b9, "zone is full"},
    {0x1ba, "zone is read only"},
    {0x1bb, "zone is offline"},
    {0x1bc, "write at another place than the zone's write pointer"},
    {0x280, "write fault"},
    {0x281, "unrecovered read error"},
    {0x282, "end-to-end guard check error"},
    {0x283, "end-to-end application tag check error"},
    {0x284, "end-to-end reference tag check error"},
    {0x285, "compare failure"},
    {0x286, "access denied"},
    {0x287, "deallocated or unwritten block"},
    /* path related */
    {0x300, "internal path error"},
    {0x301, "persistently inaccessible (asymmetric access)"},
    {0x302, "inaccessible (asymmetric access)"},
    {0x303, "transition of asymmetric access"},
    {0x360, "controller path error"},
    {0x370, "host path error"},
    {0x371, "aborted by the host"},
};

const char *nvme_status_text(uint32_t status)
{
    static const char *const types[8] = {
        "generic error",
        "command-specific error",
        "media error",
        "path error",
        "error of reserved type",
        "error of reserved type",
        "error of reserved type",
        "vendor-specific error",
    };

    if (status & NVME_STATUS_LOST) {
        return "no answer from the controller";
    }
    for (unsigned i = 0; i < ARRAY_SIZE(status_texts); i++) {
        if (status_texts[i].code == NVME_STATUS_CODE(status)) {
            return status_texts[i].text;
        }
    }
    return types[NVME_STATUS_SCT(status)];
}

const char *nvme_opcode_text(uint8_t opcode)
{
    switch (opcode) {
    case NVME_IO_FLUSH:
        return "flush";
    case NVME_IO_WRITE:
        return "write";
    case NVME_IO_READ:
        return "read";
    case NVME_IO_WRITE_ZEROES:
        return "write zeroes";
    case NVME_IO_DATASET_MGMT:
        return "deallocate";
    default:
        return "command";
    }
}
