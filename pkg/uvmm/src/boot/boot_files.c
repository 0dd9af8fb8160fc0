// SPDX-License-Identifier: MIT
// Where the guest's kernel comes from: see boot_files.h.
#include "boot_files.h"
#include "../file.h"
#include "../log.h"
#include "../virtio/blk_read.h"
#include "diskboot.h"

#include <stdlib.h>
#include <string.h>

static int file_load(const char *name, const char *what, const char *opt, struct boot_file *f)
{
    struct boot_disk d;

    if (!diskboot_name(name)) {
        return file_map(name, what, opt, f);
    }
    if (blk_read_open(name, diskboot_name_disk(name), &d) != 0) {
        return -1;
    }
    int err = diskboot_file(&d, name, what, opt, f);

    blk_read_close(&d);
    return err;
}

/* The options' command line goes behind the configuration's, as the later word counts. */
static int cmdline_join(const char *more, struct boot_files *f)
{
    char *line = f->configured.cmdline;
    size_t len = strlen(line), add = strlen(more);

    if (add + 1 > sizeof(f->configured.cmdline) - 1 - len) {
        log_error(LOG_BOOT,
                  "the command line of the disk's boot configuration (%zu characters) and that of -c (%zu) are "
                  "together too long: shorten -c",
                  len, add);
        return -1;
    }
    if (add > 0) {
        line[len] = ' ';
        memcpy(line + len + (len > 0), more, add + 1);
    }
    f->cmdline = line;
    return 0;
}

static int configured_load(const struct options *o, struct boot_files *f)
{
    struct boot_disk d;

    if (blk_read_open(o->kernel, diskboot_name_disk(o->kernel), &d) != 0) {
        return -1;
    }
    int err = diskboot_configured(&d, o->kernel, &f->configured, &f->kernel, &f->rd);

    blk_read_close(&d);
    return err == 0 ? cmdline_join(o->cmdline, f) : err;
}

int boot_files_load(const struct options *o, struct boot_files *f)
{
    *f = (struct boot_files){.cmdline = o->cmdline};
    int err = diskboot_name(o->kernel) && diskboot_name_configured(o->kernel)
                  ? configured_load(o, f)
                  : file_load(o->kernel, "kernel", "-k", &f->kernel);
    if (err == 0 && o->ramdisk != NULL) {
        file_unmap(&f->rd);
        err = file_load(o->ramdisk, "ramdisk", "-r", &f->rd);
    }
    return err;
}

void boot_files_free(struct boot_files *f)
{
    file_unmap(&f->kernel);
    file_unmap(&f->rd);
}
