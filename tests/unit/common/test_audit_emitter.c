/* SPDX-License-Identifier: Apache-2.0 */
#include "common/ids.h"
#include "common/os/audit_emitter.h"
#include "common/os/log.h"

#include "redis_fixture.h"
#include "unit.h"

#include <fcntl.h>
#include <string.h>

static uv_loop_t loop;
static struct redis_fixture server;
static struct redis *client;
static struct audit_emitter *emitter;

static void on_state(struct redis *r, bool is_connected, void *data)
{
    (void)r;
    (void)data;
    if (emitter != NULL)
        audit_emitter_on_redis_state(emitter, is_connected);
}

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    redis_fixture_start(&server, true);
    const struct redis_options redis = { .url = server.url,
                                         .on_state = on_state,
                                         .command_timeout = MILLIS(500) };
    assert_int_equal(redis_new(&loop, &redis, &client), OK);
    const struct audit_options options = {
        .redis = client, .service = "signald", .instance = "signald-1", .capacity = 500
    };
    assert_int_equal(audit_emitter_new(&loop, &options, &emitter), OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    audit_emitter_free(emitter);
    emitter = NULL;
    redis_free(client);
    loop_finish(&loop);
    redis_fixture_stop(&server);
    return 0;
}

static enum err emit(int number)
{
    const struct audit_event event = { .type = "participant.joined",
                                       .actor_kind = "user",
                                       .actor_id = "u_1",
                                       .actor_name = "Ada",
                                       .org = "default",
                                       .room = "standup",
                                       .address = "192.0.2.7",
                                       .meta = json_pack("{si}", "n", number) };
    return audit_emit(emitter, &event);
}

static bool is_connected(void *data)
{
    (void)data;
    return redis_is_connected(client);
}

static bool is_drained(void *data)
{
    (void)data;
    return audit_emitter_pending(emitter) == 0;
}

struct stream {
    bool done;
    unsigned count, distinct;
    int last;
    char ids[1000][UUID_CAPACITY];
    char first[1024];
};

/* In order; an event may be there twice (same id), never out of order otherwise. */
static void on_stream(enum err e, const redisReply *reply, void *data)
{
    struct stream *s = data;
    assert_int_equal(e, OK);
    s->last = -1;
    for (size_t i = 0; i < reply->elements; i++) {
        struct bytes text = redis_reply_field(reply->element[i]->element[1], "e");
        json_t *json = json_loadb((const char *)text.data, text.len, 0, NULL);
        assert_non_null(json);
        if (i == 0)
            memcpy(s->first, text.data, MIN(text.len, sizeof s->first - 1));
        int n = (int)json_integer_value(json_object_get(json_object_get(json, "meta"), "n"));
        const char *id = json_string_value(json_object_get(json, "id"));
        assert_true(uuid_is_valid(id));
        bool is_new = s->ids[n][0] == '\0';
        if (is_new) {
            assert_int_equal(n, s->last + 1);
            s->last = n;
            s->distinct++;
            memcpy(s->ids[n], id, UUID_CAPACITY);
        }
        assert_string_equal(s->ids[n], id);
        json_decref(json);
    }
    s->count = (unsigned)reply->elements;
    s->done = true;
}

static bool is_read(void *data)
{
    return ((struct stream *)data)->done;
}

static const struct stream *read_stream(void)
{
    static struct stream s;
    memset(&s, 0, sizeof s);
    redis_commandv(client, on_stream, &s, "XRANGE", AUDIT_STREAM, "-", "+", NULL);
    loop_until(&loop, is_read, &s, 3000);
    return &s;
}

static void event_has_the_documented_form(void **state)
{
    (void)state;
    loop_until(&loop, is_connected, NULL, 3000);
    assert_int_equal(emit(0), OK);
    loop_until(&loop, is_drained, NULL, 3000);
    json_t *json = json_loads(read_stream()->first, 0, NULL);
    assert_int_equal(strlen(json_string_value(json_object_get(json, "time"))), 27);
    assert_int_equal(json_object_del(json, "time") + json_object_del(json, "id"), 0);
    char *text = json_dumps(json, JSON_COMPACT);
    assert_string_equal(text, "{\"type\":\"participant.joined\",\"service\":\"signald\","
                              "\"instance\":\"signald-1\",\"actor\":{\"kind\":\"user\","
                              "\"id\":\"u_1\",\"name\":\"Ada\"},\"org\":\"default\","
                              "\"room\":\"standup\",\"address\":\"192.0.2.7\",\"meta\":{\"n\":0}}");
    free(text);
    json_decref(json);
}

static void nothing_is_lost_or_reordered_over_a_restart(void **state)
{
    (void)state;
    loop_until(&loop, is_connected, NULL, 3000);
    int n = 0;
    for (; n < 100; n++)
        assert_int_equal(emit(n), OK);
    (void)uv_run(&loop, UV_RUN_NOWAIT); /* some are on their way */
    redis_fixture_kill(&server);
    for (; n < 200; n++) {
        assert_int_equal(emit(n), OK);
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
    redis_fixture_restart(&server);
    for (; n < 300; n++)
        assert_int_equal(emit(n), OK);
    loop_until(&loop, is_drained, NULL, 8000);
    loop_until(&loop, is_connected, NULL, 3000);
    assert_int_equal(read_stream()->distinct, 300);
    assert_int_equal(audit_emitter_dropped(emitter), 0);
}

static void full_buffer_drops_the_newest_and_counts(void **state)
{
    (void)state;
    redis_fixture_kill(&server);
    for (int i = 0; i < 500; i++)
        assert_int_equal(emit(i), OK);
    assert_int_equal(emit(500), ERR_FULL);
    assert_int_equal(audit_emitter_dropped(emitter), 1);
    redis_fixture_restart(&server);
    loop_until(&loop, is_drained, NULL, 8000);
    assert_int_equal(read_stream()->distinct, 500);
}

static void on_flushed(size_t left, void *data)
{
    *(long *)data = (long)left;
}

static bool is_flushed(void *data)
{
    return *(long *)data >= 0;
}

static void flush_ends_when_drained_or_at_the_deadline(void **state)
{
    (void)state;
    long left = -1;
    loop_until(&loop, is_connected, NULL, 3000);
    assert_int_equal(emit(0), OK);
    audit_emitter_flush(emitter, SECONDS(5), on_flushed, &left);
    loop_until(&loop, is_flushed, &left, 2000);
    assert_int_equal(left, 0);
    redis_fixture_kill(&server);
    assert_int_equal(emit(1), OK);
    left = -1;
    audit_emitter_flush(emitter, MILLIS(200), on_flushed, &left);
    loop_until(&loop, is_flushed, &left, 2000);
    assert_int_equal(left, 1);
}

int main(void)
{
    log_set_fd(open("/dev/null", O_WRONLY));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(event_has_the_documented_form, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_lost_or_reordered_over_a_restart, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(full_buffer_drops_the_newest_and_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(flush_ends_when_drained_or_at_the_deadline, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
