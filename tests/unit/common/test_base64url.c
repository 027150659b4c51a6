/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base64url.h"
#include "common/bytes.h"

#include "unit.h"

/* RFC 4648 §10, without padding, and the two characters that differ. */
static void base64url_matches_rfc_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *plain, *text, *padded;
    } v[] = {
        { "", "", "" },
        { "f", "Zg", "Zg==" },
        { "fo", "Zm8", "Zm8=" },
        { "foo", "Zm9v", "Zm9v" },
        { "foob", "Zm9vYg", "Zm9vYg==" },
        { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
        { "\xff\xfe\xfb", "__77", "//77" },
        { "\xfb\xef", "--8", "++8=" },
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        char text[32];
        uint8_t plain[32];
        size_t len;
        assert_int_equal(base64url_write(text, bytes_of_str(v[i].plain)), strlen(v[i].text));
        assert_string_equal(text, v[i].text);
        assert_true(strlen(text) < BASE64URL_CAPACITY(strlen(v[i].plain)));
        assert_int_equal(base64url_parse(bytes_of_str(text), plain, strlen(v[i].plain), &len), OK);
        assert_int_equal(len, strlen(v[i].plain));
        assert_memory_equal(plain, v[i].plain, len);
        (void)base64_write(text, bytes_of_str(v[i].plain));
        assert_string_equal(text, v[i].padded);
    }
}

static void every_value_has_one_spelling(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Z", "Zg==", "Zh", "Zm9", "Zm9v Yg", "Zm9+", "Zm9/", "Zg\n"
    };
    uint8_t plain[16];
    size_t len;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(base64url_parse(bytes_of_str(bad[i]), plain, sizeof plain, &len),
                         ERR_MALFORMED);
    assert_int_equal(base64url_parse(bytes_of_str("Zm9v"), plain, 2, &len), ERR_FULL);
}

static void hex_round_trips_and_refuses_odd_input(void **state)
{
    (void)state;
    uint8_t raw[3];
    char text[7];
    assert_int_equal(hex_parse(bytes_of_str("00fFA5"), raw, 3), OK);
    hex_write(text, bytes_of(raw, 3));
    assert_string_equal(text, "00ffa5");
    assert_int_equal(hex_parse(bytes_of_str("00ffa"), raw, 3), ERR_MALFORMED);
    assert_int_equal(hex_parse(bytes_of_str("00ffag"), raw, 3), ERR_MALFORMED);
}

static void reader_and_writer_never_leave_their_buffer(void **state)
{
    (void)state;
    uint8_t buffer[15];
    struct writer w = writer_of(buffer, sizeof buffer);
    writer_u8(&w, 1);
    writer_u16(&w, 0x0203);
    writer_u24(&w, 0x040506);
    writer_u64(&w, 0x0708090a0b0c0d0eu);
    assert_false(w.failed);
    writer_u16(&w, 0xffff);
    assert_true(w.failed);
    assert_int_equal(writer_len(&w), 14);
    struct reader r = reader_of(bytes_of(buffer, writer_len(&w)));
    assert_int_equal(reader_u8(&r), 1);
    assert_int_equal(reader_u16(&r), 0x0203);
    assert_int_equal(reader_u24(&r), 0x040506);
    assert_int_equal(reader_u32(&r), 0x0708090a);
    assert_int_equal(reader_left(&r), 4);
    assert_int_equal(reader_u64(&r), 0);
    assert_true(r.failed);
    assert_int_equal(reader_u8(&r), 0); /* sticky */
    assert_true(bytes_equal_secret(bytes_of_str("abc"), bytes_of_str("abc")));
    assert_false(bytes_equal_secret(bytes_of_str("abc"), bytes_of_str("abd")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64url_matches_rfc_vectors),
        cmocka_unit_test(every_value_has_one_spelling),
        cmocka_unit_test(hex_round_trips_and_refuses_odd_input),
        cmocka_unit_test(reader_and_writer_never_leave_their_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
