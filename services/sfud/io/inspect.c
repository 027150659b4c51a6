/* SPDX-License-Identifier: Apache-2.0 */
#include "io/inspect.h"

#include "core/pcap.h"
#include "io/control_impl.h"
#include "io/snapshot_json.h"

#include <stdlib.h>

enum {
    INSPECTIONS_MAX = 8, /* at once: the media threads have other things to do */
    ROOMS_PER_PAGE = 1000,
};
#define PCAP_CONTENT_TYPE "application/vnd.tcpdump.pcap"

/* What a COMMAND_SNAPSHOT carries in command.user: who waits, and the memory to fill. */
struct inspection {
    struct control *control;
    struct http_exchange *exchange; /* NULL: answered */
    size_t worker;
    union {
        struct room_snapshot room;
        struct participant_snapshot participant;
        struct packets_snapshot packets;
    };
};

static void refuse(struct http_exchange *x, int status, const char *error, const char *detail)
{
    http_response_problem(http_exchange_response(x), status, error, "%s", detail);
    http_exchange_finish(x);
}

void inspect_command_free(struct command *command)
{
    struct inspection *i = command->user;
    if (i->exchange != NULL)
        refuse(i->exchange, 503, "unavailable", "The node is stopping.");
    i->control->inspections--;
    free(i);
    free(command);
}

/* ---- answers */

static struct net_addr local_address(const struct control *c, size_t worker, uint8_t family)
{
    struct net_addr bound[UDP_SOCKETS_MAX], ret = { 0 };
    size_t count = thread_bound(c->threads[worker], bound);
    for (size_t i = 0; i < count; i++) {
        if (bound[i].family == family || ret.port == 0)
            ret = bound[i];
    }
    for (size_t i = 0; i < c->candidate_count; i++) {
        if (c->candidates[i].family == ret.family) {
            memcpy(ret.ip, c->candidates[i].ip, sizeof ret.ip);
            break;
        }
    }
    return ret;
}

static void answer_packets(const struct control *c, const struct inspection *i)
{
    const struct packet_ring *ring = &i->packets.ring;
    struct net_addr local = local_address(c, i->worker, ring->addresses[ring->address_last].family);
    uint8_t *file = malloc(PCAP_SIZE_MAX);
    struct http_response *r = http_exchange_response(i->exchange);
    if (file != NULL) {
        struct writer w = writer_of(file, PCAP_SIZE_MAX);
        pcap_write(&w, ring, &local, i->packets.wall_minus_now);
        check(!w.failed);
        http_response_bytes(r, 200, PCAP_CONTENT_TYPE, bytes_of(file, writer_len(&w)));
        http_response_header(r, "Content-Disposition", "attachment; filename=\"packets.pcap\"");
    }
    free(file);
}

static void answer(const struct control *c, const struct command *command)
{
    const struct inspection *i = command->user;
    struct http_response *r = http_exchange_response(i->exchange);
    if (command->snapshot.ret_room != NULL)
        http_response_json(r, 200, snapshot_json_room(command->room, &i->room));
    else if (command->snapshot.ret_participant != NULL)
        http_response_json(r, 200, snapshot_json_participant(command->room, &i->participant));
    else
        answer_packets(c, i);
}

void inspect_on_command_done(struct control *c, const struct event *e)
{
    struct command *command = e->command;
    struct inspection *i = command->user;
    struct http_exchange *x = i->exchange;
    if (e->err != OK) {
        refuse(x, 404, "not-found", "No such participant on this node.");
    } else {
        answer(c, command);
        http_exchange_finish(x);
    }
    i->exchange = NULL;
    inspect_command_free(command);
}

/* ---- requests */

/* The room's name of the path, and the participant's, if any. False: no such thing can be. */
static bool take_names(const struct http_request *r, struct command *command)
{
    const char *org = http_request_param(r, "org"), *name = http_request_param(r, "name");
    const char *participant = http_request_param(r, "participant");
    size_t org_len = strlen(org), name_len = strlen(name), len = strlen(participant);
    if (org_len + 1 + name_len > ROOM_KEY_MAX || len > PARTICIPANT_KEY_MAX)
        return false;
    memcpy(command->room, org, org_len);
    command->room[org_len] = '/';
    memcpy(command->room + org_len + 1, name, name_len);
    memcpy(command->participant, participant, len);
    return true;
}

/* NULL: there is no such room here. */
static const struct member_room *find_room(const struct control *c, const char *name)
{
    const struct map_node *n = map_find(&c->members.rooms, name);
    return n == NULL ? NULL : container_of(n, struct member_room, by_name);
}

static struct command *inspection_new(struct control *c, struct http_exchange *x)
{
    struct command *command = calloc(1, sizeof *command);
    struct inspection *i = calloc(1, sizeof *i);
    if (command == NULL || i == NULL) {
        free(command);
        free(i);
        return NULL;
    }
    *command = (struct command){ .kind = COMMAND_SNAPSHOT, .user = i };
    i->control = c;
    i->exchange = x;
    c->inspections++;
    return command;
}

static void post(struct control *c, struct command *command)
{
    struct inspection *i = command->user;
    const struct member_room *room = find_room(c, command->room);
    if (room == NULL) {
        refuse(i->exchange, 404, "not-found", "No such room on this node.");
        i->exchange = NULL;
        inspect_command_free(command);
        return;
    }
    i->worker = room->worker;
    if (inbox_post(thread_inbox(c->threads[room->worker]), command))
        return;
    refuse(i->exchange, 503, "overloaded", "The worker does not keep up.");
    i->exchange = NULL;
    inspect_command_free(command);
}

/* NULL: refused, and answered. */
static struct command *begin(struct http_exchange *x, void *data)
{
    struct control *c = admin_data(data);
    struct command *command = NULL;
    if (c->is_leaving || c->threads[0] == NULL)
        refuse(x, 503, "unavailable", "The node is stopping.");
    else if (c->inspections >= INSPECTIONS_MAX)
        refuse(x, 503, "overloaded", "Too many at once.");
    else if ((command = inspection_new(c, x)) == NULL)
        refuse(x, 500, "internal", "No memory.");
    else if (!take_names(http_exchange_request(x), command)) {
        ((struct inspection *)command->user)->exchange = NULL;
        inspect_command_free(command);
        command = NULL;
        refuse(x, 404, "not-found", "No such name can be.");
    }
    return command;
}

static bool take_skip(struct http_exchange *x, uint64_t *ret)
{
    if (http_request_query_u64(http_exchange_request(x), "skip", 0, 0, 1000000, ret) == OK)
        return true;
    refuse(x, 400, "bad-request", "skip is not a number.");
    return false;
}

static void on_rooms(struct http_exchange *x, void *data)
{
    const struct control *c = admin_data(data);
    uint64_t skip;
    if (!take_skip(x, &skip))
        return;
    json_t *list = json_array();
    uint64_t total = 0;
    for (struct map_node *n = map_first(&c->members.rooms); n != NULL;
         n = map_next(&c->members.rooms, n)) {
        const struct member_room *room = container_of(n, struct member_room, by_name);
        if (total++ < skip || json_array_size(list) == ROOMS_PER_PAGE)
            continue;
        (void)json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "room", room->name,
                                                    "participants", (json_int_t)room->member_count,
                                                    "worker", (json_int_t)room->worker));
    }
    http_response_json(http_exchange_response(x), 200,
                       json_pack("{s:s, s:I, s:o}", "node", c->node_id, "total", (json_int_t)total,
                                 "rooms", list));
    http_exchange_finish(x);
}

static void on_room(struct http_exchange *x, void *data)
{
    uint64_t skip;
    if (!take_skip(x, &skip))
        return;
    struct command *command = begin(x, data);
    if (command == NULL)
        return;
    command->snapshot.ret_room = &((struct inspection *)command->user)->room;
    command->snapshot.skip = skip;
    post(admin_data(data), command);
}

static void on_participant(struct http_exchange *x, void *data)
{
    struct command *command = begin(x, data);
    if (command == NULL)
        return;
    command->snapshot.ret_participant = &((struct inspection *)command->user)->participant;
    post(admin_data(data), command);
}

static void on_packets(struct http_exchange *x, void *data)
{
    struct command *command = begin(x, data);
    if (command == NULL)
        return;
    command->snapshot.ret_packets = &((struct inspection *)command->user)->packets;
    post(admin_data(data), command);
}

#define ROOM        "/v1/rooms/{org}/{name}"
#define PARTICIPANT ROOM "/participants/{participant}"

static const struct http_route routes[] = {
    { HTTP_METHOD_GET, "/v1/rooms", on_rooms, 0, NULL },
    { HTTP_METHOD_GET, ROOM, on_room, 0, NULL },
    { HTTP_METHOD_GET, PARTICIPANT, on_participant, 0, NULL },
    { HTTP_METHOD_GET, PARTICIPANT "/packets.pcap", on_packets, 0, NULL },
};

struct admin_routes inspect_routes(struct control *c)
{
    return (struct admin_routes){ .routes = routes, .count = ARRAY_LEN(routes), .data = c };
}
