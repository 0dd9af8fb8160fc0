// SPDX-License-Identifier: MIT
/* What is kept of a client over all its sessions: statistics, limits, and its share of the drive. */
#pragma once

#include "fair.h"
#include "limit.h"
#include "stat.h"

struct qos {
    struct stat stat;
    struct limit limit;
    struct fair_client fair;
    uint64_t limited_since_ns;                    /* 0: nothing waits for the limits */
    void (*arm)(void *ctx, uint64_t deadline_ns); /* blkdev_limit_over() is to be called then; needed with limits */
    void *arm_ctx;
};
