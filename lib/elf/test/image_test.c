// SPDX-License-Identifier: MIT
// Host tests of lib/elf: a good program, then each thing that can be wrong with one.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <elf.h>
#include <elf/image.h>

#define LIMIT 0x7fff00000000ull

struct program {
    Elf64_Ehdr eh;
    Elf64_Phdr ph[4];
    char rest[0x4000 - sizeof(Elf64_Ehdr) - 4 * sizeof(Elf64_Phdr)];
};

static void make(struct program *p)
{
    memset(p, 0, sizeof(*p));
    memcpy(p->eh.e_ident, ELFMAG, SELFMAG);
    p->eh.e_ident[EI_CLASS] = ELFCLASS64;
    p->eh.e_ident[EI_DATA] = ELFDATA2LSB;
    p->eh.e_ident[EI_VERSION] = EV_CURRENT;
    p->eh.e_type = ET_EXEC;
    p->eh.e_machine = EM_X86_64;
    p->eh.e_version = EV_CURRENT;
    p->eh.e_entry = 0x401010;
    p->eh.e_phoff = sizeof(Elf64_Ehdr);
    p->eh.e_phentsize = sizeof(Elf64_Phdr);
    p->eh.e_phnum = 4;
    p->ph[0] = (Elf64_Phdr){ PT_LOAD, PF_R, 0, 0x400000, 0, 0x200, 0x200, 0x1000 };
    p->ph[1] = (Elf64_Phdr){ PT_LOAD, PF_R | PF_X, 0x1000, 0x401000, 0, 0x800, 0x800, 0x1000 };
    p->ph[2] = (Elf64_Phdr){ PT_LOAD, PF_R | PF_W, 0x2100, 0x403100, 0, 0x100, 0x3000, 0x1000 };
    p->ph[3] = (Elf64_Phdr){ PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 16 };
}

static const char *check(const struct program *p, size_t size)
{
    struct elf_image im;
    char *exact = malloc(size); /* so that ASan sees a read behind the end */

    memcpy(exact, p, size);
    const char *why = elf_image_open(&im, exact, size, LIMIT);
    free(exact);
    return why;
}

static void good_program(void **state)
{
    struct program p;
    struct elf_image im;

    (void)state;
    make(&p);
    assert_null(elf_image_open(&im, &p, sizeof(p), LIMIT));
    assert_int_equal(im.segment_count, 3);
    assert_int_equal(im.entry, 0x401010);
    assert_int_equal(im.phdr_vaddr, 0x400040);
    assert_int_equal(im.phdr_count, 4);
    assert_int_equal(im.segment[2].vaddr, 0x403100);
    assert_int_equal(im.segment[2].mem_size, 0x3000);
    assert_int_equal(im.segment[1].flags, ELF_R | ELF_X);
}

#define REFUSED(change, text)                      \
    do {                                           \
        make(&p);                                  \
        change;                                    \
        const char *_why = check(&p, sizeof(p));   \
        assert_non_null(_why);                     \
        assert_non_null(strstr(_why, text));       \
    } while (0)

static void refused_headers(void **state)
{
    struct program p;

    (void)state;
    REFUSED(p.eh.e_ident[0] = 0, "not an ELF");
    REFUSED(p.eh.e_ident[EI_CLASS] = ELFCLASS32, "64-bit");
    REFUSED(p.eh.e_machine = EM_ARM, "processor");
    REFUSED(p.eh.e_type = ET_DYN, "static executable");
    REFUSED(p.eh.e_phnum = 0, "program headers");
    REFUSED(p.eh.e_phentsize = 32, "program headers");
    REFUSED(p.eh.e_phoff = sizeof(p) - 8, "outside of the file");
    REFUSED(p.eh.e_phoff = UINT64_MAX - 8, "outside of the file");
    REFUSED(p.ph[3].p_type = PT_INTERP, "dynamically");
    REFUSED(p.ph[0].p_type = p.ph[1].p_type = p.ph[2].p_type = PT_NULL, "no loadable");
    REFUSED(p.eh.e_entry = 0x403100, "entry");
    REFUSED(p.eh.e_entry = 0, "entry");
    make(&p);
    assert_non_null(strstr(check(&p, 20), "too short"));
    assert_non_null(strstr(check(&p, 100), "outside of the file"));
}

static void refused_segments(void **state)
{
    struct program p;

    (void)state;
    REFUSED(p.ph[1].p_flags = PF_R | PF_W | PF_X, "writable and executable");
    REFUSED(p.ph[1].p_flags = PF_X, "not readable");
    REFUSED(p.ph[1].p_filesz = 0x900, "larger in the file");
    REFUSED(p.ph[1].p_offset = 0x10001000, "outside of the file");
    REFUSED(p.ph[1].p_offset = UINT64_MAX - 0xfff, "outside of the file");
    REFUSED(p.ph[2].p_vaddr = LIMIT - 0x1f00, "address space");
    REFUSED(p.ph[2].p_vaddr = UINT64_MAX - 0xeff, "address space");
    REFUSED(p.ph[0].p_vaddr = 0, "address space");
    REFUSED(p.ph[2].p_memsz = UINT64_MAX, "address space");
    REFUSED(p.ph[2].p_vaddr = 0x403200, "not aligned");
    REFUSED(p.ph[2].p_vaddr = 0x401100, "overlap");
    REFUSED(p.ph[1].p_memsz = 0x2001, "overlap");
    REFUSED((p.ph[0].p_vaddr = 0x900000), "not in order");
}

static void headers_not_loaded(void **state)
{
    struct program p;
    struct elf_image im;

    (void)state;
    make(&p);
    p.ph[0].p_type = PT_NULL;
    assert_null(elf_image_open(&im, &p, sizeof(p), LIMIT));
    assert_int_equal(im.phdr_vaddr, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_program),
        cmocka_unit_test(refused_headers),
        cmocka_unit_test(refused_segments),
        cmocka_unit_test(headers_not_loaded),
    };

    if (argc > 1) { /* writes the good program: the seed of the fuzz corpus */
        struct program p;
        FILE *f = fopen(argv[1], "w");
        make(&p);
        return !f || fwrite(&p, 0x2200, 1, f) != 1 || fclose(f) != 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
