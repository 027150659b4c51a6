/* test_chain.c - writing a chain, and noticing everything that can be done to it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/chain.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define EVENTS 4

/* A segment header and EVENTS records, then a second segment with as many. */
struct log {
    uint8_t text[8192];
    struct bytes lines[2 * (EVENTS + 1)];
    struct chain end;
};

static void line_add(struct log *l, size_t index, struct writer *w, const uint8_t *begin)
{
    l->lines[index] = bytes_of(begin, (size_t)(w->at - begin) - 1); /* without its newline */
}

static void log_write(struct log *l)
{
    struct writer w = writer_of(l->text, sizeof(l->text));
    chain_init(&l->end, "c_aaaaaaaaaaaaaaaa");
    for (size_t i = 0; i < ARRAY_LEN(l->lines); i++) {
        const uint8_t *begin = w.at;
        char event[32];
        snprintf(event, sizeof(event), "{\"n\":%zu}", i);
        if (i % (EVENTS + 1) == 0)
            chain_write_header(&l->end, SECONDS(1790000000), &w);
        else
            chain_write_record(&l->end, bytes_of_str(event), &w);
        line_add(l, i, &w, begin);
    }
    assert_false(w.failed);
}

static enum chain_fault log_read(const struct log *l, struct chain *c)
{
    chain_init_unknown(c);
    for (size_t i = 0; i < ARRAY_LEN(l->lines); i++) {
        bool is_header = l->lines[i].len > 9 && memcmp(l->lines[i].data, "{\"chain\":", 9) == 0;
        enum chain_fault fault =
            is_header ? chain_read_header(c, l->lines[i]) : chain_read_record(c, l->lines[i], NULL);
        if (fault != CHAIN_FINE)
            return fault;
    }
    return CHAIN_FINE;
}

static void what_is_written_is_read(void **state)
{
    struct log l;
    struct chain c;
    log_write(&l);
    assert_int_equal(log_read(&l, &c), CHAIN_FINE);
    assert_int_equal(c.seq, 2 * EVENTS);
    assert_int_equal(c.segment, 2);
    assert_string_equal(c.id, "c_aaaaaaaaaaaaaaaa");
    assert_memory_equal(c.head, l.end.head, sizeof(c.head));
}

/* The formula of chain.h, without chain.c. */
static void record_hash_is_what_the_header_says(void **state)
{
    struct log l;
    struct chain c;
    log_write(&l);
    chain_init_unknown(&c);
    assert_int_equal(chain_read_header(&c, l.lines[0]), CHAIN_FINE);
    uint8_t text[32 + 8 + 7], expected[32];
    memcpy(text, c.head, 32);
    store_be64(text + 32, 1);
    memcpy(text + 40, "{\"n\":1}", 7);
    assert_int_equal(EVP_Digest(text, sizeof(text), expected, NULL, EVP_sha256(), NULL), 1);
    assert_int_equal(chain_read_record(&c, l.lines[1], NULL), CHAIN_FINE);
    assert_memory_equal(c.head, expected, 32);
}

static void every_changed_byte_is_noticed(void **state)
{
    struct log l;
    struct chain c;
    log_write(&l);
    size_t len = (size_t)(l.lines[9].data + l.lines[9].len - l.text);
    for (size_t i = 0; i < len; i++) {
        if (l.text[i] == '\n')
            continue;
        l.text[i] ^= 1;
        assert_int_not_equal(log_read(&l, &c), CHAIN_FINE);
        l.text[i] ^= 1;
    }
    assert_int_equal(log_read(&l, &c), CHAIN_FINE);
}

static void swapped_and_repeated_records_are_noticed(void **state)
{
    struct log l;
    struct chain c;
    log_write(&l);
    struct bytes kept = l.lines[2];
    l.lines[2] = l.lines[3];
    l.lines[3] = kept;
    assert_int_equal(log_read(&l, &c), CHAIN_WRONG_SEQ);
    l.lines[2] = l.lines[1];
    assert_int_equal(log_read(&l, &c), CHAIN_WRONG_SEQ);
}

static void missing_and_foreign_segments_are_noticed(void **state)
{
    struct log l, other;
    struct chain c;
    log_write(&l);
    chain_init_unknown(&c);
    assert_int_equal(chain_read_header(&c, l.lines[EVENTS + 1]), CHAIN_WRONG_SEGMENT);
    struct writer w = writer_of(other.text, sizeof(other.text));
    struct chain foreign = l.end;
    memcpy(foreign.id, "c_bbbbbbbbbbbbbbbb", sizeof("c_bbbbbbbbbbbbbbbb"));
    chain_write_header(&foreign, 0, &w);
    c = l.end;
    assert_int_equal(chain_read_header(&c, bytes_of(other.text, writer_len(&w) - 1)),
                     CHAIN_OTHER_CHAIN);
    assert_memory_equal(&c, &l.end, sizeof(c));
}

/* An attacker who rewrites a record and its hash breaks the next line. */
static void rewritten_record_breaks_the_next(void **state)
{
    struct log l;
    struct chain c;
    log_write(&l);
    chain_init_unknown(&c);
    assert_int_equal(chain_read_header(&c, l.lines[0]), CHAIN_FINE);
    struct chain forged = c;
    uint8_t text[512];
    struct writer w = writer_of(text, sizeof(text));
    chain_write_record(&forged, bytes_of_str("{\"n\":99}"), &w);
    l.lines[1] = bytes_of(text, writer_len(&w) - 1);
    assert_int_equal(chain_read_record(&c, l.lines[1], NULL), CHAIN_FINE);
    assert_int_equal(chain_read_record(&c, l.lines[2], NULL), CHAIN_WRONG_PREV);
}

static void reading_can_begin_at_any_segment(void **state)
{
    struct log l;
    struct chain c;
    log_write(&l);
    chain_init_unknown(&c);
    assert_int_equal(chain_adopt_header(&c, l.lines[EVENTS + 1]), CHAIN_FINE);
    assert_int_equal(c.seq, EVENTS);
    assert_int_equal(c.created, SECONDS(1790000000));
    for (size_t i = EVENTS + 2; i < ARRAY_LEN(l.lines); i++)
        assert_int_equal(chain_read_record(&c, l.lines[i], NULL), CHAIN_FINE);
    assert_memory_equal(c.head, l.end.head, sizeof(c.head));
}

static void a_writer_that_is_too_small_changes_nothing(void **state)
{
    struct log l;
    log_write(&l);
    struct chain before = l.end;
    uint8_t small[100];
    struct writer w = writer_of(small, sizeof(small));
    chain_write_record(&l.end, bytes_of_str("{\"n\":1}"), &w);
    assert_true(w.failed);
    assert_memory_equal(&before, &l.end, sizeof(before));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(record_hash_is_what_the_header_says),
        cmocka_unit_test(every_changed_byte_is_noticed),
        cmocka_unit_test(swapped_and_repeated_records_are_noticed),
        cmocka_unit_test(missing_and_foreign_segments_are_noticed),
        cmocka_unit_test(rewritten_record_breaks_the_next),
        cmocka_unit_test(reading_can_begin_at_any_segment),
        cmocka_unit_test(a_writer_that_is_too_small_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
