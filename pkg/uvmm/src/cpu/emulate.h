// SPDX-License-Identifier: MIT
/* Executes one decoded instruction on a register set, with memory and ports behind callbacks. Pure apart from those. */
#pragma once

#include "decode.h"

struct emu_ops {
    /* Linear addresses; width 1, 2, 4, 8. 0, or negative: the address is not mapped; nothing was done. */
    int (*mem_read)(void *ctx, uint64_t linear, unsigned width, uint64_t *value);
    int (*mem_write)(void *ctx, uint64_t linear, unsigned width, uint64_t value);
    uint32_t (*port_in)(void *ctx, uint16_t port, unsigned width);
    void (*port_out)(void *ctx, uint16_t port, unsigned width, uint32_t value);
};

struct emu {
    const struct emu_ops *ops;
    void *ctx;
    enum insn_mode mode;
    uint64_t *gpr; /* 16, hardware encoding */
    uint64_t *rip, *rflags;
    uint64_t seg_base[6]; /* hardware encoding; in 64-bit mode zero but for FS and GS */
};

enum emu_result {
    EMU_DONE,  /* executed, rip is behind it */
    EMU_AGAIN, /* repeated string instruction: a part is done, rip still at it */
    EMU_FAULT, /* a memory callback failed; registers are as after the iterations done */
};

enum emu_result emu_execute(struct emu *e, const struct insn *i);
/* rip += len, wrapped to the width of code. */
void emu_skip(struct emu *e, unsigned len);
