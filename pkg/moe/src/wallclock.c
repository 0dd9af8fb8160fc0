// SPDX-License-Identifier: MIT
// See wallclock.h. Registers: Motorola MC146818 data sheet; the century byte at 0x32 as PCs have it.
#include "wallclock.h"

#include <util/bits.h>

#define STATUS_B_BINARY BIT(2)
#define STATUS_B_24H    BIT(1)
#define HOUR_PM         0x80u

static bool to_number(uint8_t raw, bool binary, unsigned lowest, unsigned highest, unsigned *value)
{
    if (!binary && ((raw & 0xf) > 9 || raw >> 4 > 9)) {
        return false;
    }
    *value = binary ? raw : (raw >> 4) * 10u + (raw & 0xfu);
    return *value >= lowest && *value <= highest;
}

static bool to_hour(uint8_t raw, uint8_t status_b, unsigned *hour)
{
    bool binary = status_b & STATUS_B_BINARY;

    if (status_b & STATUS_B_24H) {
        return to_number(raw, binary, 0, 23, hour);
    }
    if (!to_number((uint8_t)(raw & ~HOUR_PM), binary, 1, 12, hour)) {
        return false;
    }
    *hour = *hour % 12 + (raw & HOUR_PM ? 12 : 0);
    return true;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static uint64_t days_to(unsigned year, unsigned month, unsigned day)
{
    static const uint16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    unsigned past = year - 1;
    unsigned leap_days = past / 4 - past / 100 + past / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);

    return (uint64_t)(year - 1970) * 365 + leap_days + before[month - 1] + (leap && month > 2) + day - 1;
}

bool wallclock_decode(const struct wallclock_regs *r, uint64_t *seconds)
{
    bool binary = r->status_b & STATUS_B_BINARY;
    unsigned sec, min, hour, day, month, year, century;

    if (!to_number(r->sec, binary, 0, 59, &sec) || !to_number(r->min, binary, 0, 59, &min) ||
        !to_hour(r->hour, r->status_b, &hour) || !to_number(r->day, binary, 1, 31, &day) ||
        !to_number(r->month, binary, 1, 12, &month) || !to_number(r->year, binary, 0, 99, &year)) {
        return false;
    }
    if (!to_number(r->century, binary, 19, 21, &century)) {
        century = 20; /* not every PC has the byte */
    }
    year += century * 100;
    if (year < 1970) {
        return false;
    }
    *seconds = days_to(year, month, day) * 86400 + hour * 3600ull + min * 60ull + sec;
    return true;
}
