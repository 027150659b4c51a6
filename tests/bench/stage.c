/* SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include "common/os/clock.h"
#include "core/negotiation.h"
#include "io/sockaddr.h"
#include "keys.h"
#include "machine.h"
#include "rtc/stun.h"
#include "spoof.h"
#include "studio.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { VIEWER_PORT = 40000, PEOPLE_AT_ONCE = 256 };
#define CONNECT_TIME   SECONDS(20)
#define CONSENT_TIME   MILLIS(2500) /* how often browsers check a path that works */
#define CONSENT_STEP   MILLIS(10)
#define CONNECT_WINDOW MILLIS(5)

static const char remote_ufrag[] = "them";

struct person {
    struct net_addr address;
    uint32_t number;
    int socket; /* of a publisher; -1: a viewer, spoofed */
    char ufrag[16], pwd[32];
};

static bool is_publisher(const struct stage *s, const struct person *p)
{
    return p->number < s->config.rooms;
}

static size_t room_of(const struct stage *s, const struct person *p)
{
    return is_publisher(s, p) ? p->number : (p->number - s->config.rooms) / s->config.viewers;
}

/* ---- commands */

static void name_participant(size_t number, char ret[PARTICIPANT_KEY_MAX + 1])
{
    (void)snprintf(ret, PARTICIPANT_KEY_MAX + 1, "p_%016zx", number);
}

static struct command *new_command(const struct stage *s, const struct person *p,
                                   enum command_kind kind)
{
    struct command *c = calloc(1, sizeof *c);
    check(c != NULL);
    c->kind = kind;
    (void)snprintf(c->room, sizeof c->room, "default/room-%zu", room_of(s, p));
    name_participant(p->number, c->participant);
    return c;
}

/* Takes what is done; how many of `count` are left. */
static size_t take_done(struct stage *s, size_t count)
{
    struct event e;
    while (inbox_next_event(thread_inbox(s->thread), &e)) {
        if (e.kind != EVENT_COMMAND_DONE)
            continue;
        if (e.err != OK)
            fprintf(stderr, "bench: command %d of %s: %s\n", (int)e.command->kind,
                    e.command->participant, err_name(e.err));
        check(e.err == OK && count > 0);
        free(e.command);
        count--;
    }
    return count;
}

/* One command for each of the people from `first` on, before `end`. NULL of `make`: none. */
static void tell(struct stage *s, size_t first, size_t end,
                 struct command *(*make)(struct stage *s, struct person *p))
{
    size_t waiting = 0;
    for (size_t i = first; i < end; i++) {
        struct command *c = make(s, &s->people[i]);
        if (c == NULL)
            continue;
        check(inbox_post(thread_inbox(s->thread), c));
        waiting++;
    }
    for (; waiting > 0; waiting = take_done(s, waiting))
        machine_sleep_until(clock_now() + MILLIS(1));
}

/* What a browser would have negotiated; the same for everybody. */
static bool negotiate_once(const struct stage_config *config, struct transport_params *ret)
{
    static uint8_t answer[SDP_ANSWER_SIZE_MAX];
    struct negotiation_scratch *scratch = malloc(sizeof *scratch);
    struct negotiation_result *result = malloc(sizeof *result);
    struct negotiation_request q = { .offer = bytes_of_str(config->offer),
                                     .source_count = SOURCE_COUNT,
                                     .allowed = SOURCES_ALL,
                                     .local_ufrag = "ufrag",
                                     .local_pwd = "a-password-of-many-letters",
                                     .fingerprint = { .hash = SDP_SHA256, .len = 32 } };
    for (unsigned i = 0; i < SOURCE_COUNT; i++) {
        q.sources[i].source = (enum source)i;
        (void)snprintf(q.sources[i].mid, sizeof q.sources[i].mid, "%u", i);
    }
    struct writer w = writer_of(answer, sizeof answer);
    struct sdp_error error;
    enum err err =
        scratch == NULL || result == NULL ? ERR_SYSTEM : negotiate(&q, scratch, result, &w, &error);
    if (err == OK)
        *ret = result->params;
    else
        fprintf(stderr, "bench: the offer: %s\n", err_name(err));
    free(scratch);
    free(result);
    return err == OK;
}

static struct transport_params negotiated;

static const struct media_params *find_media(enum media_role role, enum source source)
{
    for (size_t i = 0; i < negotiated.media_count; i++) {
        const struct media_params *m = &negotiated.media[i];
        bool is_it = role == MEDIA_PUBLISH ? m->source == source : m->kind == source_kind(source);
        if (m->role == role && is_it)
            return m;
    }
    check(!"the offer has such an m-line");
    return NULL;
}

static uint32_t ssrc_of(size_t number)
{
    return 0x10000000u + (uint32_t)number;
}

static struct command *make_create(struct stage *s, struct person *p)
{
    struct command *c = new_command(s, p, COMMAND_TRANSPORT_CREATE);
    struct transport_params *t = &c->transport;
    *t = negotiated;
    memcpy(t->local_ufrag, p->ufrag, sizeof p->ufrag);
    memcpy(t->local_pwd, p->pwd, sizeof p->pwd);
    memcpy(t->remote_ufrag, remote_ufrag, sizeof remote_ufrag);
    t->dtls_client = true;
    t->fingerprint_count = 1;
    t->fingerprints[0] = (struct sdp_fingerprint){ .hash = SDP_SHA256, .len = 32 };
    keys_write_number(p->number, t->fingerprints[0].value);
    for (size_t i = 0; i < t->media_count; i++) {
        struct media_params *m = &t->media[i];
        if (m->role != MEDIA_PUBLISH || m->source != SOURCE_CAMERA)
            continue;
        m->rid_count = 0;
        m->ssrc = ssrc_of(p->number);
        m->rtx_ssrc = 0;
    }
    return c;
}

static struct command *make_view(struct stage *s, struct person *p)
{
    if (is_publisher(s, p))
        return NULL;
    struct command *c = new_command(s, p, COMMAND_SLOTS_SET);
    struct slot_setting *slot = &c->slots_set.slots[0];
    c->slots_set.version = 1;
    c->slots_set.slot_count = 1;
    *slot = (struct slot_setting){ .has_track = true, .source = SOURCE_CAMERA, .spatial_max = 2 };
    memcpy(slot->mid, find_media(MEDIA_SLOT, SOURCE_CAMERA)->mid, sizeof slot->mid);
    name_participant(room_of(s, p), slot->participant);
    return c;
}

/* ---- ICE */

static void send_check(struct stage *s, const struct person *p)
{
    uint8_t packet[STUN_MESSAGE_MAX];
    char username[32];
    (void)snprintf(username, sizeof username, "%s:%s", p->ufrag, remote_ufrag);
    struct writer w = writer_of(packet, sizeof packet);
    struct stun_binding b = { .username = bytes_of_str(username),
                              .password = bytes_of_str(p->pwd),
                              .priority = 1,
                              .tie_breaker = 7,
                              .use_candidate = true };
    static uint32_t transaction;
    store_be32(b.transaction.id, p->number);
    store_be32(b.transaction.id + 4, transaction++);
    check(stun_write_request(&b, &w) == OK);
    struct bytes data = bytes_of(packet, writer_len(&w));
    if (p->socket >= 0)
        (void)!send(p->socket, data.data, data.len, 0); /* lost, it is repeated */
    else
        (void)spoof_send(s->spoof_fd, &p->address, &s->address, data);
}

/* What is due by now, of the first `count` people in turn. */
static void renew_consents(struct stage *s, size_t count)
{
    usec now = clock_now();
    s->checks_owed += (double)count * (double)(now - s->checked_at) / (double)CONSENT_TIME;
    s->checks_owed = MIN(s->checks_owed, (double)count);
    for (s->checked_at = now; s->checks_owed >= 1; s->checks_owed--) {
        send_check(s, &s->people[s->check_next]);
        s->check_next = (s->check_next + 1) % count;
    }
}

void stage_run_until(struct stage *s, usec end)
{
    for (usec at = clock_now(); at < end;) {
        at = MIN(end, at + CONSENT_STEP);
        machine_sleep_until(at);
        renew_consents(s, s->person_count);
        (void)take_done(s, 0);
    }
}

/* The people from `first` on, before `end`, are checked until all are there; those before them are
 * not forgotten meanwhile. */
static bool connect_some(struct stage *s, size_t first, size_t end)
{
    const struct worker_stats *stats = thread_worker_stats(s->thread);
    usec until = clock_now() + CONNECT_TIME;
    while (stats_read(stats, STAT_CONNECTED) < end) {
        for (size_t i = first; i < end; i++)
            send_check(s, &s->people[i]);
        machine_sleep_until(clock_now() + CONNECT_WINDOW);
        renew_consents(s, end);
        if (clock_now() > until) {
            fprintf(stderr, "bench: %llu of %zu connected; are checks from elsewhere let in?\n",
                    (unsigned long long)stats_read(stats, STAT_CONNECTED), end);
            return false;
        }
    }
    return true;
}

/* A few at a time: who was created has to come within 30 s. */
static bool let_in(struct stage *s)
{
    for (size_t first = 0; first < s->person_count; first += PEOPLE_AT_ONCE) {
        size_t end = MIN(first + PEOPLE_AT_ONCE, s->person_count);
        tell(s, first, end, make_create);
        if (!connect_some(s, first, end))
            return false;
        tell(s, first, end, make_view);
        renew_consents(s, end);
    }
    return true;
}

/* ---- opening */

static void name_person(struct person *p, size_t number)
{
    p->number = (uint32_t)number;
    p->socket = -1;
    (void)snprintf(p->ufrag, sizeof p->ufrag, "u%06x", p->number);
    (void)snprintf(p->pwd, sizeof p->pwd, "a-password-for-%08x", p->number);
    uint8_t ip[4];
    store_be32(ip, 10u << 24 | (p->number + 1));
    p->address = net_addr_ipv4(ip, VIEWER_PORT);
}

static bool open_camera(struct stage *s, size_t room)
{
    struct camera *c = &s->cameras[room];
    struct dtls_keys keys;
    const struct media_params *m = find_media(MEDIA_PUBLISH, SOURCE_CAMERA);
    *c = (struct camera){ .trace = s->config.trace, .ext = negotiated.ext, .ssrc = ssrc_of(room) };
    memcpy(c->mid, m->mid, sizeof c->mid);
    for (size_t i = 0; i < m->payload_type_count; i++) {
        if (negotiated.formats[m->payload_types[i]].codec == CODEC_VP8)
            c->payload_type = m->payload_types[i];
    }
    keys_of((uint32_t)room, s->config.profile, &keys);
    s->sockets[room] = studio_socket(&s->address);
    s->people[room].socket = s->sockets[room];
    return s->sockets[room] >= 0 && camera_init(c, &keys) == OK;
}

static bool open_people(struct stage *s)
{
    s->person_count = s->config.rooms * (1 + s->config.viewers);
    s->people = calloc(s->person_count, sizeof *s->people);
    s->cameras = calloc(s->config.rooms, sizeof *s->cameras);
    s->sockets = calloc(s->config.rooms, sizeof *s->sockets);
    if (s->people == NULL || s->cameras == NULL || s->sockets == NULL)
        return false;
    for (size_t i = 0; i < s->person_count; i++)
        name_person(&s->people[i], i);
    for (size_t i = 0; i < s->config.rooms; i++) {
        if (!open_camera(s, i))
            return false;
    }
    s->spoof_fd = spoof_open();
    return s->spoof_fd >= 0;
}

static bool start_sfud(struct stage *s)
{
    size_t count = s->config.rooms * (1 + s->config.viewers);
    size_t participants = MAX(MAX(count, s->config.participants), (size_t)WORKER_PARTICIPANTS_MAX);
    struct thread_config config = {
        .cpu = s->config.cpu,
        .backend = s->config.backend,
        .listen = &s->config.listen,
        .listen_count = 1,
        .gso = !s->config.no_gso,
        .window = s->config.no_window ? 0 : MILLIS(2),
        .worker = { .random = { 1, 2, 3, 4 },
                    .no_bandwidth_control = s->config.no_bandwidth_control,
                    .seal = s->engine,
                    .participants_max = participants,
                    .rooms_max = WORKER_ROOMS_MAX },
        .associations = association_thread_link(NULL, 0),
        .histograms = { .forward_seconds = s->latency.histogram },
        .notify = &s->notify,
    };
    config.worker.tracks_max = config.worker.participants_max * 4;
    config.worker.slots_max = config.worker.participants_max * 16;
    struct udp_failure failure;
    struct net_addr bound[UDP_SOCKETS_MAX];
    if (thread_start(&config, &s->thread, &failure) != OK) {
        fprintf(stderr, "bench: %s\n", failure.text);
        return false;
    }
    (void)thread_bound(s->thread, bound);
    s->address = bound[0];
    return true;
}

bool stage_open(struct stage *s, const struct stage_config *config)
{
    *s = (struct stage){ .config = *config, .spoof_fd = -1 };
    check(uv_loop_init(&s->loop) == 0 && uv_async_init(&s->loop, &s->notify, NULL) == 0);
    keys_set_profile(config->profile);
    latency_init(&s->latency);
    s->engine = seal_engine_new(config->seal);
    if (s->engine == NULL || !negotiate_once(config, &negotiated) || !start_sfud(s))
        return false;
    if (!open_people(s)) {
        fprintf(stderr, "bench: people: %s\n", strerror(errno));
        return false;
    }
    s->checked_at = clock_now();
    return let_in(s);
}

void stage_close(struct stage *s)
{
    thread_stop(s->thread);
    seal_engine_free(s->engine);
    for (size_t i = 0; s->cameras != NULL && i < s->config.rooms; i++) {
        camera_done(&s->cameras[i]);
        if (s->sockets[i] > 0)
            close(s->sockets[i]);
    }
    if (s->spoof_fd >= 0)
        close(s->spoof_fd);
    latency_done(&s->latency);
    free(s->cameras);
    free(s->sockets);
    free(s->people);
    uv_close((uv_handle_t *)&s->notify, NULL);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&s->loop);
}
