/* SPDX-License-Identifier: Apache-2.0 */
#include "core/leg.h"

#include "common/splitmix.h"
#include "core/leg_echo.h"
#include "rtc/demux.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Enough for SSRCs, credentials and jitter of a tester. */
uint64_t leg_random(struct leg *l)
{
    return splitmix_next(&l->random_state);
}

static void fail(struct leg *l, const char *failure, const char *format, ...) PRINTF_LIKE(3, 4);
static void fail(struct leg *l, const char *failure, const char *format, ...)
{
    if (l->state == LEG_FAILED)
        return;
    l->state = LEG_FAILED;
    snprintf(l->failure, sizeof l->failure, "%s", failure);
    va_list args;
    va_start(args, format);
    vsnprintf(l->failure_text, sizeof l->failure_text, format, args);
    va_end(args);
}

struct leg *leg_new(const struct leg_config *config, usec now)
{
    struct leg *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->config = *config;
    l->random_state = config->seed;
    l->described_at = l->ice_at = l->dtls_at = USEC_NEVER;
    l->first_packet_at = l->first_keyframe_at = USEC_NEVER;
    l->feedback_at = l->report_at = USEC_NEVER;
    l->rtt_us = -1;
    l->rtcp_ssrc = (uint32_t)leg_random(l) | 1;
    uint64_t random[ICE_RANDOM_LEN / 8];
    for (size_t i = 0; i < ARRAY_LEN(random); i++)
        random[i] = leg_random(l);
    ice_credentials_make((const uint8_t *)random, &l->local);
    (void)now;
    return l;
}

void leg_free(struct leg *l)
{
    if (l == NULL)
        return;
    dtls_free(l->dtls);
    srtp_session_free(l->srtp);
    for (unsigned i = 0; i < l->source_count; i++)
        source_free(l->sources[i]);
    for (unsigned i = 0; i < l->sink_count; i++)
        sink_free(l->sinks[i]);
    leg_echo_free(l->echo);
    free(l->twcc);
    free(l->early);
    free(l->remote);
    free(l);
}

static usec start_ice(struct leg *l, usec now)
{
    const struct sdp_remote *r = l->remote;
    struct ice_client_config config = {
        .local = &l->local,
        .remote_ufrag = bytes_of_str(r->ice_ufrag),
        .remote_pwd = bytes_of_str(r->ice_pwd),
        .family = NET_NONE,
        .controlled = !r->controlling,
        .seed = leg_random(l),
    };
    if (ice_client_init(&l->ice, &config, now) != OK) {
        fail(l, "bad-sdp", "the server's ICE credentials cannot be used");
        return now;
    }
    unsigned usable = 0;
    for (unsigned i = 0; i < r->candidate_count; i++) {
        const struct sdp_remote_candidate *c = &r->candidates[i];
        usable += ice_client_add_candidate(&l->ice, &c->address, c->priority, now) == OK;
    }
    if (usable == 0)
        fail(l, "no-candidate", "the server's description has no UDP candidate that we can use");
    l->state = l->state == LEG_FAILED ? LEG_FAILED : LEG_ICE;
    return now;
}

static void start_dtls(struct leg *l, usec now)
{
    struct dtls_fingerprint expected[DTLS_FINGERPRINTS_MAX];
    size_t count = 0;
    for (; count < MIN((size_t)l->remote->fingerprint_count, DTLS_FINGERPRINTS_MAX); count++) {
        const struct sdp_fingerprint *f = &l->remote->fingerprints[count];
        expected[count].bits = (uint16_t)(f->len * 8);
        memcpy(expected[count].hash, f->value, f->len);
    }
    l->dtls = dtls_new(l->config.world->identity,
                       l->remote->dtls_client ? DTLS_CLIENT : DTLS_SERVER, expected, count, now);
    if (l->dtls == NULL) {
        fail(l, "no-memory", "no memory for DTLS");
        return;
    }
    l->state = LEG_DTLS;
    l->ice_at = now;
    dtls_start(l->dtls, now);
    if (l->early != NULL && ice_client_is_valid(&l->ice, &l->early->from))
        dtls_receive(l->dtls, bytes_of(l->early->datagram, l->early->len), now);
    free(l->early);
    l->early = NULL;
}

static void keep_early(struct leg *l, const struct net_addr *from, struct bytes datagram)
{
    if (l->state != LEG_ICE || l->early != NULL || datagram.len > sizeof l->early->datagram)
        return;
    l->early = malloc(sizeof *l->early);
    if (l->early == NULL)
        return;
    l->early->from = *from;
    l->early->len = datagram.len;
    memcpy(l->early->datagram, datagram.data, datagram.len);
}

enum err leg_set_remote(struct leg *l, struct sdp_remote *remote, usec now)
{
    bool first = l->remote == NULL;
    free(l->remote);
    l->remote = remote;
    if (first) {
        l->described_at = now;
        (void)start_ice(l, now);
    }
    return leg_media_update(l, now) ? OK : ERR_SYSTEM;
}

static void flush_dtls(struct leg *l, struct outbound *out)
{
    const struct net_addr *to = ice_client_selected(&l->ice);
    struct bytes d;
    while (dtls_next_datagram(l->dtls, &d)) {
        uint8_t *at = to == NULL ? NULL : outbound_reserve(out, d.len);
        if (at == NULL)
            continue;
        memcpy(at, d.data, d.len);
        outbound_commit(out, l->config.index, to, d.len);
    }
}

/* After anything that may have moved DTLS. */
static void follow_dtls(struct leg *l, usec now, struct outbound *out)
{
    flush_dtls(l, out);
    enum dtls_state state = dtls_state(l->dtls);
    if (state == DTLS_FAILED)
        fail(l, dtls_failure(l->dtls) == ERR_EXPIRED ? "dtls-timeout" : "dtls-failed",
             "the DTLS handshake failed: %s", err_name(dtls_failure(l->dtls)));
    if (state == DTLS_CLOSED)
        fail(l, "dtls-closed", "the server closed DTLS");
    if (state != DTLS_CONNECTED || l->state != LEG_DTLS)
        return;
    struct dtls_keys keys;
    enum err err = dtls_keys(l->dtls, &keys);
    l->srtp = err == OK ? srtp_session_new(&keys) : NULL;
    bytes_wipe(&keys, sizeof keys);
    if (l->srtp == NULL) {
        fail(l, "srtp", "no SRTP session from these keys");
        return;
    }
    l->state = LEG_CONNECTED;
    l->dtls_at = now;
    leg_media_start(l, now);
}

static void on_ice_event(struct leg *l, enum ice_client_event event, usec now, struct outbound *out)
{
    switch (event) {
    case ICE_CLIENT_EVENT_SELECTED:
        if (l->state == LEG_ICE)
            start_dtls(l, now);
        if (l->dtls != NULL)
            follow_dtls(l, now, out);
        break;
    case ICE_CLIENT_EVENT_FAILED:
        fail(l, "no-answer", "no answer to ICE checks at %s: is its UDP port reachable?",
             leg_candidate_text(l));
        break;
    case ICE_CLIENT_EVENT_EXPIRED:
        fail(l, "media-lost", "the server stopped answering ICE checks 30 s ago");
        break;
    case ICE_CLIENT_EVENT_NONE:
        break;
    }
}

const char *leg_candidate_text(struct leg *l)
{
    if (l->ice.pair_count == 0)
        return "any candidate";
    return net_addr_format(&l->ice.pairs[0].addr, l->address_text);
}

static void send_checks(struct leg *l, usec now, struct outbound *out)
{
    for (;;) {
        uint8_t *at = outbound_reserve(out, STUN_MESSAGE_MAX);
        if (at == NULL)
            return;
        struct writer w = writer_of(at, STUN_MESSAGE_MAX);
        struct net_addr to;
        if (!ice_client_next_check(&l->ice, now, &w, &to))
            return;
        outbound_commit(out, l->config.index, &to, writer_len(&w));
    }
}

static void on_stun(struct leg *l, const struct net_addr *from, struct bytes datagram, usec now,
                    struct outbound *out)
{
    struct stun_message m;
    if (l->state == LEG_NEW || stun_parse(datagram, &m) != OK) {
        l->config.measure->malformed += l->state != LEG_NEW;
        return;
    }
    enum ice_client_event event = ICE_CLIENT_EVENT_NONE;
    uint8_t *at = outbound_reserve(out, STUN_MESSAGE_MAX);
    if (at == NULL)
        return;
    struct writer response = writer_of(at, STUN_MESSAGE_MAX);
    uint32_t answered = l->ice.success_count;
    enum err err = ice_client_receive(&l->ice, &m, from, now, &response, &event);
    if (l->ice.success_count != answered)
        leg_on_round_trip(l, l->ice.rtt_us);
    if (writer_len(&response) > 0)
        outbound_commit(out, l->config.index, from, writer_len(&response));
    if (err == OK)
        on_ice_event(l, event, now, out);
    send_checks(l, now, out);
}

void leg_on_datagram(struct leg *l, const struct net_addr *from, uint8_t *datagram, size_t len,
                     usec now, struct outbound *out, leg_note *note, void *data)
{
    if (l->state == LEG_FAILED)
        return;
    struct bytes view = bytes_of(datagram, len);
    switch (demux_classify(view)) {
    case DEMUX_STUN:
        on_stun(l, from, view, now, out);
        break;
    case DEMUX_DTLS:
        if (l->dtls == NULL) {
            keep_early(l, from, view);
        } else if (ice_client_is_valid(&l->ice, from)) {
            dtls_receive(l->dtls, view, now);
            follow_dtls(l, now, out);
        }
        break;
    case DEMUX_RTP:
        if (l->state == LEG_CONNECTED)
            leg_media_on_rtp(l, datagram, len, now, note, data);
        break;
    case DEMUX_RTCP:
        if (l->state == LEG_CONNECTED)
            leg_media_on_rtcp(l, datagram, len, now, out);
        break;
    default:
        l->config.measure->malformed++;
        break;
    }
}

void leg_tick(struct leg *l, usec now, struct outbound *out, leg_note *note, void *data)
{
    if (l->state == LEG_NEW || l->state == LEG_FAILED)
        return;
    if (ice_client_deadline(&l->ice) <= now) {
        on_ice_event(l, ice_client_tick(&l->ice, now), now, out);
        send_checks(l, now, out);
    }
    if (l->dtls != NULL && dtls_deadline(l->dtls) <= now) {
        dtls_tick(l->dtls, now);
        follow_dtls(l, now, out);
    }
    if (l->state == LEG_CONNECTED)
        leg_media_tick(l, now, out, note, data);
}

usec leg_next_deadline(const struct leg *l)
{
    if (l->state == LEG_NEW || l->state == LEG_FAILED)
        return USEC_NEVER;
    usec at = ice_client_deadline(&l->ice);
    if (l->dtls != NULL)
        at = MIN(at, dtls_deadline(l->dtls));
    if (l->state == LEG_CONNECTED)
        at = MIN(at, leg_media_deadline(l));
    return at;
}

void leg_close(struct leg *l, usec now, struct outbound *out)
{
    (void)now;
    if (l->dtls == NULL || l->state == LEG_FAILED)
        return;
    dtls_close(l->dtls);
    flush_dtls(l, out);
}

struct sink *leg_find_sink(const struct leg *l, const char *mid)
{
    for (unsigned i = 0; i < l->sink_count; i++) {
        if (strcmp(l->sinks[i]->mid, mid) == 0)
            return l->sinks[i];
    }
    return NULL;
}
