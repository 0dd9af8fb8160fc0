// SPDX-License-Identifier: MIT
// Match expressions: see match.h.
#include "match.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <util/bits.h>

#define TERM_MAX 32

/* [PCI-CC-ID-1.11] PCI Code and ID Assignment Specification 1.11, chapter 1 */
static const struct {
    const char *name;
    const char *digits;
} classes[] = {
    {"storage", "01"},    {"scsi", "0100"},     {"ide", "0101"},    {"floppy", "0102"}, {"raid", "0104"},
    {"ata", "0105"},      {"sata", "0106"},     {"sas", "0107"},    {"nvm", "0108"},    {"nvme", "010802"},
    {"network", "02"},    {"ethernet", "0200"}, {"display", "03"},  {"vga", "0300"},    {"media", "04"},
    {"multimedia", "04"}, {"audio", "0401"},    {"hda", "0403"},    {"memory", "05"},   {"bridge", "06"},
    {"com", "07"},        {"serial", "0700"},   {"system", "08"},   {"input", "09"},    {"cpu", "0b"},
    {"serialbus", "0c"},  {"usb", "0c03"},      {"ohci", "0c0310"}, {"ehci", "0c0320"}, {"xhci", "0c0330"},
    {"smbus", "0c05"},    {"wireless", "0d"},   {"crypto", "10"},
};

enum { ID_VENDOR, ID_DEVICE, ID_REVISION, ID_SUBSYSTEM, ID_ADDRESS };
static const struct {
    const char *prefix;
    unsigned id, digits;
} ids[] = {{"VEN_", ID_VENDOR, 4}, {"DEV_", ID_DEVICE, 4}, {"REV_", ID_REVISION, 2}, {"SUBSYS_", ID_SUBSYSTEM, 8}};

/* Exactly `digits` hexadecimal digits and nothing else. */
static bool parse_hex(const char *s, size_t digits, uint32_t *value)
{
    *value = 0;
    for (size_t i = 0; i < digits; i++) {
        const char *hex = "0123456789abcdef", *p = s[i] != 0 ? strchr(hex, s[i] | 0x20) : NULL;
        if (p == NULL || (s[i] < 'A' && s[i] > '9') || s[i] < '0') {
            return false;
        }
        *value = *value << 4 | (uint32_t)(p - hex);
    }
    return s[digits] == 0;
}

static bool add_class(struct pci_match *m, const char *digits)
{
    size_t n = strlen(digits);
    uint32_t value;

    if ((n != 2 && n != 4 && n != 6) || !parse_hex(digits, n, &value)) {
        return false;
    }
    unsigned shift = 24 - 4 * (unsigned)n;
    uint32_t mask = 0xffffffu >> shift << shift, both = m->class_mask & mask;
    value <<= shift;
    m->never |= (m->class_value & both) != (value & both);
    m->class_mask |= mask;
    m->class_value |= value;
    return true;
}

static void add_id(struct pci_match *m, unsigned id, uint32_t value)
{
    m->never |= m->id_mask[id] != 0 && m->id_value[id] != value;
    m->id_mask[id] = UINT32_MAX;
    m->id_value[id] = value;
}

/* ssss:bb:dd.f */
static bool add_address(struct pci_match *m, const char *s)
{
    char part[4][5] = {"", "", "", ""};
    uint32_t v[4];

    if (strlen(s) != 12 || s[4] != ':' || s[7] != ':' || s[10] != '.') {
        return false;
    }
    memcpy(part[0], s, 4);
    memcpy(part[1], s + 5, 2);
    memcpy(part[2], s + 8, 2);
    memcpy(part[3], s + 11, 1);
    for (unsigned i = 0; i < 4; i++) {
        if (!parse_hex(part[i], strlen(part[i]), &v[i])) {
            return false;
        }
    }
    if (v[2] > 31 || v[3] > 7) {
        return false;
    }
    add_id(m, ID_ADDRESS, v[0] << 16 | v[1] << 8 | v[2] << 3 | v[3]);
    return true;
}

static bool add_term(struct pci_match *m, const char *term)
{
    uint32_t value;

    for (unsigned i = 0; i < ARRAY_SIZE(classes); i++) {
        if (strcasecmp(term, classes[i].name) == 0) {
            return add_class(m, classes[i].digits);
        }
    }
    if (strncmp(term, "CC_", 3) == 0) {
        return add_class(m, term + 3);
    }
    if (strncmp(term, "ADR_", 4) == 0) {
        return add_address(m, term + 4);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
        size_t len = strlen(ids[i].prefix);
        if (strncmp(term, ids[i].prefix, len) == 0) {
            if (!parse_hex(term + len, ids[i].digits, &value)) {
                return false;
            }
            add_id(m, ids[i].id, value);
            return true;
        }
    }
    return false;
}

bool pci_match_parse(const char *text, struct pci_match *m, char *err, size_t err_size)
{
    char term[TERM_MAX];

    *m = (struct pci_match){0};
    if (strncmp(text, "PCI/", 4) != 0) {
        snprintf(err, err_size, "'%.64s' does not begin with \"PCI/\"; only PCI devices are there to match", text);
        return false;
    }
    for (const char *p = text + 4;; p++) {
        size_t n = strcspn(p, "&");
        snprintf(term, sizeof term, "%.*s", (int)min(n, sizeof term), p);
        if (n >= sizeof term || !add_term(m, term)) {
            snprintf(err, err_size,
                     "'%.64s': '%.40s' is no match term (CC_01, CC_0108, CC_010802, VEN_1b36, DEV_0010, REV_02, "
                     "SUBSYS_11001af4, ADR_0000:00:04.0, or a class such as storage, nvme, network)",
                     text, term);
            return false;
        }
        p += n;
        if (*p == 0) {
            return true;
        }
    }
}

bool pci_match_test(const struct pci_match *m, const struct pci_dev *dev)
{
    uint32_t id[5] = {dev->vendor, dev->device, dev->revision, (uint32_t)dev->subsystem << 16 | dev->subsystem_vendor,
                      pci_sbdf(dev->addr)};

    if (dev->is_bridge || m->never || (dev->class_code & m->class_mask) != m->class_value) {
        return false;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(id); i++) {
        if ((id[i] & m->id_mask[i]) != m->id_value[i]) {
            return false;
        }
    }
    return true;
}
