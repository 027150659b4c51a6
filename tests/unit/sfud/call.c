/* SPDX-License-Identifier: Apache-2.0 */
#include "call.h"

#include "pump.h"

#include "rtc/demux.h"
#include "rtc/rtp_ext.h"
#include "rtc/stun.h"
#include "rtc/vp8.h"

#include <stdio.h>
#include <stdlib.h>

#define WALL_MINUS_NOW SECONDS(1790000000)

static const char room[] = "default/test";

static char *read_offer(void)
{
    FILE *f = fopen(CALL_OFFER, "r");
    check(f != NULL);
    char *text = malloc(SDP_TEXT_MAX);
    size_t len = fread(text, 1, SDP_TEXT_MAX - 1, f);
    check(len > 0 && fclose(f) == 0);
    text[len] = '\0';
    return text;
}

/* The browser's offer with this client's fingerprint. Same length, so in place. */
static void put_fingerprint(char *offer, const char *fingerprint)
{
    static const char key[] = "a=fingerprint:sha-256 ";
    size_t count = 0;
    for (char *at = offer; (at = strstr(at, key)) != NULL; count++) {
        at += sizeof key - 1;
        memcpy(at, fingerprint, strlen(fingerprint));
    }
    check(count > 0);
}

static bool environment_says(const char *name, const char *value)
{
    const char *said = getenv(name);
    return said != NULL && strcmp(said, value) == 0;
}

enum err __real_dtls_keys(const struct dtls *d, struct dtls_keys *ret);
enum err __wrap_dtls_keys(const struct dtls *d, struct dtls_keys *ret);

/* Both sides make the same of the same keys. */
enum err __wrap_dtls_keys(const struct dtls *d, struct dtls_keys *ret)
{
    enum err err = __real_dtls_keys(d, ret);
    if (err == OK && environment_says("CALL_SUITE", "sha1"))
        ret->profile = SEAL_AES_CM_128_HMAC_SHA1_80;
    return err;
}

void call_init(struct call *call)
{
    memset(call, 0, sizeof *call);
    call->seal =
        seal_engine_new(environment_says("CALL_SEAL", "openssl") ? SEAL_OPENSSL : SEAL_AUTO);
    call->now = SECONDS(1000);
    call->identity = dtls_context_new(WALL_MINUS_NOW + call->now);
    check(call->identity != NULL);
    snprintf(call->fingerprint, sizeof call->fingerprint, "%s",
             dtls_context_fingerprint(call->identity));
    struct worker_config config = { .no_bandwidth_control = true,
                                    .playout_delay_max = MILLIS(250),
                                    .seal = call->seal,
                                    .random = { 1, 2, 3, 4, 5, 6, 7, 8 },
                                    .wall_minus_now = WALL_MINUS_NOW,
                                    .participants_max = 8,
                                    .rooms_max = 4,
                                    .tracks_max = 32,
                                    .slots_max = 128,
                                    .encodings_max = 32,
                                    .cached_packets_max = 2048,
                                    .queue_max = 8192 };
    call->worker = worker_new(&config);
    const struct associations_config dtls = { .dtls = call->identity,
                                              .worker_count = 1,
                                              .participants_max = config.participants_max };
    call->associations = associations_new(&dtls);
    check(call->worker != NULL && call->associations != NULL);
    call->scratch = malloc(OUTBOX_SCRATCH_BYTES_MIN);
    outbox_init(&call->out, call->scratch, OUTBOX_SCRATCH_BYTES_MIN, call->sends, 64);
    call->negotiation = malloc(sizeof *call->negotiation);
}

void call_drop(struct client *c)
{
    if (c->sender != NULL)
        (void)srtp_dealloc(c->sender);
    if (c->receiver != NULL)
        (void)srtp_dealloc(c->receiver);
    dtls_free(c->dtls);
    dtls_context_free(c->identity);
    free(c->negotiated);
    free(c->seen);
    memset(c, 0, sizeof *c);
}

void call_done(struct call *call)
{
    for (size_t i = 0; i < CALL_CLIENTS_MAX; i++)
        call_drop(&call->clients[i]);
    worker_free(call->worker);
    seal_engine_free(call->seal);
    associations_free(call->associations);
    dtls_context_free(call->identity);
    free(call->scratch);
    free(call->negotiation);
}

static void take_events(struct call *call)
{
    struct event e;
    while (worker_next_event(call->worker, &e)) {
        if (e.kind == EVENT_COMMAND_DONE)
            e.command->user = (void *)(intptr_t)(e.err + 1);
        check(call->event_count < CALL_EVENTS_MAX);
        call->events[call->event_count++] = e;
    }
}

enum err call_command(struct call *call, struct command *c)
{
    c->user = NULL;
    snprintf(c->room, sizeof c->room, "%s", room);
    worker_command(call->worker, c, call->now);
    take_events(call);
    check(c->user != NULL); /* it came back */
    return (enum err)((intptr_t)c->user - 1);
}

bool call_was_told(const struct call *call, const char *name, enum transport_event what)
{
    for (size_t i = 0; i < call->event_count; i++) {
        const struct event *e = &call->events[i];
        if (e->kind == EVENT_TRANSPORT && e->transport == what && strcmp(e->participant, name) == 0)
            return true;
    }
    return false;
}

/* --- joining --- */

static struct sdp_fingerprint worker_fingerprint(const struct call *call)
{
    struct dtls_fingerprint f;
    check(dtls_fingerprint_parse(bytes_of_str("sha-256"), bytes_of_str(call->fingerprint), &f) ==
          OK);
    struct sdp_fingerprint ret = { .hash = SDP_SHA256, .len = 32 };
    memcpy(ret.value, f.hash, 32);
    return ret;
}

static void do_negotiate(struct client *c, uint32_t allowed)
{
    static uint8_t answer[SDP_ANSWER_SIZE_MAX];
    char *offer = read_offer();
    put_fingerprint(offer, dtls_context_fingerprint(c->identity));
    struct negotiation_request *q = &c->request;
    q->offer = bytes_of_str(offer);
    q->source_count = SOURCE_COUNT;
    for (unsigned i = 0; i < SOURCE_COUNT; i++) {
        q->sources[i].source = (enum source)i;
        snprintf(q->sources[i].mid, sizeof q->sources[i].mid, "%u", i);
    }
    q->allowed = allowed;
    memcpy(q->seed, c->name, sizeof q->seed);
    q->local_ufrag = c->ufrag;
    q->local_pwd = c->pwd;
    q->fingerprint = worker_fingerprint(c->call);
    struct writer w = writer_of(answer, sizeof answer);
    struct sdp_error error;
    enum err err = negotiate(q, c->call->negotiation, c->negotiated, &w, &error);
    if (err != OK)
        fprintf(stderr, "%s\n", error.text);
    check(err == OK);
    free(offer);
}

struct client *call_enter(struct call *call, size_t index, const char *name, uint32_t allowed)
{
    struct client *c = &call->clients[index];
    memset(c, 0, sizeof *c);
    c->call = call;
    snprintf(c->name, sizeof c->name, "%s", name);
    c->addr = net_addr_ipv4((const uint8_t[4]){ 192, 0, 2, (uint8_t)(index + 1) }, 5000);
    snprintf(c->ufrag, sizeof c->ufrag, "ufrag%03zu", index + 100 * call->event_count);
    snprintf(c->pwd, sizeof c->pwd, "password-of-24-letters-%zu", index);
    c->identity = dtls_context_new(WALL_MINUS_NOW + call->now);
    c->negotiated = calloc(1, sizeof *c->negotiated);
    c->seen = malloc(CALL_SEEN_MAX * sizeof *c->seen);
    do_negotiate(c, allowed);
    c->command = (struct command){ .kind = COMMAND_TRANSPORT_CREATE };
    snprintf(c->command.participant, sizeof c->command.participant, "%s", name);
    c->command.transport = c->negotiated->params;
    check(call_command(call, &c->command) == OK);
    return c;
}

enum err call_restart(struct client *c, unsigned n)
{
    struct transport_params *p = &c->negotiated->params;
    snprintf(c->ufrag, sizeof c->ufrag, "%.8s%u", c->name, n);
    snprintf(c->pwd, sizeof c->pwd, "another-password-%07u", n);
    snprintf(p->local_ufrag, sizeof p->local_ufrag, "%s", c->ufrag);
    snprintf(p->local_pwd, sizeof p->local_pwd, "%s", c->pwd);
    snprintf(p->remote_ufrag, sizeof p->remote_ufrag, "their%u", n);
    struct command update = { .kind = COMMAND_TRANSPORT_UPDATE, .transport = *p };
    memcpy(update.participant, c->name, sizeof update.participant);
    return call_command(c->call, &update);
}

void call_check(struct client *c)
{
    call_check_from(c, &c->addr, true);
}

void call_check_from(struct client *c, const struct net_addr *from, bool nominate)
{
    uint8_t packet[STUN_MESSAGE_MAX];
    struct writer w = writer_of(packet, sizeof packet);
    char username[sizeof c->ufrag + sizeof c->negotiated->params.remote_ufrag + 1];
    snprintf(username, sizeof username, "%s:%s", c->ufrag, c->negotiated->params.remote_ufrag);
    static uint32_t transaction;
    struct stun_binding b = { .transaction = { .id = { 1, 2, 3 } },
                              .username = bytes_of_str(username),
                              .password = bytes_of_str(c->pwd),
                              .priority = 1,
                              .tie_breaker = 7,
                              .use_candidate = nominate };
    store_be32(b.transaction.id + 4, transaction++);
    check(stun_write_request(&b, &w) == OK);
    c->checked_at = c->call->now;
    call_receive(c->call, from, bytes_of(packet, writer_len(&w)));
}

static srtp_t new_srtp(const struct dtls_keys *keys, const struct seal_master *master, bool out)
{
    uint8_t key[SEAL_KEY_MAX + SEAL_SALT_MAX];
    size_t key_len = seal_key_len(keys->profile), salt_len = seal_salt_len(keys->profile);
    memcpy(key, master->key, key_len);
    memcpy(key + key_len, master->salt, salt_len);
    srtp_policy_t policy;
    memset(&policy, 0, sizeof policy);
    bool is_gcm = keys->profile == SEAL_AEAD_AES_128_GCM;
    check(is_gcm || keys->profile == SEAL_AES_CM_128_HMAC_SHA1_80);
    void (*set)(srtp_crypto_policy_t *) =
        is_gcm ? srtp_crypto_policy_set_aes_gcm_128_16_auth : srtp_crypto_policy_set_rtp_default;
    set(&policy.rtp);
    set(&policy.rtcp);
    policy.ssrc.type = out ? ssrc_any_outbound : ssrc_any_inbound;
    policy.key = key;
    policy.window_size = 1024;
    srtp_t session;
    check(srtp_create(&session, &policy) == srtp_err_status_ok);
    return session;
}

static void send_dtls(struct client *c)
{
    for (struct bytes d; dtls_next_datagram(c->dtls, &d);)
        call_receive(c->call, &c->addr, d);
}

static void forget_srtp(struct client *c)
{
    if (c->sender != NULL)
        (void)srtp_dealloc(c->sender);
    if (c->receiver != NULL)
        (void)srtp_dealloc(c->receiver);
    c->sender = c->receiver = NULL;
}

static void on_dtls(struct client *c, struct bytes datagram)
{
    dtls_receive(c->dtls, datagram, c->call->now);
    send_dtls(c);
    struct dtls_keys keys;
    if (!c->has_keys && dtls_state(c->dtls) == DTLS_CONNECTED) {
        check(dtls_keys(c->dtls, &keys) == OK);
        forget_srtp(c);
        c->has_keys = true;
        c->sender = new_srtp(&keys, &keys.local, true);
        c->receiver = new_srtp(&keys, &keys.remote, false);
    }
}

static void begin_dtls(struct client *c)
{
    struct call *call = c->call;
    struct dtls_fingerprint expected;
    check(dtls_fingerprint_parse(bytes_of_str("sha-256"), bytes_of_str(call->fingerprint),
                                 &expected) == OK);
    dtls_free(c->dtls);
    c->dtls = dtls_new(c->identity, DTLS_CLIENT, &expected, 1, call->now);
    c->has_keys = false;
    dtls_start(c->dtls, call->now);
    send_dtls(c);
}

void call_restart_dtls(struct client *c)
{
    begin_dtls(c);
    call_flush(c->call);
    check(c->has_keys);
}

void call_connect(struct client *c)
{
    struct call *call = c->call;
    call_check(c);
    call_flush(call);
    check(c->stun_answers == 1);
    begin_dtls(c);
    call_flush(call);
    check(c->sender != NULL);
    check(call_was_told(call, c->name, TRANSPORT_EVENT_CONNECTED));
    c->joined = true;
}

struct client *call_join(struct call *call, size_t index, const char *name, uint32_t allowed)
{
    struct client *c = call_enter(call, index, name, allowed);
    call_connect(c);
    return c;
}

void call_leave(struct client *c)
{
    struct call *call = c->call;
    struct command command = { .kind = COMMAND_TRANSPORT_REMOVE };
    memcpy(command.participant, c->name, sizeof command.participant);
    check(call_command(call, &command) == OK);
    call_flush(call);
    check(dtls_state(c->dtls) == DTLS_CLOSED); /* it was told goodbye */
    call_drop(c);
}

/* --- the network --- */

void call_receive(struct call *call, const struct net_addr *from, struct bytes datagram)
{
    if (call->arena_used == PASS_DATAGRAMS_MAX)
        call_flush(call);
    uint8_t *memory = call->arena[call->arena_used++];
    check(datagram.len <= sizeof call->arena[0]);
    memcpy(memory, datagram.data, datagram.len);
    struct datagram d = {
        .from = *from, .data = memory, .len = (uint32_t)datagram.len, .arrival = call->now
    };
    worker_receive(call->worker, &d, call->now);
}

static void on_rtp(struct client *c, struct bytes datagram)
{
    uint8_t packet[2048];
    int len = (int)datagram.len;
    memcpy(packet, datagram.data, datagram.len);
    check(c->receiver != NULL);
    srtp_err_status_t status = srtp_unprotect(c->receiver, packet, &len);
    if (status != srtp_err_status_ok)
        fprintf(stderr, "%s: srtp_unprotect: %d\n", c->name, (int)status);
    check(status == srtp_err_status_ok);
    struct rtp_packet p;
    check(rtp_parse(bytes_of(packet, (size_t)len), &p) == OK);
    struct rtp_ext_values ext;
    rtp_ext_read(&c->negotiated->params.ext, &p, &ext);
    check(c->seen_count < CALL_SEEN_MAX && p.payload.len <= CALL_PAYLOAD_MAX);
    struct seen *s = &c->seen[c->seen_count];
    *s = (struct seen){ .ssrc = p.ssrc,
                        .seq = p.seq,
                        .timestamp = p.timestamp,
                        .payload_type = p.payload_type,
                        .marker = p.marker,
                        .extensions = ext.present,
                        .transport_seq = ext.transport_seq,
                        .audio_level = ext.audio_level,
                        .len = (uint16_t)p.payload.len,
                        .at = c->call->now };
    if (ext.present & RTP_EXT_BIT(RTP_EXT_MID))
        memcpy(s->mid, ext.mid.data, MIN(ext.mid.len, (size_t)SDP_MID_MAX));
    memcpy(s->payload, p.payload.data, p.payload.len);
    if (c->lose == NULL || !c->lose(c, s))
        c->seen_count++;
}

static void on_rtcp_message(struct client *c, const struct rtcp_message *m)
{
    struct rtcp_nack_iter it;
    switch (m->kind) {
    case RTCP_NACK:
        it = rtcp_nack_iter_of(m->fci);
        for (uint16_t seq; rtcp_nack_next(&it, &seq);)
            c->nacked[c->nacked_count++ % ARRAY_LEN(c->nacked)] =
                (struct asked){ .ssrc = m->media_ssrc, .seq = seq };
        break;
    case RTCP_PLI:
        c->pli[c->pli_count++ % ARRAY_LEN(c->pli)] = (struct asked){ .ssrc = m->media_ssrc };
        break;
    case RTCP_SR:
        c->reports[c->report_count++ % ARRAY_LEN(c->reports)] = m->sender;
        break;
    case RTCP_RR: {
        struct bytes reports = m->reports;
        struct rtcp_report r;
        for (; rtcp_report_next(&reports, &r); c->receiver_report_count++)
            c->fraction_lost_max = MAX(c->fraction_lost_max, r.fraction_lost);
        break;
    }
    case RTCP_TWCC:
        c->twcc_count++;
        break;
    case RTCP_BYE: {
        struct bytes ssrcs = m->ssrcs;
        while (c->bye_count < ARRAY_LEN(c->byes) && rtcp_ssrc_next(&ssrcs, &c->byes[c->bye_count]))
            c->bye_count++;
        break;
    }
    default:
        break;
    }
}

static void on_rtcp(struct client *c, struct bytes datagram)
{
    uint8_t packet[2048];
    int len = (int)datagram.len;
    memcpy(packet, datagram.data, datagram.len);
    check(srtp_unprotect_rtcp(c->receiver, packet, &len) == srtp_err_status_ok);
    c->compound_count++;
    /* RFC 3550 §6.1: a report first; RFC 5506: or feedback alone, which the offer allows */
    uint8_t first = packet[1];
    check(first == RTCP_TYPE_SR || first == RTCP_TYPE_RR || first == RTCP_TYPE_RTPFB ||
          first == RTCP_TYPE_PSFB);
    bool has_cname = first == RTCP_TYPE_RTPFB || first == RTCP_TYPE_PSFB;
    struct rtcp_iter it = rtcp_iter_of(bytes_of(packet, (size_t)len));
    struct rtcp_message m;
    enum err err;
    while ((err = rtcp_next(&it, &m)) == OK) {
        on_rtcp_message(c, &m);
        has_cname = has_cname || (m.kind == RTCP_SDES && m.cname.len > 0);
    }
    check(err == ERR_NOT_FOUND && has_cname);
}

static void on_stun(struct client *c, const struct net_addr *at, struct bytes datagram)
{
    struct stun_message m;
    check(stun_parse(datagram, &m) == OK);
    c->stun_refusals += m.class == STUN_ERROR;
    if (m.class == STUN_ERROR || stun_check_integrity(&m, bytes_of_str(c->pwd)) != OK)
        return; /* the answer to a check that somebody else sent from our address */
    check(net_addr_equal(&m.mapped, at));
    c->stun_answers++;
}

static void deliver(struct call *call, const struct net_addr *to, struct bytes datagram)
{
    call->delivered_count++;
    for (size_t i = 0; i < CALL_CLIENTS_MAX; i++) {
        struct client *c = &call->clients[i];
        bool is_other = net_addr_is_set(&c->other) && net_addr_equal(&c->other, to);
        if (c->call == NULL || !(is_other || net_addr_equal(&c->addr, to)))
            continue;
        switch (demux_classify(datagram)) {
        case DEMUX_STUN:
            on_stun(c, to, datagram);
            break;
        case DEMUX_DTLS:
            if (c->dtls != NULL)
                on_dtls(c, datagram);
            break;
        case DEMUX_RTP:
            c->other_count += is_other;
            on_rtp(c, datagram);
            break;
        case DEMUX_RTCP:
            on_rtcp(c, datagram);
            break;
        default:
            check(!"a datagram of no kind");
        }
    }
}

struct parcel {
    struct net_addr to;
    size_t len;
    uint8_t data[2048];
};

/* The outbox is cut into datagrams as the kernel would; they are delivered after the pass. */
void call_flush(struct call *call)
{
    enum { PARCELS_MAX = 16384 };
    static struct parcel parcels[PARCELS_MAX];
    bool quiet = false;
    while (!quiet) {
        size_t count = 0;
        if (call->now >= worker_next_deadline(call->worker))
            worker_tick(call->worker, call->now);
        (void)pump_associations(call->worker, call->associations, call->now);
        for (bool more = true; more;) {
            more = worker_flush(call->worker, call->now, &call->out);
            for (size_t i = 0; i < call->out.send_count; i++) {
                const struct outbox_send *s = &call->out.sends[i];
                for (uint32_t at = 0; at < s->len; at += s->segment_size) {
                    check(count < PARCELS_MAX);
                    struct parcel *p = &parcels[count++];
                    p->to = s->to;
                    p->len = MIN((uint32_t)s->segment_size, s->len - at);
                    memcpy(p->data, call->out.scratch + s->offset + at, p->len);
                }
            }
            outbox_clear(&call->out);
        }
        worker_pass_end(call->worker);
        call->arena_used = 0;
        take_events(call);
        for (size_t i = 0; i < count; i++)
            deliver(call, &parcels[i].to, bytes_of(parcels[i].data, parcels[i].len));
        quiet = count == 0 && call->arena_used == 0;
    }
}

void call_wait(struct call *call, usec duration)
{
    for (usec end = call->now + duration; call->now < end;) {
        call->now = MIN(call->now + MILLIS(10), end);
        for (size_t i = 0; i < CALL_CLIENTS_MAX && !call->no_checks; i++) {
            struct client *c = &call->clients[i];
            if (c->joined && call->now - c->checked_at >= SECONDS(4))
                call_check(c);
        }
        call_flush(call);
    }
}

/* --- control --- */

static void set_slots(struct client *viewer, struct command *c)
{
    c->kind = COMMAND_SLOTS_SET;
    memcpy(c->participant, viewer->name, sizeof c->participant);
    c->slots_set.version = ++viewer->call->versions;
    check(call_command(viewer->call, c) == OK);
}

static struct command views[CALL_CLIENTS_MAX]; /* what each views, as control would keep it */

void call_view(struct client *viewer, size_t slot, const struct client *publisher,
               enum source source, uint8_t spatial_max)
{
    struct command *c = &views[viewer - viewer->call->clients];
    const char *mid = client_slot_mid(viewer, source_kind(source), slot);
    size_t i = 0;
    while (i < c->slots_set.slot_count && strcmp(c->slots_set.slots[i].mid, mid) != 0)
        i++;
    c->slots_set.slot_count = MAX(c->slots_set.slot_count, i + 1);
    struct slot_setting *s = &c->slots_set.slots[i];
    *s = (struct slot_setting){ .has_track = true, .source = source, .spatial_max = spatial_max };
    memcpy(s->mid, mid, strlen(mid) + 1);
    memcpy(s->participant, publisher->name, sizeof s->participant);
    set_slots(viewer, c);
}

void call_view_nothing(struct client *viewer)
{
    struct command *c = &views[viewer - viewer->call->clients];
    c->slots_set.slot_count = 0;
    set_slots(viewer, c);
}

void call_mute(struct client *publisher, enum source source, bool muted)
{
    struct command c = { .kind = COMMAND_TRACK_SET };
    memcpy(c.participant, publisher->name, sizeof c.participant);
    c.track_set.source = source;
    c.track_set.muted = muted;
    check(call_command(publisher->call, &c) == OK);
}

static const struct media_params *find_slot(const struct client *c, enum media_kind kind, size_t n)
{
    const struct transport_params *p = &c->negotiated->params;
    for (size_t i = 0; i < p->media_count; i++) {
        if (p->media[i].role == MEDIA_SLOT && p->media[i].kind == kind && n-- == 0)
            return &p->media[i];
    }
    check(!"no such slot");
    return NULL;
}

uint32_t client_slot_ssrc(const struct client *c, enum media_kind kind, size_t n, bool rtx)
{
    const struct media_params *m = find_slot(c, kind, n);
    return rtx ? m->rtx_ssrc : m->ssrc;
}

const char *client_slot_mid(const struct client *c, enum media_kind kind, size_t n)
{
    return find_slot(c, kind, n)->mid;
}

/* --- media --- */

static uint8_t type_of(const struct client *c, enum codec codec, uint8_t apt)
{
    const struct format *f = c->negotiated->params.formats;
    for (uint8_t i = 0; i < 128; i++) {
        if (f[i].codec == codec && (codec != CODEC_RTX || f[i].apt == apt))
            return i;
    }
    check(!"no such codec");
    return 0;
}

void stream_audio(struct stream *s, struct client *c, uint32_t ssrc)
{
    *s = (struct stream){ .client = c,
                          .mid = "0",
                          .ssrc = ssrc,
                          .seq = (uint16_t)(ssrc * 7919),
                          .timestamp = ssrc * 31,
                          .payload_type = type_of(c, CODEC_OPUS, 0),
                          .audio_level = 127 };
}

void stream_camera(struct stream *s, struct client *c, const char *rid, uint32_t ssrc)
{
    uint8_t vp8 = type_of(c, CODEC_VP8, 0);
    *s = (struct stream){ .client = c,
                          .mid = "1",
                          .rid = rid,
                          .ssrc = ssrc,
                          .rtx_ssrc = ssrc + 1000,
                          .seq = (uint16_t)(ssrc * 7919),
                          .rtx_seq = 100,
                          .timestamp = ssrc * 100003,
                          .payload_type = vp8,
                          .rtx_type = type_of(c, CODEC_RTX, vp8),
                          .picture_id = (uint16_t)(ssrc & 0x7fff) };
}

static void send_rtp(struct stream *s, struct rtp_packet *p, bool is_rtx)
{
    struct client *c = s->client;
    struct rtp_ext_values v = { .present =
                                    RTP_EXT_BIT(RTP_EXT_MID) | RTP_EXT_BIT(RTP_EXT_TRANSPORT_CC),
                                .mid = bytes_of_str(s->mid),
                                .transport_seq = c->transport_seq++ };
    if (s->rid != NULL) {
        v.present |= RTP_EXT_BIT(is_rtx ? RTP_EXT_REPAIRED_RID : RTP_EXT_RID);
        v.rid = v.repaired_rid = bytes_of_str(s->rid);
    } else if (s->rtx_ssrc == 0) {
        v.present |= RTP_EXT_BIT(RTP_EXT_AUDIO_LEVEL);
        v.audio_level = s->audio_level;
    }
    uint8_t body[128], packet[2048];
    struct writer bw = writer_of(body, sizeof body), w = writer_of(packet, sizeof packet);
    rtp_ext_write(&c->negotiated->params.ext, &v, &bw, &p->ext_profile, NULL);
    p->has_ext = true;
    p->ext = bytes_of(body, writer_len(&bw));
    rtp_write(&w, p);
    check(!bw.failed && !w.failed);
    int len = (int)writer_len(&w);
    check(srtp_protect(c->sender, packet, &len) == srtp_err_status_ok);
    if (!s->lose_next)
        call_receive(c->call, &c->addr, bytes_of(packet, (size_t)len));
    s->lose_next = false;
}

void stream_send(struct stream *s, struct bytes payload, bool marker)
{
    size_t i = s->seq % ARRAY_LEN(s->sent);
    s->sent[i].seq = s->seq;
    s->sent[i].timestamp = s->timestamp;
    s->sent[i].marker = marker;
    s->sent[i].len = (uint16_t)payload.len;
    memcpy(s->sent[i].payload, payload.data, payload.len);
    struct rtp_packet p = { .payload_type = s->payload_type,
                            .marker = marker,
                            .seq = s->seq++,
                            .timestamp = s->timestamp,
                            .ssrc = s->ssrc,
                            .payload = payload };
    send_rtp(s, &p, false);
}

void stream_send_padding(struct stream *s)
{
    struct rtp_packet p = { .payload_type = s->payload_type,
                            .seq = s->seq++,
                            .timestamp = s->timestamp,
                            .ssrc = s->ssrc,
                            .padding_len = 200 };
    send_rtp(s, &p, false);
}

void stream_send_rtx(struct stream *s, uint16_t seq)
{
    size_t i = seq % ARRAY_LEN(s->sent);
    check(s->sent[i].seq == seq);
    uint8_t payload[CALL_PAYLOAD_MAX + 2];
    struct writer w = writer_of(payload, sizeof payload);
    writer_u16(&w, seq);
    writer_put(&w, bytes_of(s->sent[i].payload, s->sent[i].len));
    struct rtp_packet p = { .payload_type = s->rtx_type,
                            .marker = s->sent[i].marker,
                            .seq = s->rtx_seq++,
                            .timestamp = s->sent[i].timestamp,
                            .ssrc = s->rtx_ssrc,
                            .payload = bytes_of(payload, writer_len(&w)) };
    send_rtp(s, &p, true);
}

void stream_send_audio(struct stream *s)
{
    uint8_t payload[60];
    memset(payload, (int)(s->frame & 0xff), sizeof payload);
    store_be32(payload, s->ssrc);
    store_be32(payload + 4, s->frame++);
    stream_send(s, bytes_of(payload, sizeof payload), false);
    s->timestamp += 960;
}

/* descriptor | frame tag, and in a keyframe start code and size | SSRC, frame, packet | filling */
void stream_send_frame(struct stream *s, bool keyframe, size_t packets)
{
    for (size_t i = 0; i < packets; i++) {
        uint8_t payload[CALL_PAYLOAD_MAX];
        struct writer w = writer_of(payload, sizeof payload);
        struct vp8_descriptor d = { .partition_start = i == 0,
                                    .has_picture_id = true,
                                    .picture_id_long = true,
                                    .picture_id = s->picture_id,
                                    .has_tl0_index = true,
                                    .tl0_index = (uint8_t)s->picture_id,
                                    .has_temporal_id = true,
                                    .has_key_index = true };
        vp8_write(&w, &d);
        if (i == 0 && keyframe)
            writer_put(&w, bytes_of("\x10\x02\x00\x9d\x01\x2a\x80\x02\xe0\x01", 10));
        else
            writer_put(&w, bytes_of("\x11\x02\x00", 3));
        writer_u32(&w, s->ssrc);
        writer_u32(&w, s->frame);
        writer_u32(&w, (uint32_t)i);
        size_t filling = i + 1 == packets ? 100 : 900;
        memset(writer_reserve(&w, filling), 0x5a, filling);
        stream_send(s, bytes_of(payload, writer_len(&w)), i + 1 == packets);
    }
    s->frame++;
    s->picture_id = (s->picture_id + 1) & 0x7fff;
    s->timestamp += 3000;
}

void stream_send_report(struct stream *s, wall_usec wall)
{
    uint8_t packet[256];
    struct writer w = writer_of(packet, sizeof packet);
    struct rtcp_sender_info info = { .ssrc = s->ssrc,
                                     .ntp = ntp_of(wall),
                                     .timestamp = s->timestamp };
    rtcp_write_sr(&w, &info, NULL, 0);
    rtcp_write_sdes(&w, s->ssrc, bytes_of_str("publisher"));
    client_send_rtcp(s->client, bytes_of(packet, writer_len(&w)));
}

void client_send_rtcp(struct client *c, struct bytes compound)
{
    uint8_t packet[2048];
    memcpy(packet, compound.data, compound.len);
    int len = (int)compound.len;
    check(srtp_protect_rtcp(c->sender, packet, &len) == srtp_err_status_ok);
    call_receive(c->call, &c->addr, bytes_of(packet, (size_t)len));
}

void client_send_nack(struct client *c, uint32_t ssrc, const uint16_t *seqs, size_t count)
{
    uint8_t packet[1024];
    struct writer w = writer_of(packet, sizeof packet);
    rtcp_write_nack(&w, 1, ssrc, seqs, count);
    client_send_rtcp(c, bytes_of(packet, writer_len(&w)));
}

void client_send_pli(struct client *c, uint32_t ssrc)
{
    uint8_t packet[64];
    struct writer w = writer_of(packet, sizeof packet);
    rtcp_write_pli(&w, 1, ssrc);
    client_send_rtcp(c, bytes_of(packet, writer_len(&w)));
}

/* --- looking --- */

size_t client_check_stream(const struct client *c, uint32_t ssrc)
{
    const struct seen *last = NULL;
    size_t count = 0;
    for (size_t i = 0; i < c->seen_count; i++) {
        const struct seen *s = &c->seen[i];
        if (s->ssrc != ssrc)
            continue;
        if (last != NULL) {
            check((uint16_t)(last->seq + 1) == s->seq);
            check((int32_t)(s->timestamp - last->timestamp) >= 0);
        }
        last = s;
        count++;
    }
    return count;
}

const struct seen *client_find(const struct client *c, uint32_t ssrc, size_t n)
{
    for (size_t i = 0; i < c->seen_count; i++) {
        if (c->seen[i].ssrc == ssrc && n-- == 0)
            return &c->seen[i];
    }
    return NULL;
}

size_t client_count(const struct client *c, uint32_t ssrc)
{
    size_t n = 0;
    while (client_find(c, ssrc, n) != NULL)
        n++;
    return n;
}

size_t client_count_pli(const struct client *c, uint32_t ssrc)
{
    size_t n = 0;
    for (size_t i = 0; i < c->pli_count; i++)
        n += c->pli[i].ssrc == ssrc;
    return n;
}

void client_forget(struct client *c)
{
    c->seen_count = c->nacked_count = c->pli_count = c->report_count = 0;
    c->receiver_report_count = c->twcc_count = c->compound_count = 0;
    c->fraction_lost_max = 0;
}
