// SPDX-License-Identifier: MIT
// The DSDT that iasl compiled from dsdt.asl.
    .section .rodata.acpi_dsdt, "a", @progbits
    .globl acpi_dsdt, acpi_dsdt_end
    .balign 8
acpi_dsdt:
    .incbin UVMM_DSDT
acpi_dsdt_end:
    .byte 0
    .section .note.GNU-stack, "", @progbits
