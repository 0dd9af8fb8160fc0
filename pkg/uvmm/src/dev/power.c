// SPDX-License-Identifier: MIT
// ACPI fixed hardware and the PC's ways to reset. The machine is always in ACPI mode: SCI_EN is 1, there is no SMI
// command port.
#include "power.h"
#include "../bus.h"
#include "../bus_priv.h"
#include "../device.h"
#include "../timer.h"
#include "isa.h"

#include <stddef.h>
#include <util/bits.h>

/* PM1 status and enable [ACPI-6.4 4.8.3.1] */
#define PM1_POWER_BUTTON BIT(8)
#define PM1_RTC BIT(10)
#define PM1_SCI_EN BIT(0)
#define PM1_SLP_TYP FIELD(12, 10)
#define PM1_SLP_EN BIT(13)
#define PM1_CTL_KEEP (BIT(1) | PM1_SLP_TYP)

static uint16_t pm1_status, pm1_enable, pm1_control;
static uint16_t present;

void power_present_set(uint16_t bit)
{
    present |= bit;
}

static uint32_t pm_timer(void)
{
    uint64_t ns = clock_now_ns();

    return (uint32_t)(ns / 1000000000 * PM_TIMER_HZ + ns % 1000000000 * PM_TIMER_HZ / 1000000000);
}

static void sci_update(void)
{
    isa_irq_set(ISA_IRQ_SCI, (pm1_status & pm1_enable) != 0);
}

void power_button_press(void)
{
    pm1_status |= PM1_POWER_BUTTON;
    sci_update();
}

void power_rtc_alarm(void)
{
    pm1_status |= PM1_RTC;
    sci_update();
}

/* The power button and the RTC's alarm are the only events; the timer's carry is not signalled. */
static uint64_t pm1_read(void *ctx, uint64_t off, unsigned width)
{
    uint64_t regs = pm1_status | (uint64_t)pm1_enable << 16 | (uint64_t)(pm1_control | PM1_SCI_EN) << 32;

    (void)ctx;
    (void)width;
    return regs >> (8 * off);
}

static void control_write(uint16_t v)
{
    pm1_control = v & PM1_CTL_KEEP;
    if ((v & PM1_SLP_EN) != 0 && field_get(PM1_SLP_TYP, v) == POWER_S5_TYPE) {
        vm_end(VM_END_POWEROFF, "ACPI soft-off");
    }
}

static void pm1_write(void *ctx, uint64_t off, unsigned width, uint64_t value)
{
    uint64_t regs = (uint64_t)pm1_enable << 16 | (uint64_t)pm1_control << 32;
    uint64_t mask = (width >= 8 ? ~0ull : (1ull << (8 * width)) - 1) << (8 * off);

    (void)ctx;
    regs = (regs & ~mask) | (value << (8 * off) & mask);
    if (off < 2) {
        pm1_status &= (uint16_t)~regs; /* ones clear */
    }
    pm1_enable = (uint16_t)(regs >> 16);
    sci_update();
    if (off + width > 4) {
        control_write((uint16_t)(regs >> 32));
    }
}

static uint64_t timer_read(void *ctx, uint64_t off, unsigned width)
{
    (void)ctx;
    (void)width;
    return pm_timer() >> (8 * off);
}

static uint64_t present_read(void *ctx, uint64_t off, unsigned width)
{
    (void)ctx;
    (void)width;
    return present >> (8 * off);
}

static void ignore_write(void *ctx, uint64_t off, unsigned width, uint64_t value)
{
    (void)ctx;
    (void)off;
    (void)width;
    (void)value;
}

static uint8_t reset_control;

static uint64_t cf9_read(void *ctx, uint64_t off, unsigned width)
{
    (void)ctx;
    (void)off;
    (void)width;
    return reset_control;
}

static void cf9_write(void *ctx, uint64_t off, unsigned width, uint64_t value)
{
    (void)ctx;
    (void)off;
    (void)width;
    reset_control = value & 0x0a;
    if ((value & BIT(2)) != 0) {
        vm_end(VM_END_REBOOT, "reset control register 0xcf9");
    }
}

/* Port 0x92: bit 0 resets, bit 1 is the A20 gate, which is always open. */
static uint64_t port92_read(void *ctx, uint64_t off, unsigned width)
{
    (void)ctx;
    (void)off;
    (void)width;
    return 2;
}

static void port92_write(void *ctx, uint64_t off, unsigned width, uint64_t value)
{
    (void)ctx;
    (void)off;
    (void)width;
    if ((value & BIT(0)) != 0) {
        vm_end(VM_END_REBOOT, "fast reset by port 0x92");
    }
}

/* There is no keyboard controller (all ones), but guests reset PCs with its command 0xfe. */
static uint64_t i8042_read(void *ctx, uint64_t off, unsigned width)
{
    (void)ctx;
    (void)off;
    (void)width;
    return 0xff;
}

static void i8042_write(void *ctx, uint64_t off, unsigned width, uint64_t value)
{
    (void)ctx;
    (void)off;
    (void)width;
    if ((value & 0xff) == 0xfe) {
        vm_end(VM_END_REBOOT, "keyboard controller reset");
    }
}

static const struct bus_ops pm1_ops = {pm1_read, pm1_write};
static const struct bus_ops timer_ops = {timer_read, ignore_write};
static const struct bus_ops present_ops = {present_read, ignore_write};
static const struct bus_ops cf9_ops = {cf9_read, cf9_write};
static const struct bus_ops port92_ops = {port92_read, port92_write};
static const struct bus_ops i8042_ops = {i8042_read, i8042_write};

void power_reset(void)
{
    pm1_status = pm1_enable = pm1_control = 0;
    reset_control = 0;
}

int power_init(void)
{
    int err;

    power_reset();
    err = bus_port_add(POWER_PM1_EVENT, 6, &pm1_ops, NULL, "pm1");
    err = err == 0 ? bus_port_add(POWER_PM_TIMER, 4, &timer_ops, NULL, "pm-timer") : err;
    err = err == 0 ? bus_port_add(POWER_PRESENT, 2, &present_ops, NULL, "present") : err;
    err = err == 0 ? bus_port_byte_add(POWER_RESET, &cf9_ops, NULL, "reset") : err;
    err = err == 0 ? bus_port_add(0x92, 1, &port92_ops, NULL, "port92") : err;
    return err == 0 ? bus_port_add(0x64, 1, &i8042_ops, NULL, "i8042") : err;
}
