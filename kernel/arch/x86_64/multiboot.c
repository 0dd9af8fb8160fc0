// SPDX-License-Identifier: MIT
/* Reads boot information. Loaders are trusted to be loaders, not to be right: every address, size and count is
 * checked against the view, and what does not fit our tables is refused with the reason, never cut silently.
 *
 * Documents: [MB1] Multiboot Specification 0.6.96, 3.3; [MB2] Multiboot2 Specification 2.0, 3.6. */
#include "multiboot.h"

#include <string.h>

/* [MB1 3.3] */
struct mb1_info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
    uint32_t syms[4];
    uint32_t mmap_length, mmap_addr, drives_length, drives_addr, config_table, boot_loader_name, apm_table;
    uint32_t vbe_control_info, vbe_mode_info;
    uint16_t vbe_mode, vbe_interface_seg, vbe_interface_off, vbe_interface_len;
    uint64_t fb_addr;
    uint32_t fb_pitch, fb_width, fb_height;
    uint8_t fb_bpp, fb_type, fb_color[6];
};
_Static_assert(offsetof(struct mb1_info, cmdline) == 16, "mb1 cmdline");
_Static_assert(offsetof(struct mb1_info, mods_count) == 20, "mb1 mods");
_Static_assert(offsetof(struct mb1_info, mmap_length) == 44, "mb1 mmap");
_Static_assert(offsetof(struct mb1_info, fb_addr) == 88, "mb1 framebuffer");
_Static_assert(offsetof(struct mb1_info, fb_type) == 109, "mb1 framebuffer type");
#define MB1_SIZE_MIN      52 /* up to mmap_addr */
#define MB1_HAS_MEM       (1u << 0)
#define MB1_HAS_CMDLINE   (1u << 2)
#define MB1_HAS_MODS      (1u << 3)
#define MB1_HAS_MMAP      (1u << 6)
#define MB1_HAS_FB        (1u << 12)
#define FB_TYPE_RGB       1

struct mb1_module { uint32_t start, end, string, reserved; };
struct mb1_mmap { uint32_t size; uint64_t base, len; uint32_t type; } __attribute__((packed));
_Static_assert(sizeof(struct mb1_mmap) == 24, "mb1 mmap entry");

/* [MB2 3.6] */
struct mb2_head { uint32_t total_size, reserved; };
struct mb2_tag { uint32_t type, size; };
enum mb2_tag_type { MB2_END = 0, MB2_CMDLINE = 1, MB2_MODULE = 3, MB2_MMAP = 6, MB2_FB = 8 };
struct mb2_module { struct mb2_tag tag; uint32_t start, end; };
struct mb2_mmap { struct mb2_tag tag; uint32_t entry_size, entry_version; };
struct mb2_mmap_entry { uint64_t base, len; uint32_t type, reserved; };
struct mb2_fb {
    struct mb2_tag tag;
    uint64_t addr;
    uint32_t pitch, width, height;
    uint8_t bpp, type;
} __attribute__((packed));
_Static_assert(offsetof(struct mb2_module, end) == 12, "mb2 module");
_Static_assert(sizeof(struct mb2_mmap_entry) == 24, "mb2 mmap entry");
_Static_assert(offsetof(struct mb2_fb, type) == 29, "mb2 framebuffer");

const void *mem_view_at(const struct mem_view *v, uint64_t pa, uint64_t len)
{
    if (pa < v->start || !range_ok(pa - v->start, len, v->size)) {
        return NULL;
    }
    return v->base + (pa - v->start);
}

/* Copies a string of at most max bytes with its NUL; false if it has no end there. */
static bool string_copy(char *dst, size_t size, const char *src, uint64_t max)
{
    for (size_t i = 0; i < size && i < max; i++) {
        dst[i] = src[i];
        if (src[i] == '\0') {
            return true;
        }
    }
    return false;
}

/* Where the view ends after pa, so that strings cannot run out of it. */
static uint64_t view_rest(const struct mem_view *v, uint64_t pa)
{
    return mem_view_at(v, pa, 1) ? v->size - (pa - v->start) : 0;
}

static const char *add_region(struct loader_info *out, uint64_t base, uint64_t size, uint32_t type)
{
    if (size == 0) {
        return NULL;
    }
    if (out->region_count == LOADER_MAX_REGIONS) {
        return "the memory map has more than 256 entries";
    }
    if (size > UINT64_MAX - base) {
        size = UINT64_MAX - base;
    }
    out->region[out->region_count].base = base;
    out->region[out->region_count].size = size;
    out->region[out->region_count].type = type;
    out->region_count++;
    return NULL;
}

static const char *add_module(struct loader_info *out, uint64_t base, uint64_t end, const char *cmdline, uint64_t max)
{
    if (out->module_count == BOOT_MAX_MODULES) {
        return "more than 128 modules";
    }
    if (end < base) {
        return "a module ends before it starts";
    }
    char *dst = out->strings + out->strings_used;
    if (!string_copy(dst, LOADER_STRINGS - out->strings_used, cmdline, max)) {
        return "a module's command line has no end, or all of them exceed 16384 bytes";
    }
    out->module[out->module_count].base = base;
    out->module[out->module_count].size = end - base;
    out->module[out->module_count].cmdline = out->strings_used;
    out->module_count++;
    out->strings_used += (uint32_t)strlen(dst) + 1;
    return NULL;
}

static const char *mb1_memory(const struct mem_view *v, const struct mb1_info *mi, struct loader_info *out)
{
    const char *why = NULL;
    if (!(mi->flags & MB1_HAS_MMAP)) {
        if (!(mi->flags & MB1_HAS_MEM)) {
            return "the loader gives no memory map";
        }
        why = add_region(out, 0, (uint64_t)mi->mem_lower << 10, LOADER_RAM);
        return why ? why : add_region(out, 0x100000, (uint64_t)mi->mem_upper << 10, LOADER_RAM);
    }
    for (uint64_t off = 0; !why && range_ok(off, sizeof(struct mb1_mmap), mi->mmap_length);) {
        const void *p = mem_view_at(v, mi->mmap_addr + off, sizeof(struct mb1_mmap));
        if (!p) {
            return "the memory map lies outside memory";
        }
        struct mb1_mmap e;
        memcpy(&e, p, sizeof(e));
        if (e.size < sizeof(e) - sizeof(e.size)) {
            return "an entry of the memory map is too short";
        }
        why = add_region(out, e.base, e.len, e.type);
        off += (uint64_t)e.size + sizeof(e.size);
    }
    return why;
}

static const char *mb1_modules(const struct mem_view *v, const struct mb1_info *mi, struct loader_info *out)
{
    for (uint32_t i = 0; i < mi->mods_count; i++) {
        const void *p = mem_view_at(v, mi->mods_addr + (uint64_t)i * sizeof(struct mb1_module), sizeof(struct mb1_module));
        if (!p) {
            return "the module list lies outside memory";
        }
        struct mb1_module m;
        memcpy(&m, p, sizeof(m));
        const char *s = m.string ? mem_view_at(v, m.string, 1) : "";
        const char *why = s ? add_module(out, m.start, m.end, s, m.string ? view_rest(v, m.string) : 1)
                            : "a module's command line lies outside memory";
        if (why) {
            return why;
        }
    }
    return NULL;
}

static const char *mb1_parse(const struct mem_view *v, uint64_t info_pa, struct loader_info *out)
{
    struct mb1_info mi = { 0 };
    const void *p = mem_view_at(v, info_pa, MB1_SIZE_MIN);
    if (!p) {
        return "the boot information lies outside memory";
    }
    memcpy(&mi, p, MB1_SIZE_MIN);
    if (mi.flags & MB1_HAS_FB) {
        p = mem_view_at(v, info_pa, sizeof(mi));
        if (!p) {
            return "the boot information lies outside memory";
        }
        memcpy(&mi, p, sizeof(mi));
    }
    if (mi.flags & MB1_HAS_CMDLINE) {
        const char *s = mem_view_at(v, mi.cmdline, 1);
        if (!s || !string_copy(out->cmdline, sizeof(out->cmdline), s, view_rest(v, mi.cmdline))) {
            return "the kernel's command line is longer than 1023 bytes or lies outside memory";
        }
    }
    if ((mi.flags & MB1_HAS_FB) && mi.fb_type == FB_TYPE_RGB) {
        out->fb.base = mi.fb_addr;
        out->fb.pitch = mi.fb_pitch;
        out->fb.width = mi.fb_width;
        out->fb.height = mi.fb_height;
        out->fb.bpp = mi.fb_bpp;
    }
    const char *why = mb1_memory(v, &mi, out);
    return why || !(mi.flags & MB1_HAS_MODS) ? why : mb1_modules(v, &mi, out);
}

static const char *mb2_memory(const uint8_t *tag, uint32_t size, struct loader_info *out)
{
    struct mb2_mmap head;
    if (size < sizeof(head)) {
        return "the memory map is cut short";
    }
    memcpy(&head, tag, sizeof(head));
    if (head.entry_size < sizeof(struct mb2_mmap_entry)) {
        return "an entry of the memory map is too short";
    }
    for (uint64_t off = sizeof(head); range_ok(off, sizeof(struct mb2_mmap_entry), size); off += head.entry_size) {
        struct mb2_mmap_entry e;
        memcpy(&e, tag + off, sizeof(e));
        const char *why = add_region(out, e.base, e.len, e.type);
        if (why) {
            return why;
        }
    }
    return NULL;
}

static const char *mb2_tag_parse(const uint8_t *tag, uint32_t type, uint32_t size, struct loader_info *out)
{
    struct mb2_module m;
    struct mb2_fb fb;
    switch (type) {
    case MB2_CMDLINE:
        return string_copy(out->cmdline, sizeof(out->cmdline), (const char *)tag + sizeof(struct mb2_tag),
                           size - sizeof(struct mb2_tag))
                   ? NULL
                   : "the kernel's command line is longer than 1023 bytes or has no end";
    case MB2_MODULE:
        if (size <= sizeof(m)) {
            return "a module's description is cut short";
        }
        memcpy(&m, tag, sizeof(m));
        return add_module(out, m.start, m.end, (const char *)tag + sizeof(m), size - sizeof(m));
    case MB2_MMAP:
        return mb2_memory(tag, size, out);
    case MB2_FB:
        if (size < sizeof(fb)) {
            return "the framebuffer's description is cut short";
        }
        memcpy(&fb, tag, sizeof(fb));
        if (fb.type == FB_TYPE_RGB) {
            out->fb.base = fb.addr;
            out->fb.pitch = fb.pitch;
            out->fb.width = fb.width;
            out->fb.height = fb.height;
            out->fb.bpp = fb.bpp;
        }
        return NULL;
    default:
        return NULL;
    }
}

static const char *mb2_parse(const struct mem_view *v, uint64_t info_pa, struct loader_info *out)
{
    struct mb2_head head;
    const void *p = mem_view_at(v, info_pa, sizeof(head));
    if (!p) {
        return "the boot information lies outside memory";
    }
    memcpy(&head, p, sizeof(head));
    const uint8_t *info = mem_view_at(v, info_pa, head.total_size);
    if (!info) {
        return "the boot information lies outside memory";
    }
    for (uint64_t off = sizeof(head); range_ok(off, sizeof(struct mb2_tag), head.total_size);) {
        struct mb2_tag t;
        memcpy(&t, info + off, sizeof(t));
        if (t.type == MB2_END) {
            return NULL;
        }
        if (t.size < sizeof(t) || !range_ok(off, t.size, head.total_size)) {
            return "a tag of the boot information is longer than the whole";
        }
        const char *why = mb2_tag_parse(info + off, t.type, t.size, out);
        if (why) {
            return why;
        }
        off += align_up(t.size, 8);
    }
    return "the boot information has no end tag";
}

const char *multiboot_parse(const struct mem_view *v, uint32_t magic, uint64_t info_pa, struct loader_info *out)
{
    memset(out, 0, sizeof(*out));
    const char *why;
    switch (magic) {
    case MULTIBOOT1_MAGIC:
        why = mb1_parse(v, info_pa, out);
        break;
    case MULTIBOOT2_MAGIC:
        why = mb2_parse(v, info_pa, out);
        break;
    default:
        return "not started by a multiboot loader";
    }
    return why ? why : out->region_count == 0 ? "the loader gives no memory map" : NULL;
}

static const char *builtin_module_parse(const uint8_t *blob, uint64_t size, uint64_t pa, uint32_t i, struct loader_info *out)
{
    struct builtin_module m;
    uint64_t off = sizeof(struct builtin_table) + (uint64_t)i * sizeof(m);
    if (!range_ok(off, sizeof(m), size)) {
        return "the table of built-in modules is cut short";
    }
    memcpy(&m, blob + off, sizeof(m));
    if (!range_ok(m.offset, m.size, size) || m.cmdline >= size) {
        return "a built-in module lies outside the image";
    }
    return add_module(out, pa + m.offset, pa + m.offset + m.size, (const char *)blob + m.cmdline, size - m.cmdline);
}

const char *builtin_parse(const void *blob, uint64_t size, uint64_t pa, struct loader_info *out)
{
    struct builtin_table t;
    if (size < sizeof(t)) {
        return "the table of built-in modules is cut short";
    }
    memcpy(&t, blob, sizeof(t));
    if (t.magic != BUILTIN_MAGIC) {
        return "the built-in modules have a wrong magic number";
    }
    if (t.cmdline >= size) {
        return "the built-in command line lies outside the image";
    }
    if (t.cmdline &&
        !string_copy(out->cmdline, sizeof(out->cmdline), (const char *)blob + t.cmdline, size - t.cmdline)) {
        return "the built-in command line is longer than 1023 bytes";
    }
    out->module_count = 0;
    out->strings_used = 0;
    for (uint32_t i = 0; i < t.count; i++) {
        const char *why = builtin_module_parse(blob, size, pa, i, out);
        if (why) {
            return why;
        }
    }
    return NULL;
}
