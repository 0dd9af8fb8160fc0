// SPDX-License-Identifier: MIT
// Boot modules by name [proto/rom.h].
#include "file.h"
#include "log.h"

#include <sk/env.h>
#include <sk/rom.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <stdlib.h>
#include <string.h>
#include <util/bits.h>

int file_map(const char *name, const char *what, const char *opt, struct boot_file *f)
{
    uint64_t size = 0;
    cap_t mem = CAP_NULL;
    int64_t err = rom_open(strncmp(name, "rom/", 4) == 0 ? name + 4 : name, &size, &mem);

    if (err == SK_ENOENT) {
        log_error(LOG_BOOT, "%s %s is not there, or empty: add it to the entry in modules.list, or correct %s", what,
                  name, opt);
        return -1;
    }
    if (err == SK_OK && size == 0) {
        log_error(LOG_BOOT, "%s %s is empty: give another with %s", what, name, opt);
        return -1;
    }
    *f = (struct boot_file){.name = name, .size = size};
    if (err == SK_OK) {
        f->data = vm_map(mem, 0, align_up(size, PAGE_SIZE), RIGHT_R, &err);
        sys_cap_drop(mem);
    }
    if (f->data == NULL) {
        log_error(LOG_BOOT, "cannot map %s %s: %s", what, name, sk_strerror(err));
        return -1;
    }
    return 0;
}

void file_unmap(struct boot_file *f)
{
    if (f->allocated) {
        free((void *)(uintptr_t)f->data);
        f->data = NULL;
    }
    if (f->data != NULL) {
        vm_unmap((void *)(uintptr_t)f->data, align_up(f->size, PAGE_SIZE));
        f->data = NULL;
    }
}
