// SPDX-License-Identifier: MIT
// Kernel images and device trees from strangers. The first byte chooses; an image that passes is loaded, a tree is
// walked.
#include "../../src/boot/bzimage.h"
#include "../../src/boot/linux_boot.h"
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

static void image(const void *data, size_t size)
{
    static struct vcpu_state s;
    struct boot_file k = {"k", data, size}, rd = {"r", data, size};

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
    if ((data[0] & 1) != 0) {
        tree(copy, size - 1);
    } else {
        image(copy, size - 1);
    }
    free(copy);
    return 0;
}
