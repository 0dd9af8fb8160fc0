// SPDX-License-Identifier: MIT
// Checks of guest state before it is loaded, and the reset state. See vm_check.h.

#include "vm_check.h"
#include "cpu.h"

/* CF, PF, AF, ZF, SF, TF, IF, DF, OF, IOPL, NT, RF, VM, AC, VIF, VIP, ID and the fixed bit 1 */
#define RFLAGS_VALID (FIELD(21, 16) | FIELD(14, 6) | BIT(4) | BIT(2) | BIT(1) | BIT(0))
#define SEG_ATTR_VALID 0xfffu
#define SEG_ATTR_L (1u << 9)
#define SEG_ATTR_DB (1u << 10)
#define XCR0_X87 BIT(0)
#define XCR0_SSE BIT(1)
#define XCR0_AVX BIT(2)
#define XCR0_AVX512 FIELD(7, 5)
#define EVENT_RESERVED FIELD(30, 12)

static bool is_canonical(const struct vm_limits *l, uint64_t va)
{
    unsigned shift = 64 - l->va_bits;

    return (uint64_t)((int64_t)(va << shift) >> shift) == va;
}

static bool cr0_ok(uint64_t cr0)
{
    if (cr0 >> 32 || ((cr0 & CR0_NW) && !(cr0 & CR0_CD))) {
        return false;
    }
    return !(cr0 & CR0_PG) || (cr0 & CR0_PE);
}

static bool efer_ok(const struct vm_limits *l, uint64_t efer, bool paging)
{
    bool active = (efer & EFER_LME) && paging;

    return !(efer & ~l->efer_valid) && active == !!(efer & EFER_LMA);
}

static bool cr4_ok(const struct vm_limits *l, uint64_t cr4, uint64_t cr4_now, bool long_mode)
{
    return !(cr4 & ~(l->cr4_valid | cr4_now)) && (!long_mode || (cr4 & CR4_PAE));
}

static bool seg_ok(const struct vcpu_seg *s) { return !(s->attr & ~SEG_ATTR_VALID); }

static bool rflags_ok(uint64_t rflags, bool long_mode)
{
    return !(rflags & ~RFLAGS_VALID) && (rflags & RFLAGS_ONE) && !(long_mode && (rflags & RFLAGS_VM));
}

enum vcpu_invalid vm_check_base(const struct vm_limits *l, const struct vcpu_state *s, uint64_t cr4_now)
{
    bool long_mode = (s->efer & EFER_LMA) != 0;

    if (!cr0_ok(s->cr0)) {
        return VCPU_INVALID_CR0;
    }
    if (!efer_ok(l, s->efer, (s->cr0 & CR0_PG) != 0)) {
        return VCPU_INVALID_EFER;
    }
    if (!cr4_ok(l, s->cr4, cr4_now, long_mode)) {
        return VCPU_INVALID_CR4;
    }
    if (s->cr3 >= l->phys_limit) {
        return VCPU_INVALID_CR3;
    }
    if (!rflags_ok(s->rflags, long_mode)) {
        return VCPU_INVALID_RFLAGS;
    }
    bool cs_l_and_d = long_mode && (s->cs.attr & SEG_ATTR_L) && (s->cs.attr & SEG_ATTR_DB);
    return seg_ok(&s->cs) && seg_ok(&s->ss) && !cs_l_and_d ? VCPU_INVALID_NONE : VCPU_INVALID_SEGMENT;
}

enum vcpu_invalid vm_check_seg(const struct vm_limits *l, const struct vcpu_state *s)
{
    bool attr = seg_ok(&s->ds) && seg_ok(&s->es) && seg_ok(&s->fs) && seg_ok(&s->gs) && seg_ok(&s->ldtr) &&
                seg_ok(&s->tr);
    bool base = is_canonical(l, s->fs.base) && is_canonical(l, s->gs.base) && is_canonical(l, s->ldtr.base) &&
                is_canonical(l, s->tr.base) && is_canonical(l, s->gdtr.base) && is_canonical(l, s->idtr.base);
    bool limit = s->gdtr.limit <= UINT16_MAX && s->idtr.limit <= UINT16_MAX;

    return attr && base && limit ? VCPU_INVALID_NONE : VCPU_INVALID_SEGMENT;
}

/* Each byte holds a memory type: UC, WC, WT, WP, WB or UC-. [APM-2 7.8.1] */
static bool pat_ok(uint64_t pat)
{
    for (unsigned i = 0; i < 8; i++, pat >>= 8) {
        uint8_t type = (uint8_t)pat;

        if (type > 7 || type == 2 || type == 3) {
            return false;
        }
    }
    return true;
}

static bool xcr0_ok(const struct vm_limits *l, uint64_t xcr0)
{
    uint64_t avx512 = xcr0 & XCR0_AVX512;

    if (!l->xcr0_valid) {
        return xcr0 == XCR0_X87;
    }
    if ((xcr0 & ~l->xcr0_valid) || !(xcr0 & XCR0_X87) || ((xcr0 & XCR0_AVX) && !(xcr0 & XCR0_SSE))) {
        return false;
    }
    return !avx512 || (avx512 == XCR0_AVX512 && (xcr0 & XCR0_AVX));
}

enum vcpu_invalid vm_check_msr(const struct vm_limits *l, const struct vcpu_state *s)
{
    if (!xcr0_ok(l, s->xcr0)) {
        return VCPU_INVALID_XCR0;
    }
    if (s->dr6 >> 32 || s->dr7 >> 32) {
        return VCPU_INVALID_DR;
    }
    bool base = is_canonical(l, s->lstar) && is_canonical(l, s->cstar) && is_canonical(l, s->kernel_gs_base) &&
                is_canonical(l, s->sysenter_esp) && is_canonical(l, s->sysenter_eip);
    /* DEBUGCTL is not switched: a guest has none */
    bool value = pat_ok(s->pat) && !s->debugctl && s->tsc_aux <= (l->tsc_aux ? UINT32_MAX : 0);
    return base && value ? VCPU_INVALID_NONE : VCPU_INVALID_MSR;
}

static bool exception_ok(unsigned vector, bool cs_long)
{
    return vector != 2 && vector < 32 && !(cs_long && (vector == 4 || vector == 5));
}

enum vcpu_invalid vm_check_event(uint64_t event, const struct vm_event_state *e)
{
    bool ok = true;

    if (!event) {
        return VCPU_INVALID_NONE;
    }
    switch (EVENT_TYPE(event)) {
    case VCPU_EVENT_INTR:
        ok = e->intr_open;
        break;
    case VCPU_EVENT_NMI:
        ok = e->nmi_open;
        break;
    case VCPU_EVENT_EXCP:
        ok = exception_ok(EVENT_VECTOR(event), e->cs_long);
        break;
    case VCPU_EVENT_SOFTINT:
        break;
    default:
        ok = false;
    }
    if ((event & VCPU_EVENT_EV) ? EVENT_TYPE(event) != VCPU_EVENT_EXCP : (event >> 32) != 0) {
        ok = false;
    }
    return ok && (event & VCPU_EVENT_VALID) && !(event & EVENT_RESERVED) ? VCPU_INVALID_NONE : VCPU_INVALID_EVENT;
}

/* The compiler must not read the shared page again behind the checks. */
static void copy_done(void) { asm volatile("" : : : "memory"); }

#define COPY_RANGE(dst, src, first, last) \
    __builtin_memcpy(&(dst)->first, &(src)->first, \
                     offsetof(struct vcpu_state, last) + sizeof((dst)->last) - offsetof(struct vcpu_state, first))

void vm_request_copy(struct vm_request *r, const struct vcpu_state *s)
{
    r->dirty = s->dirty;
    r->inject = s->run.inject;
    r->irq_window = s->run.irq_window != 0;
    r->nmi_window = s->run.nmi_window != 0;
    copy_done();
    if (r->dirty & VCPU_GROUP_BASE) {
        COPY_RANGE(&r->s, s, rip, int_shadow);
    }
    if (r->dirty & VCPU_GROUP_SEG) {
        COPY_RANGE(&r->s, s, ds, idtr);
    }
    if (r->dirty & VCPU_GROUP_MSR) {
        COPY_RANGE(&r->s, s, star, tsc_aux);
    }
    if (r->dirty & VCPU_GROUP_TSC) {
        COPY_RANGE(&r->s, s, tsc_offset, tsc_ratio);
    }
    copy_done();
}

/* SVM's ratio has 8 bits before the point. */
static bool tsc_ratio_valid(const struct vm_limits *l, uint64_t ratio)
{
    return ratio == VCPU_TSC_RATIO_1 ||
           (l->tsc_scale && ratio >= VCPU_TSC_RATIO_1 >> 8 && ratio < VCPU_TSC_RATIO_1 << 8);
}

/* The event is checked against the state that it will meet. */
static enum vcpu_invalid request_check_event(const struct vm_request *r, const struct vm_present *now)
{
    bool base = r->dirty & VCPU_GROUP_BASE;
    uint64_t rflags = base ? r->s.rflags : now->rflags;
    uint64_t efer = base ? r->s.efer : now->efer;
    uint16_t cs_attr = base ? r->s.cs.attr : now->cs_attr;
    bool shadow = base ? r->s.int_shadow != 0 : now->shadow;
    const struct vm_event_state e = {
        .intr_open = (rflags & RFLAGS_IF) && !shadow,
        .nmi_open = !now->nmi_blocked && !shadow,
        .cs_long = (efer & EFER_LMA) && (cs_attr & SEG_ATTR_L),
    };

    return vm_check_event(r->inject, &e);
}

enum vcpu_invalid vm_request_check(const struct vm_limits *l, const struct vm_request *r, const struct vm_present *now)
{
    enum vcpu_invalid bad = VCPU_INVALID_NONE;

    if (r->dirty & VCPU_GROUP_BASE) {
        bad = vm_check_base(l, &r->s, now->cr4);
    }
    if (!bad && (r->dirty & VCPU_GROUP_SEG)) {
        bad = vm_check_seg(l, &r->s);
    }
    if (!bad && (r->dirty & VCPU_GROUP_MSR)) {
        bad = vm_check_msr(l, &r->s);
    }
    if (!bad && (r->dirty & VCPU_GROUP_TSC) && !tsc_ratio_valid(l, r->s.tsc_ratio)) {
        bad = VCPU_INVALID_TSC_RATIO;
    }
    return bad ? bad : request_check_event(r, now);
}

void vm_state_reset(struct vcpu_state *s, uint32_t signature)
{
    const struct vcpu_seg data = { .attr = 0x93, .limit = 0xffff };

    *s = (struct vcpu_state){ 0 };
    s->gpr[GPR_RDX] = signature;
    s->rip = 0xfff0;
    s->rflags = RFLAGS_ONE;
    s->cr0 = CR0_CD | CR0_NW | CR0_ET;
    s->cs = (struct vcpu_seg){ .sel = 0xf000, .attr = 0x9b, .limit = 0xffff, .base = 0xffff0000 };
    s->ss = s->ds = s->es = s->fs = s->gs = data;
    s->ldtr = (struct vcpu_seg){ .attr = 0x82, .limit = 0xffff };
    s->tr = (struct vcpu_seg){ .attr = 0x8b, .limit = 0xffff };
    s->gdtr = s->idtr = (struct vcpu_seg){ .limit = 0xffff };
    s->pat = 0x0007040600070406;
    s->dr6 = 0xffff0ff0;
    s->dr7 = 0x400;
    s->xcr0 = XCR0_X87;
    s->tsc_ratio = VCPU_TSC_RATIO_1;
    s->valid = VCPU_GROUP_BASE | VCPU_GROUP_SEG | VCPU_GROUP_MSR | VCPU_GROUP_TSC;
}
