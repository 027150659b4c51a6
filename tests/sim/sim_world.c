/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_world.h"

#include "common/splitmix.h"
#include "rtc/demux.h"

#include "core/driver.h"
#include "core/srtp_session.h"

#include <stdio.h>
#include <stdlib.h>

enum parcel_kind { UP, DOWN, TEXT_UP, TEXT_DOWN, FETCHED, OPENED, CLOSED, GONE };

struct sim_parcel {
    usec at;
    uint64_t order;
    enum parcel_kind kind;
    unsigned bot, socket;
    struct net_addr addr; /* UP: from; DOWN: to */
    int code;
    uint8_t *data; /* owned; TEXT: zero-terminated */
    size_t len;
};

/* --- parcels --- */

static bool before(const struct sim_parcel *a, const struct sim_parcel *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(struct sim_parcel *a, struct sim_parcel *b)
{
    struct sim_parcel t = *a;
    *a = *b;
    *b = t;
}

static struct sim_parcel *post(struct sim *s, enum parcel_kind kind, unsigned bot, usec delay)
{
    if (s->parcel_count == s->parcel_capacity) {
        s->parcel_capacity = MAX(1024, s->parcel_capacity * 2);
        s->parcels = realloc(s->parcels, s->parcel_capacity * sizeof *s->parcels);
        check(s->parcels != NULL);
    }
    size_t i = s->parcel_count++;
    s->parcels[i] =
        (struct sim_parcel){ .at = s->now + delay, .order = ++s->order, .kind = kind, .bot = bot };
    for (; i > 0 && before(&s->parcels[i], &s->parcels[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&s->parcels[i], &s->parcels[(i - 1) / 2]);
    return &s->parcels[i];
}

static struct sim_parcel take_first(struct sim *s)
{
    struct sim_parcel ret = s->parcels[0];
    s->parcels[0] = s->parcels[--s->parcel_count];
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child < s->parcel_count && child <= 2 * i + 2; child++) {
            if (before(&s->parcels[child], &s->parcels[least]))
                least = child;
        }
        if (least == i)
            return ret;
        swap(&s->parcels[i], &s->parcels[least]);
        i = least;
    }
}

static uint8_t *copy_of(const void *data, size_t len)
{
    uint8_t *ret = malloc(len + 1);
    check(ret != NULL);
    memcpy(ret, data, len);
    ret[len] = '\0';
    return ret;
}

static unsigned random_permille(struct sim *s)
{
    s->random_state = s->random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned)((s->random_state >> 33) % 1000);
}

/* --- the network --- */

/* Bot and leg are in the address, so that it leads back; every socket has a port of its own. */
static struct net_addr address_of(unsigned bot, unsigned leg, uint16_t port)
{
    return net_addr_ipv4((const uint8_t[4]){ 192, 0, (uint8_t)(bot + 1), (uint8_t)(leg + 1) },
                         port);
}

static bool passes(struct sim *s, const struct sim_bot *b, struct bytes datagram, unsigned lose)
{
    enum demux_kind kind = demux_classify(datagram);
    bool media = kind == DEMUX_RTP || kind == DEMUX_RTCP;
    bool lost = media && lose > 0 && random_permille(s) < lose;
    s->lost += lost;
    return !lost && !b->deaf && !(s->no_dtls && kind == DEMUX_DTLS);
}

static void carry_down(struct sim *s, const struct net_addr *to, struct bytes datagram)
{
    s->datagrams_down++;
    unsigned bot = to->ip[2] - 1u, leg = to->ip[3] - 1u;
    check(bot < s->bot_count && leg < BOT_LEGS_MAX);
    struct sim_bot *b = &s->bots[bot];
    struct net_addr here = address_of(bot, leg, b->ports[leg]);
    if (b->ports[leg] == 0 || !net_addr_equal(&here, to))
        return;
    if (s->watch != NULL)
        s->watch->output(s->watch->data, bot, datagram);
    if (!passes(s, b, datagram, s->lose_down))
        return;
    if (b->down != NULL) {
        (void)netem_push(b->down, datagram, &(struct netem_tag){ .leg = leg, .addr = *to }, s->now);
        return;
    }
    struct sim_parcel *p = post(s, DOWN, bot, SIM_DELAY);
    p->addr = *to;
    p->data = copy_of(datagram.data, datagram.len);
    p->len = datagram.len;
}

static void enter_node(struct sim *s, bool is_media)
{
    if (s->watch != NULL)
        s->watch->enter(s->watch->data, is_media);
}

static void leave_node(struct sim *s)
{
    if (s->watch != NULL)
        s->watch->leave(s->watch->data);
}

static void send_down(void *data, const struct net_addr *to, struct bytes datagram)
{
    leave_node(data);
    carry_down(data, to, datagram);
    enter_node(data, true);
}

static void media_told(void *data, const struct sim_node_event *event)
{
    struct sim *s = data;
    s->server.now = s->now;
    leave_node(s);
    if (event->state != NULL)
        sim_server_on_media(&s->server, event->participant, event->state);
    else
        sim_server_on_layers(&s->server, event->participant, event->is_camera, event->layer_max);
    enter_node(s, true);
}

/* Timers are not watched: DTLS, which may take memory, has some. */
static void flush_node(struct sim *s)
{
    sim_node_tick(s->node, s->now);
    sim_node_shake_hands(s->node, s->now);
    enter_node(s, true);
    sim_node_flush(s->node, s->now, send_down, media_told, s);
    leave_node(s);
}

static void take_up(struct sim *s, unsigned bot, const struct net_addr *from, struct bytes datagram)
{
    enum demux_kind kind = demux_classify(datagram);
    if (s->watch != NULL)
        s->watch->input(s->watch->data, bot, datagram);
    enter_node(s, kind == DEMUX_RTP || kind == DEMUX_RTCP || kind == DEMUX_STUN);
    sim_node_receive(s->node, from, datagram, s->now);
    leave_node(s);
    flush_node(s);
}

static void say(void *data, unsigned socket, char *text)
{
    struct sim *s = data;
    struct sim_parcel *p = post(s, TEXT_DOWN, s->owners[socket], SIM_DELAY);
    p->socket = socket;
    p->data = (uint8_t *)text;
    p->len = strlen(text);
}

static void hang_up(void *data, unsigned socket, int code)
{
    struct sim *s = data;
    struct sim_parcel *p = post(s, CLOSED, s->owners[socket], SIM_DELAY);
    p->socket = socket;
    p->code = code;
}

/* --- what bots want done --- */

static void open_socket(struct sim *s, unsigned bot)
{
    check(s->socket_count + 1 < SIM_SOCKETS_MAX);
    unsigned socket = ++s->socket_count;
    check(s->bots[bot].socket == 0); /* never two at once */
    s->bots[bot].socket = socket;
    s->owners[socket] = bot;
    struct sim_parcel *p = post(s, OPENED, bot, 3 * SIM_DELAY);
    p->socket = socket;
}

static void fetch(struct sim *s, unsigned bot, const struct action *a)
{
    check(strcmp(a->url, "http://sim.test/v1/guests") == 0 && a->text != NULL);
    struct sim_parcel *p = post(s, FETCHED, bot, 2 * SIM_DELAY);
    p->code = s->token_status;
    p->data = copy_of(s->token_body, strlen(s->token_body));
    p->len = strlen(s->token_body);
}

static void append(struct sim *s, const struct action *a)
{
    size_t i = 0;
    while (i < s->file_count && strcmp(s->files[i].path, a->url) != 0)
        i++;
    check(i < SIM_FILES_MAX && strlen(a->url) < sizeof s->files[i].path);
    if (i == s->file_count) {
        check(a->text_len >= sizeof s->files[i].start);
        s->file_count++;
        memcpy(s->files[i].path, a->url, strlen(a->url) + 1);
        memcpy(s->files[i].start, a->text, sizeof s->files[i].start);
    }
    s->files[i].len += a->text_len;
}

static void act(struct sim *s, unsigned bot, const struct action *a)
{
    struct sim_bot *b = &s->bots[bot];
    struct sim_parcel *p;
    switch (a->kind) {
    case ACTION_FETCH:
        fetch(s, bot, a);
        break;
    case ACTION_OPEN:
        check(strcmp(a->url, "ws://sim.test/ws") == 0);
        check(strcmp(a->subprotocol, "conclave.v1") == 0);
        open_socket(s, bot);
        break;
    case ACTION_TEXT:
        check(b->socket != 0 && a->text_len == strlen(a->text));
        p = post(s, TEXT_UP, bot, SIM_DELAY);
        p->socket = b->socket;
        p->data = copy_of(a->text, a->text_len);
        break;
    case ACTION_CLOSE:
        check(b->socket != 0);
        post(s, GONE, bot, SIM_DELAY)->socket = b->socket;
        b->socket = 0;
        break;
    case ACTION_OPEN_MEDIA:
        b->ports[a->leg] = (uint16_t)(1000 + ++s->port_count);
        break;
    case ACTION_CLOSE_MEDIA:
        b->ports[a->leg] = 0;
        break;
    case ACTION_FILE:
        append(s, a);
        break;
    }
}

/* Datagrams first: a goodbye leaves by the socket that is closed after it. */
static void perform(struct sim *s, unsigned bot)
{
    struct sim_bot *b = &s->bots[bot];
    struct net_addr node = sim_node_address();
    check(s->out.dropped == 0);
    for (size_t i = 0; i < s->out.datagram_count; i++) {
        const struct outbound_datagram *d = &s->out.datagrams[i];
        struct bytes datagram = bytes_of(s->out.arena + d->offset, d->len);
        check(net_addr_equal(&d->to, &node) && b->ports[d->leg] != 0);
        s->datagrams_up++;
        if (!passes(s, b, datagram, s->lose_up) ||
            (s->watch != NULL && s->watch->lose(s->watch->data, bot, datagram)))
            continue;
        struct netem_tag tag = { .leg = d->leg, .addr = address_of(bot, d->leg, b->ports[d->leg]) };
        if (b->up != NULL) {
            (void)netem_push(b->up, datagram, &tag, s->now);
            continue;
        }
        struct sim_parcel *p = post(s, UP, bot, SIM_DELAY);
        p->addr = tag.addr;
        p->data = copy_of(datagram.data, datagram.len);
        p->len = datagram.len;
    }
    for (size_t i = 0; i < s->out.action_count; i++)
        act(s, bot, &s->out.actions[i]);
    outbound_clear(&s->out);
}

/* --- what happens to bots --- */

static void take_down(struct sim *s, unsigned bot, const struct net_addr *to, uint8_t *datagram,
                      size_t len)
{
    struct sim_bot *b = &s->bots[bot];
    struct net_addr from = sim_node_address();
    unsigned leg = to->ip[3] - 1u;
    struct net_addr here = address_of(bot, leg, b->ports[leg]);
    if (b->ports[leg] != 0 && net_addr_equal(&here, to))
        bot_on_datagram(b->bot, leg, &from, datagram, len, s->now, &s->out);
}

static void on_opened(struct sim *s, const struct sim_parcel *p)
{
    struct sim_bot *b = &s->bots[p->bot];
    if (s->refuse_open != NULL) {
        b->socket = 0;
        bot_on_closed(b->bot, 0, s->refuse_open, s->now, &s->out);
        return;
    }
    bot_on_stage(b->bot, STAGE_TCP, s->now - 2 * SIM_DELAY);
    if (s->never_open)
        return;
    bot_on_stage(b->bot, STAGE_TLS, s->now - 2 * SIM_DELAY);
    bot_on_stage(b->bot, STAGE_WEBSOCKET, s->now);
    bot_on_open(b->bot, s->now, &s->out);
}

static void deliver(struct sim *s, const struct sim_parcel *p)
{
    struct sim_bot *b = &s->bots[p->bot];
    bool stands = p->socket != 0 && p->socket == b->socket;
    s->server.now = s->now;
    switch (p->kind) {
    case UP:
        take_up(s, p->bot, &p->addr, bytes_of(p->data, p->len));
        return;
    case DOWN:
        take_down(s, p->bot, &p->addr, p->data, p->len);
        break;
    case TEXT_UP:
        sim_server_on_text(&s->server, p->socket, (const char *)p->data);
        flush_node(s);
        return;
    case GONE:
        sim_server_on_gone(&s->server, p->socket);
        flush_node(s);
        return;
    case TEXT_DOWN:
        if (stands)
            bot_on_text(b->bot, bytes_of(p->data, p->len), s->now, &s->out);
        break;
    case FETCHED:
        bot_on_fetched(b->bot, p->code, bytes_of(p->data, p->len), p->code == 0 ? "refused" : NULL,
                       s->now, &s->out);
        break;
    case OPENED:
        if (stands)
            on_opened(s, p);
        break;
    case CLOSED:
        if (stands) {
            b->socket = 0;
            bot_on_closed(b->bot, p->code, "closed", s->now, &s->out);
        }
        break;
    }
    perform(s, p->bot);
}

/* --- time --- */

static usec next_event(const struct sim *s)
{
    usec at = MIN(sim_node_deadline(s->node), sim_server_deadline(&s->server));
    if (s->parcel_count > 0)
        at = MIN(at, s->parcels[0].at);
    for (unsigned i = 0; i < s->bot_count; i++) {
        const struct sim_bot *b = &s->bots[i];
        at = MIN(at, bot_next_deadline(b->bot));
        if (b->up != NULL)
            at = MIN(at, MIN(netem_next_deadline(b->up), netem_next_deadline(b->down)));
    }
    return at;
}

static void run_network(struct sim *s, unsigned bot)
{
    struct sim_bot *b = &s->bots[bot];
    struct netem_datagram d;
    while (b->up != NULL && netem_pop(b->up, s->now, &d))
        take_up(s, bot, &d.tag.addr, bytes_of(d.data, d.len));
    while (b->down != NULL && netem_pop(b->down, s->now, &d)) {
        take_down(s, bot, &d.tag.addr, d.data, d.len);
        perform(s, bot);
    }
}

void sim_run(struct sim *s, usec duration)
{
    usec end = s->now + duration, seen = -1;
    unsigned turns = 0;
    for (;;) {
        usec at = MAX(next_event(s), s->now);
        if (at > end)
            break;
        turns = at == seen ? turns + 1 : 0;
        check(turns < 100); /* nobody asks for a time again and again */
        s->now = seen = at;
        while (s->parcel_count > 0 && s->parcels[0].at <= s->now) {
            struct sim_parcel p = take_first(s);
            deliver(s, &p);
            free(p.data);
        }
        for (unsigned i = 0; i < s->bot_count; i++)
            run_network(s, i);
        for (unsigned i = 0; i < s->bot_count; i++) {
            if (bot_next_deadline(s->bots[i].bot) > s->now)
                continue;
            bot_tick(s->bots[i].bot, s->now, &s->out);
            perform(s, i);
        }
        s->server.now = s->now;
        sim_server_tick(&s->server);
        flush_node(s);
    }
    s->now = end;
}

/* --- the whole --- */

static const struct clip *find_clip(const struct bot_world *w, const struct group *g,
                                    enum codec codec, uint16_t height)
{
    static struct clip clips[CODEC_COUNT][3];
    unsigned i = height <= 180 ? 0 : height <= 360 ? 1 : 2;
    struct clip *c = &clips[codec][i];
    if (c->frame_count == 0)
        check(clip_builtin(codec, (unsigned[]){ 180, 360, 720 }[i], c) == OK);
    return c;
}

static struct voice_bank *the_voices(void)
{
    static struct voice_bank *voices;
    if (voices == NULL)
        voices = voice_bank_new();
    check(voices != NULL);
    return voices;
}

void sim_prepare(void)
{
    check(srtp_session_library_init() == OK);
    (void)the_voices();
    static const uint16_t heights[] = { 180, 360, 720 };
    static const enum codec codecs[] = { CODEC_VP8, CODEC_VP9, CODEC_H264, CODEC_AV1 };
    for (unsigned i = 0; i < ARRAY_LEN(heights); i++) {
        for (unsigned k = 0; k < ARRAY_LEN(codecs); k++)
            (void)find_clip(NULL, NULL, codecs[k], heights[i]);
    }
}

void sim_init(struct sim *s, const char *yaml, uint64_t seed)
{
    const usec start = SECONDS(1000);
    const wall_usec wall_minus_now = SECONDS(1790000000);
    char error[SCENARIO_ERROR_MAX];
    check(srtp_session_library_init() == OK);
    memset(s, 0, sizeof *s);
    s->now = start;
    if (scenario_parse(bytes_of_str(yaml), NULL, 0, &s->scenario, error) != OK) {
        fprintf(stderr, "%s\n", error);
        check(!"a scenario that can be read");
    }
    s->world = (struct bot_world){ .scenario = s->scenario,
                                   .driver = &driver_conclave,
                                   .url = "http://sim.test",
                                   .identity = dtls_context_new(wall_minus_now + start),
                                   .voices = the_voices(),
                                   .clip = find_clip,
                                   .wall_minus_now = wall_minus_now,
                                   .started = wall_minus_now + start,
                                   .run_id = "sim" };
    s->measure = calloc(1, sizeof *s->measure);
    outbound_init(&s->out, malloc(OUTBOUND_ARENA_SIZE));
    check(s->world.identity != NULL && s->measure != NULL && s->out.arena != NULL);
    s->node = sim_node_new(wall_minus_now, start);
    s->server = (struct sim_server){
        .node = s->node, .say = say, .hang_up = hang_up, .data = s, .now = start
    };
    s->token_status = 200;
    s->token_body = "{\"access_token\":\"a-token\"}";
    s->random_state = seed;
    s->bot_count = scenario_bot_count(s->scenario);
    check(s->bot_count <= SIM_BOTS_MAX);
    for (unsigned i = 0; i < s->bot_count; i++) {
        struct bot_config c = {
            .world = &s->world, .index = i, .seed = seed * 1000 + i, .measure = s->measure
        };
        check((s->bots[i].bot = bot_new(&c)) != NULL);
    }
}

void sim_done(struct sim *s)
{
    for (unsigned i = 0; i < s->bot_count; i++) {
        bot_free(s->bots[i].bot);
        netem_free(s->bots[i].up);
        netem_free(s->bots[i].down);
    }
    while (s->parcel_count > 0)
        free(s->parcels[--s->parcel_count].data);
    free(s->parcels);
    sim_node_free(s->node);
    outbound_clear(&s->out);
    free(s->out.arena);
    dtls_context_free(s->world.identity);
    scenario_free(s->scenario);
    free(s->measure);
}

void sim_start_bot(struct sim *s, unsigned bot)
{
    bot_start(s->bots[bot].bot, s->now, &s->out);
    perform(s, bot);
}

void sim_start(struct sim *s)
{
    for (unsigned i = 0; i < s->bot_count; i++) {
        sim_start_bot(s, i);
        sim_run(s, MILLIS(50));
    }
}

void sim_set_network(struct sim *s, unsigned bot, const struct network *n)
{
    struct sim_bot *b = &s->bots[bot];
    if (b->up == NULL) {
        b->up = netem_new(&n->up, splitmix_next(&s->random_state));
        b->down = netem_new(&n->down, splitmix_next(&s->random_state));
        check(b->up != NULL && b->down != NULL);
        return;
    }
    netem_set_path(b->up, &n->up);
    netem_set_path(b->down, &n->down);
}

void sim_cut(struct sim *s, unsigned bot)
{
    struct sim_bot *b = &s->bots[bot];
    check(b->socket != 0);
    post(s, GONE, bot, SIM_DELAY)->socket = b->socket;
    b->socket = 0;
    bot_on_closed(b->bot, 0, "closed", s->now, &s->out);
    perform(s, bot);
}

void sim_leave(struct sim *s, unsigned bot)
{
    bot_leave(s->bots[bot].bot, s->now, &s->out);
    perform(s, bot);
}

void sim_rejoin(struct sim *s, unsigned bot)
{
    bot_rejoin(s->bots[bot].bot, s->now, &s->out);
    perform(s, bot);
}

void sim_look(struct sim *s, unsigned bot, uint64_t random)
{
    struct sim_member *m = sim_server_named(&s->server, bot_name(s->bots[bot].bot));
    s->server.now = s->now;
    if (m != NULL)
        sim_server_look(&s->server, m, random);
    flush_node(s);
}

void sim_mute(struct sim *s, unsigned bot, enum media_kind kind, bool muted)
{
    const struct sim_member *m = sim_server_named(&s->server, bot_name(s->bots[bot].bot));
    if (m != NULL)
        sim_node_mute(s->node, m->room, m->id, kind, muted, s->now);
    flush_node(s);
}

void sim_begin_plateau(struct sim *s)
{
    for (unsigned i = 0; i < s->bot_count; i++)
        bot_begin_plateau(s->bots[i].bot, s->now);
}

void sim_end_plateau(struct sim *s)
{
    for (unsigned i = 0; i < s->bot_count; i++)
        bot_end_plateau(s->bots[i].bot, s->now);
}

struct sim_pairs sim_pairs(const struct sim *s, enum media_kind kind)
{
    struct sim_pairs ret = { 0 };
    for (unsigned i = 0; i < s->bot_count; i++) {
        const struct bot *b = s->bots[i].bot;
        for (unsigned k = 0; k < bot_pair_count(b); k++) {
            struct bot_pair p = bot_pair_at(b, kind, k);
            ret.expected += p.expected;
            ret.seen += p.expected && p.seen;
            ret.verified += p.expected && p.verified;
        }
        ret.unexpected += (unsigned)bot_unexpected(b, kind);
    }
    return ret;
}
