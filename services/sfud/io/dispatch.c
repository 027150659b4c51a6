/* Requests of signald: parsed, negotiated, handed to the room's worker, answered when it is done.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/control_impl.h"

#include "common/os/clock.h"
#include "common/os/log.h"
#include "common/os/random.h"

#include <stdlib.h>

/* What a command carries on its way through the worker, in command.user. */
struct pending {
    char id[REQUEST_ID_MAX + 1];
    char reply[REQUEST_REPLY_MAX + 1];
    enum request_op op;
    usec since;
    char *answer; /* if the worker agrees; NULL: a plain ok */
};

static void pending_free(struct pending *p)
{
    if (p == NULL)
        return;
    free(p->answer);
    free(p);
}

static void count(struct control *c, enum request_result result)
{
    metric_inc(c->results[result]);
}

/* Publishes and remembers; takes `text`. */
static void answer(struct control *c, const char *id, const char *channel, char *text)
{
    if (text == NULL)
        return;
    reply_memory_answer(&c->replies, id, text);
    control_publish(c, channel, text);
    free(text);
}

static void answer_error(struct control *c, const char *id, const char *channel, const char *error,
                         const char *message)
{
    count(c, RESULT_ERROR);
    answer(c, id, channel, reply_write_error(id, error, message));
}

static void answer_ok(struct control *c)
{
    count(c, RESULT_OK);
    answer(c, c->request->id, c->request->reply, reply_write_ok(c->request->id));
}

static void refuse(struct control *c, const char *error, const char *message)
{
    const struct request *r = c->request;
    log_info("request.refused", KV_STR("id", r->id), KV_STR("op", request_op_name(r->op)),
             KV_STR("room", r->room), KV_STR("participant", r->participant), KV_STR("error", error),
             KV_STR("message", message));
    answer_error(c, r->id, r->reply, error, message);
}

static struct command *command_new(struct control *c, enum command_kind kind, const char *room,
                                   const char *participant)
{
    struct command *command = calloc(1, sizeof *command);
    if (command == NULL)
        return NULL;
    command->kind = kind;
    command->id = ++c->command_id;
    memcpy(command->room, room, strlen(room) + 1);
    memcpy(command->participant, participant, strlen(participant) + 1);
    return command;
}

/* A command for the request in hand, which is answered when it is done. */
static struct command *command_for_request(struct control *c, enum command_kind kind)
{
    const struct request *r = c->request;
    struct command *command = command_new(c, kind, r->room, r->participant);
    struct pending *p = calloc(1, sizeof *p);
    if (command == NULL || p == NULL) {
        free(command);
        free(p);
        return NULL;
    }
    memcpy(p->id, r->id, sizeof p->id);
    memcpy(p->reply, r->reply, sizeof p->reply);
    p->op = r->op;
    p->since = clock_now();
    command->user = p;
    return command;
}

void dispatch_command_free(struct command *command)
{
    if (command == NULL)
        return;
    if (command->kind == COMMAND_SNAPSHOT) {
        inspect_command_free(command);
        return;
    }
    pending_free(command->user);
    free(command);
}

/* Takes the command; NULL is "no memory". False: refused, and answered. */
static bool post(struct control *c, size_t worker, struct command *command)
{
    if (command == NULL) {
        refuse(c, "internal", "no memory");
        return false;
    }
    if (inbox_post(thread_inbox(c->threads[worker]), command))
        return true;
    dispatch_command_free(command);
    refuse(c, "full", "the worker does not keep up");
    return false;
}

bool dispatch_post_wall(struct control *c, size_t worker, wall_usec wall_minus_now)
{
    struct command *command = command_new(c, COMMAND_WALL_SET, "", "");
    if (command == NULL)
        return false;
    command->wall_minus_now = wall_minus_now;
    if (inbox_post(thread_inbox(c->threads[worker]), command))
        return true;
    free(command);
    return false;
}

/* ---- participant.create, participant.update */

static void renew_credentials(struct member_secrets *s)
{
    uint8_t random[20];
    random_bytes(random, sizeof random);
    base32_write(s->pwd, random, 20);
    random_bytes(random, sizeof random);
    base32_write(s->ufrag, random, 10);
    bytes_wipe(random, sizeof random);
}

static struct member_secrets fresh_secrets(void)
{
    struct member_secrets s = { .session_id = 0 };
    random_bytes(s.seed, sizeof s.seed);
    random_bytes(&s.session_id, sizeof s.session_id);
    s.session_id &= INT64_MAX; /* RFC 8829 §5.2.1: 63 bits */
    renew_credentials(&s);
    return s;
}

enum { ANSWER_CANDIDATES_MAX = 2 * CANDIDATES_MAX };
static_assert((int)ANSWER_CANDIDATES_MAX <= (int)SDP_CANDIDATES_MAX, "both of each fit");

/* Each announced address with the port of the socket of its family. */
static size_t add_candidates(const struct control *c, const struct net_addr *bound,
                             size_t bound_count, size_t count, struct sdp_candidate *ret)
{
    for (size_t i = 0; i < c->candidate_count; i++) {
        for (size_t j = 0; j < bound_count; j++) {
            if (bound[j].family != c->candidates[i].family)
                continue;
            char text[NET_ADDR_TEXT_SIZE];
            ret[count] = (struct sdp_candidate){ .port = bound[j].port,
                                                 .tcp = bound[j].protocol == NET_TCP };
            net_addr_format_ip(&c->candidates[i], text);
            memcpy(ret[count].address, text, sizeof ret[count].address);
            ret[count++].address[sizeof ret[0].address - 1] = 0;
            break;
        }
    }
    return count;
}

static size_t candidates_of(const struct control *c, size_t worker,
                            struct sdp_candidate ret[ANSWER_CANDIDATES_MAX])
{
    struct net_addr bound[UDP_SOCKETS_MAX];
    size_t bound_count = thread_bound(c->threads[worker], bound);
    size_t count = add_candidates(c, bound, bound_count, 0, ret);
    bound_count = thread_tcp_bound(c->threads[worker], bound);
    for (size_t i = 0; i < bound_count && c->tcp_port_announced != 0; i++)
        bound[i].port = (uint16_t)(c->tcp_port_announced + worker);
    return add_candidates(c, bound, bound_count, count, ret);
}

/* Fills c->negotiated; ret_answer lies in c->answer. False: refused, and answered.
 * s: what the participant has, or will have; the offer's own are noted. An offer that restarts ICE
 * gives it new credentials; the same offer again finds them there and gets the same. */
static bool negotiate_request(struct control *c, size_t worker, struct member_secrets *s,
                              const struct member *member, struct bytes *ret_answer)
{
    bool is_later = s->remote_ufrag[0] != 0;
    struct member_secrets next;
    renew_credentials(&next);
    struct sdp_candidate candidates[ANSWER_CANDIDATES_MAX];
    struct sdp_error error = { 0 };
    struct writer w = writer_of(c->answer, SDP_ANSWER_SIZE_MAX);
    struct negotiation_request n = {
        .offer = c->request->sdp,
        .source_count = c->request->source_count,
        .allowed = is_later ? member->allowed : c->request->allowed,
        .takes_data = !is_later || member->has_data,
        .data_allowed = is_later ? member->data_allowed : c->request->data_allowed,
        .session_id = s->session_id,
        .local_ufrag = s->ufrag,
        .local_pwd = s->pwd,
        .known_ufrag = is_later ? s->remote_ufrag : NULL,
        .known_pwd = s->remote_pwd,
        .next_ufrag = next.ufrag,
        .next_pwd = next.pwd,
        .fingerprint = c->fingerprint,
        .candidates = candidates,
        .candidate_count = candidates_of(c, worker, candidates),
    };
    memcpy(n.sources, c->request->sources, sizeof n.sources);
    memcpy(n.seed, s->seed, sizeof n.seed);
    enum err e = negotiate(&n, c->scratch, c->negotiated, &w, &error);
    if (e != OK) {
        refuse(c, "bad-sdp", error.text[0] != 0 ? error.text : err_name(e));
        return false;
    }
    if (c->negotiated->is_restart) {
        memcpy(s->ufrag, next.ufrag, sizeof s->ufrag);
        memcpy(s->pwd, next.pwd, sizeof s->pwd);
    }
    memcpy(s->remote_ufrag, c->negotiated->params.remote_ufrag, sizeof s->remote_ufrag);
    memcpy(s->remote_pwd, c->negotiated->remote_pwd, sizeof s->remote_pwd);
    *ret_answer = bytes_of(c->answer, writer_len(&w));
    return true;
}

/* Posts the negotiated transport with its answer. */
static bool post_transport(struct control *c, size_t worker, enum command_kind kind,
                           struct bytes sdp, uint64_t *ret_id)
{
    struct command *command = command_for_request(c, kind);
    if (command != NULL) {
        struct pending *p = command->user;
        command->transport = c->negotiated->params;
        p->answer = reply_write_answer(p->id, sdp, c->negotiated->slots, c->negotiated->slot_count);
        if (p->answer == NULL) {
            dispatch_command_free(command);
            command = NULL;
        } else {
            *ret_id = command->id;
        }
    }
    return post(c, worker, command);
}

/* A transport of the same participant that is here already goes first: whoever asks again with a
 * new request (a client that came back, another signald) means a new one. */
static bool replace(struct control *c, const struct member *member)
{
    struct command *command =
        command_new(c, COMMAND_TRANSPORT_REMOVE, c->request->room, c->request->participant);
    if (command != NULL && inbox_post(thread_inbox(c->threads[member->room->worker]), command))
        return true;
    free(command);
    refuse(c, "full", "the worker does not keep up");
    return false;
}

static void on_create(struct control *c)
{
    const struct request *r = c->request;
    struct member *member = members_find(&c->members, r->room, r->participant);
    bool is_new = member == NULL;
    if (c->is_evacuated) {
        refuse(c, "leaving", "the node is ending");
        return;
    }
    if (c->is_draining && !members_has_room(&c->members, r->room)) {
        refuse(c, "full", "the node is draining");
        return;
    }
    if (is_new)
        member = members_add(&c->members, r->room, r->participant);
    if (member == NULL) {
        refuse(c, "internal", "no memory");
        return;
    }
    struct member_secrets secrets = fresh_secrets();
    struct bytes sdp;
    size_t worker = member->room->worker;
    if (negotiate_request(c, worker, &secrets, member, &sdp) && (is_new || replace(c, member)) &&
        post_transport(c, worker, COMMAND_TRANSPORT_CREATE, sdp, &member->create_id)) {
        member->secrets = secrets;
        member->allowed = r->allowed;
        member->data_allowed = r->data_allowed;
        member->has_data = c->negotiated->params.data.sctp_port != 0;
        member->is_creating = true;
    } else if (is_new) {
        members_remove(&c->members, member);
    }
}

static void on_update(struct control *c, struct member *member)
{
    struct bytes sdp;
    uint64_t id;
    size_t worker = member->room->worker;
    if (!negotiate_request(c, worker, &member->secrets, member, &sdp) ||
        !post_transport(c, worker, COMMAND_TRANSPORT_UPDATE, sdp, &id))
        return;
    if (c->negotiated->is_restart)
        log_info("transport.restarted", KV_STR("room", c->request->room),
                 KV_STR("participant", c->request->participant));
}

/* ---- the others */

static void on_remove(struct control *c, struct member *member)
{
    if (post(c, member->room->worker, command_for_request(c, COMMAND_TRANSPORT_REMOVE)))
        members_remove(&c->members, member);
}

static void on_slots_set(struct control *c, const struct member *member)
{
    const struct request *r = c->request;
    struct command *command = command_for_request(c, COMMAND_SLOTS_SET);
    if (command != NULL) {
        command->slots_set.version = r->version;
        command->slots_set.tell_again = r->tell_again;
        command->slots_set.slot_count = r->slot_count;
        memcpy(command->slots_set.slots, r->slots, r->slot_count * sizeof r->slots[0]);
    }
    (void)post(c, member->room->worker, command);
}

static void on_track_set(struct control *c, const struct member *member)
{
    struct command *command = command_for_request(c, COMMAND_TRACK_SET);
    if (command != NULL) {
        command->track_set.source = c->request->source;
        command->track_set.muted = c->request->muted;
    }
    (void)post(c, member->room->worker, command);
}

static void on_drain(struct control *c)
{
    control_drain(c, c->request->op == REQUEST_NODE_DRAIN);
    count(c, RESULT_OK);
    const struct node_state state = { .node = c->node_id,
                                      .is_draining = c->is_draining,
                                      .room_count = members_room_count(&c->members),
                                      .participant_count = members_count(&c->members) };
    answer(c, c->request->id, c->request->reply, reply_write_node(c->request->id, &state));
}

static void on_member_request(struct control *c)
{
    const struct request *r = c->request;
    struct member *member = members_find(&c->members, r->room, r->participant);
    if (member == NULL && r->op == REQUEST_PARTICIPANT_REMOVE)
        answer_ok(c); /* signald asks so when it hears from us that the transport has failed */
    else if (member == NULL)
        refuse(c, "not-found", "no such participant on this node");
    else if (r->op == REQUEST_PARTICIPANT_UPDATE)
        on_update(c, member);
    else if (r->op == REQUEST_PARTICIPANT_REMOVE)
        on_remove(c, member);
    else if (r->op == REQUEST_SLOTS_SET)
        on_slots_set(c, member);
    else
        on_track_set(c, member);
}

static void on_parsed(struct control *c)
{
    const struct request *r = c->request;
    const char *reply;
    if (clock_wall() / 1000 > r->deadline_ms) {
        count(c, RESULT_EXPIRED);
        return;
    }
    enum reply_seen seen = reply_memory_see(&c->replies, r->id, clock_now(), &reply);
    if (seen != REPLY_NEW) {
        count(c, RESULT_REPEATED);
        if (seen == REPLY_ANSWERED)
            control_publish(c, r->reply, reply);
    } else if (r->op == REQUEST_PARTICIPANT_CREATE) {
        on_create(c);
    } else if (r->op == REQUEST_NODE_DRAIN || r->op == REQUEST_NODE_UNDRAIN) {
        on_drain(c);
    } else {
        on_member_request(c);
    }
}

void dispatch_on_request(struct control *c, struct bytes text)
{
    char why[REQUEST_WHY_MAX];
    struct request *r = c->request;
    if (request_parse(text, r, why) == OK) {
        on_parsed(c);
    } else {
        count(c, RESULT_MALFORMED);
        log_warn("request.malformed", KV_STR("id", r->id), KV_STR("message", why));
        if (r->id[0] != 0 && r->reply[0] != 0) {
            char *reply = reply_write_error(r->id, "bad-request", why);
            if (reply != NULL)
                control_publish(c, r->reply, reply);
            free(reply);
        }
    }
    request_done(r);
}

static const char *wire_error(enum err e)
{
    switch (e) {
    case ERR_FULL:
        return "full";
    case ERR_NOT_FOUND:
        return "not-found";
    case ERR_MALFORMED:
    case ERR_UNSUPPORTED:
        return "bad-request";
    default:
        return "internal";
    }
}

/* A create that failed leaves nothing behind, unless it has been replaced meanwhile. */
static void on_created(struct control *c, const struct command *command, enum err e)
{
    struct member *member = members_find(&c->members, command->room, command->participant);
    if (member == NULL || member->create_id != command->id)
        return;
    member->is_creating = false;
    if (e != OK)
        members_remove(&c->members, member);
}

void dispatch_on_command_done(struct control *c, const struct event *e)
{
    struct command *command = e->command;
    if (command->kind == COMMAND_SNAPSHOT) {
        inspect_on_command_done(c, e);
        return;
    }
    struct pending *p = command->user;
    if (command->kind == COMMAND_TRANSPORT_CREATE)
        on_created(c, command, e->err);
    if (p != NULL) {
        metric_observe(c->request_seconds, (double)(clock_now() - p->since) / 1e6);
        if (e->err != OK) {
            log_info("request.refused", KV_STR("id", p->id), KV_STR("op", request_op_name(p->op)),
                     KV_STR("room", command->room), KV_STR("participant", command->participant),
                     KV_ERR("error", e->err));
            answer_error(c, p->id, p->reply, wire_error(e->err), err_name(e->err));
        } else {
            count(c, RESULT_OK);
            char *text = p->answer != NULL ? p->answer : reply_write_ok(p->id);
            p->answer = NULL;
            answer(c, p->id, p->reply, text);
        }
    }
    dispatch_command_free(command);
}
