// SPDX-License-Identifier: MIT
// The whole machine: making it once, and putting it into its power-on state with a kernel loaded, as often as it boots.
#pragma once

struct device_tree;
struct options;

/* Makes platform and devices from a checked device tree (which stays valid). 0, or an error after one line. */
int machine_make(const struct device_tree *t);
/* Clears RAM, loads kernel and ramdisk, sets the processor up to enter the kernel. Devices must be as after power-on:
 * new, or after machine_reset(). 0, or an error after one line. */
int machine_boot(const struct options *o);
/* Everything but RAM goes back to its power-on state; sessions with servers stay. Waits until servers have let go of
 * the guest's RAM. 0, or an error after one line. */
int machine_reset(void);
