// SPDX-License-Identifier: MIT
/* Decoder for the instructions that a guest may exit with: those that are intercepted (their length is all that
 * matters) and those that access memory-mapped registers. Pure; any bytes may come in. [SDM-2 ch. 2, appendix A] */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define INSN_MAX 15 /* bytes [SDM-2 2.3.11] */

/* Width of code: default operand and address size. The values are the default address size in bytes. */
enum insn_mode { INSN_16 = 2, INSN_32 = 4, INSN_64 = 8 };

enum insn_op {
    INSN_SIMPLE, /* intercepted, without memory operand: CPUID, HLT, RDMSR, IN, MOV CR, ... */
    INSN_LOAD,   /* reg = mem */
    INSN_STORE,  /* mem = reg */
    INSN_STORE_IMM,
    INSN_MOVZX,
    INSN_MOVSX,
    INSN_ALU_MEM, /* mem = mem alu reg */
    INSN_ALU_REG, /* reg = reg alu mem */
    INSN_ALU_IMM, /* mem = mem alu imm */
    INSN_NOT,
    INSN_NEG,
    INSN_INC,
    INSN_DEC,
    INSN_XCHG,
    INSN_XADD,
    INSN_CMPXCHG,
    INSN_BIT, /* mem = bit operation, index in reg */
    INSN_BIT_IMM,
    INSN_STOS,
    INSN_LODS,
    INSN_MOVS,
    INSN_INS,
    INSN_OUTS,
};

/* alu: the encoding's own numbers 0..7 (ADD OR ADC SBB AND SUB XOR CMP), and TEST. bit: BT BTS BTR BTC. */
enum insn_alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP, ALU_TEST };
enum insn_bit { BIT_TEST, BIT_SET, BIT_RESET, BIT_COMPLEMENT };

#define INSN_NO_REG 0xff

struct insn {
    uint8_t op; /* enum insn_op */
    uint8_t len;
    uint8_t opsize;   /* 1, 2, 4, 8: of the register operand */
    uint8_t memsize;  /* of the memory operand */
    uint8_t addrsize; /* 2, 4, 8 */
    uint8_t sub;      /* enum insn_alu or insn_bit */
    uint8_t reg;      /* register operand; with byte operands and no REX, 4..7 are AH..BH: see high8 */
    bool high8;
    bool rep;                   /* F3 or F2 in front of a string instruction */
    uint8_t seg;                /* segment register of the memory operand (hardware encoding) */
    uint8_t base, index, scale; /* registers or INSN_NO_REG; scale as a shift */
    bool rip_relative;
    bool is_mem;
    int64_t disp;
    uint64_t imm; /* sign-extended */
};

enum insn_error { INSN_OK = 0, INSN_TRUNCATED = -1, INSN_UNKNOWN = -2 };

/* Decodes at most len bytes. Only memory forms of instructions with a ModRM byte are known, apart from INSN_SIMPLE. */
enum insn_error insn_decode(const uint8_t *bytes, unsigned len, enum insn_mode mode, struct insn *out);
