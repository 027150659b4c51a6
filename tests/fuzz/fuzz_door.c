/* fuzz_door.c - what WHIP and WHEP clients send: offers, paths, tokens of sessions, and requests
 * through the whole hub.
 *
 * The first byte chooses: an offer alone, the token of a session alone, or requests. Of requests
 * the rest is one per line, "<method digit> <path>", '~' in a path standing for the newest session;
 * a line that starts with '!' is a fault of the cluster. SPDX-License-Identifier: Apache-2.0 */
#include "../unit/signald/world.h"
#include "services/signald/core/door_offer.h"
#include "services/signald/core/resume_token.h"

#include <stdio.h>

#define OFFER                                                                                      \
    "v=0\r\ns=-\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n"                                  \
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\na=recvonly\r\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_offer(struct bytes text)
{
    for (unsigned is_viewer = 0; is_viewer < 2; is_viewer++) {
        char why[DOOR_OFFER_WHY_MAX] = "";
        json_t *sources = NULL;
        unsigned mask = 0;
        if (door_offer_read(text, is_viewer == 1, &sources, &mask, why) != OK) {
            check(why[0] != 0 && sources == NULL);
            continue;
        }
        check(json_object_size(sources) == (size_t)__builtin_popcount(mask));
        check(is_viewer == 1 || mask != 0);
        json_decref(sources);
    }
}

static void read_token(struct bytes text)
{
    char token[1024];
    struct resume_token t;
    if (text.len >= sizeof(token))
        return;
    memcpy(token, text.data, text.len);
    token[text.len] = 0;
    if (resume_token_read(TOKEN_FOR_DOOR, token, &t) != OK)
        return;
    check(id_is_valid(t.participant, "p_") && strlen(t.hash) == RESUME_HASH_CAPACITY - 1);
    check(strchr(t.room_id, '/') != NULL && t.org[0] != 0 && t.room[0] != 0);
}

static void fault(struct world *w, char which)
{
    switch (which) {
    case 'r':
        w->node_refuses = !w->node_refuses;
        break;
    case 's':
        w->node_is_silent = !w->node_is_silent;
        break;
    case 'f':
        w->redis_fails = !w->redis_fails;
        break;
    case 'o':
        hub_on_redis(w->hub, !w->hub->has_redis);
        world_pump(w);
        break;
    case 'h':
        if (w->holds_scripts)
            world_release_held(w);
        else
            w->holds_scripts = true;
        break;
    case 'd':
        hub_on_drain(w->hub);
        break;
    default:
        world_pass(w, MILLIS(500));
        break;
    }
}

static void request(struct world *w, char *line)
{
    char path[512], session[300] = "";
    if (w->exchange_count == WORLD_EXCHANGES || strlen(line) < 3)
        return;
    for (size_t i = w->exchange_count; i > 0 && session[0] == 0; i--) {
        const char *where = http_response_get_header(&w->exchanges[i - 1].response, "Location");
        snprintf(session, sizeof(session), "%s", where == NULL ? "" : strrchr(where, '/') + 1);
    }
    char *mark = strchr(line, '~');
    if (mark != NULL)
        *mark = 0;
    int len = snprintf(path, sizeof(path), "%s%s%s", line + 2, mark == NULL ? "" : session,
                       mark == NULL ? "" : mark + 1);
    for (char *c = strchr(path, '?'); c != NULL && *c != 0; c++)
        if (*c == '&') /* the world wants name=value */
            *c = '_';
    char *query = strchr(path, '?');
    if (len <= 0 || (size_t)len >= sizeof(path) || (query != NULL && strchr(query, '=') == NULL))
        return;
    const char *const headers[] = { "Content-Type",
                                    line[1] == 'f' ? "application/trickle-ice-sdpfrag"
                                                   : "application/sdp",
                                    "Authorization",
                                    "Bearer t",
                                    "If-Match",
                                    "*",
                                    NULL };
    size_t x = world_http(w, (enum http_method)((unsigned char)line[0] % HTTP_METHOD_COUNT), path,
                          headers, OFFER);
    if (w->exchanges[x].response.status != 0 || line[1] == 'x')
        world_http_close(w, x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct bytes rest = bytes_of(data + 1, size - 1);
    if (data[0] == 'o')
        read_offer(rest);
    else if (data[0] == 't')
        read_token(rest);
    if (data[0] == 'o' || data[0] == 't')
        return 0;
    struct world w;
    world_init(&w);
    for (size_t at = 0, lines = 0; at < rest.len && lines < 64; lines++) {
        const uint8_t *end = memchr(rest.data + at, '\n', rest.len - at);
        size_t len = end == NULL ? rest.len - at : (size_t)(end - rest.data) - at;
        char line[256];
        snprintf(line, sizeof(line), "%.*s", (int)MIN(len, sizeof(line) - 1),
                 (const char *)rest.data + at);
        at += len + 1;
        if (line[0] == '!')
            fault(&w, line[1]);
        else
            request(&w, line);
    }
    w.node_is_silent = w.redis_fails = false;
    hub_on_redis(w.hub, true);
    world_release_held(&w);
    hub_on_drain(w.hub);
    world_pass(&w, DRAIN_SPREAD + SECONDS(2));
    check(w.hub->door_count == 0 && w.hub->socket_count == 0);
    check(json_object_size(w.participants) == 0);
    world_done(&w);
    return 0;
}
