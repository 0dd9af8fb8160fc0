// SPDX-License-Identifier: MIT
// Any bytes as an instruction, in every mode, executed on a machine of platform devices whose page tables are the input
// too.
#include "../../src/bus.h"
#include "../../src/cpu/emulate.h"
#include "../../src/cpu/paging.h"
#include "../../src/gmem.h"
#include "fakes.h"

#include <stdlib.h>
#include <string.h>

static struct paging paging;

static int mem_read(void *ctx, uint64_t linear, unsigned width, uint64_t *value)
{
    uint64_t gpa;

    (void)ctx;
    *value = 0;
    if (paging_translate(&paging, linear, &gpa) != 0) {
        return -1;
    }
    if (ram_read(gpa, value, width) != 0) {
        *value = bus_mmio_read(gpa, width);
    }
    return 0;
}

static int mem_write(void *ctx, uint64_t linear, unsigned width, uint64_t value)
{
    uint64_t gpa;

    (void)ctx;
    if (paging_translate(&paging, linear, &gpa) != 0) {
        return -1;
    }
    if (ram_write(gpa, &value, width) != 0) {
        bus_mmio_write(gpa, width, value);
    }
    return 0;
}

static uint32_t port_in(void *ctx, uint16_t port, unsigned width)
{
    (void)ctx;
    return bus_port_read(port, width);
}
static void port_out(void *ctx, uint16_t port, unsigned width, uint32_t v)
{
    (void)ctx;
    bus_port_write(port, width, v);
}
static const struct emu_ops ops = {mem_read, mem_write, port_in, port_out};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum insn_mode modes[] = {INSN_16, INSN_32, INSN_64};
    uint64_t regs[24] = {0};
    struct insn i;

    if (size < 4) {
        return 0;
    }
    fake_machine(64 << 10);
    enum insn_mode mode = modes[data[0] % 3];
    unsigned len = data[1] % 16;
    paging = (struct paging){(data[2] & 1) != 0 ? 0x80000001 : 1, 0x1000, (data[2] & 6) << 4, (data[2] & 8) << 7};
    data += 3;
    size -= 3;
    len = len < size ? len : (unsigned)size;
    if (insn_decode(data, len, mode, &i) != INSN_OK) {
        return 0;
    }
    if (i.len > len) {
        abort();
    }
    memcpy(regs, data + len, size - len < sizeof(regs) ? size - len : sizeof(regs));
    memcpy(fake_ram() + 0x1000, data, size < 0x4000 ? size : 0x4000);
    struct emu e = {&ops, NULL, mode, regs, &regs[16], &regs[17], {0, 0, 0, 0, regs[18], regs[19]}};
    for (int n = 0; n < 3 && emu_execute(&e, &i) == EMU_AGAIN; n++) {
    }
    return 0;
}
