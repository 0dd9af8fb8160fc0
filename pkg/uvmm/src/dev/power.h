// SPDX-License-Identifier: MIT
/* Power management and reset: the ACPI fixed hardware (PM1a, PM timer) [ACPI-6.4 ch. 4.8] at 0x600, reset by 0xcf9,
 * port 0x92 and the keyboard controller's command port, and the register of present devices that the DSDT reads. */
#pragma once

#include <stdint.h>

#define POWER_PM1_EVENT 0x600u
#define POWER_PM1_CONTROL 0x604u
#define POWER_PM_TIMER 0x608u
#define POWER_PRESENT 0x610u /* bit 0 COM1, 1 RTC, 8 to 15 virtio-mmio slots */
#define POWER_RESET 0xcf9u
#define POWER_RESET_VALUE 0x06u
#define POWER_S5_TYPE 5u /* SLP_TYP of soft-off, as in dsdt.asl */
#define PM_TIMER_HZ 3579545ull

int power_init(void);
void power_reset(void);
/* Somebody presses the power button, which is fixed hardware [ACPI-6.4 4.8.2.2.1]: a status bit and the SCI. */
void power_button_press(void);
/* The RTC's alarm interrupt, as fixed hardware [ACPI-6.4 4.8.2.2.3]: what wakes a guest from suspend to idle. */
void power_rtc_alarm(void);
/* A device that the DSDT describes exists. */
void power_present_set(uint16_t bit);
#define POWER_HAS_COM1 1u
#define POWER_HAS_RTC 2u
#define POWER_HAS_MMIO 0x100u /* slot 0 */
