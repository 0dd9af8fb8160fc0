// SPDX-License-Identifier: MIT
/* The virtual PC's namespace: one PCI root bus, COM1 and the RTC where they exist (register POWER_PRESENT of dev/power.h), soft-off.
 * Ports and windows here and in dev/power.h, pci/ and acpi_tables.c belong together. */
DefinitionBlock ("dsdt.aml", "DSDT", 2, "SKERRY", "VIRTPC", 1)
{
    // SLP_TYP of S5 is POWER_S5_TYPE.
    Name (\_S5, Package () { 5, 5, 0, 0 })

    // The guest says by which interrupt controllers it works: 0 the 8259 pair, 1 IO-APICs.
    Name (PICM, 0)
    Method (\_PIC, 1) { PICM = Arg0 }

    Scope (\_SB)
    {
        OperationRegion (PRES, SystemIO, 0x610, 2)
        Field (PRES, ByteAcc, NoLock, Preserve)
        {
            HCOM, 1,
            HRTC, 1,
            Offset (1),
            HVM0, 1,
            HVM1, 1,
            HVM2, 1,
            HVM3, 1,
            HVM4, 1,
            HVM5, 1,
            HVM6, 1,
            HVM7, 1
        }

        Device (CPU0)
        {
            Name (_HID, "ACPI0007")
            Name (_UID, 0)
        }

        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A03"))
            Name (_UID, 0)
            Name (_BBN, 0)
            Name (_CRS, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0, 0, 0, 1)
                IO (Decode16, 0xcf8, 0xcf8, 1, 8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, 0xc000, 0xffff, 0, 0x4000)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                             0, 0xc0000000, 0xfebfffff, 0, 0x3ec00000)
            })

            // All pins of slot s: global interrupt PCI_GSI(s) = 16 + s % 8, or 8259 input PCI_PIC_IRQ = 14 + s % 2 (pci/pci.h).
            Method (_PRT, 0, Serialized)
            {
                Local0 = Package (128) {}
                Local1 = 0
                While (Local1 < 128)
                {
                    Local2 = Package (4) { 0, 0, 0, 0 }
                    Local2 [0] = ((Local1 >> 2) << 16) | 0xffff
                    Local2 [1] = Local1 & 3
                    If (PICM) { Local2 [3] = 16 + ((Local1 >> 2) & 7) }
                    Else { Local2 [3] = 14 + ((Local1 >> 2) & 1) }
                    Local0 [Local1] = Local2
                    Local1++
                }
                Return (Local0)
            }
        }

        Device (COM1)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 1)
            Method (_STA) { If (HCOM) { Return (0x0f) } Return (0) }
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x3f8, 0x3f8, 1, 8)
                IRQNoFlags () { 4 }
            })
        }

        Device (RTC0)
        {
            Name (_HID, EisaId ("PNP0B00"))
            Method (_STA) { If (HRTC) { Return (0x0f) } Return (0) }
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x70, 0x70, 1, 2)
                IRQNoFlags () { 8 }
            })
        }

        // virtio-mmio slots (virtio/mmio.c); two share an interrupt line.
        Device (VMM0)
        {
            Name (_HID, "LNRO0005")
            Name (_UID, 0)
            Method (_STA) { If (HVM0) { Return (0x0f) } Return (0) }
            Name (_CRS, ResourceTemplate ()
            {
                Memory32Fixed (ReadWrite, 0xfed10000, 0x200)
                Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { 5 }
            })
        }

        Device (VMM1)
        {
            Name (_HID, "LNRO0005")
            Name (_UID, 1)
            Method (_STA) { If (HVM1) { Return (0x0f) } Return (0) }
            Name (_CRS, ResourceTemplate ()
            {
                Memory32Fixed (ReadWrite, 0xfed10200, 0x200)
                Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { 10 }
            })
        }

        Device (VMM2)
        {
            Name (_HID, "LNRO0005")
            Name (_UID, 2)
            Method (_STA) { If (HVM2) { Return (0x0f) } Return (0) }
            Name (_CRS, ResourceTemplate ()
            {
                Memory32Fixed (ReadWrite, 0xfed10400, 0x200)
                Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { 11 }
            })
        }

        Device (VMM3)
        {
            Name (_HID, "LNRO0005")
            Name (_UID, 3)
            Method (_STA) { If (HVM3) { Return (0x0f) } Return (0) }
            Name (_CRS, ResourceTemplate ()
            {
                Memory32Fixed (ReadWrite, 0xfed10600, 0x200)
                Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { 12 }
            })
        }

        Device (VMM4)
        {
            Name (_HID, "LNRO0005")
            Name (_UID, 4)
            Method (_STA) { If (HVM4) { Return (0x0f) } Return (0) }
            Name (_CRS, ResourceTemplate ()
            {
                Memory32Fixed (ReadWrite, 0xfed10800, 0x200)
                Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { 5 }
            })
        }

        Device (VMM5)
        {
            Name (_HID, "LNRO0005")
            Name (_UID, 5)
            Method (_STA) { If (HVM5) { Return (0x0f) } Return (0) }
            Name (_CRS, ResourceTemplate ()
            {
                Memory32Fixed (ReadWrite, 0xfed10a00, 0x200)
                Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { 10 }
            })
        }

        Device (VMM6)
        {
            Name (_HID, "LNRO0005")
            Name (_UID, 6)
            Method (_STA) { If (HVM6) { Return (0x0f) } Return (0) }
            Name (_CRS, ResourceTemplate ()
            {
                Memory32Fixed (ReadWrite, 0xfed10c00, 0x200)
                Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { 11 }
            })
        }

        Device (VMM7)
        {
            Name (_HID, "LNRO0005")
            Name (_UID, 7)
            Method (_STA) { If (HVM7) { Return (0x0f) } Return (0) }
            Name (_CRS, ResourceTemplate ()
            {
                Memory32Fixed (ReadWrite, 0xfed10e00, 0x200)
                Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { 12 }
            })
        }

        // Motherboard resources that no driver claims.
        Device (SYSR)
        {
            Name (_HID, EisaId ("PNP0C02"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x600, 0x600, 1, 0x20)
                IO (Decode16, 0x92, 0x92, 1, 1)
                IO (Decode16, 0x4d0, 0x4d0, 1, 2)
            })
        }
    }
}
