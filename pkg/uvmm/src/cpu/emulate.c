// SPDX-License-Identifier: MIT
/* Instruction execution [SDM-2]. Values are kept zero-extended to 64 bits; flags are computed as the manual's
 * pseudo-code does. A repeated string instruction does at most REP_MAX iterations at a time, so that interrupts are
 * taken in between. */
#include "emulate.h"

#include <stddef.h>
#include <util/bits.h>

#define REP_MAX 1024u

#define FLAG_CF BIT(0)
#define FLAG_PF BIT(2)
#define FLAG_AF BIT(4)
#define FLAG_ZF BIT(6)
#define FLAG_SF BIT(7)
#define FLAG_DF BIT(10)
#define FLAG_OF BIT(11)
#define FLAGS_ARITH (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

enum { RAX = 0, RCX = 1, RDX = 2, RSI = 6, RDI = 7, SEG_ES = 0 };

static uint64_t mask_of(unsigned size)
{
    return size >= 8 ? ~0ull : (1ull << (8 * size)) - 1;
}

static uint64_t sign_of(unsigned size)
{
    return 1ull << (8 * size - 1);
}

static uint64_t sign_extend(uint64_t v, unsigned size)
{
    unsigned shift = 64 - 8 * size;

    return (uint64_t)((int64_t)(v << shift) >> shift);
}

/* Writes of 32 bits clear the upper half, smaller ones keep the rest. */
static void gpr_merge(uint64_t *r, unsigned size, uint64_t v)
{
    if (size >= 4) {
        *r = v & mask_of(size);
    } else {
        *r = (*r & ~mask_of(size)) | (v & mask_of(size));
    }
}

static uint64_t reg_get(const struct emu *e, const struct insn *i)
{
    uint64_t v = i->high8 ? e->gpr[i->reg & 3] >> 8 : e->gpr[i->reg & 15];

    return v & mask_of(i->opsize);
}

static void reg_set(struct emu *e, const struct insn *i, uint64_t v)
{
    uint64_t *r = &e->gpr[i->high8 ? i->reg & 3 : i->reg & 15];

    if (i->high8) {
        *r = (*r & ~0xff00ull) | (v & 0xff) << 8;
    } else {
        gpr_merge(r, i->opsize, v);
    }
}

void emu_skip(struct emu *e, unsigned len)
{
    uint64_t next = *e->rip + len;

    *e->rip = e->mode == INSN_64 ? next : next & 0xffffffff;
}

static uint64_t effective(const struct emu *e, const struct insn *i)
{
    uint64_t a = (uint64_t)i->disp;

    if (i->base != INSN_NO_REG) {
        a += e->gpr[i->base & 15];
    }
    if (i->index != INSN_NO_REG) {
        a += e->gpr[i->index & 15] << i->scale;
    }
    if (i->rip_relative) {
        a += *e->rip + i->len;
    }
    return a & mask_of(i->addrsize);
}

static uint64_t linear(const struct emu *e, unsigned seg, uint64_t addr)
{
    uint64_t l = addr + e->seg_base[seg % 6];

    return e->mode == INSN_64 ? l : l & 0xffffffff;
}

/* SF, ZF, PF of a result. */
static uint64_t flags_of(uint64_t r, unsigned size)
{
    uint64_t f = 0;

    r &= mask_of(size);
    f |= r == 0 ? FLAG_ZF : 0;
    f |= (r & sign_of(size)) != 0 ? FLAG_SF : 0;
    f |= __builtin_parity((unsigned)(r & 0xff)) == 0 ? FLAG_PF : 0;
    return f;
}

static uint64_t flags_sum(uint64_t a, uint64_t b, uint64_t r, unsigned size, bool subtract)
{
    uint64_t carries = subtract ? (~a & b) | (~(a ^ b) & r) : (a & b) | ((a | b) & ~r);
    uint64_t overflow = subtract ? (a ^ b) & (a ^ r) : ~(a ^ b) & (a ^ r);
    uint64_t f = flags_of(r, size);

    f |= (carries & sign_of(size)) != 0 ? FLAG_CF : 0;
    f |= (carries & 8) != 0 ? FLAG_AF : 0;
    f |= (overflow & sign_of(size)) != 0 ? FLAG_OF : 0;
    return f;
}

static uint64_t alu(struct emu *e, unsigned op, uint64_t a, uint64_t b, unsigned size)
{
    uint64_t carry = (op == ALU_ADC || op == ALU_SBB) && (*e->rflags & FLAG_CF) != 0;
    uint64_t r, f;

    b &= mask_of(size);
    switch (op) {
    case ALU_ADD:
    case ALU_ADC:
        r = a + b + carry;
        f = flags_sum(a, b, r, size, false);
        break;
    case ALU_SUB:
    case ALU_SBB:
    case ALU_CMP:
        r = a - b - carry;
        f = flags_sum(a, b, r, size, true);
        break;
    default:
        r = op == ALU_OR ? a | b : op == ALU_XOR ? a ^ b : a & b;
        f = flags_of(r, size);
        break;
    }
    *e->rflags = (*e->rflags & ~FLAGS_ARITH) | f;
    return r & mask_of(size);
}

static bool alu_writes(unsigned op)
{
    return op != ALU_CMP && op != ALU_TEST;
}

static int load(struct emu *e, uint64_t addr, unsigned size, uint64_t *v)
{
    int err = e->ops->mem_read(e->ctx, addr, size, v);

    *v &= mask_of(size);
    return err;
}

static int store(struct emu *e, uint64_t addr, unsigned size, uint64_t v)
{
    return e->ops->mem_write(e->ctx, addr, size, v & mask_of(size));
}

/* Read-modify-write forms. old: the value read; *writes: store *v. */
static void modify(struct emu *e, const struct insn *i, uint64_t old, uint64_t *v, bool *writes)
{
    uint64_t carry = *e->rflags & FLAG_CF;

    *writes = true;
    switch (i->op) {
    case INSN_ALU_MEM:
        *v = alu(e, i->sub, old, reg_get(e, i), i->memsize);
        *writes = alu_writes(i->sub);
        return;
    case INSN_ALU_IMM:
        *v = alu(e, i->sub, old, i->imm, i->memsize);
        *writes = alu_writes(i->sub);
        return;
    case INSN_NOT: *v = ~old; return;
    case INSN_NEG: *v = alu(e, ALU_SUB, 0, old, i->memsize); return;
    case INSN_INC: /* keep CF */
    case INSN_DEC:
        *v = alu(e, i->op == INSN_INC ? ALU_ADD : ALU_SUB, old, 1, i->memsize);
        *e->rflags = (*e->rflags & ~FLAG_CF) | carry;
        return;
    default: /* INSN_XCHG */ *v = reg_get(e, i); return;
    }
}

static enum emu_result exec_modify(struct emu *e, const struct insn *i)
{
    uint64_t addr = linear(e, i->seg, effective(e, i)), old, v, flags = *e->rflags;
    bool writes;

    if (load(e, addr, i->memsize, &old) != 0) {
        return EMU_FAULT;
    }
    modify(e, i, old, &v, &writes);
    if (writes && store(e, addr, i->memsize, v) != 0) {
        *e->rflags = flags;
        return EMU_FAULT;
    }
    if (i->op == INSN_XCHG) {
        reg_set(e, i, old);
    }
    return EMU_DONE;
}

static enum emu_result exec_xadd(struct emu *e, const struct insn *i)
{
    uint64_t addr = linear(e, i->seg, effective(e, i)), old, flags = *e->rflags;

    if (load(e, addr, i->memsize, &old) != 0) {
        return EMU_FAULT;
    }
    if (store(e, addr, i->memsize, alu(e, ALU_ADD, old, reg_get(e, i), i->memsize)) != 0) {
        *e->rflags = flags;
        return EMU_FAULT;
    }
    reg_set(e, i, old);
    return EMU_DONE;
}

static enum emu_result exec_cmpxchg(struct emu *e, const struct insn *i)
{
    uint64_t addr = linear(e, i->seg, effective(e, i)), old, flags = *e->rflags;

    if (load(e, addr, i->memsize, &old) != 0) {
        return EMU_FAULT;
    }
    uint64_t acc = e->gpr[RAX] & mask_of(i->memsize);
    (void)alu(e, ALU_CMP, acc, old, i->memsize);
    if (store(e, addr, i->memsize, acc == old ? reg_get(e, i) : old) != 0) {
        *e->rflags = flags;
        return EMU_FAULT;
    }
    if (acc != old) {
        gpr_merge(&e->gpr[RAX], i->memsize, old);
    }
    return EMU_DONE;
}

/* With a register index, the bit string may begin anywhere around the address. */
static enum emu_result exec_bit(struct emu *e, const struct insn *i)
{
    unsigned bits = i->memsize * 8u;
    int64_t index = (int64_t)(i->op == INSN_BIT ? sign_extend(reg_get(e, i), i->opsize) : i->imm & (bits - 1));
    uint64_t ea = effective(e, i) + (uint64_t)((index >> __builtin_ctz(bits)) * i->memsize);
    uint64_t addr = linear(e, i->seg, ea & mask_of(i->addrsize)), v, bit = 1ull << (index & (bits - 1));

    if (load(e, addr, i->memsize, &v) != 0) {
        return EMU_FAULT;
    }
    bool was = (v & bit) != 0;
    v = i->sub == BIT_SET ? v | bit : i->sub == BIT_RESET ? v & ~bit : v ^ bit;
    if (i->sub != BIT_TEST && store(e, addr, i->memsize, v) != 0) {
        return EMU_FAULT;
    }
    *e->rflags = (*e->rflags & ~FLAG_CF) | (was ? FLAG_CF : 0);
    return EMU_DONE;
}

static void index_step(struct emu *e, const struct insn *i, unsigned reg)
{
    uint64_t step = (*e->rflags & FLAG_DF) != 0 ? (uint64_t) - (int64_t)i->memsize : i->memsize;

    gpr_merge(&e->gpr[reg], i->addrsize, e->gpr[reg] + step);
}

static uint64_t index_addr(const struct emu *e, const struct insn *i, unsigned reg, unsigned seg)
{
    return linear(e, seg, e->gpr[reg] & mask_of(i->addrsize));
}

static int string_step(struct emu *e, const struct insn *i)
{
    uint64_t v;
    int err;

    switch (i->op) {
    case INSN_STOS: err = store(e, index_addr(e, i, RDI, SEG_ES), i->memsize, e->gpr[RAX]); break;
    case INSN_LODS:
        err = load(e, index_addr(e, i, RSI, i->seg), i->memsize, &v);
        if (err == 0) {
            gpr_merge(&e->gpr[RAX], i->memsize, v);
        }
        break;
    case INSN_MOVS:
        err = load(e, index_addr(e, i, RSI, i->seg), i->memsize, &v);
        err = err == 0 ? store(e, index_addr(e, i, RDI, SEG_ES), i->memsize, v) : err;
        break;
    case INSN_INS: /* ports are 4 bytes wide at most */
        v = e->ops->port_in(e->ctx, (uint16_t)e->gpr[RDX], i->memsize);
        err = store(e, index_addr(e, i, RDI, SEG_ES), i->memsize, v);
        break;
    default: /* INSN_OUTS */
        err = load(e, index_addr(e, i, RSI, i->seg), i->memsize, &v);
        if (err == 0) {
            e->ops->port_out(e->ctx, (uint16_t)e->gpr[RDX], i->memsize, (uint32_t)v);
        }
        break;
    }
    if (err == 0 && i->op != INSN_STOS && i->op != INSN_INS) {
        index_step(e, i, RSI);
    }
    if (err == 0 && i->op != INSN_LODS && i->op != INSN_OUTS) {
        index_step(e, i, RDI);
    }
    return err;
}

static enum emu_result exec_string(struct emu *e, const struct insn *insn)
{
    struct insn i = *insn;

    if ((i.op == INSN_INS || i.op == INSN_OUTS) && i.memsize == 8) {
        i.memsize = 4;
    }
    if (!i.rep) {
        return string_step(e, &i) == 0 ? EMU_DONE : EMU_FAULT;
    }
    for (unsigned n = 0; n < REP_MAX; n++) {
        uint64_t count = e->gpr[RCX] & mask_of(i.addrsize);
        if (count == 0) {
            return EMU_DONE;
        }
        if (string_step(e, &i) != 0) {
            return EMU_FAULT;
        }
        gpr_merge(&e->gpr[RCX], i.addrsize, count - 1);
    }
    return (e->gpr[RCX] & mask_of(i.addrsize)) == 0 ? EMU_DONE : EMU_AGAIN;
}

/* Forms that only read memory. */
static enum emu_result exec_load(struct emu *e, const struct insn *i)
{
    uint64_t v;

    if (load(e, linear(e, i->seg, effective(e, i)), i->memsize, &v) != 0) {
        return EMU_FAULT;
    }
    switch (i->op) {
    case INSN_MOVSX: reg_set(e, i, sign_extend(v, i->memsize)); break;
    case INSN_ALU_REG:
        v = alu(e, i->sub, reg_get(e, i), v, i->opsize);
        if (alu_writes(i->sub)) {
            reg_set(e, i, v);
        }
        break;
    default: /* INSN_LOAD, INSN_MOVZX */ reg_set(e, i, v); break;
    }
    return EMU_DONE;
}

static enum emu_result exec_store(struct emu *e, const struct insn *i)
{
    uint64_t v = i->op == INSN_STORE ? reg_get(e, i) : i->imm;

    return store(e, linear(e, i->seg, effective(e, i)), i->memsize, v) == 0 ? EMU_DONE : EMU_FAULT;
}

static enum emu_result execute(struct emu *e, const struct insn *i)
{
    switch (i->op) {
    case INSN_SIMPLE: return EMU_DONE;
    case INSN_LOAD:
    case INSN_MOVZX:
    case INSN_MOVSX:
    case INSN_ALU_REG: return exec_load(e, i);
    case INSN_STORE:
    case INSN_STORE_IMM: return exec_store(e, i);
    case INSN_XADD: return exec_xadd(e, i);
    case INSN_CMPXCHG: return exec_cmpxchg(e, i);
    case INSN_BIT:
    case INSN_BIT_IMM: return exec_bit(e, i);
    case INSN_STOS:
    case INSN_LODS:
    case INSN_MOVS:
    case INSN_INS:
    case INSN_OUTS: return exec_string(e, i);
    default: return exec_modify(e, i);
    }
}

enum emu_result emu_execute(struct emu *e, const struct insn *i)
{
    enum emu_result r = execute(e, i);

    if (r == EMU_DONE) {
        emu_skip(e, i->len);
    }
    return r;
}
