/* fuzz_bot_signaling.c - a hostile server and a whole bot: texts, answers to requests, closed
 * sockets, datagrams and time, in any order; what the bot wants done must make sense.
 *
 * The DTLS handshake is left out: a leg whose ICE is answered is given SRTP keys, so that the bytes
 * reach what is behind the decryption.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "core/bot_private.h"
#include "core/leg_media.h"
#include "core/srtp_session.h"

#include <stdio.h>
#include <stdlib.h>

enum op {
    OP_TEXT,     /* any text */
    OP_ACCEPT,   /* a right answer to the last request of the driver */
    OP_REFUSE,   /* the same with an error */
    OP_OPEN,     /* the socket opens */
    OP_CLOSED,   /* … breaks */
    OP_FETCHED,  /* an HTTP answer */
    OP_DATAGRAM, /* as it is */
    OP_STUN,     /* the newest check is answered */
    OP_KEYS,     /* DTLS is done */
    OP_RTP,      /* sealed */
    OP_RTCP,     /* sealed */
    OP_TIME,
    OP_CONTROL, /* what the engine does: storms, plateau, goodbye */
    OP_COUNT,
};

#define PROFILE SEAL_AEAD_AES_128_GCM

struct scene {
    struct bot *bot;
    bool janus;
    bool socket, open, media[BOT_LEGS_MAX];
    json_int_t request; /* id or transaction of the newest one */
    bool resumes;       /* it is `resume` */
    struct stun_transaction check[BOT_LEGS_MAX];
    struct net_addr checked[BOT_LEGS_MAX]; /* where it went */
    bool has_check[BOT_LEGS_MAX];
    struct sealer *sealer[BOT_LEGS_MAX];
    struct leg *sealed_leg[BOT_LEGS_MAX];
    uint32_t index; /* of sealed packets */
    usec now;
};

static struct scenario *scenario;
static struct bot_world world;
static struct measure measure;
static struct outbound out;
static char answer[32768];

static const char yaml[] = "join-timeout: 20s\n"
                           "groups:\n"
                           "  people:\n"
                           "    bots: 3\n"
                           "    talk: turns\n"
                           "    turn: 2s\n"
                           "    video: vp8\n"
                           "    layers: [180, 360]\n"
                           "    audio-slots: 2\n"
                           "    video-slots: 2\n"
                           "    watch: 2\n"
                           "    watch-large: 1\n"
                           "    scroll: 3s\n"
                           "    listen: 100%\n"
                           "  passing:\n"
                           "    bots: 2\n"
                           "    audio-slots: 2\n"
                           "    video-slots: 2\n"
                           "    stay: 5s\n"
                           "    away: 1s\n";

static const struct clip *find_clip(const struct bot_world *w, const struct group *g,
                                    enum codec codec, uint16_t height)
{
    static struct clip clips[2];
    struct clip *c = &clips[height > 180];
    if (c->frame_count == 0)
        check(clip_builtin(CODEC_VP8, height, c) == OK);
    return c;
}

static void init_once(void)
{
    static bool done;
    static char error[SCENARIO_ERROR_MAX];
    if (done)
        return;
    done = true;
    check(srtp_session_library_init() == OK);
    check(scenario_parse(bytes_of_str(yaml), NULL, 0, &scenario, error) == OK);
    FILE *f = fopen(BOT_ANSWER, "rb");
    check(f != NULL);
    size_t len = fread(answer, 1, sizeof answer - 1, f);
    check(len > 0 && fclose(f) == 0);
    world = (struct bot_world){ .scenario = scenario,
                                .url = "http://192.0.2.1:8080",
                                .identity = dtls_context_new(SECONDS(1790000000)),
                                .voices = voice_bank_new(),
                                .clip = find_clip,
                                .wall_minus_now = SECONDS(1790000000),
                                .started = SECONDS(1790000001),
                                .run_id = "fuzz" };
    outbound_init(&out, malloc(OUTBOUND_ARENA_SIZE));
    check(world.identity != NULL && world.voices != NULL && out.arena != NULL);
}

/* --- what the bot wants done --- */

static void on_request(struct scene *s, const struct action *a)
{
    json_t *m = json_loadb(a->text, a->text_len, 0, NULL);
    check(json_is_object(m));
    if (s->janus) {
        s->request = strtoll(json_string_value(json_object_get(m, "transaction")), NULL, 10);
    } else {
        s->request = json_integer_value(json_object_get(m, "id"));
        s->resumes = strcmp(json_string_value(json_object_get(m, "op")), "resume") == 0;
    }
    check(s->request > 0);
    json_decref(m);
}

static void act(struct scene *s, const struct action *a)
{
    switch (a->kind) {
    case ACTION_FETCH:
        check(strncmp(a->url, "http://192.0.2.1:8080/", 22) == 0);
        break;
    case ACTION_OPEN:
        check(!s->socket && strncmp(a->url, "ws://192.0.2.1:8080/", 19) == 0);
        s->socket = true;
        break;
    case ACTION_TEXT:
        check(s->open);
        on_request(s, a);
        break;
    case ACTION_CLOSE:
        check(s->socket);
        s->socket = s->open = false;
        break;
    case ACTION_OPEN_MEDIA:
        s->media[a->leg] = true;
        break;
    case ACTION_CLOSE_MEDIA:
        check(s->media[a->leg]);
        s->media[a->leg] = false;
        break;
    case ACTION_FILE:
        break;
    }
}

static void perform(struct scene *s)
{
    for (size_t i = 0; i < out.datagram_count; i++) {
        const struct outbound_datagram *d = &out.datagrams[i];
        struct stun_message m;
        check(d->leg < BOT_LEGS_MAX && d->len > 0 && d->len <= 1500);
        if (stun_parse(bytes_of(out.arena + d->offset, d->len), &m) == OK &&
            m.class == STUN_REQUEST) {
            s->check[d->leg] = m.transaction;
            s->checked[d->leg] = d->to;
            s->has_check[d->leg] = true;
        }
    }
    for (size_t i = 0; i < out.action_count; i++)
        act(s, &out.actions[i]);
    outbound_clear(&out);
}

static void check_invariants(const struct scene *s)
{
    const struct bot *b = s->bot;
    enum bot_state state = bot_state(b);
    const struct bot_failure *f = bot_failure(b);
    bool over = state == BOT_FAILED || state == BOT_LEFT;
    check(!over || (bot_next_deadline(b) == USEC_NEVER && !s->socket));
    check(!over || !(s->media[0] || s->media[1]));
    check(state != BOT_FAILED || (f->error[0] != '\0' && f->message[0] != '\0'));
    check((unsigned)f->stage <= STAGE_COUNT);
    check(state != BOT_JOINING || bot_next_deadline(b) != USEC_NEVER); /* nothing hangs */
    check(bot_has_socket(b) == s->open);
    check(measure.join_done + measure.join_failed <= measure.join_started);
    check(measure.tones_right <= measure.tones_checked);
    for (unsigned i = 0; i < bot_pair_count(b); i++)
        (void)bot_pair_at(b, i % 2 == 0 ? MEDIA_AUDIO : MEDIA_VIDEO, i);
    (void)bot_stream_count(b, MEDIA_VIDEO);
}

/* --- what happens --- */

static void say(struct scene *s, struct bytes text)
{
    if (s->open)
        bot_on_text(s->bot, text, s->now, &out);
}

static void say_json(struct scene *s, json_t *m)
{
    char *text = json_dumps(m, JSON_COMPACT);
    json_decref(m);
    check(text != NULL);
    say(s, bytes_of_str(text));
    free(text);
}

static void accept_request(struct scene *s, uint8_t flags)
{
    if (s->janus) {
        char transaction[24];
        snprintf(transaction, sizeof transaction, "%lld", (long long)s->request);
        const char *sdp = (flags & 1) != 0 ? answer : "v=0";
        const char *type = (flags & 2) != 0 ? "answer" : "offer";
        json_t *m = (flags & 4) != 0
                        ? json_pack("{ss ss s{si}}", "janus", "success", "transaction", transaction,
                                    "data", "id", (int)(flags >> 3) + 1)
                        : json_pack("{ss ss si s{ss s{ss si s[]}} s{ss ss}}", "janus", "event",
                                    "transaction", transaction, "sender", (int)(flags >> 4),
                                    "plugindata", "plugin", "janus.plugin.videoroom", "data",
                                    "videoroom", (flags & 8) != 0 ? "joined" : "attached", "id", 7,
                                    "publishers", "jsep", "type", type, "sdp", sdp);
        say_json(s, m);
        return;
    }
    json_t *people = json_pack("[{ss ss s[{ss} {ss}]}]", "id", "p_1", "name", "people-2 (bot 1)",
                               "tracks", "source", "camera", "source", "microphone");
    json_t *slots = json_pack("[{ss ss} {ss ss}]", "mid", "4", "participant", "p_1", "mid", "6",
                              "participant", "p_1");
    bool resumed = s->resumes != ((flags & 1) != 0);
    json_t *m = json_pack("{ss sI ss ss ss so so}", "op", resumed ? "resumed" : "joined", "id",
                          s->request, "participant", "p_0", "resume", "again", "signald", "s",
                          "participants", people, "slots", slots);
    if ((flags & 2) == 0)
        json_object_set_new(m, "sdp", json_string(answer));
    say_json(s, m);
}

static void refuse_request(struct scene *s, struct reader *r)
{
    uint8_t code = reader_u8(r);
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)s->request);
    if (s->janus)
        say_json(s, json_pack("{ss ss s{si ss}}", "janus", "error", "transaction", text, "error",
                              "code", 400 + code, "reason", "no"));
    else
        say_json(s, json_pack("{ss sI ss ss}", "op", "error", "id", s->request, "error",
                              code % 2 == 0 ? "unavailable" : "resume-expired", "message", "no"));
}

static void open_socket(struct scene *s, uint8_t flags)
{
    if (!s->socket || s->open)
        return;
    for (enum join_stage stage = STAGE_TCP; stage <= STAGE_WEBSOCKET; stage++) {
        if ((flags >> stage & 1) == 0)
            bot_on_stage(s->bot, stage, s->now);
    }
    if ((flags & 1) != 0)
        return;
    s->open = true;
    bot_on_open(s->bot, s->now, &out);
}

static struct net_addr somewhere(uint8_t n)
{
    return net_addr_ipv4((const uint8_t[4]){ 198, 51, 100, (uint8_t)(1 + n / 64) },
                         (uint16_t)(40000 + n % 2));
}

static void receive(struct scene *s, unsigned leg, const struct net_addr *from, const uint8_t *data,
                    size_t len)
{
    uint8_t *copy = malloc(MAX(len, 1)); /* exact, so that ASan sees every overrun */
    check(copy != NULL);
    memcpy(copy, data, len);
    if (s->media[leg])
        bot_on_datagram(s->bot, leg, from, copy, len, s->now, &out);
    free(copy);
}

static void answer_check(struct scene *s, unsigned leg, uint8_t flags)
{
    struct leg *l = s->bot->legs[leg];
    if (l == NULL || l->remote == NULL || !s->has_check[leg])
        return;
    uint8_t buffer[STUN_MESSAGE_MAX];
    struct writer w = writer_of(buffer, sizeof buffer);
    struct net_addr mapped = somewhere(flags);
    struct net_addr from = (flags & 0x80) != 0 ? mapped : s->checked[leg];
    check(stun_write_success(&s->check[leg], &mapped, bytes_of_str(l->remote->ice_pwd), &w) == OK);
    receive(s, leg, &from, buffer, writer_len(&w));
}

static void give_keys(struct scene *s, unsigned leg)
{
    struct leg *l = s->bot->legs[leg];
    const struct dtls_keys keys = { .profile = PROFILE,
                                    .local = { .key = { 1 }, .salt = { 2 } },
                                    .remote = { .key = { 3 }, .salt = { 4 } } };
    if (l == NULL || l->state != LEG_DTLS || ice_client_selected(&l->ice) == NULL)
        return;
    l->srtp = srtp_session_new(&keys);
    sealer_free(s->sealer[leg]);
    s->sealer[leg] = sealer_new(NULL, PROFILE, &keys.remote, 64);
    check(l->srtp != NULL && s->sealer[leg] != NULL);
    s->sealed_leg[leg] = l;
    l->state = LEG_CONNECTED;
    l->dtls_at = s->now;
    leg_media_start(l, s->now);
}

static uint32_t ssrc_of(const struct leg *l, uint8_t which)
{
    if (l->sink_count == 0 || which == 0)
        return which;
    const struct sink *sink = l->sinks[(which >> 1) % l->sink_count];
    return (which & 1) != 0 ? sink->ssrc : sink->rtx_ssrc;
}

static bool has_keys(const struct scene *s, unsigned leg)
{
    const struct leg *l = s->bot->legs[leg];
    return l != NULL && l == s->sealed_leg[leg] && l->state == LEG_CONNECTED && l->srtp != NULL;
}

static void receive_rtp(struct scene *s, unsigned leg, struct reader *r)
{
    uint8_t types = reader_u8(r), which = reader_u8(r), jump = reader_u8(r), flags = reader_u8(r);
    struct bytes ext = fuzz_take_chunk(r), payload = fuzz_take_chunk(r);
    if (!has_keys(s, leg))
        return;
    s->index += jump < 200 ? 1 : jump;
    uint8_t header[600], sealed[2048];
    struct rtp_packet p = { .payload_type = types & 0x7f,
                            .marker = (types & 0x80) != 0,
                            .seq = (uint16_t)s->index,
                            .timestamp = (uint32_t)(s->now / 11),
                            .ssrc = ssrc_of(s->bot->legs[leg], which),
                            .has_ext = (flags & 1) != 0,
                            .ext_profile = (flags & 2) != 0 ? RTP_EXT_ONE_BYTE : RTP_EXT_TWO_BYTE,
                            .ext = bytes_of(ext.data, MIN(ext.len, (size_t)512) / 4 * 4) };
    struct writer w = writer_of(header, sizeof header);
    rtp_write_header(&w, &p);
    struct writer ws = writer_of(sealed, sizeof sealed);
    struct bytes body = bytes_of(payload.data, MIN(payload.len, (size_t)1200));
    if (sealer_rtp(s->sealer[leg], s->index, bytes_of(header, writer_len(&w)), body, &ws) != OK)
        return;
    struct net_addr from = somewhere(0);
    receive(s, leg, &from, sealed, writer_len(&ws));
}

static void receive_rtcp(struct scene *s, unsigned leg, struct reader *r)
{
    struct bytes clear = fuzz_take_chunk(r);
    uint8_t sealed[2048];
    struct writer w = writer_of(sealed, sizeof sealed);
    clear.len = MIN(clear.len, (size_t)1400);
    if (!has_keys(s, leg) || sealer_rtcp(s->sealer[leg], clear, &w) != OK)
        return;
    struct net_addr from = somewhere(0);
    receive(s, leg, &from, sealed, writer_len(&w));
}

static void pass_time(struct scene *s, usec by)
{
    usec end = s->now + by;
    for (unsigned turns = 0; turns < 2000; turns++) {
        usec at = bot_next_deadline(s->bot);
        if (at > end)
            break;
        s->now = MAX(s->now, at);
        bot_tick(s->bot, s->now, &out);
        perform(s);
        bool again = bot_next_deadline(s->bot) <= s->now; /* a tick may make something due once */
        for (unsigned spins = 0; again && spins < 20; spins++) {
            bot_tick(s->bot, s->now, &out);
            perform(s);
            again = bot_next_deadline(s->bot) <= s->now;
        }
        check(!again); /* no busy loop */
        check_invariants(s);
    }
    s->now = end;
}

static void control(struct scene *s, uint8_t what)
{
    switch (what % 5) {
    case 0:
        bot_begin_plateau(s->bot, s->now);
        break;
    case 1:
        bot_end_plateau(s->bot, s->now);
        break;
    case 2:
        bot_rejoin(s->bot, s->now, &out);
        break;
    case 3:
        if (what > 250)
            bot_leave(s->bot, s->now, &out);
        break;
    default:
        bot_start(s->bot, s->now, &out);
        break;
    }
}

static void on_fetched(struct scene *s, struct reader *r)
{
    static const int statuses[] = { 200, 0, 401, 429, 500, 204 };
    uint8_t n = reader_u8(r);
    struct bytes body = n == 0 ? bytes_of_str("{\"access_token\":\"t\"}") : fuzz_take_chunk(r);
    int status = statuses[n % ARRAY_LEN(statuses)];
    bot_on_fetched(s->bot, status, body, status == 0 ? "refused" : NULL, s->now, &out);
}

static void on_closed(struct scene *s, uint8_t flags)
{
    static const char *const reasons[] = { "closed", "refused", "tls", "http-403" };
    static const int codes[] = { 0, 1001, 4408, 4429 };
    if (!s->socket)
        return;
    s->socket = s->open = false;
    bot_on_closed(s->bot, codes[flags / 4 % 4], reasons[flags % 4], s->now, &out);
}

static void step(struct scene *s, struct reader *r)
{
    uint8_t code = reader_u8(r);
    unsigned leg = code / OP_COUNT % BOT_LEGS_MAX;
    struct net_addr from = somewhere(code);
    struct bytes chunk;
    switch ((enum op)(code % OP_COUNT)) {
    case OP_TEXT:
        say(s, fuzz_take_chunk(r));
        break;
    case OP_ACCEPT:
        accept_request(s, reader_u8(r));
        break;
    case OP_REFUSE:
        refuse_request(s, r);
        break;
    case OP_OPEN:
        open_socket(s, reader_u8(r));
        break;
    case OP_CLOSED:
        on_closed(s, reader_u8(r));
        break;
    case OP_FETCHED:
        on_fetched(s, r);
        break;
    case OP_DATAGRAM:
        chunk = fuzz_take_chunk(r);
        receive(s, leg, &from, chunk.data, chunk.len);
        break;
    case OP_STUN:
        answer_check(s, leg, reader_u8(r));
        break;
    case OP_KEYS:
        give_keys(s, leg);
        pass_time(s, MILLIS(1));
        break;
    case OP_RTP:
        receive_rtp(s, leg, r);
        break;
    case OP_RTCP:
        receive_rtcp(s, leg, r);
        break;
    case OP_TIME:
        pass_time(s, MILLIS(5) * (1 + reader_u8(r)) * (code > 200 ? 10 : 1));
        break;
    case OP_CONTROL:
        control(s, reader_u8(r));
        break;
    case OP_COUNT:
        break;
    }
    perform(s);
    check_invariants(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    init_once();
    struct reader r = reader_of(bytes_of(data, len));
    uint8_t flags = reader_u8(&r);
    memset(&measure, 0, sizeof measure);
    world.driver = (flags & 1) != 0 ? &driver_janus : &driver_conclave;
    struct bot_config config = {
        .world = &world, .index = flags >> 1 & 1 ? 4 : 0, .seed = 5, .measure = &measure
    };
    struct scene s = { .bot = bot_new(&config), .janus = flags & 1, .now = SECONDS(1) };
    check(s.bot != NULL);
    bot_start(s.bot, s.now, &out);
    perform(&s);
    for (unsigned steps = 0; !r.failed && reader_left(&r) > 0 && steps < 400; steps++)
        step(&s, &r);
    bot_leave(s.bot, s.now, &out);
    perform(&s);
    check_invariants(&s);
    bot_free(s.bot);
    for (unsigned i = 0; i < BOT_LEGS_MAX; i++)
        sealer_free(s.sealer[i]);
    return 0;
}
