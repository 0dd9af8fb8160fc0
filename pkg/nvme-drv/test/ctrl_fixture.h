// SPDX-License-Identifier: MIT
// A model controller and its driver, for the tests of controllers, each of which includes it once.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model.h"
#include <abi/types.h>
#include <stdlib.h>
#include <string.h>

static inline int setup(void **state)
{
    *state = model_new(2048);
    return 0;
}

static inline int teardown(void **state)
{
    struct model *m = *state;

    if (m->ctrl) {
        model_stop(m);
    }
    assert_int_equal(m->dma_live, 0);
    model_free(m);
    return 0;
}

static inline void work(struct model *m)
{
    while (model_check(m)) {
    }
}

static inline void count_done(struct nvme_cmd *cmd, uint32_t status, uint32_t dw0)
{
    (void)status, (void)dw0;
    ++*(unsigned *)cmd->ctx;
}

static inline struct nvme_ctrl *start_with_events(struct model *m)
{
    int64_t err;
    struct nvme_ctrl *c = model_start(m, &err);

    assert_int_equal(err, SK_OK);
    nvme_ctrl_work(c);
    c->ns_changed = false;
    return c;
}

/* Delivers what has come and lets the worker run. */
static inline void deliver(struct model *m)
{
    while (model_interrupt(m) || model_check(m)) {
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
