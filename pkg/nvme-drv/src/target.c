// SPDX-License-Identifier: MIT
// Finding disks by name: see target.h.
#include "target.h"

#include <abi/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* SERIAL:nNSID: the length of the serial number and the NSID. */
static bool parse_namespace(const char *device, size_t *serial_len, uint32_t *nsid)
{
    const char *colon = strrchr(device, ':');
    char *end;

    if (!colon || colon == device || colon[1] != 'n' || colon[2] < '0' || colon[2] > '9') {
        return false;
    }
    unsigned long long n = strtoull(colon + 2, &end, 10);

    *serial_len = (size_t)(colon - device);
    *nsid = (uint32_t)n;
    return *end == 0 && n >= 1 && n <= NVME_NSID_MAX;
}

static struct blk_target target_make(struct nvme_ns *ns, const struct nvme_part *part)
{
    struct blk_target t = {.ns = ns, .blocks = ns->info.blocks, .readonly = ns->info.readonly};
    char id[64];

    if (part) {
        t.first = part->gpt.first;
        t.blocks = part->gpt.last - part->gpt.first + 1;
        (void)snprintf(id, sizeof(id), "%s:n%u:%u", ns->ctrl->id.serial, ns->nsid, part->gpt.number);
    } else {
        (void)snprintf(id, sizeof(id), "%s:n%u", ns->ctrl->id.serial, ns->nsid);
    }
    memcpy(t.id, id, VIRTIO_BLK_ID_BYTES);
    t.id[VIRTIO_BLK_ID_BYTES] = 0;
    for (size_t n = strlen(id); n < VIRTIO_BLK_ID_BYTES; n++) {
        t.id[n] = 0; /* GET_ID shows all of them */
    }
    return t;
}

static bool part_fits(const struct gpt_part *p, const char *device, const struct gpt_guid *guid)
{
    return guid ? memcmp(&p->guid, guid, sizeof(*guid)) == 0 : strcmp(p->label, device) == 0;
}

static int64_t find_part(struct nvme_ctrl *const *ctrl, unsigned count, const char *device, struct blk_target *out)
{
    struct gpt_guid guid;
    bool is_guid = gpt_guid_parse(device, &guid);
    int64_t found = SK_ENOENT;

    for (unsigned c = 0; c < count; c++) {
        for (unsigned i = 0; ctrl[c]->state != CTRL_DEAD && i < ctrl[c]->ns_count; i++) {
            for (struct nvme_part *p = ctrl[c]->ns[i]->parts; p; p = p->next) {
                if (part_fits(&p->gpt, device, is_guid ? &guid : NULL)) {
                    if (found == SK_OK) {
                        return SK_EEXIST;
                    }
                    found = SK_OK;
                    *out = target_make(ctrl[c]->ns[i], p);
                }
            }
        }
    }
    return found;
}

int64_t target_find(struct nvme_ctrl *const *ctrl, unsigned count, const char *device, struct blk_target *out)
{
    size_t len;
    uint32_t nsid;
    bool is_ns = parse_namespace(device, &len, &nsid);

    for (unsigned c = 0; is_ns && c < count; c++) {
        if (ctrl[c]->state == CTRL_DEAD || strlen(ctrl[c]->id.serial) != len ||
            memcmp(ctrl[c]->id.serial, device, len) != 0) {
            continue;
        }
        for (unsigned i = 0; i < ctrl[c]->ns_count; i++) {
            if (ctrl[c]->ns[i]->nsid == nsid) {
                *out = target_make(ctrl[c]->ns[i], NULL);
                return SK_OK;
            }
        }
    }
    return find_part(ctrl, count, device, out); /* a label may look like that, too */
}

bool target_overlap(const struct blk_target *a, const struct blk_target *b)
{
    return a->ns == b->ns && a->first < b->first + b->blocks && b->first < a->first + a->blocks;
}

__attribute__((format(printf, 3, 4))) static void append(char *text, size_t size, const char *fmt, ...)
{
    size_t len = strlen(text);
    __builtin_va_list ap;

    __builtin_va_start(ap, fmt);
    (void)vsnprintf(text + len, size - len, fmt, ap);
    __builtin_va_end(ap);
}

void target_list(struct nvme_ctrl *const *ctrl, unsigned count, char *text, size_t size)
{
    char guid[GPT_GUID_TEXT];

    text[0] = 0;
    for (unsigned c = 0; c < count; c++) {
        for (unsigned i = 0; ctrl[c]->state != CTRL_DEAD && i < ctrl[c]->ns_count; i++) {
            struct nvme_ns *ns = ctrl[c]->ns[i];

            append(text, size, "%s%s:n%u", text[0] ? ", " : "", ctrl[c]->id.serial, ns->nsid);
            for (struct nvme_part *p = ns->parts; p; p = p->next) {
                gpt_guid_format(&p->gpt.guid, guid);
                append(text, size, ", %s (\"%s\")", guid, p->gpt.label);
            }
        }
    }
    if (!text[0]) {
        append(text, size, "no disk at all");
    }
}
