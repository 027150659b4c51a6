/* command.h - typed requests from the control plane to a worker.
 *
 * A command is built (allocated) by control, travels to the worker by pointer, and comes back by
 * pointer in EVENT_COMMAND_DONE; control frees it. The worker copies what it keeps.
 * Zero-initialise, then fill. Texts are zero terminated.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_COMMAND_H
#define SFUD_CORE_COMMAND_H

#include "core/source.h"
#include "limits.h"

struct room_snapshot; /* core/snapshot.h */
struct participant_snapshot;
struct packets_snapshot;

enum command_kind {
    COMMAND_TRANSPORT_CREATE, /* ERR_FULL, ERR_BAD_STATE (exists), ERR_SYSTEM */
    COMMAND_TRANSPORT_UPDATE, /* more m-lines; those known stay. ERR_NOT_FOUND, ERR_FULL */
    COMMAND_TRANSPORT_REMOVE, /* OK also if it has gone by itself */
    COMMAND_SLOTS_SET,        /* ERR_NOT_FOUND; an old version is OK and ignored */
    COMMAND_TRACK_SET,        /* ERR_NOT_FOUND: no such participant */
    COMMAND_WALL_SET,         /* the wall clock was stepped: new wall_minus_now */
    COMMAND_SNAPSHOT,         /* statistics. ERR_NOT_FOUND: no such room or participant */
};

enum media_role {
    MEDIA_UNUSED,  /* rejected or inactive */
    MEDIA_PUBLISH, /* the participant sends `source` */
    MEDIA_SLOT,    /* we send */
};

/* One m-line of a transport. What payload types mean is in transport_params.formats. */
struct media_params {
    enum media_role role;
    enum media_kind kind;
    char mid[SDP_MID_MAX + 1];
    uint8_t payload_types[NEGOTIATED_FORMATS_MAX]; /* best first, RTX among them */
    uint8_t payload_type_count;
    uint32_t extensions; /* RTP_EXT_BIT mask */
    bool rtcp_rsize;
    /* MEDIA_PUBLISH */
    enum source source;
    bool allowed; /* by the grant: else what arrives is dropped and counted */
    char rids[TRACK_ENCODINGS_MAX][SDP_RID_MAX + 1]; /* lowest resolution first */
    uint8_t rid_count;                               /* 0: no simulcast */
    /* MEDIA_PUBLISH: as signaled, 0 if not. MEDIA_SLOT: chosen by negotiation, never 0 (RTX: 0 if
     * the m-line has no RTX). */
    uint32_t ssrc, rtx_ssrc;
};

/* Its data channels. They are decided on by the first offer. */
struct data_params {
    uint16_t sctp_port; /* 0: none */
    uint32_t max_message_size;
    bool is_allowed; /* by the grant: to send */
};

/* A participant's transport as negotiated: built by negotiation.h. About 12 KiB; what the worker
 * keeps of it is transport_terms. */
struct transport_params {
    char local_ufrag[SDP_UFRAG_MAX + 1]; /* ours: unique in the worker */
    char local_pwd[SDP_PWD_MAX + 1];
    char remote_ufrag[SDP_UFRAG_MAX + 1];
    bool dtls_client;                                          /* we send the ClientHello */
    struct sdp_fingerprint fingerprints[SDP_FINGERPRINTS_MAX]; /* one must match */
    uint8_t fingerprint_count;
    struct rtp_ext_map ext;
    struct format formats[128]; /* by payload type */
    char cname[SDP_ID_MAX + 1]; /* ours, toward this participant */
    struct media_params media[TRANSPORT_MEDIA_MAX];
    size_t media_count;
    struct data_params data;
};

/* One slot of slots.set. */
struct slot_setting {
    char mid[SDP_MID_MAX + 1];
    bool has_track; /* false: nothing flows in it */
    char participant[PARTICIPANT_KEY_MAX + 1];
    enum source source;
    uint8_t spatial_max; /* highest layer wanted: 0 lowest … 2 */
    uint8_t priority;    /* 0 first, where bandwidth is scarce */
};

struct command {
    enum command_kind kind;
    uint64_t id; /* control's own; not looked at */
    char room[ROOM_KEY_MAX + 1];
    char participant[PARTICIPANT_KEY_MAX + 1];
    union {
        struct transport_params transport; /* TRANSPORT_CREATE, TRANSPORT_UPDATE */
        struct {
            uint64_t version; /* rising per participant */
            bool tell_again;  /* who asks is new to the room: scores and speakers, once more */
            struct slot_setting slots[TRANSPORT_MEDIA_MAX];
            size_t slot_count; /* the whole mapping: slots not named are emptied */
        } slots_set;
        struct {
            enum source source;
            bool muted;
        } track_set;
        wall_usec wall_minus_now;
        /* SNAPSHOT: one is filled, memory of control's. Of the room without a participant, else of
         * the participant. */
        struct {
            struct room_snapshot *ret_room;
            size_t skip; /* participants not to tell of */
            struct participant_snapshot *ret_participant;
            struct packets_snapshot *ret_packets;
        } snapshot;
    };
    void *user; /* control's own; not looked at */
};

#endif
