/* SPDX-License-Identifier: Apache-2.0 */
#include "core/prom_text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct prom_sample first_of(const char *text)
{
    struct prom_text t = prom_text_of(bytes_of_str(text));
    struct prom_sample s;
    assert_int_equal(prom_text_next(&t, &s), OK);
    return s;
}

static const char *label_of(const struct prom_sample *s, const char *label)
{
    static char value[64];
    return prom_sample_label(s, label, value, sizeof value) == OK ? value : NULL;
}

static void samples_come_in_order_and_comments_do_not(void **state)
{
    struct prom_text t =
        prom_text_of(bytes_of_str("# HELP a What.\n# TYPE a counter\n"
                                  "a 1\n\n  # said\na{b=\"c\"} 2.5 1395066363000\r\n"
                                  "z:9 -3e2"));
    struct prom_sample s;
    assert_int_equal(prom_text_next(&t, &s), OK);
    assert_true(prom_sample_is(&s, "a") && s.value == 1 && s.labels.len == 0);
    assert_int_equal(prom_text_next(&t, &s), OK);
    assert_true(prom_sample_is(&s, "a") && s.value == 2.5);
    assert_string_equal(label_of(&s, "b"), "c");
    assert_int_equal(prom_text_next(&t, &s), OK);
    assert_true(prom_sample_is(&s, "z:9") && s.value == -300);
    assert_false(prom_sample_is(&s, "z") || prom_sample_is(&s, "z:99"));
    assert_int_equal(prom_text_next(&t, &s), ERR_NOT_FOUND);
    assert_int_equal(prom_text_next(&t, &s), ERR_NOT_FOUND);
}

static void values_may_be_infinite_or_no_number(void **state)
{
    assert_true(isinf(first_of("a +Inf").value) && first_of("a +Inf").value > 0);
    assert_true(isinf(first_of("a -inf").value) && first_of("a -inf").value < 0);
    assert_true(isnan(first_of("a NaN").value));
}

static void labels_are_unescaped_and_may_be_spaced_out(void **state)
{
    struct prom_sample s = first_of(
        "f { path = \"C:\\\\D\\\"q\\\"\" , msg=\"two\\nlines\",brace=\"}\", odd=\"\\t\", } 7");
    assert_true(s.value == 7);
    assert_string_equal(label_of(&s, "path"), "C:\\D\"q\"");
    assert_string_equal(label_of(&s, "msg"), "two\nlines");
    assert_string_equal(label_of(&s, "brace"), "}");
    assert_string_equal(label_of(&s, "odd"), "\\t");
    assert_null(label_of(&s, "pat"));
    assert_null(label_of(&s, "lines"));
    char small[5];
    assert_int_equal(prom_sample_label(&s, "path", small, sizeof small), ERR_FULL);
    assert_string_equal(small, "");
}

static void broken_line_costs_only_itself(void **state)
{
    static const char *const broken[] = {
        "1a 5",
        "a",
        "a x",
        "a 1 2 3",
        "a 1 x",
        "a{ 1",
        "a{b} 1",
        "a{b=c} 1",
        "a{b=\"c} 1",
        "a{b=\"c\" d=\"e\"} 1",
        "{b=\"c\"} 1",
        "a 0x10",
        "a 1e",
        "a{b=\"\\",
        "a 11111111111111111111111111111111111111111111111111111111111111111",
        "a{:x=\"\"} 1",
    };
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        char text[128];
        struct writer w = writer_of(text, sizeof text);
        writer_put(&w, bytes_of_str(broken[i]));
        writer_put(&w, bytes_of_str("\nnext 4\n"));
        struct prom_text t = prom_text_of(bytes_of(text, writer_len(&w)));
        struct prom_sample s = { .value = 99 };
        assert_int_equal(prom_text_next(&t, &s), ERR_MALFORMED);
        assert_true(s.value == 99);
        assert_int_equal(prom_text_next(&t, &s), OK);
        assert_true(prom_sample_is(&s, "next") && s.value == 4);
    }
}

static void zero_byte_in_a_label_is_no_text(void **state)
{
    static const char text[] = "a{b=\"x\0y\"} 1";
    struct prom_text t = prom_text_of(bytes_of(text, sizeof text - 1));
    struct prom_sample s;
    char value[8];
    assert_int_equal(prom_text_next(&t, &s), OK);
    assert_int_equal(prom_sample_label(&s, "b", value, sizeof value), ERR_MALFORMED);
    assert_string_equal(value, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_come_in_order_and_comments_do_not),
        cmocka_unit_test(values_may_be_infinite_or_no_number),
        cmocka_unit_test(labels_are_unescaped_and_may_be_spaced_out),
        cmocka_unit_test(broken_line_costs_only_itself),
        cmocka_unit_test(zero_byte_in_a_label_is_no_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
