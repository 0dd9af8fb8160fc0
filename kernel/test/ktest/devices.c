// SPDX-License-Identifier: MIT
// ktest: I/O ports, interrupt lines and MSIs, console, machine.
#include "ktest.h"

#define RTC_INDEX 0x70
#define RTC_DATA 0x71

static void ports(void)
{
    cap_t p = CAP(sys_port_derive(CAP_QUOTA, boot->ioport, 0xcf8, 8));

    CHECK_EQ(sys_port_out(p, 0xcf8, 4, 0x80000000), SK_OK);
    CHECK_EQ(sys_port_in(p, 0xcf8, 4).extra, 0x80000000);
    CHECK((uint16_t)sys_port_in(p, 0xcfc, 4).extra == 0x8086); /* the host bridge of pc and q35 */
    CHECK_EQ(sys_port_in(p, 0xcf8, 3).value, SK_EINVAL);
    CHECK_EQ(sys_port_in(p, 0xcfe, 4).value, SK_ERANGE);
    CHECK_EQ(sys_port_in(p, 0xcf7, 1).value, SK_ERANGE);
    CHECK_EQ(sys_port_in(boot->ioport, 0x10000, 1).value, SK_ERANGE);
    CHECK_EQ(sys_port_in(boot->ioport, 0x3f8, 1).value, SK_EPERM);
    CHECK_EQ(sys_port_out(boot->ioport, 0x20, 1, 0), SK_EPERM);
    CHECK_EQ(sys_port_derive(CAP_QUOTA, p, 0xcf8, 9), SK_ERANGE);
    CHECK_EQ(sys_port_derive(CAP_QUOTA, p, 0xcf8, 0), SK_EINVAL);
    cap_t ro = CAP(sys_cap_copy(p, RIGHT_R));
    CHECK_EQ(sys_port_out(ro, 0xcf8, 4, 0), SK_ERIGHTS);
    CHECK_EQ(sys_cap_drop(ro), SK_OK);
    CHECK_EQ(sys_cap_drop(p), SK_OK);
}

static uint8_t rtc_read(uint8_t reg)
{
    CHECK_EQ(sys_port_out(boot->ioport, RTC_INDEX, 1, reg), SK_OK);
    return (uint8_t)sys_port_in(boot->ioport, RTC_DATA, 1).extra;
}

static void rtc_write(uint8_t reg, uint8_t v)
{
    CHECK_EQ(sys_port_out(boot->ioport, RTC_INDEX, 1, reg), SK_OK);
    CHECK_EQ(sys_port_out(boot->ioport, RTC_DATA, 1, v), SK_OK);
}

/* The RTC's periodic interrupt at 1024 Hz (line 8). */
static void interrupt_line(void)
{
    cap_t s = CAP(sys_signal_create(CAP_QUOTA)), s2 = CAP(sys_signal_create(CAP_QUOTA));
    struct sys_result info = sys_irq_info(boot->irqctl);

    CHECK(info.value >= 24);
    CHECK_EQ(sys_irq_bind(boot->irqctl, (uint32_t)info.value, 0, s), SK_ERANGE);
    CHECK_EQ(sys_irq_bind(boot->irqctl, 8, 1 << 7, s), SK_EINVAL);
    CHECK_EQ(sys_irq_bind(CAP_TASK, 8, 0, s), SK_ETYPE);
    CHECK_EQ(sys_irq_bind(boot->irqctl, 8, IRQ_FIRMWARE, s), SK_OK);
    CHECK_EQ(sys_irq_bind(boot->irqctl, 8, IRQ_FIRMWARE, s2), SK_EBUSY);
    CHECK_EQ(sys_irq_bind(boot->irqctl, 9, IRQ_FIRMWARE, s), SK_EBUSY);
    CHECK_EQ(sys_irq_info(boot->irqctl).extra, info.extra - 1);
    CHECK_EQ(sys_signal_bind(s, CAP_THREAD, 8), SK_OK);
    uint8_t b = rtc_read(0xb);
    unsigned ticks = 0;
    rtc_write(0xb, b | 0x40);
    (void)rtc_read(0xc); /* may swallow the cause of the first interrupt, but not the interrupt */
    for (unsigned i = 0; i < 11; i++) {
        CHECK_EQ(sys_wait(sys_now_ns() + 500 * MS).value, TAG_SIGNAL);
        CHECK_EQ(sys_signal_ack(s), SK_OK);
        ticks += (rtc_read(0xc) & 0x40) != 0;
    }
    CHECK(ticks >= 10);
    rtc_write(0xb, b);
    CHECK_EQ(sys_obj_destroy(s), SK_OK);
    CHECK_EQ(sys_irq_info(boot->irqctl).extra, info.extra);
    CHECK_EQ(sys_irq_bind(boot->irqctl, 8, IRQ_FIRMWARE, s2), SK_OK);
    CHECK_EQ(sys_cap_drop(s2), SK_OK);
    CHECK_EQ(sys_irq_info(boot->irqctl).extra, info.extra);
}

/* MSIs until the vectors are used up. */
static void msi(void)
{
    uint64_t vectors = sys_irq_info(boot->irqctl).extra;
    cap_t s[256], last = CAP(sys_signal_create(CAP_QUOTA));
    uint64_t data = 0;

    for (unsigned i = 0; i < vectors && i < ARRAY_SIZE(s); i++) {
        s[i] = CAP(sys_signal_create(CAP_QUOTA));
        struct sys_result r = sys_msi_bind(boot->irqctl, s[i], 0x20);

        CHECK(r.value >= 0 && (uint64_t)r.value != data);
        CHECK_EQ(r.extra & ~0xfffffull, 0xfee00000);
        data = (uint64_t)r.value;
    }
    CHECK_EQ(sys_irq_info(boot->irqctl).extra, 0);
    CHECK_EQ(sys_msi_bind(boot->irqctl, last, 0x20).value, SK_ENODEV);
    CHECK_EQ(sys_irq_bind(boot->irqctl, 8, IRQ_FIRMWARE, last), SK_ENODEV);
    CHECK_EQ(sys_msi_bind(boot->irqctl, s[0], 0x20).value, SK_EBUSY);
    for (unsigned i = 0; i < vectors && i < ARRAY_SIZE(s); i++) {
        CHECK_EQ(sys_cap_drop(s[i]), SK_OK);
    }
    CHECK_EQ(sys_irq_info(boot->irqctl).extra, vectors);
    CHECK_EQ(sys_cap_drop(last), SK_OK);
}

static void console_and_machine(void)
{
    cap_t s = CAP(sys_signal_create(CAP_QUOTA)), weak = CAP(sys_cap_copy(boot->console, 0));

    CHECK_EQ(sys_console_write(boot->console, UTCB_BYTES + 1), SK_EINVAL);
    CHECK_EQ(sys_console_write(weak, 0), SK_ERIGHTS);
    CHECK_EQ(sys_console_read(weak), SK_ERIGHTS);
    CHECK_EQ(sys_console_read(boot->console), 0);
    CHECK_EQ(sys_console_bind(boot->console, s), SK_OK);
    CHECK_EQ(sys_console_bind(boot->console, CAP_NULL), SK_OK);
    CHECK_EQ(sys_machine_stat(boot->machine), SK_OK);
    const struct machine_stat *m = (const struct machine_stat *)utcb->mr;
    struct machine_stat now = *m;
    CHECK(now.now_ns > 0 && now.syscalls > 1000 && now.ipc_calls >= 1000);
    CHECK(now.context_switches > 2000);
    CHECK(now.interrupts > 0);
    CHECK(now.page_faults > 5);
    CHECK(now.kmem_used <= now.kmem_total);
    cap_t machine = CAP(sys_cap_copy(boot->machine, 0));
    CHECK_EQ(sys_machine_reset(machine), SK_ERIGHTS);
    CHECK_EQ(sys_cap_drop(machine), SK_OK);
    CHECK_EQ(sys_cap_drop(weak), SK_OK);
    CHECK_EQ(sys_obj_destroy(s), SK_OK);
}

void test_devices(void)
{
    run("I/O ports", ports);
    run("interrupt line", interrupt_line);
    run("MSI vectors", msi);
    run("console and machine", console_and_machine);
}
