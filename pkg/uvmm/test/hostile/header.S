// SPDX-License-Identifier: MIT
/* The bzImage around the kernel: boot sector with the setup header of boot protocol 2.15 [Linux Documentation/x86/boot.rst], one
 * empty setup sector, and the 64-bit kernel, whose entry is 0x200 behind its start. */

#define LOAD 0x1000000

    .section .image, "a"
    .code16
image:
    .org 0x1f1
    .byte 1                     // setup_sects
    .word 0                     // root_flags
    .long (payload_end - payload + 15) / 16 // syssize
    .word 0, 0, 0               // ram_size, vid_mode, root_dev
    .word 0xaa55                // boot_flag
    .byte 0xeb, header_end - 1f // jump
1:  .ascii "HdrS"
    .word 0x20f                 // version
    .long 0                     // realmode_swtch
    .word 0, 0                  // start_sys_seg, kernel_version
    .byte 0, 1                  // type_of_loader, loadflags: LOADED_HIGH
    .word 0                     // setup_move_size
    .long 0x100000              // code32_start
    .long 0, 0, 0               // ramdisk_image, ramdisk_size, bootsect_kludge
    .word 0                     // heap_end_ptr
    .byte 0, 0                  // ext_loader_ver, ext_loader_type
    .long 0                     // cmd_line_ptr
    .long 0x7fffffff            // initrd_addr_max
    .long 0x200000              // kernel_alignment
    .byte 1, 21                 // relocatable_kernel, min_alignment
    .word 1                     // xloadflags: 64-bit entry
    .long 255                   // cmdline_size
    .long 0                     // hardware_subarch
    .quad 0                     // hardware_subarch_data
    .long 0, 0                  // payload_offset, payload_length
    .quad 0                     // setup_data
    .quad LOAD                  // pref_address
    .long 0x100000              // init_size
    .long 0, 0                  // handover_offset, kernel_info_offset
header_end:
    .org 0x400
payload:
    .incbin PAYLOAD
    .balign 16
payload_end:
