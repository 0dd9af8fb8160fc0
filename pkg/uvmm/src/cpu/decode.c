// SPDX-License-Identifier: MIT
/* Instruction decoder: prefixes, opcode, ModRM/SIB/displacement, immediate, in that order. A cursor that runs off the
 * end sets `truncated` and yields zeros, so that each step stays simple. */
#include "decode.h"

#include <string.h>

enum { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS };
enum { REG_BX = 3, REG_SP = 4, REG_BP = 5, REG_SI = 6, REG_DI = 7 };

struct cursor {
    const uint8_t *bytes;
    unsigned pos, len;
    bool truncated;
    enum insn_mode mode;
    uint8_t rex;
    bool opsize_prefix, addrsize_prefix, seg_override;
};

static uint64_t take(struct cursor *c, unsigned n)
{
    uint64_t v = 0;

    if (n > c->len - c->pos) {
        c->truncated = true;
        c->pos = c->len;
        return 0;
    }
    memcpy(&v, c->bytes + c->pos, n);
    c->pos += n;
    return v;
}

static int64_t take_signed(struct cursor *c, unsigned n)
{
    unsigned shift = 64 - 8 * n;

    return (int64_t)(take(c, n) << shift) >> shift;
}

static unsigned opsize_word(const struct cursor *c)
{
    if ((c->rex & 8) != 0) {
        return 8;
    }
    return (c->mode == INSN_16) == c->opsize_prefix ? 4 : 2;
}

static unsigned addr_size(const struct cursor *c)
{
    if (c->mode == INSN_64) {
        return c->addrsize_prefix ? 4 : 8;
    }
    return (c->mode == INSN_16) == c->addrsize_prefix ? 4 : 2;
}

/* true: it was a prefix. */
static bool prefix_take(struct cursor *c, uint8_t b, struct insn *i)
{
    switch (b) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
        i->seg = b >> 3 & 3;
        c->seg_override = c->mode != INSN_64;
        break;
    case 0x64:
    case 0x65:
        i->seg = b == 0x64 ? SEG_FS : SEG_GS;
        c->seg_override = true;
        break;
    case 0x66: c->opsize_prefix = true; break;
    case 0x67: c->addrsize_prefix = true; break;
    case 0xf0: break;
    case 0xf2:
    case 0xf3: i->rep = true; break;
    default: return false;
    }
    return true;
}

static uint8_t opcode_take(struct cursor *c, struct insn *i)
{
    for (;;) {
        uint8_t b = (uint8_t)take(c, 1);
        if (c->truncated) {
            return 0;
        }
        if (prefix_take(c, b, i)) {
            c->rex = 0; /* REX counts only right before the opcode */
        } else if (c->mode == INSN_64 && (b & 0xf0) == 0x40) {
            c->rex = b;
        } else {
            return b;
        }
    }
}

static void modrm16(struct cursor *c, unsigned mod, unsigned rm, struct insn *i)
{
    static const uint8_t base[8] = {REG_BX, REG_BX, REG_BP, REG_BP, REG_SI, REG_DI, REG_BP, REG_BX};
    static const uint8_t index[8] = {REG_SI,      REG_DI,      REG_SI,      REG_DI,
                                     INSN_NO_REG, INSN_NO_REG, INSN_NO_REG, INSN_NO_REG};

    i->base = base[rm];
    i->index = index[rm];
    if (mod == 0 && rm == 6) {
        i->base = INSN_NO_REG;
        i->disp = (int64_t)take(c, 2);
    } else if (mod != 0) {
        i->disp = take_signed(c, mod == 1 ? 1 : 2);
    }
}

static void sib_take(struct cursor *c, unsigned mod, struct insn *i)
{
    uint8_t sib = (uint8_t)take(c, 1);

    i->scale = sib >> 6;
    i->index = (uint8_t)((sib >> 3 & 7) | (c->rex & 2) << 2);
    i->base = (uint8_t)((sib & 7) | (c->rex & 1) << 3);
    if (i->index == REG_SP) {
        i->index = INSN_NO_REG;
    }
    if ((sib & 7) == REG_BP && mod == 0) {
        i->base = INSN_NO_REG;
        i->disp = take_signed(c, 4);
    }
}

static void modrm32(struct cursor *c, unsigned mod, unsigned rm, struct insn *i)
{
    if (rm == REG_SP) {
        sib_take(c, mod, i);
    } else if (mod == 0 && rm == REG_BP) {
        i->disp = take_signed(c, 4);
        i->rip_relative = c->mode == INSN_64;
    } else {
        i->base = (uint8_t)(rm | (c->rex & 1) << 3);
    }
    if (mod != 0) {
        i->disp = take_signed(c, mod == 1 ? 1 : 4);
    }
}

static void modrm_take(struct cursor *c, struct insn *i)
{
    uint8_t m = (uint8_t)take(c, 1);
    unsigned mod = m >> 6, rm = m & 7;

    i->reg = (uint8_t)((m >> 3 & 7) | (c->rex & 4) << 1);
    i->is_mem = mod != 3;
    if (!i->is_mem) {
        return;
    }
    if (i->addrsize == 2) {
        modrm16(c, mod, rm, i);
    } else {
        modrm32(c, mod, rm, i);
    }
    bool stack = i->base == REG_BP || (i->base == REG_SP && i->addrsize != 2);
    if (!c->seg_override) {
        i->seg = stack ? SEG_SS : SEG_DS;
    }
}

static uint64_t imm_take(struct cursor *c, unsigned opsize)
{
    return (uint64_t)take_signed(c, opsize == 8 ? 4 : opsize);
}

static void set_op(struct insn *i, enum insn_op op, unsigned sub)
{
    i->op = (uint8_t)op;
    i->sub = (uint8_t)sub;
}

/* 80, 81, 83: group 1; F6, F7: group 3; FE, FF: groups 4, 5 */
static enum insn_error group_take(struct cursor *c, uint8_t op, struct insn *i)
{
    unsigned n;

    modrm_take(c, i);
    n = i->reg & 7;
    switch (op & 0xfe) {
    case 0x80:
        i->imm = imm_take(c, i->opsize);
        set_op(i, INSN_ALU_IMM, n);
        return INSN_OK;
    case 0x82:
        i->imm = (uint64_t)take_signed(c, 1);
        set_op(i, INSN_ALU_IMM, n);
        return op == 0x83 ? INSN_OK : INSN_UNKNOWN;
    case 0xf6:
        if (n <= 1) {
            i->imm = imm_take(c, i->opsize);
            set_op(i, INSN_ALU_IMM, ALU_TEST);
            return INSN_OK;
        }
        set_op(i, n == 2 ? INSN_NOT : INSN_NEG, 0);
        return n <= 3 ? INSN_OK : INSN_UNKNOWN;
    default: set_op(i, n == 0 ? INSN_INC : INSN_DEC, 0); return n <= 1 ? INSN_OK : INSN_UNKNOWN;
    }
}

static enum insn_error modrm_op(struct cursor *c, struct insn *i, enum insn_op op, unsigned sub)
{
    modrm_take(c, i);
    set_op(i, op, sub);
    return INSN_OK;
}

/* A0..A3: the address is an immediate */
static enum insn_error moffs_take(struct cursor *c, uint8_t op, struct insn *i)
{
    i->disp = (int64_t)take(c, i->addrsize);
    i->reg = 0;
    i->is_mem = true;
    set_op(i, op < 0xa2 ? INSN_LOAD : INSN_STORE, 0);
    return INSN_OK;
}

static enum insn_error string_op(struct insn *i, enum insn_op op)
{
    i->is_mem = true;
    set_op(i, op, 0);
    return INSN_OK;
}

static enum insn_error simple(struct cursor *c, struct insn *i, unsigned more)
{
    (void)take(c, more);
    i->is_mem = false;
    set_op(i, INSN_SIMPLE, 0);
    return INSN_OK;
}

static enum insn_error extend(struct cursor *c, struct insn *i, enum insn_op op, unsigned memsize)
{
    i->opsize = (uint8_t)opsize_word(c);
    i->memsize = (uint8_t)memsize;
    return modrm_op(c, i, op, 0);
}

static enum insn_error bit_imm(struct cursor *c, struct insn *i)
{
    modrm_take(c, i);
    i->imm = take(c, 1);
    set_op(i, INSN_BIT_IMM, i->reg & 3u);
    return (i->reg & 4) != 0 ? INSN_OK : INSN_UNKNOWN;
}

/* 0F 01 with a register form: XSETBV, VMMCALL, MONITOR, ...; the memory forms (LGDT ...) do not exit. */
static enum insn_error group7(struct cursor *c, struct insn *i)
{
    modrm_take(c, i);
    return i->is_mem ? INSN_UNKNOWN : simple(c, i, 0);
}

static enum insn_error two_byte(struct cursor *c, struct insn *i)
{
    uint8_t op = (uint8_t)take(c, 1);

    switch (op) {
    case 0x01: return group7(c, i);
    case 0x08:
    case 0x09:
    case 0x30:
    case 0x31:
    case 0x32:
    case 0x33:
    case 0xa2:
    case 0x0b: return simple(c, i, 0);
    case 0x20:
    case 0x21:
    case 0x22:
    case 0x23: return simple(c, i, 1); /* MOV CR/DR: always register forms */
    case 0xb6: return extend(c, i, INSN_MOVZX, 1);
    case 0xb7: return extend(c, i, INSN_MOVZX, 2);
    case 0xbe: return extend(c, i, INSN_MOVSX, 1);
    case 0xbf: return extend(c, i, INSN_MOVSX, 2);
    default: break;
    }
    i->opsize = i->memsize = (uint8_t)((op & 1) != 0 || op == 0xba ? opsize_word(c) : 1);
    switch (op) {
    case 0xa3: return modrm_op(c, i, INSN_BIT, BIT_TEST);
    case 0xab: return modrm_op(c, i, INSN_BIT, BIT_SET);
    case 0xb3: return modrm_op(c, i, INSN_BIT, BIT_RESET);
    case 0xbb: return modrm_op(c, i, INSN_BIT, BIT_COMPLEMENT);
    case 0xba: return bit_imm(c, i);
    case 0xb0:
    case 0xb1: return modrm_op(c, i, INSN_CMPXCHG, 0);
    case 0xc0:
    case 0xc1: return modrm_op(c, i, INSN_XADD, 0);
    case 0xc3: return modrm_op(c, i, INSN_STORE, 0); /* MOVNTI */
    default: return INSN_UNKNOWN;
    }
}

static enum insn_error store_imm(struct cursor *c, struct insn *i)
{
    modrm_take(c, i);
    i->imm = imm_take(c, i->opsize);
    set_op(i, INSN_STORE_IMM, 0);
    return (i->reg & 7) == 0 ? INSN_OK : INSN_UNKNOWN;
}

static enum insn_error one_byte(struct cursor *c, uint8_t op, struct insn *i)
{
    i->opsize = i->memsize = (uint8_t)((op & 1) != 0 ? opsize_word(c) : 1);
    if (op < 0x40 && (op & 7) < 4) { /* ADD .. CMP */
        return modrm_op(c, i, (op & 2) != 0 ? INSN_ALU_REG : INSN_ALU_MEM, op >> 3);
    }
    switch (op) {
    case 0x63: return c->mode == INSN_64 ? extend(c, i, INSN_MOVSX, 4) : INSN_UNKNOWN;
    case 0x6c:
    case 0x6d: return string_op(i, INSN_INS);
    case 0x6e:
    case 0x6f: return string_op(i, INSN_OUTS);
    case 0x80:
    case 0x81:
    case 0x83:
    case 0xf6:
    case 0xf7:
    case 0xfe:
    case 0xff: return group_take(c, op, i);
    case 0x84:
    case 0x85: return modrm_op(c, i, INSN_ALU_MEM, ALU_TEST);
    case 0x86:
    case 0x87: return modrm_op(c, i, INSN_XCHG, 0);
    case 0x88:
    case 0x89: return modrm_op(c, i, INSN_STORE, 0);
    case 0x8a:
    case 0x8b: return modrm_op(c, i, INSN_LOAD, 0);
    case 0xa0 ... 0xa3: return moffs_take(c, op, i);
    case 0xa4:
    case 0xa5: return string_op(i, INSN_MOVS);
    case 0xaa:
    case 0xab: return string_op(i, INSN_STOS);
    case 0xac:
    case 0xad: return string_op(i, INSN_LODS);
    case 0xc6:
    case 0xc7: return store_imm(c, i);
    case 0x90:
    case 0xf4:
    case 0xec:
    case 0xed:
    case 0xee:
    case 0xef:
    case 0xf1:
    case 0xcc: return simple(c, i, 0);
    case 0xcd:
    case 0xe4:
    case 0xe5:
    case 0xe6:
    case 0xe7: return simple(c, i, 1);
    default: return INSN_UNKNOWN;
    }
}

enum insn_error insn_decode(const uint8_t *bytes, unsigned len, enum insn_mode mode, struct insn *out)
{
    struct cursor c = {.bytes = bytes, .len = len < INSN_MAX ? len : INSN_MAX, .mode = mode};
    enum insn_error err;

    memset(out, 0, sizeof(*out));
    out->base = out->index = INSN_NO_REG;
    out->seg = SEG_DS;
    uint8_t op = opcode_take(&c, out);
    if (!c.seg_override) {
        out->seg = SEG_DS;
    }
    out->addrsize = (uint8_t)addr_size(&c);
    err = op == 0x0f ? two_byte(&c, out) : one_byte(&c, op, out);
    if (c.truncated) {
        return INSN_TRUNCATED;
    }
    if (err == INSN_OK && out->op != INSN_SIMPLE && !out->is_mem) {
        return INSN_UNKNOWN;
    }
    out->high8 = out->opsize == 1 && c.rex == 0 && out->reg >= 4 && out->reg < 8;
    out->len = (uint8_t)c.pos;
    return err;
}
