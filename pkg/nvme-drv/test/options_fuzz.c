// SPDX-License-Identifier: MIT
/* Fuzz target: a command line, words separated by blanks, and each --device against a small set of disks; the words are
 * also the arguments that make a dynamic client. */
#include "../src/factory.h"
#include "../src/options.h"
#include "../src/target.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct nvme_part part = {.gpt = {.number = 1, .first = 1, .last = 2, .label = "data"}};
    static struct nvme_ctrl ctrl;
    static struct nvme_ns ns = {.ctrl = &ctrl, .nsid = 1, .live = 1, .parts = &part}, *list[] = {&ns};
    static struct nvme_ctrl *const ctrls[] = {&ctrl};
    char *argv[128], error[128], *text = malloc(size + 1);
    struct options o;
    struct blk_target t;
    int argc = 0;

    ctrl = (struct nvme_ctrl){.state = CTRL_READY, .id.serial = "S", .ns = list, .ns_count = 1};
    memcpy(text, data, size);
    text[size] = 0;
    argv[argc++] = "nvme-drv";
    for (char *p = strtok(text, " \n"); p && argc < 127; p = strtok(NULL, " \n")) {
        argv[argc++] = p;
    }
    argv[argc] = NULL;
    if (options_parse(&o, argc, argv, error, sizeof(error))) {
        for (unsigned i = 0; i < o.client_count; i++) {
            if (target_find(ctrls, 1, o.client[i].device, &t) == SK_OK && t.ns != &ns) {
                abort();
            }
        }
    } else if (!memchr(error, 0, sizeof(error)) || !error[0]) {
        abort();
    }
    for (int i = 1; i < argc; i++) {
        struct client_options client = {0};

        if (!factory_arg(&client, argv[i]) && client.device && target_find(ctrls, 1, client.device, &t) == SK_OK &&
            t.ns != &ns) {
            abort();
        }
    }
    free(text);
    return 0;
}
