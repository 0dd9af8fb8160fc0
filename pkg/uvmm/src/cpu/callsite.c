// SPDX-License-Identifier: MIT
// Near calls by their encoding [SDM-2 table 2-2, 2-3].
#include "callsite.h"

#define OP_CALL_REL 0xe8u
#define OP_GROUP5 0xffu
#define GROUP5_CALL 2u

/* Bytes of FF /2 from the opcode on, 0 if ModRM is another instruction's. sib: the byte behind ModRM. */
static unsigned call_indirect_len(uint8_t modrm, uint8_t sib)
{
    unsigned mod = modrm >> 6, rm = modrm & 7;
    bool has_sib = mod != 3 && rm == 4;
    unsigned disp = mod == 1 ? 1 : mod == 2 ? 4 : 0;

    if ((modrm >> 3 & 7) != GROUP5_CALL) {
        return 0;
    }
    if (mod == 0 && (rm == 5 || (has_sib && (sib & 7) == 5))) {
        disp = 4;
    }
    return 2 + has_sib + disp;
}

bool callsite_ends(const uint8_t before[CALLSITE_BYTES])
{
    if (before[CALLSITE_BYTES - 5] == OP_CALL_REL) {
        return true;
    }
    for (unsigned len = 2; len <= CALLSITE_BYTES; len++) {
        const uint8_t *b = before + CALLSITE_BYTES - len;
        if (b[0] == OP_GROUP5 && call_indirect_len(b[1], len > 2 ? b[2] : 0) == len) {
            return true;
        }
    }
    return false;
}
