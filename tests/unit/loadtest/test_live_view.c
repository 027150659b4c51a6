/* SPDX-License-Identifier: Apache-2.0 */
#include "core/live_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char text[LIVE_VIEW_BYTES_MAX];

static struct live_stats a_run(void)
{
    struct live_stats s = { .scenario = "meeting-20x20",
                            .target = "http://localhost:8080",
                            .phase = LIVE_PLATEAU,
                            .seconds = 3725,
                            .phase_seconds = 12,
                            .phase_length = 30,
                            .bots_wanted = 300,
                            .bots_joined = 299,
                            .bots_connected = 298,
                            .bots_failed = 2,
                            .sent = { 450000, 0, 15000, 1540000 },
                            .received = { 8550000, 0, 285000, 28700000 },
                            .latency_p50_us = 1200,
                            .latency_p99_us = 34500,
                            .has_latency = true,
                            .loss = 0.0004,
                            .freezes_total = 3,
                            .chaos = "pause-redis: in effect for 3.0 s",
                            .tester_cpu_share = 1.5,
                            .tester_thread_share = 0.71,
                            .server_count = 9 };
    for (unsigned i = 0; i < s.server_count; i++) {
        (void)snprintf(s.servers[i].name, sizeof s.servers[i].name, "signald-%u", i);
        s.servers[i].up = i != 4;
        s.servers[i].cpu_share = i / 8.0;
        s.servers[i].memory_bytes = i * 20000000ULL;
    }
    return s;
}

/* Takes out what a terminal obeys; what is left is what it shows. */
static void strip_escapes(char *t)
{
    char *to = t;
    for (char *p = t; *p != '\0'; p++) {
        if (*p == '\x1b') {
            p += strcspn(p, "ABCDHJKm");
            assert_true(*p != '\0');
        } else {
            *to++ = *p;
        }
    }
    *to = '\0';
}

static unsigned columns_of(const char *line, size_t len)
{
    unsigned columns = 0;
    for (size_t i = 0; i < len; i++)
        columns += ((unsigned char)line[i] & 0xc0) != 0x80;
    return columns;
}

static const char *frame(const struct live_stats *s, unsigned width, unsigned height, bool color)
{
    const struct live_screen screen = { .width = width, .height = height, .has_color = color };
    size_t len = live_view_frame(s, &screen, text, sizeof text);
    assert_int_equal(len, strlen(text));
    return text;
}

static void frame_shows_what_matters(void **state)
{
    struct live_stats s = a_run();
    static const char *const parts[] = {
        "meeting-20x20 on http://localhost:8080",
        "1:02:05\n",
        "plateau",
        "12 of 30 s",
        "298 of 300 connected",
        "2 failed",
        "285,000 packets/s",
        "230 Mb/s",
        "p50 1.20 ms",
        "p99 34.5 ms",
        "0.040 % now",
        "3 freezes",
        "busiest thread 71 %",
        "pause-redis: in effect for 3.0 s",
        "signald-8",
        "100 % CPU",
        "153 MiB",
    };
    (void)frame(&s, 80, 24, true);
    strip_escapes(text);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        assert_non_null(strstr(text, parts[i]));
    const char *down = strstr(text, "signald-4");
    assert_int_equal(strncmp(down + strcspn(down, " "), "     does not answer", 20), 0);
}

static void frame_fits_every_terminal(void **state)
{
    struct live_stats s = a_run();
    for (unsigned width = 1; width < 200; width += 7) {
        for (unsigned height = 1; height < 40; height += 3) {
            (void)frame(&s, width, height, width % 2 == 0);
            strip_escapes(text);
            unsigned lines = 0;
            for (const char *p = text; *p != '\0'; lines++) {
                size_t len = strcspn(p, "\n");
                assert_true(columns_of(p, len) <= width);
                p += len + (p[len] == '\n');
            }
            assert_true(lines <= height);
        }
    }
}

static void servers_without_room_are_counted(void **state)
{
    struct live_stats s = a_run();
    assert_null(strstr(frame(&s, 80, 22, false), "more"));
    assert_non_null(strstr(frame(&s, 80, 19, false), "and 4 more"));
    assert_non_null(strstr(text, "signald-4"));
    assert_null(strstr(text, "signald-5"));
}

static void no_color_means_none(void **state)
{
    struct live_stats s = a_run();
    (void)frame(&s, 80, 24, false);
    assert_null(strstr(text, "\x1b[3"));
    assert_non_null(strstr(text, "\x1b[K"));
    (void)frame(&s, 80, 24, true);
    assert_non_null(strstr(text, "\x1b[31m"));
}

static void names_cannot_command_the_terminal(void **state)
{
    struct live_stats s = a_run();
    (void)snprintf(s.scenario, sizeof s.scenario,
                   "a\x1b]0;b\x07\xc2\x9b"
                   "c\xffﬂä");
    (void)snprintf(s.chaos, sizeof s.chaos, "two\nlines\u202e\u2067.");
    (void)frame(&s, 80, 24, false);
    assert_non_null(strstr(text, "a?]0;b??c?ﬂä on"));
    assert_non_null(strstr(text, "two?lines??."));
    (void)live_view_line(&s, text, sizeof text);
    assert_non_null(strstr(text, "two?lines??.\n"));
}

static void frame_of_nothing_yet_has_no_nonsense(void **state)
{
    const struct live_stats s = { 0 };
    (void)frame(&s, 0, 0, false);
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    assert_non_null(strstr(text, "0 of 0 connected"));
}

static void line_is_one_plain_line(void **state)
{
    struct live_stats s = a_run();
    size_t len = live_view_line(&s, text, LIVE_LINE_BYTES_MAX);
    assert_int_equal(len, strlen(text));
    assert_null(strchr(text, '\x1b'));
    assert_ptr_equal(strchr(text, '\n'), text + len - 1);
    assert_non_null(strstr(text, "3725 s  plateau: 298 of 300 bots (2 failed)"));
    assert_non_null(strstr(text, "latency p50 1.20 ms p99 34.5 ms, loss 0.040 %, freezes 3"));
    assert_non_null(strstr(text, "(1 of 9 down)"));
}

static void small_buffer_cuts_at_a_whole_character(void **state)
{
    struct live_stats s = a_run();
    const struct live_screen screen = { .has_color = true };
    for (size_t capacity = 64; capacity < 600; capacity++) {
        char *small = text + sizeof text - capacity; /* ends where the array does */
        size_t len = live_view_frame(&s, &screen, small, capacity);
        assert_true(len < capacity && small[len] == '\0');
        strip_escapes(small);
        for (const char *p = small; *p != '\0';) {
            int n = (unsigned char)*p < 0x80 ? 1 : (unsigned char)*p < 0xe0 ? 2 : 3;
            for (int i = 1; i < n; i++)
                assert_int_equal((unsigned char)p[i] & 0xc0, 0x80);
            p += n;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_shows_what_matters),
        cmocka_unit_test(frame_fits_every_terminal),
        cmocka_unit_test(servers_without_room_are_counted),
        cmocka_unit_test(no_color_means_none),
        cmocka_unit_test(names_cannot_command_the_terminal),
        cmocka_unit_test(frame_of_nothing_yet_has_no_nonsense),
        cmocka_unit_test(line_is_one_plain_line),
        cmocka_unit_test(small_buffer_cuts_at_a_whole_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
