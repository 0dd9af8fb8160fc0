// SPDX-License-Identifier: MIT
/* MC146818 [data sheet] with the century byte at 0x32 (told in the FADT). The time is that of the host where it is
 * known, else 2000-01-01 at the VMM's start. The guest may set it: an offset, kept until the VM ends. Update, alarm and
 * periodic interrupts. */
#include "rtc.h"
#include "../bus.h"
#include "../timer.h"
#include "isa.h"
#include "power.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <util/bits.h>

#define NS_PER_S 1000000000ull
#define EPOCH_2000 946684800ull

enum rtc_reg {
    RTC_SEC,
    RTC_SEC_ALARM,
    RTC_MIN,
    RTC_MIN_ALARM,
    RTC_HOUR,
    RTC_HOUR_ALARM,
    RTC_WDAY,
    RTC_MDAY,
    RTC_MONTH,
    RTC_YEAR,
    RTC_A,
    RTC_B,
    RTC_C,
    RTC_D,
    RTC_CENTURY = 0x32,
    RTC_SIZE = 0x80,
};

#define A_UIP BIT(7)
#define B_SET BIT(7)
#define B_PIE BIT(6)
#define B_AIE BIT(5)
#define B_UIE BIT(4)
#define B_BINARY BIT(2)
#define B_24H BIT(1)
#define C_IRQF BIT(7)
#define D_VALID BIT(7)

struct rtc_time {
    unsigned sec, min, hour, wday, mday, month, year;
};

static uint8_t cmos[RTC_SIZE];
static uint8_t index_reg;
static int64_t offset_s; /* guest's time minus ours */
static struct vtimer second, periodic;

static uint64_t rtc_now_s(void)
{
    uint64_t epoch = clock_epoch();
    int64_t s = (int64_t)((epoch != 0 ? epoch : EPOCH_2000) + clock_now_ns() / NS_PER_S) + offset_s;

    return s < 0 ? 0 : (uint64_t)s;
}

/* Days since 1970 to a date, by whole 400-year eras that begin in March. */
static void time_from_seconds(uint64_t s, struct rtc_time *t)
{
    uint64_t days = s / 86400 + 719468, rest = s % 86400;
    unsigned era_day = (unsigned)(days % 146097);
    unsigned y = (era_day - era_day / 1460 + era_day / 36524 - era_day / 146096) / 365;
    unsigned yday = era_day - (365 * y + y / 4 - y / 100);
    unsigned m = (5 * yday + 2) / 153;

    t->sec = (unsigned)(rest % 60);
    t->min = (unsigned)(rest / 60 % 60);
    t->hour = (unsigned)(rest / 3600);
    t->wday = (unsigned)((s / 86400 + 4) % 7) + 1;
    t->mday = yday - (153 * m + 2) / 5 + 1;
    t->month = m < 10 ? m + 3 : m - 9;
    t->year = y + (unsigned)(days / 146097) * 400 + (t->month <= 2);
}

static int64_t time_to_seconds(const struct rtc_time *t)
{
    unsigned month = t->month < 1 || t->month > 12 ? 1 : t->month;
    unsigned y = t->year - (month <= 2), yoe = y % 400;
    unsigned yday = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + t->mday - 1;
    int64_t days = (int64_t)(y / 400) * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + yday - 719468;

    return days * 86400 + t->hour * 3600 + t->min * 60 + t->sec;
}

static uint8_t encode(unsigned v)
{
    return (uint8_t)((cmos[RTC_B] & B_BINARY) != 0 ? v : (v / 10 << 4 | v % 10));
}

static unsigned decode(uint8_t v)
{
    return (cmos[RTC_B] & B_BINARY) != 0 ? v : (v >> 4) * 10u + (v & 15);
}

static uint8_t encode_hour(unsigned h)
{
    if ((cmos[RTC_B] & B_24H) != 0) {
        return encode(h);
    }
    return (uint8_t)(encode(h % 12 == 0 ? 12 : h % 12) | (h >= 12 ? 0x80 : 0));
}

static unsigned decode_hour(uint8_t v)
{
    if ((cmos[RTC_B] & B_24H) != 0) {
        return decode(v);
    }
    return decode(v & 0x7f) % 12 + ((v & 0x80) != 0 ? 12 : 0);
}

/* Time registers stand still while SET is on: the guest writes them. */
static void registers_from_clock(void)
{
    struct rtc_time t;

    if ((cmos[RTC_B] & B_SET) != 0) {
        return;
    }
    time_from_seconds(rtc_now_s(), &t);
    cmos[RTC_SEC] = encode(t.sec);
    cmos[RTC_MIN] = encode(t.min);
    cmos[RTC_HOUR] = encode_hour(t.hour);
    cmos[RTC_WDAY] = encode(t.wday);
    cmos[RTC_MDAY] = encode(t.mday);
    cmos[RTC_MONTH] = encode(t.month);
    cmos[RTC_YEAR] = encode(t.year % 100);
    cmos[RTC_CENTURY] = encode(t.year / 100);
}

static void clock_from_registers(void)
{
    struct rtc_time t = {
        .sec = decode(cmos[RTC_SEC]),
        .min = decode(cmos[RTC_MIN]),
        .hour = decode_hour(cmos[RTC_HOUR]),
        .mday = decode(cmos[RTC_MDAY]),
        .month = decode(cmos[RTC_MONTH]),
        .year = decode(cmos[RTC_YEAR]) + decode(cmos[RTC_CENTURY]) * 100,
    };

    offset_s += time_to_seconds(&t) - (int64_t)rtc_now_s();
}

static void rtc_raise(uint8_t cause)
{
    cmos[RTC_C] |= cause;
    if ((cmos[RTC_C] & cmos[RTC_B] & (B_PIE | B_AIE | B_UIE)) != 0) {
        cmos[RTC_C] |= C_IRQF;
        isa_irq_set(ISA_IRQ_RTC, true);
    }
}

static bool alarm_matches(unsigned alarm, unsigned now)
{
    return cmos[alarm] >= 0xc0 || cmos[alarm] == cmos[now];
}

static void timers_update(void);

static void second_fire(void *ctx)
{
    (void)ctx;
    registers_from_clock();
    rtc_raise(B_UIE);
    if (alarm_matches(RTC_SEC_ALARM, RTC_SEC) && alarm_matches(RTC_MIN_ALARM, RTC_MIN) &&
        alarm_matches(RTC_HOUR_ALARM, RTC_HOUR)) {
        rtc_raise(B_AIE);
        if ((cmos[RTC_B] & B_AIE) != 0) {
            power_rtc_alarm();
        }
    }
    timers_update();
}

static void periodic_fire(void *ctx)
{
    (void)ctx;
    rtc_raise(B_PIE);
    timers_update();
}

/* Rate 3..15: 32768 Hz >> (rate - 1); 1 and 2 behave as 8 and 9. */
static uint64_t periodic_ns(void)
{
    unsigned rate = cmos[RTC_A] & 15;

    rate = rate < 3 ? rate + 7 : rate;
    return NS_PER_S * (1ull << (rate - 1)) / 32768;
}

static void timers_update(void)
{
    uint64_t now = clock_now_ns();

    if ((cmos[RTC_B] & (B_AIE | B_UIE)) != 0 && (cmos[RTC_B] & B_SET) == 0) {
        vtimer_set(&second, (now / NS_PER_S + 1) * NS_PER_S, second_fire, NULL);
    } else {
        vtimer_cancel(&second);
    }
    if ((cmos[RTC_B] & B_PIE) != 0 && (cmos[RTC_A] & 15) != 0) {
        uint64_t p = periodic_ns();
        vtimer_set(&periodic, (now / p + 1) * p, periodic_fire, NULL);
    } else {
        vtimer_cancel(&periodic);
    }
}

static uint8_t rtc_read(unsigned reg)
{
    uint8_t v;

    switch (reg) {
    case RTC_A: /* an update takes 244 us before the second changes */
        return cmos[RTC_A] | (clock_now_ns() % NS_PER_S >= NS_PER_S - 244000 && (cmos[RTC_B] & B_SET) == 0 ? A_UIP : 0);
    case RTC_C:
        v = cmos[RTC_C];
        cmos[RTC_C] = 0;
        isa_irq_set(ISA_IRQ_RTC, false);
        return v;
    case RTC_D:
        return D_VALID;
    default:
        registers_from_clock();
        return cmos[reg];
    }
}

static void rtc_write(unsigned reg, uint8_t v)
{
    bool was_set = (cmos[RTC_B] & B_SET) != 0;

    switch (reg) {
    case RTC_C:
    case RTC_D:
        return;
    case RTC_A:
        cmos[RTC_A] = v & 0x7f;
        break;
    case RTC_B:
        cmos[RTC_B] = v & (uint8_t)~B_SET;
        if (was_set && (v & B_SET) == 0) {
            clock_from_registers();
        } else if (!was_set) {
            registers_from_clock(); /* in the new format, where they stand still from now on */
        }
        cmos[RTC_B] = v;
        break;
    default:
        registers_from_clock();
        cmos[reg] = v;
        if (!was_set && (reg <= RTC_YEAR || reg == RTC_CENTURY) && (reg > RTC_HOUR_ALARM || (reg & 1) == 0)) {
            clock_from_registers();
        }
        return;
    }
    timers_update();
}

static uint64_t port_read(void *ctx, uint64_t off, unsigned width)
{
    (void)ctx;
    (void)width;
    return off == 0 ? index_reg : rtc_read(index_reg);
}

static void port_write(void *ctx, uint64_t off, unsigned width, uint64_t value)
{
    (void)ctx;
    (void)width;
    if (off == 0) {
        index_reg = value & (RTC_SIZE - 1); /* bit 7 masks NMIs: there are none */
    } else {
        rtc_write(index_reg, (uint8_t)value);
    }
}

static const struct bus_ops rtc_ops = {port_read, port_write};

void rtc_reset(void)
{
    vtimer_cancel(&second);
    vtimer_cancel(&periodic);
    cmos[RTC_A] = 0x26;
    cmos[RTC_B] = B_24H;
    cmos[RTC_C] = 0;
    index_reg = 0;
}

static int rtc_probe(const void *fdt, int node, const char *name)
{
    (void)fdt;
    (void)node;
    rtc_reset();
    return bus_port_claim(0x70, 2, &rtc_ops, NULL, name);
}

const struct device_type rtc_type = {.compatible = "skerry,rtc-mc146818", .probe = rtc_probe, .reset = rtc_reset};
