// SPDX-License-Identifier: MIT
/* Fuzz target: the input chooses the ring, and then the order of all accesses of driver and device (weave.h). */
#include "pair.h"
#include "weave.h"
#include <stdio.h>
#include <stdlib.h>
#include <util/bits.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct pair_config c = {
        .packed = data[0] & 1,
        .event_idx = data[0] & 2,
        .indirect = data[0] & 4,
        .mortal = data[0] & 8,
        .direct = (data[0] & 24) == 16, /* chains of direct descriptors are not recorded */
        .stalls = data[0] & 32,
        .requests = 20,
    };

    c.num = c.packed ? 1u + data[1] % PAIR_NUM_MAX : 1u << data[1] % 5;
    c.num = c.direct ? max(c.num, PAIR_SEGMENTS_MAX) : c.num;
    weave_choices(data + 2, size - 2, 1);
    const char *error = pair_run(&c);

    if (error) {
        (void)fprintf(stderr, "%s\n", error);
        abort();
    }
    return 0;
}
