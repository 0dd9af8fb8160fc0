// SPDX-License-Identifier: MIT
// The PC's two 8259A interrupt controllers [Intel 8259A data sheet] with the edge/level registers of the ISA bridge
// (0x4d0, 0x4d1).
#pragma once

#include <stdbool.h>

#define PIC_CASCADE 2u

int pic_init(void);
void pic_reset(void);
void pic_set_line(unsigned irq, bool level);
/* Does the pair assert INTR? */
bool pic_asserted(void);
/* The processor's interrupt acknowledge: the vector (spurious: that of IR7). */
unsigned pic_acknowledge(void);
