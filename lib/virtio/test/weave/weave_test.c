// SPDX-License-Identifier: MIT
/* Both ring formats with every access of driver and device interleaved at random: no request and no notification is
 * lost, none ends twice. Many short runs, so that the ring begins anew, and wraps at odd places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pair.h"
#include "weave.h"
#include <stdlib.h>
#include <util/bits.h>

static unsigned runs(void)
{
    const char *n = getenv("WEAVE_RUNS");

    return n ? (unsigned)strtoul(n, NULL, 10) : 150;
}

static void weave(struct pair_config c)
{
    for (unsigned seed = 0; seed < runs(); seed++) {
        c.num = c.packed ? 1 + seed % PAIR_NUM_MAX : 1u << seed % 5;
        c.num = c.direct ? max(c.num, PAIR_SEGMENTS_MAX) : c.num;
        c.stalls = seed & 16;
        c.requests = 100 + seed % 50;
        weave_choices(NULL, 0, seed);
        const char *error = pair_run(&c);

        if (error) {
            print_error("seed %u, %u entries: %s\n", seed, c.num, error);
        }
        assert_null(error);
    }
}

static void weave_each(bool packed, bool mortal)
{
    for (unsigned bits = 0; bits < 8; bits++) {
        bool direct = bits & 4;

        if (!mortal || !direct) { /* chains of direct descriptors are not recorded */
            weave((struct pair_config){
                .packed = packed, .mortal = mortal, .event_idx = bits & 1, .indirect = bits & 2, .direct = direct});
        }
    }
}

static void test_split(void **state)
{
    (void)state;
    weave_each(false, false);
}

static void test_packed(void **state)
{
    (void)state;
    weave_each(true, false);
}

static void test_split_restart(void **state)
{
    (void)state;
    weave_each(false, true);
}

static void test_packed_restart(void **state)
{
    (void)state;
    weave_each(true, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_packed),
        cmocka_unit_test(test_split_restart),
        cmocka_unit_test(test_packed_restart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
