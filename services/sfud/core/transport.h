/* transport.h - one participant's ICE-lite, DTLS and SRTP.
 *
 * States only go forward. DTLS and SRTP are taken only from addresses that passed an ICE check.
 * Lives in the worker's pool. Owned by the worker's thread.
 *
 *   NEW --check--> ICE --ClientHello--> DTLS --keys--> CONNECTED --silence, alert--> FAILED
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_TRANSPORT_H
#define SFUD_CORE_TRANSPORT_H

#include "common/list.h"
#include "core/association.h"
#include "core/bandwidth.h"
#include "core/command.h"
#include "core/datagram.h"
#include "core/observation.h"
#include "core/pool.h"
#include "core/redundancy.h"
#include "rtc/ice_lite.h"
#include "rtc/seal.h"
#include "rtc/twcc.h"

struct worker;
struct room;

enum transport_state {
    TRANSPORT_NEW,
    TRANSPORT_ICE,  /* an address is validated */
    TRANSPORT_DTLS, /* a handshake has begun */
    TRANSPORT_CONNECTED,
    TRANSPORT_FAILED, /* about to be removed */
};

enum {
    TRANSPORT_SSRCS_MAX = 24,      /* learned from one participant: 4 tracks with layers and RTX */
    TRANSPORT_OPENER_STREAMS = 32, /* the same, and senders of RTCP */
    TRANSPORT_RTCP_SIZE_MAX = 1200,
    TRANSPORT_MEDIA_BLOCK = 4, /* m-lines that get memory together */
};

/* An incoming SSRC that was learned. Stays when its encoding is forgotten: browsers stop saying mid
 * and rid once they know that we know. */
struct transport_ssrc {
    uint32_t ssrc;
    uint8_t media_index;
    uint8_t layer;
    bool is_rtx;
};

/* m-lines in a row: most participants have fewer than a third of TRANSPORT_MEDIA_MAX. */
struct media_block {
    struct media_params media[TRANSPORT_MEDIA_BLOCK];
};

/* What is kept of transport_params. ICE keeps its credentials. */
struct transport_terms {
    bool dtls_client;
    uint8_t fingerprint_count;
    struct sdp_fingerprint fingerprints[SDP_FINGERPRINTS_MAX];
    struct rtp_ext_map ext;
    struct format formats[128];
    char cname[SDP_ID_MAX + 1];
    struct data_params data;
    size_t media_count;
    /* Of the worker's pool; see transport_media(). NULL: none yet. */
    struct media_block *blocks[TRANSPORT_MEDIA_MAX / TRANSPORT_MEDIA_BLOCK];
};

struct transport_address {
    struct net_addr addr;
    uint16_t path;
};

struct transport {
    /* given */
    handle self;
    handle room;
    struct list_link in_room;
    uint64_t participant_hash;
    char participant[PARTICIPANT_KEY_MAX + 1];
    struct transport_terms params;
    handle media[TRANSPORT_MEDIA_MAX]; /* by m-line: its track or slot; 0: neither */

    /* owned */
    handle association;    /* place in the worker's association_port; 0: no DTLS yet */
    struct sealer *sealer; /* from CONNECTED on */
    struct opener *opener;
    struct ice_lite ice;

    enum transport_state state;
    bool is_disconnected;
    enum err failure;
    usec created_at;
    usec authenticated_at; /* last packet that was surely from the participant */
    usec silence_ended_at; /* the first such packet after PATH_SILENT_TIME; 0: there was none */
    struct transport_address addresses[ICE_REMOTE_MAX]; /* validated and in the worker's index */
    size_t address_count;
    struct transport_address dtls_from;
    usec rekeyed_at;     /* DTLS was restarted: the keys before still open; USEC_NEVER: no such */
    size_t seal_streams; /* what the sealer was made for */

    struct transport_ssrc ssrcs[TRANSPORT_SSRCS_MAX];
    size_t ssrc_count;
    struct twcc_recorder twcc;
    uint32_t twcc_media_ssrc;
    uint16_t twcc_seq; /* of what we send */
    struct bandwidth bandwidth;
    struct redundancy redundancy; /* of the sound we send */
    struct observation observation;
    uint32_t rtcp_ssrc; /* ours, for reports and feedback */
    bool rtcp_rsize;
    usec rtt_us;             /* -1: not known */
    usec receiver_report_at; /* next; USEC_NEVER: nothing was received */
    usec sender_report_at;   /* next; USEC_NEVER: nothing was sent */
    bool has_clock_offset;
    wall_usec clock_offset; /* our wall clock minus the participant's */
    uint64_t slots_version;

    /* packets that wait for worker_flush(): entries of the worker's queue, index + 1; 0: none */
    uint32_t queue_first, queue_last;
    bool is_waiting; /* in the worker's list of viewers with a queue */
    handle waiting_next;
};

/* m-line i, below params.media_count. It stays where it is as long as the transport lives. */
static inline struct media_params *transport_media(const struct transport *t, size_t i)
{
    return &t->params.blocks[i / TRANSPORT_MEDIA_BLOCK]->media[i % TRANSPORT_MEDIA_BLOCK];
}

/* NULL and ret_err: ERR_FULL or ERR_SYSTEM, ERR_UNSUPPORTED (credentials). */
struct transport *transport_new(struct worker *w, struct room *room, const char *participant,
                                const struct transport_params *params, usec now, enum err *ret_err);
/* Says goodbye (DTLS close_notify) if connected. */
void transport_free(struct worker *w, struct transport *t);

/* A later offer: more m-lines, and an ICE restart if its local credentials are others than the
 * newest known. m-lines known before stay as they are, whatever the offer says of their codecs and
 * direction; ERR_MALFORMED if they are others. ERR_FULL leaves those that found room. */
MUST_USE enum err transport_update(struct worker *w, struct transport *t,
                                   const struct transport_params *params, usec now);

/* m is a parsed STUN message, d the datagram it came in. */
void transport_on_stun(struct worker *w, struct transport *t, const struct stun_message *m,
                       const struct datagram *d, usec now);
void transport_on_dtls(struct worker *w, struct transport *t, const struct datagram *d, usec now);
/* The next handshake, with these fingerprints and this role (RFC 8842); media goes on with the
 * present keys until it is done. */
void transport_restart_dtls(struct worker *w, struct transport *t,
                            const struct transport_params *params);
/* What the association engine has to say to this transport. */
void transport_on_notice(struct worker *w, struct transport *t, const struct association_notice *n,
                         usec now);
/* Role and fingerprints of its next handshake. */
void transport_describe_dtls(const struct transport *t, struct association_request *r);
/* Something from the participant was authenticated. */
void transport_on_authentic(struct worker *w, struct transport *t, usec now);

/* Where media goes, or NULL. */
const struct transport_address *transport_destination(const struct transport *t);
bool transport_has_address(const struct transport *t, const struct net_addr *addr);

/* Seals a compound and queues it. */
void transport_send_rtcp(struct worker *w, struct transport *t, struct bytes compound);

/* ICE, DTLS, consent. May set FAILED. Returns the next deadline. */
usec transport_tick(struct worker *w, struct transport *t, usec now);

struct transport *transport_find(const struct worker *w, const char *room_key,
                                 const char *participant);
struct transport *transport_find_address(const struct worker *w, const struct net_addr *addr);
struct transport *transport_find_ufrag(const struct worker *w, struct bytes ufrag);

/* ice_restart.c: a transport is found by its current and by its pending local ufrag. */

/* Our half of params; ERR_UNSUPPORTED if it or theirs is too long. */
MUST_USE enum err transport_credentials(const struct transport_params *params,
                                        struct ice_credentials *ret);
MUST_USE enum err transport_index_ufrag(struct worker *w, struct transport *t);
void transport_forget_ufrags(struct worker *w, struct transport *t);
/* Make-before-break: see ice_lite.h. The same credentials again change nothing. ERR_UNSUPPORTED;
 * ERR_BAD_STATE if the ufrag is another's. */
MUST_USE enum err transport_restart_ice(struct worker *w, struct transport *t,
                                        const struct transport_params *params, usec now);
/* ice_lite_receive(), and the old ufrag goes with the first check that uses the new one.
 * *ret_is_new: on OK, whether it was a check, and no copy of one that came before. */
MUST_USE enum err transport_receive_check(struct worker *w, struct transport *t,
                                          const struct stun_message *m, const struct net_addr *from,
                                          usec now, struct writer *response, bool *ret_is_new);

#endif
