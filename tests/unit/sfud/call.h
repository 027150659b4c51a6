/* call.h - a whole call in one process: a worker and simulated participants on a virtual clock.
 *
 * The participants' SRTP is libsrtp2, so that what the worker seals and opens is held against an
 * independent implementation. Offers are a browser's, with our fingerprints. A failing expectation
 * is a check(): it says where, and aborts. The environment may say how media is sealed:
 * CALL_SEAL=openssl instead of what the machine has, CALL_SUITE=sha1 instead of GCM.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SFUD_CALL_H
#define TESTS_SFUD_CALL_H

#include "core/associations.h"
#include "core/negotiation.h"
#include "core/worker.h"
#include "rtc/dtls.h"
#include "rtc/rtcp.h"

#include <srtp2/srtp.h>

enum {
    CALL_CLIENTS_MAX = 4,
    CALL_SEEN_MAX = 65536,
    CALL_EVENTS_MAX = 256,
    CALL_PAYLOAD_MAX = 1200,
};

/* One RTP packet as a participant got it. */
struct seen {
    uint32_t ssrc;
    uint16_t seq;
    uint32_t timestamp;
    uint8_t payload_type;
    bool marker;
    uint32_t extensions; /* RTP_EXT_BIT mask */
    uint16_t transport_seq;
    uint8_t audio_level;
    char mid[SDP_MID_MAX + 1];
    uint16_t len;
    uint8_t payload[CALL_PAYLOAD_MAX];
    usec at;
};

/* One feedback message as a publisher got it. */
struct asked {
    uint32_t ssrc;
    uint16_t seq; /* NACK */
};

struct client {
    struct call *call;
    char name[PARTICIPANT_KEY_MAX + 1];
    struct net_addr addr;
    struct net_addr other; /* where they can be reached, too; unset: nowhere else */
    struct dtls_context *identity;
    struct dtls *dtls;
    srtp_t sender, receiver;
    bool has_keys; /* of the present dtls */
    struct negotiation_request request;
    struct negotiation_result *negotiated;
    struct command command;
    char ufrag[16], pwd[32];
    uint16_t transport_seq;
    bool joined;
    usec checked_at; /* last STUN check */
    uint32_t stun_answers, stun_refusals;
    /* what came */
    size_t other_count; /* RTP at their other address */
    uint32_t byes[64];  /* SSRCs */
    size_t bye_count;
    struct seen *seen;
    size_t seen_count;
    struct asked nacked[1024];
    size_t nacked_count;
    struct asked pli[256];
    size_t pli_count;
    struct rtcp_sender_info reports[256]; /* sender reports */
    size_t report_count;
    size_t receiver_report_count, twcc_count, compound_count;
    uint8_t fraction_lost_max; /* over all reports about what they publish */
    /* downlink: true drops this packet */
    bool (*lose)(const struct client *c, const struct seen *p);
};

struct call {
    struct worker *worker;
    struct seal_engine *seal;
    struct associations *associations;
    struct dtls_context *identity;
    char fingerprint[DTLS_FINGERPRINT_TEXT_SIZE];
    usec now;
    struct client clients[CALL_CLIENTS_MAX];
    struct event events[CALL_EVENTS_MAX];
    size_t event_count;
    size_t delivered_count; /* datagrams the worker sent, to whomever */
    struct outbox out;
    uint8_t *scratch;
    struct outbox_send sends[OUTBOX_SENDS_MAX];
    uint8_t arena[PASS_DATAGRAMS_MAX][2048]; /* the datagrams of a pass */
    size_t arena_used;
    struct negotiation_scratch *negotiation;
    uint64_t versions;
    bool no_checks; /* participants forget to renew their consent */
};

void call_init(struct call *call);
void call_done(struct call *call);

/* From offer to connected. allowed: SOURCE_BIT mask. */
struct client *call_join(struct call *call, size_t index, const char *name, uint32_t allowed);
/* As call_join(), up to the transport; nothing is sent yet. */
struct client *call_enter(struct call *call, size_t index, const char *name, uint32_t allowed);
void call_connect(struct client *c);
/* DTLS begins again from the participant's side; waits until both have the new keys. */
void call_restart_dtls(struct client *c);
/* A STUN check from the participant's address. */
void call_check(struct client *c);
/* From anywhere, with the credentials that the participant has now. */
void call_check_from(struct client *c, const struct net_addr *from, bool nominate);
/* The participant restarts ICE; from the update on, its checks use the new credentials, number n.
 * The worker's answer. */
enum err call_restart(struct client *c, unsigned n);
/* The client half of a participant goes away without a word. */
void call_drop(struct client *c);
void call_leave(struct client *c);

/* One datagram into the worker; the pass ends with call_flush(). */
void call_receive(struct call *call, const struct net_addr *from, struct bytes datagram);
/* Ticks if something is due, flushes and delivers until all is quiet, takes the events. */
void call_flush(struct call *call);
/* Lets time pass in steps of 10 ms. */
void call_wait(struct call *call, usec duration);

enum err call_command(struct call *call, struct command *c);
/* Fills the slots of `viewer`, in order of the m-lines of each kind. */
void call_view(struct client *viewer, size_t slot, const struct client *publisher,
               enum source source, uint8_t spatial_max);
void call_view_nothing(struct client *viewer);
void call_mute(struct client *publisher, enum source source, bool muted);

/* The SSRC of the nth slot of a kind. */
uint32_t client_slot_ssrc(const struct client *c, enum media_kind kind, size_t n, bool rtx);
const char *client_slot_mid(const struct client *c, enum media_kind kind, size_t n);

/* What a participant publishes: one RTP stream. */
struct stream {
    struct client *client;
    const char *mid;
    const char *rid; /* NULL: no simulcast */
    uint32_t ssrc, rtx_ssrc;
    uint16_t seq, rtx_seq;
    uint32_t timestamp;
    uint8_t payload_type, rtx_type;
    uint8_t audio_level;
    uint16_t picture_id;
    uint32_t frame;
    bool lose_next; /* uplink: the next packet is not delivered */
    struct {
        uint16_t seq;
        uint32_t timestamp;
        bool marker;
        uint16_t len;
        uint8_t payload[CALL_PAYLOAD_MAX];
    } sent[512]; /* by seq, for RTX */
};

void stream_audio(struct stream *s, struct client *c, uint32_t ssrc);
void stream_camera(struct stream *s, struct client *c, const char *rid, uint32_t ssrc);

/* One packet. */
void stream_send(struct stream *s, struct bytes payload, bool marker);
void stream_send_padding(struct stream *s);
void stream_send_rtx(struct stream *s, uint16_t seq);
/* 20 ms of opus; one frame of VP8 in `packets` packets. The timestamp moves on. */
void stream_send_audio(struct stream *s);
void stream_send_frame(struct stream *s, bool keyframe, size_t packets);
void stream_send_report(struct stream *s, wall_usec wall);

/* One compound of RTCP from a participant. */
void client_send_rtcp(struct client *c, struct bytes compound);
void client_send_nack(struct client *c, uint32_t ssrc, const uint16_t *seqs, size_t count);
void client_send_pli(struct client *c, uint32_t ssrc);

/* Packets of that SSRC are without gap and their timestamps do not go back. Returns their number.
 */
size_t client_check_stream(const struct client *c, uint32_t ssrc);
/* The nth packet of an SSRC, NULL if there are fewer. */
const struct seen *client_find(const struct client *c, uint32_t ssrc, size_t n);
size_t client_count(const struct client *c, uint32_t ssrc);
size_t client_count_pli(const struct client *c, uint32_t ssrc);
void client_forget(struct client *c);

/* The nth transport event of a participant of that kind was told. */
bool call_was_told(const struct call *call, const char *name, enum transport_event what);

#endif
