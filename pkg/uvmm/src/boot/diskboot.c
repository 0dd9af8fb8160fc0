// SPDX-License-Identifier: MIT
// Kernel and ramdisk from the guest's own disk: see diskboot.h.
#include "diskboot.h"
#include "../log.h"
#include "extfs.h"

#include <gpt/gpt.h>
#include <gpt/mbr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/bits.h>

#define VOLUMES_MAX 32u
#define FILE_BYTES_MAX (1ull << 30)
#define CONFIG_BYTES_MAX (1ull << 20)

struct volume {
    unsigned number; /* of the partition; 0: the whole disk */
    uint64_t start, size;
};

struct volumes {
    unsigned count; /* those with an ext file system */
    struct volume v[VOLUMES_MAX];
};

/* --- names --- */

bool diskboot_name(const char *name)
{
    return name[strcspn(name, ":/")] == ':';
}

size_t diskboot_name_disk(const char *name)
{
    return strcspn(name, ":");
}

/* What follows the disk: a partition's number (0: any) and the path. */
static const char *name_path(const char *name, unsigned long *number)
{
    const char *path = name + diskboot_name_disk(name) + 1;
    char *end;

    *number = strtoul(path, &end, 10);
    if (end != path && *end == ':') {
        return end + 1;
    }
    *number = 0;
    return path;
}

bool diskboot_name_configured(const char *name)
{
    unsigned long number;

    return *name_path(name, &number) == '\0';
}

/* --- file systems on the disk --- */

static void volume_add(const struct boot_disk *d, struct volumes *l, unsigned number, uint64_t first, uint64_t blocks)
{
    uint64_t start = first * d->block, size = blocks * d->block;

    if (l->count < VOLUMES_MAX && extfs_probe(d, start, size)) {
        l->v[l->count++] = (struct volume){number, start, size};
    }
}

static int64_t table_read(void *ctx, uint64_t lba, uint32_t blocks, void *buf)
{
    const struct boot_disk *d = ctx;

    return d->read(d->ctx, lba * d->block, buf, (size_t)blocks * d->block) == 0 ? SK_OK : SK_EIO;
}

static void add_gpt(const struct boot_disk *d, const struct gpt_table *t, struct volumes *l)
{
    for (uint32_t i = 0; i < t->count; i++) {
        struct gpt_part p;

        if (gpt_entry(t, i, &p) == SK_OK) {
            volume_add(d, l, p.number, p.first, p.last - p.first + 1);
        }
    }
}

static void add_mbr(const struct boot_disk *d, const struct mbr_table *t, struct volumes *l)
{
    for (unsigned i = 0; i < t->count; i++) {
        const struct mbr_part *p = &t->part[i];

        if (!p->refused) {
            volume_add(d, l, p->number, p->first, p->last - p->first + 1);
        }
    }
}

static int volumes_find(const struct boot_disk *d, struct volumes *l)
{
    const struct gpt_disk disk = {
        .read = table_read, .ctx = (void *)(uintptr_t)d, .blocks = d->size / d->block, .block_size = d->block};
    size_t room = gpt_buffer_size(d->block);
    void *buf = malloc(room);
    struct mbr_table mbr;
    struct gpt_table gpt;

    l->count = 0;
    if (buf == NULL) {
        log_error(LOG_BOOT, "cannot look for a kernel on disk '%s': no memory (%zu bytes)", d->name, room);
        return -1;
    }
    volume_add(d, l, 0, 0, disk.blocks); /* may be a remnant, which a partition table in block 0 leaves */
    if (gpt_read(&disk, buf, room, &gpt) == SK_OK) {
        add_gpt(d, &gpt, l);
    } else if (mbr_read(&disk, buf, room, &mbr) == SK_OK) {
        add_mbr(d, &mbr, l);
    }
    free(buf);
    if (l->count == 0) {
        log_error(LOG_BOOT,
                  "there is no ext2, ext3 or ext4 file system to boot from on disk '%s' or its partitions; give kernel "
                  "and ramdisk as files of rom/",
                  d->name);
        return -1;
    }
    return 0;
}

/* "on disk 'qdrv', partition 2" */
static const char *place(const struct boot_disk *d, const struct volume *v)
{
    static char text[80];

    snprintf(text, sizeof(text), v->number ? "disk '%s', partition %u" : "disk '%s'", d->name, v->number);
    return text;
}

static struct extfs *volume_open(const struct boot_disk *d, const struct volume *v)
{
    struct extfs *fs = NULL;
    const char *err = v->size == 0 ? NULL : extfs_open(d, v->start, v->size, &fs);

    if (err != NULL) {
        log_warn(LOG_BOOT, "the file system on %s cannot be read: %s", place(d, v), err);
    }
    return fs;
}

/* --- files --- */

/* 0, -1 after one line, or 1: not there. */
static int file_read(const struct boot_disk *d, const struct volume *v, struct extfs *fs, const char *path,
                     uint64_t max, void **data, size_t *size)
{
    const char *why = "";
    enum extfs_result r = extfs_read(fs, path, max, data, size, &why);

    switch (r) {
    case EXTFS_OK:
        return 0;
    case EXTFS_NONE:
        return 1;
    case EXTFS_TOO_LARGE:
        why = max == CONFIG_BYTES_MAX ? "it is larger than 1 MiB; name the kernel's file with -k"
                                      : "it is larger than 1 GiB; name another file with -k or -r";
        break;
    case EXTFS_NO_MEMORY:
        why = "there is not enough memory; give the PC more or the guest less";
        break;
    case EXTFS_ERROR:
        break;
    }
    log_error(LOG_BOOT, "cannot read %s on %s: %s", path, place(d, v), why);
    return -1;
}

int diskboot_file(const struct boot_disk *d, const char *name, const char *what, const char *opt, struct boot_file *f)
{
    unsigned long number;
    const char *path = name_path(name, &number);
    struct volumes l;
    int err = volumes_find(d, &l);

    *f = (struct boot_file){.name = name, .allocated = true};
    if (err != 0) {
        return err;
    }
    err = 1;
    for (unsigned i = 0; i < l.count && err == 1; i++) {
        struct extfs *fs = number == 0 || number == l.v[i].number ? volume_open(d, &l.v[i]) : NULL;
        void *data;

        if (fs != NULL) {
            err = file_read(d, &l.v[i], fs, path, FILE_BYTES_MAX, &data, &f->size);
            f->data = err == 0 ? data : NULL;
            extfs_close(fs);
        }
    }
    if (err == 1) {
        log_error(LOG_BOOT, "%s %s is not on disk '%s'%s: correct %s", what, path, d->name,
                  number ? " in that partition" : "", opt);
    } else if (err == 0 && f->size == 0) {
        log_error(LOG_BOOT, "%s %s on disk '%s' is empty: give another with %s", what, path, d->name, opt);
        free((void *)(uintptr_t)f->data);
        err = 1;
    }
    return err == 0 ? 0 : -1;
}

/* --- boot configuration --- */

static const struct {
    const char *dir, *file;
    bool grub;
} places[] = {
    {"/boot/grub", "grub.cfg", true},           {"/grub", "grub.cfg", true},
    {"/boot/grub2", "grub.cfg", true},          {"/grub2", "grub.cfg", true},
    {"/boot/extlinux", "extlinux.conf", false}, {"/extlinux", "extlinux.conf", false},
    {"/boot/syslinux", "syslinux.cfg", false},  {"/syslinux", "syslinux.cfg", false},
};

/* The text's meaning: NULL, or what is wrong with it. */
static const char *config_parse(const struct boot_disk *d, const struct volume *v, struct extfs *fs, unsigned place_no,
                                const char *text, struct bootcfg *c)
{
    const char *dir = places[place_no].dir;
    char path[64], saved[BOOTCFG_SAVED] = "";
    void *env;
    size_t size;

    if (!places[place_no].grub) {
        return bootcfg_extlinux(text, dir, c);
    }
    snprintf(path, sizeof(path), "%s/grubenv", dir);
    int err = file_read(d, v, fs, path, CONFIG_BYTES_MAX, &env, &size);
    if (err == 0) {
        bootcfg_grubenv(env, saved);
        free(env);
    }
    return err < 0 ? "its grubenv cannot be read" : bootcfg_grub(text, saved, c);
}

/* 0, -1 after one line, or 1: none on this volume. */
static int config_read(const struct boot_disk *d, const struct volume *v, struct extfs *fs, struct bootcfg *c)
{
    for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++) {
        char path[64];
        void *text;
        size_t size;

        snprintf(path, sizeof(path), "%s/%s", places[i].dir, places[i].file);
        int err = file_read(d, v, fs, path, CONFIG_BYTES_MAX, &text, &size);
        if (err > 0) {
            continue;
        }
        if (err < 0) {
            return err;
        }
        const char *why = config_parse(d, v, fs, i, text, c);

        free(text);
        if (why == NULL) {
            log_info(LOG_BOOT, "booting as %s on %s says", path, place(d, v));
            return 0;
        }
        log_error(LOG_BOOT, "cannot boot as %s on %s says: %s; name the kernel's file with -k", path, place(d, v), why);
        return -1;
    }
    return 1;
}

/* The links that Debian keeps, where no boot loader is installed. 0, or 1: none on this volume. */
static int config_links(struct extfs *fs, struct bootcfg *c)
{
    static const char *const link[][2] = {{"/vmlinuz", "/initrd.img"}, {"/boot/vmlinuz", "/boot/initrd.img"}};

    for (unsigned i = 0; i < sizeof(link) / sizeof(*link); i++) {
        if (extfs_has(fs, link[i][0])) {
            memset(c, 0, sizeof(*c));
            snprintf(c->kernel, sizeof(c->kernel), "%s", link[i][0]);
            snprintf(c->initrd[0], sizeof(c->initrd[0]), "%s", link[i][1]);
            c->initrds = extfs_has(fs, link[i][1]);
            return 0;
        }
    }
    return 1;
}

static int initrd_append(const struct boot_disk *d, const struct volume *v, struct extfs *fs, const char *path,
                         struct boot_file *rd)
{
    void *data, *all;
    size_t size, before = align_up(rd->size, 4); /* archives begin at a multiple of 4 */
    int err = file_read(d, v, fs, path, FILE_BYTES_MAX, &data, &size);

    if (err != 0) {
        if (err > 0) {
            log_error(LOG_BOOT, "the ramdisk %s, which the boot configuration names, is not on %s", path, place(d, v));
        }
        return -1;
    }
    all = rd->data ? realloc((void *)(uintptr_t)rd->data, before + size) : data;
    if (all == NULL) {
        log_error(LOG_BOOT, "no memory for the ramdisks (%zu bytes)", before + size);
        free(data);
        return -1;
    }
    if (all != data) {
        memset((uint8_t *)all + rd->size, 0, before - rd->size);
        memcpy((uint8_t *)all + before, data, size);
        free(data);
    }
    rd->data = all;
    rd->size = before + size;
    return 0;
}

static int configured_files(const struct boot_disk *d, const struct volume *v, struct extfs *fs, struct bootcfg *c,
                            struct boot_file *kernel, struct boot_file *rd)
{
    void *data;
    int err = file_read(d, v, fs, c->kernel, FILE_BYTES_MAX, &data, &kernel->size);

    if (err > 0) {
        log_error(LOG_BOOT, "the kernel %s, which the boot configuration names, is not on %s", c->kernel, place(d, v));
        err = -1;
    }
    kernel->data = err == 0 ? data : NULL;
    for (unsigned i = 0; i < c->initrds && err == 0; i++) {
        err = initrd_append(d, v, fs, c->initrd[i], rd);
    }
    return err;
}

int diskboot_configured(const struct boot_disk *d, const char *name, struct bootcfg *c, struct boot_file *kernel,
                        struct boot_file *rd)
{
    unsigned long number;
    struct volumes l;
    int err;

    (void)name_path(name, &number);
    *kernel = (struct boot_file){.name = c->kernel, .allocated = true};
    *rd = (struct boot_file){.name = c->initrd[0], .allocated = true};
    if (volumes_find(d, &l) != 0) {
        return -1;
    }
    err = 1;
    for (unsigned pass = 0; pass < 2; pass++) { /* any configuration goes before any link */
        for (unsigned i = 0; i < l.count && err == 1; i++) {
            struct extfs *fs = number == 0 || number == l.v[i].number ? volume_open(d, &l.v[i]) : NULL;

            if (fs == NULL) {
                l.v[i].size = 0; /* told of once */
                continue;
            }
            err = pass == 0 ? config_read(d, &l.v[i], fs, c) : config_links(fs, c);
            if (err == 0) {
                err = configured_files(d, &l.v[i], fs, c, kernel, rd);
            }
            extfs_close(fs);
        }
    }
    if (err == 1) {
        log_error(LOG_BOOT,
                  "there is nothing to boot on disk '%s'%s: no grub.cfg, extlinux.conf or /vmlinuz; name the kernel's "
                  "file with -k %.*s:/PATH",
                  d->name, number ? " in that partition" : "", (int)diskboot_name_disk(name), name);
    }
    return err == 0 ? 0 : -1;
}
