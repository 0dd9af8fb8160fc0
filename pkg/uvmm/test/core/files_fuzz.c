// SPDX-License-Identifier: MIT
// Kernel images and device trees from strangers. The first byte chooses; an image that passes is loaded, a tree is
// walked; with 2, the next two bytes are the size of a tree that the rest goes on top of; with 4, a ramdisk.
#include "../../src/boot/bzimage.h"
#include "../../src/boot/linux_boot.h"
#include "../../src/boot/ramdisk.h"
#include "../../src/device_tree.h"
#include "../../src/log.h"
#include "fakes.h"

#include <abi/vcpu.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

static void tree(const void *data, size_t size)
{
    int node;

    if (device_tree_check(data, size) != NULL) {
        return;
    }
    fdt_for_each_subnode(node, data, 0)
    {
        int len;
        const char *c = fdt_getprop(data, node, "compatible", &len);
        if (c != NULL && c[len - 1] != '\0') {
            abort();
        }
        (void)fdt_node_check_compatible(data, node, "ns16550a");
    }
}

static void two_trees(const uint8_t *data, size_t size)
{
    size_t first, room;

    if (size < 2 || (first = (size_t)(data[0] | data[1] << 8)) > size - 2) {
        return;
    }
    void *base = malloc(first + 1), *more = malloc(size - 2 - first + 1), *fdt = NULL;
    memcpy(base, data + 2, first);
    memcpy(more, data + 2 + first, size - 2 - first);
    if (device_tree_check(base, first) == NULL && device_tree_check(more, size - 2 - first) == NULL) {
        room = 2 * (first + size) + 4096;
        fdt = malloc(room);
        if (fdt_open_into(base, fdt, (int)room) == 0 && device_tree_add(fdt, more) == NULL) {
            (void)fdt_pack(fdt);
            tree(fdt, fdt_totalsize(fdt));
        }
    }
    free(base);
    free(more);
    free(fdt);
}

static void image(const void *data, size_t size)
{
    static struct vcpu_state s;
    struct boot_file k = {.name = "k", .data = data, .size = size}, rd = {.name = "r", .data = data, .size = size};

    fake_machine(4 << 20);
    (void)linux_boot_load(&k, &rd, "quiet", 0xe0000, &s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    log_level_set_all(LOG_QUIET);
    void *copy = malloc(size); /* aligned, and its end is guarded */
    memcpy(copy, data + 1, size - 1);
    if (data[0] == 4) {
        (void)ramdisk_check(copy, size - 1);
    } else if (data[0] == 2) {
        two_trees(copy, size - 1);
    } else if ((data[0] & 1) != 0) {
        tree(copy, size - 1);
    } else {
        image(copy, size - 1);
    }
    free(copy);
    return 0;
}
