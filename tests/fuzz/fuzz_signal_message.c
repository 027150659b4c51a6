/* fuzz_signal_message.c - what clients send, as text and through the whole session state machine.
 *
 * Lines are messages of one of two sockets (first byte's lowest bit), or, starting with '!', a
 * fault of the cluster. SPDX-License-Identifier: Apache-2.0 */
#include "../unit/signald/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_alone(struct bytes text)
{
    struct message m;
    struct message_failure why;
    if (message_parse(text, &m, &why) != OK) {
        json_t *j = message_error(why.id, why.error, why.text, 0);
        check(json_is_string(json_object_get(j, "message")));
        json_decref(j);
        return;
    }
    check(m.op < MESSAGE_OP_COUNT && m.id >= 1 && m.id <= INT32_MAX);
    check(m.view_count <= VIEW_ENTRIES_MAX);
    check(m.op != MESSAGE_JOIN || (m.room[0] != 0 && m.sdp != NULL && m.token != NULL));
    message_clear(&m);
}

static void fault(struct world *w, struct bytes line)
{
    size_t which = line.len < 2 ? 0 : line.data[1] % 8;
    switch (which) {
    case 0:
        w->node_refuses = !w->node_refuses;
        break;
    case 1:
        w->node_is_silent = !w->node_is_silent;
        break;
    case 2:
        w->redis_fails = !w->redis_fails;
        break;
    case 3:
        w->loses_events = !w->loses_events;
        break;
    case 4:
        hub_on_redis(w->hub, !w->hub->has_redis);
        world_pump(w);
        break;
    case 5:
        if (w->holds_scripts)
            world_release_held(w);
        else
            w->holds_scripts = true;
        break;
    case 6:
        world_pass(w, SECONDS(2));
        break;
    case 7:
        world_break(w, line.len & 1);
        break;
    }
}

static void say(struct world *w, struct bytes line)
{
    size_t socket = line.data[0] & 1;
    char text[4096];
    if (line.len >= sizeof(text))
        return;
    memcpy(text, line.data, line.len);
    text[line.len] = 0;
    world_say(w, socket, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    parse_alone(bytes_of(data, size));
    struct world w;
    world_init(&w);
    world_open(&w);
    world_open(&w);
    world_join(&w, 0, "Ada");
    for (size_t at = 0, lines = 0; at < size && lines < 64; lines++) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t len = end == NULL ? size - at : (size_t)(end - data) - at;
        struct bytes line = bytes_of(data + at, len);
        if (len > 0 && line.data[0] == '!')
            fault(&w, line);
        else if (len > 0)
            say(&w, line);
        at += len + 1;
    }
    world_release_held(&w);
    world_done(&w);
    return 0;
}
