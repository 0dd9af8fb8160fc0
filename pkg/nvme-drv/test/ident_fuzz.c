// SPDX-License-Identifier: MIT
/* Fuzz target: Identify data of a hostile controller: what is accepted must be usable (text terminated and printable,
 * sizes that cannot overflow). */
#include "../src/ident.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void check_text(const char *s, size_t size)
{
    size_t n = strnlen(s, size);

    if (n == size) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        if (s[i] < 0x20 || s[i] > 0x7e) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static union {
        struct nvme_id_ctrl ctrl;
        struct nvme_id_ns ns;
        uint8_t bytes[4096];
    } page;
    struct ident_ctrl c;
    struct ident_ns n = {0};

    memset(&page, 0, sizeof(page));
    memcpy(page.bytes, data, min(size, sizeof(page)));
    (void)ident_ctrl_parse(&page.ctrl, &c);
    check_text(c.serial, sizeof(c.serial));
    check_text(c.model, sizeof(c.model));
    check_text(c.firmware, sizeof(c.firmware));
    if (c.max_transfer < 4096 || c.max_transfer > IDENT_MAX_TRANSFER || !is_pow2(c.max_transfer)) {
        abort();
    }
    (void)ident_descs_parse(page.bytes, &n);
    if (!ident_ns_parse(&page.ns, &n) && (!is_pow2(n.block_size) || n.block_size < 512 || n.block_size > 65536 ||
                                          n.blocks == 0 || n.blocks > (uint64_t)INT64_MAX / n.block_size)) {
        abort();
    }
    return 0;
}
