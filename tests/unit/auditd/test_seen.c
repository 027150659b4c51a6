/* test_seen.c - the bounded set of ids.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/seen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *uuid(unsigned n)
{
    static char text[40];
    /* few different low bytes: many ids share a bucket */
    snprintf(text, sizeof(text), "%08x-0000-7000-8000-%012x", n, n % 1000);
    return text;
}

static void the_last_ids_are_known_and_older_ones_forgotten(void **state)
{
    struct seen *s = calloc(1, sizeof(*s));
    const unsigned extra = 5000;
    for (unsigned i = 0; i < SEEN_IDS_MAX + extra; i++)
        seen_add(s, uuid(i));
    for (unsigned i = 0; i < extra; i++)
        assert_false(seen_has(s, uuid(i)));
    for (unsigned i = extra; i < SEEN_IDS_MAX + extra; i += 97)
        assert_true(seen_has(s, uuid(i)));
    assert_false(seen_has(s, uuid(SEEN_IDS_MAX + extra)));
    free(s);
}

static void case_does_not_make_another_id(void **state)
{
    struct seen *s = calloc(1, sizeof(*s));
    seen_add(s, "01890a5d-ac96-774b-bcce-b302099a8057");
    assert_true(seen_has(s, "01890A5D-AC96-774B-BCCE-B302099A8057"));
    assert_false(seen_has(s, "01890a5d-ac96-774b-bcce-b302099a8058"));
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_ids_are_known_and_older_ones_forgotten),
        cmocka_unit_test(case_does_not_make_another_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
