// SPDX-License-Identifier: MIT
/* A damaged file system: the input is a list of patches, 4 bytes of position and one byte of content each, to a good
 * image. */
#include "../../src/boot/diskboot.h"
#include "../../src/log.h"
#include "image.h"

#include <stdlib.h>
#include <string.h>

#define SIZE (512u << 10)

static struct image im;
static uint8_t *good;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    log_level_set_all(LOG_QUIET);
    image_make(&im, SIZE, 0, "menuentry x {\n linux /boot/kernel a\n initrd /boot/a /boot/b\n}\n");
    good = malloc(SIZE);
    memcpy(good, im.data, SIZE);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct boot_file kernel, rd;
    struct bootcfg c;
    uint32_t at;

    memcpy(im.data, good, SIZE);
    for (; size >= 5; data += 5, size -= 5) {
        memcpy(&at, data, 4);
        im.data[at % SIZE] = data[4];
    }
    (void)diskboot_configured(&im.disk, "qdrv:", &c, &kernel, &rd);
    free((void *)(uintptr_t)kernel.data);
    free((void *)(uintptr_t)rd.data);
    return 0;
}
