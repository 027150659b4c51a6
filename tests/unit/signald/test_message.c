/* test_message.c - every op: valid, and each field missing or wrong.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/signald/core/message.h"

#include <stdio.h>

static const struct {
    const char *text; /* ' stands for " */
} valid[] = {
    { "{'op':'join','id':1,'token':'t','room':'Stand-Up_1.x','sdp':'v','sources':{'0':'camera'}}" },
    { "{'op':'join','id':1,'token':'t','room':'a','name':'Ada','sdp':'v','sources':{}}" },
    { "{'op':'join','id':1,'token':'t','room':'a','name':null,'sdp':'v','sources':{},'x':[1]}" },
    { "{'op':'resume','id':2147483647,'resume':'abc','seq':4}" },
    { "{'op':'publish','id':1,'source':'camera','muted':true,'width':1280,'height':720}" },
    { "{'op':'publish','id':1,'source':'screen-audio'}" },
    { "{'op':'publish','id':1.0,'source':'camera','width':1280.0,'height':7.2e2}" },
    { "{'op':'unpublish','id':1,'source':'screen'}" },
    { "{'op':'mute','id':1,'source':'microphone','muted':false}" },
    { "{'op':'mute','id':1,'source':'microphone','muted':true,'participant':'p_1'}" },
    { "{'op':'view','id':1,'video':[]}" },
    { "{'op':'view','id':1,'video':[{'participant':'p_1','source':'screen','width':1,'height':2}]"
      "}" },
    { "{'op':'chat','id':1,'text':'a\\nb\\tc'}" },
    { "{'op':'chat','id':1,'text':'x','to':'p_2'}" },
    { "{'op':'hand','id':1,'raised':true}" },
    { "{'op':'remove','id':1,'participant':'p_1'}" },
    { "{'op':'offer','id':1,'sdp':'v','sources':{'a':'screen'}}" },
    { "{'op':'ping','id':1}" },
    { "{'op':'leave','id':1}" },
};

static const struct {
    const char *text;
    enum wire_error error;
    const char *names; /* what the sentence must contain */
    int64_t id;
} invalid[] = {
    { "", WIRE_BAD_JSON, "JSON", 0 },
    { "[1]", WIRE_BAD_JSON, "JSON", 0 },
    { "{'op':'ping','id':1", WIRE_BAD_JSON, "JSON", 0 },
    { "{'op':'ping','id':1,'id':2}", WIRE_BAD_JSON, "JSON", 0 },
    { "{'op':'ping'}", WIRE_BAD_MESSAGE, "id", 0 },
    { "{'op':'ping','id':0}", WIRE_BAD_MESSAGE, "id", 0 },
    { "{'op':'ping','id':2147483648}", WIRE_BAD_MESSAGE, "id", 0 },
    { "{'op':'ping','id':1.5}", WIRE_BAD_MESSAGE, "id", 0 },
    { "{'op':'ping','id':'1'}", WIRE_BAD_MESSAGE, "id", 0 },
    { "{'id':3}", WIRE_BAD_MESSAGE, "op", 3 },
    { "{'op':7,'id':3}", WIRE_BAD_MESSAGE, "op", 3 },
    { "{'op':'dance','id':3}", WIRE_UNKNOWN_OP, "dance", 3 },
    { "{'op':'join','id':1,'room':'a','sdp':'v','sources':{}}", WIRE_BAD_MESSAGE, "token", 1 },
    { "{'op':'join','id':1,'token':'','room':'a','sdp':'v','sources':{}}", WIRE_BAD_MESSAGE,
      "token", 1 },
    { "{'op':'join','id':1,'token':'t','sdp':'v','sources':{}}", WIRE_BAD_MESSAGE, "room", 1 },
    { "{'op':'join','id':1,'token':'t','room':3,'sdp':'v','sources':{}}", WIRE_BAD_MESSAGE, "room",
      1 },
    { "{'op':'join','id':1,'token':'t','room':'','sdp':'v','sources':{}}", WIRE_BAD_ROOM_NAME,
      "room", 1 },
    { "{'op':'join','id':1,'token':'t','room':'a b','sdp':'v','sources':{}}", WIRE_BAD_ROOM_NAME,
      "room", 1 },
    { "{'op':'join','id':1,'token':'t','room':'.','sdp':'v','sources':{}}", WIRE_BAD_ROOM_NAME,
      "room", 1 },
    { "{'op':'join','id':1,'token':'t','room':'..','sdp':'v','sources':{}}", WIRE_BAD_ROOM_NAME,
      "room", 1 },
    { "{'op':'join','id':1,'token':'t','room':'-a','sdp':'v','sources':{}}", WIRE_BAD_ROOM_NAME,
      "room", 1 },
    { "{'op':'join','id':1,'token':'t','room':'_a','sdp':'v','sources':{}}", WIRE_BAD_ROOM_NAME,
      "room", 1 },
    { "{'op':'join','id':1,'token':'t','room':'a\\u0001','sdp':'v','sources':{}}",
      WIRE_BAD_ROOM_NAME, "room", 1 },
    { "{'op':'join','id':1,'token':'t','room':'a','name':'','sdp':'v','sources':{}}", WIRE_BAD_NAME,
      "name", 1 },
    { "{'op':'join','id':1,'token':'t','room':'a','name':'a\\u0007','sdp':'v','sources':{}}",
      WIRE_BAD_NAME, "name", 1 },
    { "{'op':'join','id':1,'token':'t','room':'a','name':4,'sdp':'v','sources':{}}",
      WIRE_BAD_MESSAGE, "name", 1 },
    { "{'op':'join','id':1,'token':'t','room':'a','sources':{}}", WIRE_BAD_MESSAGE, "sdp", 1 },
    { "{'op':'join','id':1,'token':'t','room':'a','sdp':'v'}", WIRE_BAD_MESSAGE, "sources", 1 },
    { "{'op':'join','id':1,'token':'t','room':'a','sdp':'v','sources':[]}", WIRE_BAD_MESSAGE,
      "sources", 1 },
    { "{'op':'join','id':1,'token':'t','room':'a','sdp':'v','sources':{'0':'tv'}}",
      WIRE_BAD_MESSAGE, "sources", 1 },
    { "{'op':'join','id':1,'token':'t','room':'a','sdp':'v','sources':{'0':'camera','1':'camera'}}",
      WIRE_BAD_MESSAGE, "twice", 1 },
    { "{'op':'join','id':1,'token':'t','room':'a','sdp':'v','sources':{'01234567890123456':'camera'"
      "}}",
      WIRE_BAD_MESSAGE, "mid", 1 },
    { "{'op':'resume','id':1}", WIRE_BAD_MESSAGE, "resume", 1 },
    { "{'op':'publish','id':1}", WIRE_BAD_MESSAGE, "source", 1 },
    { "{'op':'publish','id':1,'source':'tv'}", WIRE_BAD_MESSAGE, "source", 1 },
    { "{'op':'publish','id':1,'source':'camera','muted':1}", WIRE_BAD_MESSAGE, "muted", 1 },
    { "{'op':'publish','id':1,'source':'camera','width':-1}", WIRE_BAD_MESSAGE, "width", 1 },
    { "{'op':'publish','id':1,'source':'camera','width':5.5}", WIRE_BAD_MESSAGE, "width", 1 },
    { "{'op':'publish','id':1.5,'source':'camera'}", WIRE_BAD_MESSAGE, "id", 0 },
    { "{'op':'publish','id':1,'source':'camera','height':16385}", WIRE_BAD_MESSAGE, "height", 1 },
    { "{'op':'unpublish','id':1,'source':7}", WIRE_BAD_MESSAGE, "source", 1 },
    { "{'op':'mute','id':1,'source':'camera'}", WIRE_BAD_MESSAGE, "muted", 1 },
    { "{'op':'mute','id':1,'source':'camera','muted':true,'participant':1}", WIRE_BAD_MESSAGE,
      "participant", 1 },
    { "{'op':'view','id':1}", WIRE_BAD_MESSAGE, "video", 1 },
    { "{'op':'view','id':1,'video':{}}", WIRE_BAD_MESSAGE, "video", 1 },
    { "{'op':'view','id':1,'video':[7]}", WIRE_BAD_MESSAGE, "video[0]", 1 },
    { "{'op':'view','id':1,'video':[{'participant':'p','source':'screen'},{'source':'camera'}]}",
      WIRE_BAD_MESSAGE, "video[1].participant", 1 },
    { "{'op':'view','id':1,'video':[{'participant':'p','source':'microphone'}]}", WIRE_BAD_MESSAGE,
      "video[0].source", 1 },
    { "{'op':'view','id':1,'video':[{'participant':'p','source':'camera','height':'x'}]}",
      WIRE_BAD_MESSAGE, "video[0].height", 1 },
    { "{'op':'chat','id':1}", WIRE_BAD_MESSAGE, "text", 1 },
    { "{'op':'chat','id':1,'text':''}", WIRE_BAD_TEXT, "text", 1 },
    { "{'op':'chat','id':1,'text':'a\\u001b'}", WIRE_BAD_TEXT, "text", 1 },
    { "{'op':'chat','id':1,'text':'a','to':5}", WIRE_BAD_MESSAGE, "to", 1 },
    { "{'op':'hand','id':1}", WIRE_BAD_MESSAGE, "raised", 1 },
    { "{'op':'remove','id':1}", WIRE_BAD_MESSAGE, "participant", 1 },
    { "{'op':'offer','id':1,'sources':{}}", WIRE_BAD_MESSAGE, "sdp", 1 },
};

static enum err parse(const char *quoted, struct message *ret, struct message_failure *why)
{
    char text[1024];
    snprintf(text, sizeof(text), "%s", quoted);
    for (char *p = text; *p != 0; p++)
        if (*p == '\'')
            *p = '"';
    return message_parse(bytes_of_str(text), ret, why);
}

static void every_op_is_accepted_when_it_is_right(void **state)
{
    bool seen[MESSAGE_OP_COUNT] = { false };
    for (size_t i = 0; i < ARRAY_LEN(valid); i++) {
        struct message m;
        struct message_failure why;
        if (parse(valid[i].text, &m, &why) != OK)
            fail_msg("%s: %s", valid[i].text, why.text);
        seen[m.op] = true;
        message_clear(&m);
    }
    for (size_t i = 0; i < MESSAGE_OP_COUNT; i++)
        assert_true(seen[i]);
}

static void every_wrong_field_is_named(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(invalid); i++) {
        struct message m;
        struct message_failure why;
        if (parse(invalid[i].text, &m, &why) != ERR_MALFORMED)
            fail_msg("accepted: %s", invalid[i].text);
        if (why.error != invalid[i].error || why.id != invalid[i].id ||
            strstr(why.text, invalid[i].names) == NULL)
            fail_msg("%s: %s %lld '%s'", invalid[i].text, wire_error_name(why.error),
                     (long long)why.id, why.text);
    }
}

static void room_names_are_lowered(void **state)
{
    struct message m;
    struct message_failure why;
    assert_int_equal(parse(valid[0].text, &m, &why), OK);
    assert_string_equal(m.room, "stand-up_1.x");
    message_clear(&m);
}

static void text_limits_count_characters_not_bytes(void **state)
{
    static char text[20000];
    for (int chars = 4000; chars <= 4001; chars++) {
        size_t at = (size_t)snprintf(text, sizeof(text), "{\"op\":\"chat\",\"id\":1,\"text\":\"");
        for (int i = 0; i < chars; i++)
            at += (size_t)snprintf(text + at, sizeof(text) - at, "\xc3\xa4");
        at += (size_t)snprintf(text + at, sizeof(text) - at, "\"}");
        struct message m;
        struct message_failure why;
        enum err e = message_parse(bytes_of(text, at), &m, &why);
        assert_int_equal(e, chars == 4000 ? OK : ERR_MALFORMED);
        if (e == OK)
            message_clear(&m);
        else
            assert_int_equal(why.error, WIRE_BAD_TEXT);
    }
}

static void a_view_may_have_sixty_four_entries(void **state)
{
    for (int n = 64; n <= 65; n++) {
        char text[8192];
        size_t at = (size_t)snprintf(text, sizeof(text), "{\"op\":\"view\",\"id\":1,\"video\":[");
        for (int i = 0; i < n; i++)
            at += (size_t)snprintf(text + at, sizeof(text) - at,
                                   "%s{\"participant\":\"p_%d\",\"source\":\"camera\"}",
                                   i == 0 ? "" : ",", i);
        snprintf(text + at, sizeof(text) - at, "]}");
        struct message m;
        struct message_failure why;
        enum err e = message_parse(bytes_of_str(text), &m, &why);
        assert_int_equal(e, n == 64 ? OK : ERR_MALFORMED);
        if (e == OK) {
            assert_int_equal(m.view_count, 64);
            message_clear(&m);
        }
    }
}

static void errors_have_stable_ids_and_a_sentence(void **state)
{
    for (unsigned i = 0; i < WIRE_ERROR_COUNT; i++) {
        assert_int_equal(wire_error_parse(wire_error_name(i)), i);
        json_t *j = message_error(7, (enum wire_error)i, NULL, MILLIS(5));
        assert_string_equal(json_string_value(json_object_get(j, "error")), wire_error_name(i));
        assert_true(json_string_length(json_object_get(j, "message")) > 5);
        assert_int_equal(json_integer_value(json_object_get(j, "retry_after_ms")), 5);
        json_decref(j);
    }
    json_t *j = message_error(0, WIRE_BAD_JSON, NULL, 0);
    assert_null(json_object_get(j, "id"));
    assert_null(json_object_get(j, "retry_after_ms"));
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_is_accepted_when_it_is_right),
        cmocka_unit_test(every_wrong_field_is_named),
        cmocka_unit_test(room_names_are_lowered),
        cmocka_unit_test(text_limits_count_characters_not_bytes),
        cmocka_unit_test(a_view_may_have_sixty_four_entries),
        cmocka_unit_test(errors_have_stable_ids_and_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
