// SPDX-License-Identifier: MIT
// Finding disks by name: see target.h.
#include "target.h"

#include <abi/types.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <wctype.h>

/* SERIAL:nNSID[:PART]: part is 0 without one. */
struct place {
    size_t serial_len;
    uint32_t nsid, part;
};

/* A number that ends at `end`. False: none, or outside 1..most. */
static bool parse_number(const char *p, const char *end, uint64_t most, uint32_t *out)
{
    uint64_t n = 0;

    if (p == end) {
        return false;
    }
    for (; p < end; p++) {
        if (*p < '0' || *p > '9') {
            return false;
        }
        n = min(n * 10 + (uint64_t)(*p - '0'), (uint64_t)UINT32_MAX + 1);
    }
    *out = (uint32_t)n;
    return n >= 1 && n <= most;
}

static const char *colon_before(const char *device, const char *end)
{
    while (end > device && end[-1] != ':') {
        end--;
    }
    return end > device ? end - 1 : NULL;
}

/* From the right: a serial number may hold colons itself. */
static bool parse_place(const char *device, struct place *out)
{
    const char *end = device + strlen(device), *colon = colon_before(device, end);

    out->part = 0;
    if (colon && parse_number(colon + 1, end, UINT32_MAX, &out->part)) {
        end = colon;
        colon = colon_before(device, end);
    }
    if (!colon || colon == device || (colon[1] != 'n' && colon[1] != 'N')) {
        return false;
    }
    out->serial_len = (size_t)(colon - device);
    return parse_number(colon + 2, end, NVME_NSID_MAX, &out->nsid);
}

static struct blk_target target_make(struct nvme_ns *ns, const struct nvme_part *part)
{
    struct blk_target t = {
        .ns = ns, .blocks = ns->info.blocks, .live = ns->live, .readonly = ns->info.readonly, .whole = part == NULL};
    char id[64];
    int len = snprintf(id, sizeof(id), "%s:n%u", ns->ctrl->id.serial, ns->nsid);

    if (part) {
        t.first = part->gpt.first;
        t.blocks = part->gpt.last - part->gpt.first + 1;
        len = snprintf(id, sizeof(id), "%s:n%u:%u", ns->ctrl->id.serial, ns->nsid, part->gpt.number);
    }
    /* of a long one the end: it tells the disks of a drive apart, and the drives of a kind */
    int skip = max(len - (int)VIRTIO_BLK_ID_BYTES, 0);

    memcpy(t.id, id + skip, (size_t)(len - skip));
    return t;
}

typedef int (*compare_fn)(const char *a, const char *b, size_t len);

static int64_t find_place(struct nvme_ctrl *const *ctrl, unsigned count, compare_fn compare, const char *device,
                          struct blk_target *out)
{
    struct place at;

    for (unsigned c = 0; parse_place(device, &at) && c < count; c++) {
        if (ctrl[c]->state == CTRL_DEAD || strlen(ctrl[c]->id.serial) != at.serial_len ||
            compare(ctrl[c]->id.serial, device, at.serial_len) != 0) {
            continue;
        }
        for (unsigned i = 0; i < ctrl[c]->ns_count; i++) {
            struct nvme_ns *ns = ctrl[c]->ns[i];
            const struct nvme_part *p = ns->parts;

            while (at.part && p && p->gpt.number != at.part) {
                p = p->next;
            }
            if (ns->nsid == at.nsid && ns->live && (p || !at.part)) {
                *out = target_make(ns, at.part ? p : NULL);
                return SK_OK;
            }
        }
    }
    return SK_ENOENT;
}

typedef bool (*part_fits_fn)(const struct nvme_part *p, const char *name);

static bool uuid_fits(const struct nvme_part *p, const char *name)
{
    return strcasecmp(p->uuid, name) == 0;
}
static bool label_fits(const struct nvme_part *p, const char *name)
{
    return *name && strcmp(p->gpt.label, name) == 0;
}
/* The next character of UTF-8, in lower case; 0 at the end. What is no UTF-8 counts as its single bytes: both sides are
 * read in the same way. */
static uint32_t next_lower(const char **text)
{
    const uint8_t *p = (const uint8_t *)*text;
    unsigned more = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : *p >= 0xc0 ? 1 : 0, n = 0;
    uint32_t c = more ? *p & (0x3fu >> more) : *p;

    while (n < more && (p[n + 1] & 0xc0) == 0x80) {
        c = c << 6 | (p[++n] & 0x3f);
    }
    if (n < more) {
        c = *p;
        n = 0;
    }
    *text += c ? n + 1 : 0;
    return (uint32_t)towlower((wint_t)c);
}
static bool label_fits_any_case(const struct nvme_part *p, const char *name)
{
    const char *label = p->gpt.label;
    uint32_t c;

    if (*name == 0) {
        return false;
    }
    while ((c = next_lower(&label)) == next_lower(&name)) {
        if (c == 0) {
            return true;
        }
    }
    return false;
}

/* The same partition, seen through another controller of an NVM subsystem. */
static bool same_part(const struct nvme_ns *a, const struct nvme_part *p, const struct nvme_ns *b,
                      const struct nvme_part *r)
{
    return a->ctrl != b->ctrl && a->nsid == b->nsid && strcmp(a->ctrl->id.serial, b->ctrl->id.serial) == 0 &&
           p->gpt.first == r->gpt.first && strcmp(p->uuid, r->uuid) == 0;
}

static int64_t find_part(struct nvme_ctrl *const *ctrl, unsigned count, part_fits_fn fits, const char *name,
                         struct blk_target *out)
{
    const struct nvme_part *found = NULL;

    for (unsigned c = 0; c < count; c++) {
        for (unsigned i = 0; ctrl[c]->state != CTRL_DEAD && i < ctrl[c]->ns_count; i++) {
            for (struct nvme_part *p = ctrl[c]->ns[i]->parts; p && ctrl[c]->ns[i]->live; p = p->next) {
                if (!fits(p, name) || (found && same_part(out->ns, found, ctrl[c]->ns[i], p))) {
                    continue;
                }
                if (found) {
                    return SK_EEXIST;
                }
                found = p;
                *out = target_make(ctrl[c]->ns[i], p);
            }
        }
    }
    return found ? SK_OK : SK_ENOENT;
}

static int64_t find_label(struct nvme_ctrl *const *ctrl, unsigned count, const char *label, struct blk_target *out)
{
    int64_t err = find_part(ctrl, count, label_fits, label, out);

    return err == SK_ENOENT ? find_part(ctrl, count, label_fits_any_case, label, out) : err;
}

/* The part behind a prefix, or NULL. */
static const char *behind(const char *device, const char *prefix)
{
    size_t len = strlen(prefix);

    return strncasecmp(device, prefix, len) == 0 ? device + len : NULL;
}

int64_t target_find(struct nvme_ctrl *const *ctrl, unsigned count, const char *device, struct blk_target *out)
{
    const char *uuid = behind(device, "partuuid:"), *label = behind(device, "partlabel:");
    int64_t err = SK_ENOENT;

    if (uuid) {
        return find_part(ctrl, count, uuid_fits, uuid, out);
    }
    if (label) {
        return find_label(ctrl, count, label, out);
    }
    err = find_place(ctrl, count, strncmp, device, out);
    err = err == SK_ENOENT ? find_place(ctrl, count, strncasecmp, device, out) : err;
    if (err == SK_ENOENT) {
        err = find_part(ctrl, count, uuid_fits, device, out);
    }
    return err == SK_ENOENT ? find_label(ctrl, count, device, out) : err;
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

/* One more disk, as a whole or not at all: a list of hundreds would fill the log. */
static void append_disk(char *text, size_t size, unsigned *left_out, const char *disk)
{
    if (*left_out > 0 || strlen(text) + strlen(disk) + sizeof(", and 99999 more") + 2 > size) {
        ++*left_out;
    } else {
        append(text, size, "%s%s", text[0] ? ", " : "", disk);
    }
}

void target_list(struct nvme_ctrl *const *ctrl, unsigned count, char *text, size_t size)
{
    unsigned left_out = 0;
    char disk[256];

    text[0] = 0;
    for (unsigned c = 0; c < count; c++) {
        for (unsigned i = 0; ctrl[c]->state != CTRL_DEAD && i < ctrl[c]->ns_count; i++) {
            struct nvme_ns *ns = ctrl[c]->ns[i];

            if (!ns->live) {
                continue;
            }
            (void)snprintf(disk, sizeof(disk), "%s:n%u", ctrl[c]->id.serial, ns->nsid);
            append_disk(text, size, &left_out, disk);
            for (struct nvme_part *p = ns->parts; p; p = p->next) {
                (void)snprintf(disk, sizeof(disk), "%s:n%u:%u %s%s%s%s", ns->ctrl->id.serial, ns->nsid, p->gpt.number,
                               p->uuid, p->gpt.label[0] ? " (\"" : "", p->gpt.label, p->gpt.label[0] ? "\")" : "");
                append_disk(text, size, &left_out, disk);
            }
        }
    }
    if (left_out > 0) {
        append(text, size, "%sand %u more", text[0] ? ", " : "", left_out);
    } else if (!text[0]) {
        append(text, size, "no disk at all");
    }
}
