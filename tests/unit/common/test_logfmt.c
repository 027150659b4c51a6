/* SPDX-License-Identifier: Apache-2.0 */
#include "common/logfmt.h"

#include "unit.h"

#include <jansson.h>
#include <math.h>

#define TIME ((wall_usec)1787307072123456) /* 2026-08-21T10:11:12.123456Z */

static const char *line(enum log_format format, const struct kv *kvs, size_t count)
{
    static char text[1024];
    const struct log_record record = { .time = TIME,
                                       .level = LOG_LEVEL_INFO,
                                       .service = "sfud",
                                       .event = "transport.connected",
                                       .kvs = kvs,
                                       .kv_count = count };
    size_t n = logfmt_write(text, sizeof text - 1, &record, format);
    text[n] = '\0';
    return text;
}

static void line_looks_as_documented(void **state)
{
    (void)state;
    const struct kv kvs[] = { KV_STR("room", "r_7f3"),
                              KV_U64("rtt_us", 8123),
                              KV_I64("delta", -3),
                              KV_F64("loss", 0.25),
                              KV_BOOL("relay", true),
                              KV_ERR("err", ERR_AUTH),
                              KV_SECRET("key", bytes_of("0123456789", 10)) };
    assert_string_equal(line(LOG_FORMAT_LOGFMT, kvs, ARRAY_LEN(kvs)),
                        "ts=2026-08-21T10:11:12.123456Z lvl=info svc=sfud "
                        "evt=transport.connected room=r_7f3 rtt_us=8123 delta=-3 loss=0.25 "
                        "relay=true err=auth key=\"<secret 10>\"\n");
    assert_string_equal(line(LOG_FORMAT_JSON, kvs, ARRAY_LEN(kvs)),
                        "{\"ts\":\"2026-08-21T10:11:12.123456Z\",\"lvl\":\"info\",\"svc\":\"sfud\","
                        "\"evt\":\"transport.connected\",\"room\":\"r_7f3\",\"rtt_us\":8123,"
                        "\"delta\":-3,\"loss\":0.25,\"relay\":true,\"err\":\"auth\","
                        "\"key\":\"<secret 10>\"}\n");
}

static void value_cannot_forge_a_line_or_a_key(void **state)
{
    (void)state;
    const struct kv kvs[] = { KV_STR("a", "x y=1 evt=fake"), KV_STR("b", "q\"\\\n\r\tz\x01"),
                              KV_STR("c", ""), KV_STR("d", NULL), KV_STR("e", "\xff\xe2\x82\xac") };
    assert_string_equal(strstr(line(LOG_FORMAT_LOGFMT, kvs, 5), " a="),
                        " a=\"x y=1 evt=fake\" b=\"q\\\"\\\\\\n\\r\\tz\\u0001\" c=\"\" d=\"\" "
                        "e=\"\xef\xbf\xbd\xe2\x82\xac\"\n");
    json_t *json = json_loads(line(LOG_FORMAT_JSON, kvs, 5), 0, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "b")), "q\"\\\n\r\tz\x01");
    json_decref(json);
}

static void line_too_long_ends_validly(void **state)
{
    (void)state;
    char big[400], out[300];
    memset(big, 'x', sizeof big);
    const struct kv kvs[] = { KV_U64("n", 1), KV_BYTES("big", bytes_of(big, sizeof big)),
                              KV_U64("after", 2) };
    struct log_record record = { .time = TIME,
                                 .level = LOG_LEVEL_WARN,
                                 .service = "s",
                                 .event = "e.happened",
                                 .kvs = kvs,
                                 .kv_count = 3 };
    size_t n = logfmt_write(out, sizeof out, &record, LOG_FORMAT_LOGFMT);
    out[n] = '\0';
    assert_non_null(strstr(out, " n=1 truncated=true\n"));
    n = logfmt_write(out, sizeof out, &record, LOG_FORMAT_JSON);
    json_t *json = json_loadb(out, n, 0, NULL);
    assert_non_null(json);
    assert_true(json_is_true(json_object_get(json, "truncated")));
    json_decref(json);
}

static void times_round_trip(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        wall_usec time;
    } v[] = { { "1970-01-01T00:00:00.000000Z", 0 },
              { "1969-12-31T23:59:59.999999Z", -1 },
              { "2000-02-29T12:00:00.500000Z", 951825600500000 },
              { "2026-08-21T10:11:12.123456Z", TIME },
              { "9999-12-31T23:59:59.000000Z", 253402300799000000 } };
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        char text[RFC3339_CAPACITY];
        wall_usec back;
        rfc3339_write(text, v[i].time);
        assert_string_equal(text, v[i].text);
        assert_int_equal(rfc3339_parse(text, &back), OK);
        assert_true(back == v[i].time);
    }
    wall_usec t;
    assert_int_equal(rfc3339_parse("2026-08-21T12:11:12+02:00", &t), OK);
    assert_true(t == TIME - 123456);
    static const char *const bad[] = { "",
                                       "2026-08-21",
                                       "2026-13-01T00:00:00Z",
                                       "2026-02-29T00:00:00Z",
                                       "2026-08-21T24:00:00Z",
                                       "2026-08-21T10:11:12",
                                       "2026-08-21T10:11:12.Z",
                                       "2026-08-21T10:11:12Zx" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(rfc3339_parse(bad[i], &t), ERR_MALFORMED);
}

static void floats_that_are_not_finite_stay_valid_json(void **state)
{
    (void)state;
    const struct kv kvs[] = { KV_F64("x", (double)NAN) };
    assert_non_null(strstr(line(LOG_FORMAT_JSON, kvs, 1), "\"x\":null}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_looks_as_documented),
        cmocka_unit_test(value_cannot_forge_a_line_or_a_key),
        cmocka_unit_test(line_too_long_ends_validly),
        cmocka_unit_test(times_round_trip),
        cmocka_unit_test(floats_that_are_not_finite_stay_valid_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
