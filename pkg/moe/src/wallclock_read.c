// SPDX-License-Identifier: MIT
// Reading the clock's registers through its two ports. See wallclock.h.
#include "moe.h"
#include "wallclock.h"

#include <sk/sys.h>
#include <string.h>

#define PORT_INDEX 0x70u
#define PORT_DATA  0x71u
#define STATUS_A_UPDATING 0x80u
#define UPDATE_NS 10000000ull /* an update takes at most 2228 us [MC146818]; a reading that takes longer is given up */

enum { RTC_SEC = 0, RTC_MIN = 2, RTC_HOUR = 4, RTC_DAY = 7, RTC_MONTH = 8, RTC_YEAR = 9, RTC_A = 10, RTC_B = 11, RTC_CENTURY = 0x32 };

static uint8_t rtc_read(unsigned reg)
{
    if (sys_port_out(boot->ioport, PORT_INDEX, 1, reg) < 0) {
        return 0xff;
    }
    return (uint8_t)sys_port_in(boot->ioport, PORT_DATA, 1).extra;
}

static struct wallclock_regs read_all(void)
{
    return (struct wallclock_regs){
        .sec = rtc_read(RTC_SEC),
        .min = rtc_read(RTC_MIN),
        .hour = rtc_read(RTC_HOUR),
        .day = rtc_read(RTC_DAY),
        .month = rtc_read(RTC_MONTH),
        .year = rtc_read(RTC_YEAR),
        .century = rtc_read(RTC_CENTURY),
        .status_b = rtc_read(RTC_B),
    };
}

uint64_t wallclock_epoch(void)
{
    uint64_t deadline = sys_now_ns() + UPDATE_NS, seconds;

    while (sys_now_ns() < deadline) {
        struct wallclock_regs a = read_all(), b = read_all();

        /* two equal readings outside an update are one moment's */
        if (!(rtc_read(RTC_A) & STATUS_A_UPDATING) && memcmp(&a, &b, sizeof(a)) == 0) {
            return wallclock_decode(&a, &seconds) ? seconds - sys_now_ns() / 1000000000ull : 0;
        }
    }
    return 0;
}
