// SPDX-License-Identifier: MIT
/* Register accesses of a hostile guest to every platform device: ports, MMIO, MSRs, CPUID, interrupts taken and ended,
 * time. Invariant: no vector below 16 ever reaches the processor from an APIC. */
#include "../../src/bus.h"
#include "../../src/cpu/cpuid.h"
#include "../../src/cpu/msr.h"
#include "../../src/cpu/pvclock.h"
#include "../../src/dev/ioapic.h"
#include "../../src/dev/lapic.h"
#include "../../src/dev/pic.h"
#include "../../src/dev/power.h"
#include "../../src/irq.h"
#include "../../src/timer.h"
#include "fakes.h"

#include <abi/vcpu.h>
#include <stdlib.h>
#include <string.h>

static const uint16_t ports[] = {0x20,  0x21,  0xa0,  0xa1,  0x40,  0x41,  0x42,  0x43,  0x61,  0x64,
                                 0x70,  0x71,  0x92,  0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe,
                                 0x3ff, 0x4d0, 0x4d1, 0x600, 0x602, 0x604, 0x608, 0x610, 0xcf8, 0xcf9};
static const uint32_t msrs[] = {0x10,       0x1b,       0x3b,       0x200,      0x201,      0x250,
                                0x268,      0x277,      0x2ff,      0x6e0,      0xc0000080, 0xc0000100,
                                0xc0010015, 0x4b564d00, 0x4b564d01, 0x4b564d04, 0x11,       0x12};

static void take_interrupt(void)
{
    pv_eoi_exit();
    int v = lapic_pending();
    if (v >= 0) {
        if (v < 16) {
            abort();
        }
        lapic_accept(v);
    } else if (pic_asserted() && (lapic_takes_extint() || ioapic_takes_extint())) {
        (void)pic_acknowledge();
    }
    pv_eoi_entry();
}

/* d[1]: width in bits 1:0, the processor that does it in 7:5 */
static void step(struct vcpu_state *s, const uint8_t *d)
{
    uint64_t v = 0;
    unsigned width = 1u << (d[1] & 3);

    vcpu_this = d[1] >> 5;

    memcpy(&v, d + 4, 4);
    switch (d[0] & 15) {
    case 0:
    case 1:
        bus_port_write(ports[d[2] % (sizeof(ports) / 2)], width > 4 ? 4 : width, (uint32_t)v);
        break;
    case 2:
        bus_port_read(ports[d[2] % (sizeof(ports) / 2)], width > 4 ? 4 : width);
        break;
    case 3:
    case 4:
        bus_mmio_write(LAPIC_BASE + (d[2] << 4 | (d[3] & 15)), width, v);
        break;
    case 5:
        bus_mmio_read(LAPIC_BASE + (d[2] << 4 | (d[3] & 15)), width);
        break;
    case 6:
    case 7:
        bus_mmio_write(IOAPIC_BASE + (d[2] & 0x50), width, v);
        break;
    case 8:
        bus_mmio_read(IOAPIC_BASE + d[2], width);
        break;
    case 9:
        (void)msr_write(s, (d[1] & 1) != 0 ? 0x800u + d[2] : msrs[d[2] % (sizeof(msrs) / 4)], v << (d[3] & 63));
        break;
    case 10:
        (void)msr_read(s, (d[1] & 1) != 0 ? 0x800u + d[2] : msrs[d[2] % (sizeof(msrs) / 4)], &v);
        break;
    case 11:
        irq_set_line(d[2] & 31, (d[3] & 1) != 0);
        break;
    case 12:
        irq_msi(LAPIC_BASE | (uint64_t)d[2] << 12 | d[3], (uint32_t)v);
        break;
    case 13:
        (void)cpuid_guest_leaf((uint32_t)v, d[2], &(struct cpuid_guest){.apic_id = vcpu_this, .vcpus = vcpu_count});
        break;
    case 14:
        fake_now_ns += v;
        fake_run_timers();
        break;
    default:
        power_button_press();
        fake_input("x");
        break;
    }
    take_interrupt();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vcpu_state s;

    fake_machine(64 << 10);
    vcpu_count = VCPUS_MAX;
    memset(&s, 0, sizeof(s));
    for (size_t i = 0; i + 8 <= size; i += 8) {
        step(&s, data + i);
    }
    return 0;
}
