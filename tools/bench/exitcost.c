// SPDX-License-Identifier: MIT
/* What exits of a guest cost: N instructions of one kind that exit, between two markers of insncount.c.
 *
 *   exitcost cpuid|out|mmio|hypercall|nothing N */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>

#define MARK(id) __asm__ volatile(".byte 0x0f, 0x1f, 0x80; .long 0x4d4b0000 + %c0" : : "i"(id) : "memory")
#define DELAY_PORT 0x80
#define NOBODYS_REGISTERS 0xfed10000 /* device memory of the virtual PC where no device is: reads all ones */

static volatile uint32_t *registers;

static void prepare(const char *kind)
{
    if (strcmp(kind, "out") == 0 && ioperm(DELAY_PORT, 1, 1) != 0) {
        perror("exitcost: ioperm");
        exit(1);
    }
    if (strcmp(kind, "mmio") == 0) {
        int fd = open("/dev/mem", O_RDONLY);
        registers = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, NOBODYS_REGISTERS);
        if (registers == MAP_FAILED || *registers != ~0u) {
            perror("exitcost: /dev/mem");
            exit(1);
        }
    }
}

static void one(char kind)
{
    uint32_t a = 0, c = 0;
    int64_t rax = 9999;

    switch (kind) {
    case 'c':
        __asm__ volatile("cpuid" : "+a"(a), "+c"(c) : : "ebx", "edx");
        return;
    case 'o':
        __asm__ volatile("outb %%al, $0x80" : : "a"(0));
        return;
    case 'm':
        (void)*registers;
        return;
    case 'h':
        __asm__ volatile("vmmcall" : "+a"(rax) : : "memory");
        return;
    default:
        __asm__ volatile("" : : : "memory");
        return;
    }
}

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "nothing";
    long n = argc > 2 ? atol(argv[2]) : 1000;

    prepare(kind);
    one(*kind);
    MARK(1);
    for (long i = 0; i < n; i++) {
        one(*kind);
    }
    MARK(2);
    printf("exitcost %s ok\n", kind);
    return 0;
}
