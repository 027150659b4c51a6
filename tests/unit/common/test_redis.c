/* SPDX-License-Identifier: Apache-2.0 */
#include "common/os/clock.h"
#include "common/os/log.h"
#include "common/os/redis.h"

#include "fail_alloc.h"
#include "redis_fixture.h"
#include "unit.h"

#include <fcntl.h>

static uv_loop_t loop;
static struct redis_fixture server;
static struct redis *client;

struct answer {
    unsigned count;
    enum err e;
    char text[128];
    long long integer;
    usec at;
};

static void on_answer(enum err e, const redisReply *reply, void *data)
{
    struct answer *a = data;
    a->count++;
    a->e = e;
    a->at = clock_now();
    struct bytes text = redis_reply_bytes(reply);
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
        text = bytes_of(reply->str, (size_t)reply->len);
    if (text.len > 0 && text.len < sizeof a->text)
        memcpy(a->text, text.data, text.len);
    if (reply != NULL)
        a->integer = reply->integer;
}

static bool is_answered(void *data)
{
    return ((struct answer *)data)->count > 0;
}

static bool is_up(void *data)
{
    (void)data;
    return redis_is_connected(client);
}

static bool is_down(void *data)
{
    return !is_up(data);
}

static struct answer ask(const char *a, const char *b, const char *c)
{
    struct answer answer = { 0 };
    redis_commandv(client, on_answer, &answer, a, b, c, NULL);
    assert_int_equal(answer.count, 0); /* never from within */
    loop_until(&loop, is_answered, &answer, 5000);
    return answer;
}

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    redis_fixture_start(&server, false);
    const struct redis_options options = {
        .url = server.url, .name = "unit", .command_timeout = MILLIS(500), .in_flight_max = 50
    };
    assert_int_equal(redis_new(&loop, &options, &client), OK);
    loop_until(&loop, is_up, NULL, 5000);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    redis_free(client);
    client = NULL;
    loop_finish(&loop);
    redis_fixture_stop(&server);
    return 0;
}

static void urls_are_parsed(void **state)
{
    (void)state;
    struct redis_address a;
    assert_int_equal(redis_url_parse("redis://localhost", &a), OK);
    assert_string_equal(a.host, "localhost");
    assert_int_equal(a.port, 6379);
    assert_int_equal(redis_url_parse("redis://u:p%40ss@[::1]:7000/3", &a), OK);
    assert_string_equal(a.host, "::1");
    assert_string_equal(a.user, "u");
    assert_string_equal(a.password, "p@ss");
    assert_int_equal(a.port, 7000);
    assert_int_equal(a.db, 3);
    assert_int_equal(redis_url_parse("redis://:secret@h", &a), OK);
    assert_string_equal(a.password, "secret");
    assert_int_equal(redis_url_parse("unix:///run/redis.sock?db=2", &a), OK);
    assert_string_equal(a.path, "/run/redis.sock");
    assert_int_equal(a.db, 2);
    static const char *const bad[] = { "",
                                       "redis://",
                                       "redis://h:0",
                                       "redis://h:99999",
                                       "redis://h/x",
                                       "unix://relative",
                                       "redis://[::1",
                                       "redis://user@h",
                                       "redis://h:1x" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(redis_url_parse(bad[i], &a), ERR_MALFORMED);
    assert_int_equal(redis_url_parse("rediss://h", &a), ERR_UNSUPPORTED);
}

static void arguments_are_binary_safe(void **state)
{
    (void)state;
    struct answer a = { 0 };
    const struct bytes set[3] = { REDIS_ARG("SET"), REDIS_ARG("k"), bytes_of("a\0\r\nb", 5) };
    redis_command(client, set, 3, on_answer, &a);
    loop_until(&loop, is_answered, &a, 2000);
    assert_int_equal(a.e, OK);
    a = ask("GET", "k", NULL);
    assert_memory_equal(a.text, "a\0\r\nb", 6);
    a = ask("LPUSH", "k", "x");
    assert_int_equal(a.e, ERR_MALFORMED);
    assert_memory_equal(a.text, "WRONGTYPE", 9);
}

/* The value needs a larger buffer; its allocation is the second of the command, after the command
 * itself. The third is made when the buffer is handed to the loop. */
static void command_without_memory_fails_and_the_next_one_passes(void **state)
{
    (void)state;
    static const enum err expected[] = { ERR_FULL, ERR_BAD_STATE };
    static char large[100000];
    memset(large, 'x', sizeof large - 1);
    for (unsigned i = 0; i < ARRAY_LEN(expected); i++) {
        struct answer answer = { 0 };
        const struct bytes args[] = { REDIS_ARG("SET"), REDIS_ARG("key"), REDIS_ARG(large) };
        fail_alloc_at(i + 2);
        redis_command(client, args, ARRAY_LEN(args), on_answer, &answer);
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        fail_alloc_at(0);
        loop_until(&loop, is_answered, &answer, 5000);
        assert_int_equal(answer.e, expected[i]);
        loop_until(&loop, is_up, NULL, 5000);
        assert_int_equal(ask("PING", NULL, NULL).e, OK);
        assert_int_equal(answer.count, 1);
        assert_int_equal(ask("EXISTS", "key", NULL).integer, 0);
    }
}

static void scripts_are_reloaded_after_a_flush(void **state)
{
    (void)state;
    static struct redis_script script =
        REDIS_SCRIPT("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    const struct bytes key = bytes_of_str("n"), by = bytes_of_str("5");
    for (int i = 1; i <= 3; i++) {
        struct answer a = { 0 };
        redis_eval(client, &script, &key, 1, &by, 1, on_answer, &a);
        loop_until(&loop, is_answered, &a, 2000);
        assert_int_equal(a.e, OK);
        assert_int_equal(a.integer, 5 * i);
        if (i == 2)
            assert_int_equal(ask("SCRIPT", "FLUSH", NULL).e, OK);
    }
}

static void too_many_commands_in_flight_are_refused(void **state)
{
    (void)state;
    struct answer answers[60] = { 0 };
    for (size_t i = 0; i < ARRAY_LEN(answers); i++)
        redis_commandv(client, on_answer, &answers[i], "PING", NULL);
    loop_until(&loop, is_answered, &answers[49], 2000);
    loop_until(&loop, is_answered, &answers[59], 2000);
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        assert_int_equal(answers[i].count, 1);
        assert_int_equal(answers[i].e, i < 50 ? OK : ERR_FULL);
    }
}

static void commands_fail_while_redis_is_away_and_work_when_it_is_back(void **state)
{
    (void)state;
    struct answer lost = { 0 };
    redis_fixture_freeze(&server);
    redis_commandv(client, on_answer, &lost, "PING", NULL);
    loop_for(&loop, 50);
    redis_fixture_kill(&server);
    loop_until(&loop, is_down, NULL, 2000);
    assert_int_equal(lost.count, 1);
    assert_int_equal(lost.e, ERR_BAD_STATE);
    assert_int_equal(ask("PING", NULL, NULL).e, ERR_BAD_STATE);
    redis_fixture_restart(&server);
    loop_until(&loop, is_up, NULL, 5000);
    assert_string_equal(ask("PING", NULL, NULL).text, "PONG");
}

static void frozen_redis_is_noticed_by_deadline_then_by_silence(void **state)
{
    (void)state;
    redis_fixture_freeze(&server);
    usec start = clock_now();
    struct answer a = ask("PING", NULL, NULL);
    assert_int_equal(a.e, ERR_EXPIRED);
    assert_in_range(a.at - start, MILLIS(450), MILLIS(900));
    assert_true(redis_is_connected(client));
    loop_until(&loop, is_down, NULL, 6000);
    redis_fixture_thaw(&server);
    loop_until(&loop, is_up, NULL, 6000);
    /* The late answers of the old connection do not confuse the new one. */
    assert_string_equal(ask("ECHO", "hello", NULL).text, "hello");
}

struct heard {
    unsigned messages, subscribed, again;
    char last[32];
    struct redis_subscription *drop_on_message;
};

static void on_message(struct bytes channel, struct bytes payload, void *data)
{
    struct heard *h = data;
    assert_true(bytes_equal(channel, bytes_of_str("news")));
    h->messages++;
    memcpy(h->last, payload.data, MIN(payload.len, sizeof h->last - 1));
    redis_unsubscribe(h->drop_on_message);
    h->drop_on_message = NULL;
}

static void on_subscribed(const char *channel, bool is_again, void *data)
{
    struct heard *h = data;
    assert_string_equal(channel, "news");
    h->subscribed++;
    h->again += is_again ? 1 : 0;
}

static bool is_subscribed(void *data)
{
    return ((struct heard *)data)->subscribed > 0;
}

static bool is_again(void *data)
{
    return ((struct heard *)data)->again > 0;
}

static bool has_heard(void *data)
{
    return ((struct heard *)data)->messages > 0;
}

static void subscriptions_come_back_and_say_so(void **state)
{
    (void)state;
    struct heard a = { 0 }, b = { 0 };
    const struct redis_subscriber for_a = { on_message, on_subscribed, &a };
    const struct redis_subscriber for_b = { on_message, on_subscribed, &b };
    (void)redis_subscribe(client, "news", &for_a);
    loop_until(&loop, is_subscribed, &a, 2000);
    b.drop_on_message = redis_subscribe(client, "news", &for_b);
    loop_until(&loop, is_subscribed, &b, 2000);
    assert_int_equal(a.subscribed, 1);
    assert_int_equal(ask("PUBLISH", "news", "one").integer, 1);
    loop_until(&loop, has_heard, &b, 2000); /* unsubscribes itself from within */
    assert_string_equal(a.last, "one");
    redis_fixture_kill(&server);
    redis_fixture_restart(&server);
    loop_until(&loop, is_again, &a, 6000);
    loop_until(&loop, is_up, NULL, 5000);
    a.messages = 0;
    assert_int_equal(ask("PUBLISH", "news", "two").integer, 1);
    loop_until(&loop, has_heard, &a, 2000);
    assert_string_equal(a.last, "two");
    assert_int_equal(b.messages, 1);
    assert_int_equal(b.again, 0);
}

static void last_unsubscribe_leaves_the_channel(void **state)
{
    (void)state;
    struct heard a = { 0 };
    const struct redis_subscriber for_a = { on_message, on_subscribed, &a };
    struct redis_subscription *s = redis_subscribe(client, "news", &for_a);
    loop_until(&loop, is_subscribed, &a, 2000);
    redis_unsubscribe(s);
    loop_for(&loop, 50);
    assert_int_equal(ask("PUBLISH", "news", "x").integer, 0);
    (void)redis_subscribe(client, "news", &for_a);
    a.subscribed = 0;
    loop_until(&loop, is_subscribed, &a, 2000);
    assert_int_equal(ask("PUBLISH", "news", "y").integer, 1);
    loop_until(&loop, has_heard, &a, 2000);
    assert_string_equal(a.last, "y");
}

static void on_answer_free(enum err e, const redisReply *reply, void *data)
{
    on_answer(e, reply, data);
    redis_free(client);
    client = NULL;
}

static void client_may_be_freed_by_its_own_callback(void **state)
{
    (void)state;
    struct answer first = { 0 }, second = { 0 };
    redis_commandv(client, on_answer_free, &first, "PING", NULL);
    redis_commandv(client, on_answer, &second, "PING", NULL);
    loop_until(&loop, is_answered, &first, 2000);
    assert_int_equal(second.count, 1);
    assert_int_equal(second.e, ERR_BAD_STATE);
}

static void blocking_read_is_not_taken_for_silence(void **state)
{
    (void)state;
    struct answer a = { 0 };
    const struct bytes args[] = { REDIS_ARG("BLPOP"), REDIS_ARG("list"), REDIS_ARG("4") };
    redis_command_within(client, SECONDS(6), args, 3, on_answer, &a);
    loop_until(&loop, is_answered, &a, 6000);
    assert_int_equal(a.e, OK);
    assert_true(redis_is_connected(client));
}

int main(void)
{
    log_set_fd(open("/dev/null", O_WRONLY));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_parsed),
        cmocka_unit_test_setup_teardown(arguments_are_binary_safe, set_up, tear_down),
        cmocka_unit_test_setup_teardown(command_without_memory_fails_and_the_next_one_passes,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(scripts_are_reloaded_after_a_flush, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_many_commands_in_flight_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(commands_fail_while_redis_is_away_and_work_when_it_is_back,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(subscriptions_come_back_and_say_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(last_unsubscribe_leaves_the_channel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(client_may_be_freed_by_its_own_callback, set_up, tear_down),
    };
    const struct CMUnitTest slow[] = {
        cmocka_unit_test_setup_teardown(frozen_redis_is_noticed_by_deadline_then_by_silence, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(blocking_read_is_not_taken_for_silence, set_up, tear_down),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + cmocka_run_group_tests(slow, NULL, NULL);
}
