// SPDX-License-Identifier: MIT
// Boot loaders' configuration files from a stranger's disk.
#include "../../src/boot/bootcfg.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void check(const char *err, const struct bootcfg *c)
{
    if (err == NULL && (c->kernel[0] != '/' || memchr(c->kernel, 0, sizeof(c->kernel)) == NULL ||
                        memchr(c->cmdline, 0, sizeof(c->cmdline)) == NULL || c->initrds > BOOTCFG_INITRDS)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bootcfg c;
    char saved[BOOTCFG_SAVED];
    char *text = malloc(size + 1);

    memcpy(text, data, size);
    text[size] = '\0';
    bootcfg_grubenv(text, saved);
    if (memchr(saved, 0, sizeof(saved)) == NULL) {
        abort();
    }
    check(bootcfg_grub(text, saved, &c), &c);
    check(bootcfg_extlinux(text, "/boot/extlinux", &c), &c);
    free(text);
    return 0;
}
