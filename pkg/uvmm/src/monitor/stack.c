// SPDX-License-Identifier: MIT
/* The command "backtrace". Linux is compiled without frame pointers, and the tables by which it unwinds are its own: so
 * the stack is searched for addresses right behind a call. Calls that are going on are all among them, in their order;
 * but so may be some that have returned, whose addresses were not overwritten. The output says so. */
#include "../cpu/callsite.h"
#include "../cpu/paging.h"
#include "../vcpu.h"
#include "monitor_priv.h"

#include <inttypes.h>
#include <util/bits.h>

#define SCAN_BYTES 16384u /* a Linux kernel's stack */
#define LINES_MAX 48u
#define SEG_L BIT(9)
#define SEG_D BIT(10)
#define EFER_LMA BIT(10)

struct stack {
    struct paging paging;
    uint64_t at, sp;
    unsigned width; /* of a return address */
    bool kernel;    /* 64 bit: calls of the kernel return to the upper half */
};

static bool stack_of(const struct vcpu_state *s, struct stack *k)
{
    bool mode_64 = (s->efer & EFER_LMA) != 0 && (s->cs.attr & SEG_L) != 0;

    k->paging = (struct paging){s->cr0, s->cr3, s->cr4, s->efer};
    k->width = mode_64 ? 8 : 4;
    k->sp = mode_64 ? s->gpr[GPR_RSP] : (uint32_t)s->gpr[GPR_RSP];
    k->at = mode_64 ? k->sp : (uint32_t)(k->sp + s->ss.base);
    k->kernel = s->cpl == 0;
    return mode_64 || (s->cs.attr & SEG_D) != 0;
}

static bool is_return(const struct stack *k, uint64_t address)
{
    uint8_t before[CALLSITE_BYTES];
    uint64_t upper = address >> 47;

    if (address < CALLSITE_BYTES || (k->width == 8 && upper != (k->kernel ? 0x1ffff : 0))) {
        return false;
    }
    return paging_fetch(&k->paging, address - CALLSITE_BYTES, before, CALLSITE_BYTES) == CALLSITE_BYTES &&
           callsite_ends(before);
}

static unsigned scan(struct shell *sh, const struct stack *k)
{
    unsigned found = 0, off = 0;

    for (; off < SCAN_BYTES && found < LINES_MAX; off += k->width) {
        uint64_t word = 0;
        if (paging_fetch(&k->paging, k->at + off, &word, k->width) != k->width) {
            break;
        }
        if (is_return(k, word)) {
            shell_printf(sh, "  stack + %04x: %0*" PRIx64 "\n", off, (int)k->width * 2, word);
            found++;
        }
    }
    return found;
}

void cmd_backtrace(struct shell *sh, unsigned argc, char *const *argv)
{
    struct vcpu *v = monitor_vcpu(sh, argc > 1 ? argv[1] : NULL);
    struct stack k;

    if (v == NULL) {
        return;
    }
    if (!monitor_state_get(v, VCPU_GROUP_BASE | VCPU_GROUP_SEG)) {
        shell_printf(sh, "the kernel does not give this vcpu's state\n");
        return;
    }
    shell_printf(sh, "vcpu %u at %04x:%0*" PRIx64 ", stack %" PRIx64 "\n", v->index, v->state->cs.sel,
                 (v->state->efer & EFER_LMA) != 0 ? 16 : 8, v->state->rip, v->state->gpr[GPR_RSP]);
    if (!stack_of(v->state, &k)) {
        shell_printf(sh, "16-bit code: its stack is not searched\n");
    } else if (scan(sh, &k) == 0) {
        shell_printf(sh, "nothing on its stack looks like a return address\n");
    } else {
        shell_printf(sh, "These are behind call instructions; among them may be calls that have returned already.\n");
    }
}
