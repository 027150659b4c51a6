/* SPDX-License-Identifier: Apache-2.0 */
#include "core/transport.h"

#include "core/worker_state.h"

static struct bytes room_key_of(const struct worker *w, const struct transport *t)
{
    const struct room *room = pool_at(&w->rooms, t->room);
    check(room != NULL);
    return bytes_of_str(room->key);
}

static uint64_t hash_address(const struct worker *w, const struct net_addr *a)
{
    return net_addr_hash(a, load_be64(w->hash_key));
}

struct transport *transport_find(const struct worker *w, const char *room_key,
                                 const char *participant)
{
    uint64_t hash = worker_hash(w, bytes_of_str(room_key), bytes_of_str(participant));
    size_t at = HASH_INDEX_START;
    for (handle h; (h = hash_index_find(&w->by_participant, hash, &at)) != 0;) {
        struct transport *t = pool_at(&w->transports, h);
        if (t != NULL && strcmp(t->participant, participant) == 0 &&
            bytes_equal(room_key_of(w, t), bytes_of_str(room_key)))
            return t;
    }
    return NULL;
}

struct transport *transport_find_address(const struct worker *w, const struct net_addr *addr)
{
    uint64_t hash = hash_address(w, addr);
    size_t at = HASH_INDEX_START;
    for (handle h; (h = hash_index_find(&w->by_address, hash, &at)) != 0;) {
        struct transport *t = pool_at(&w->transports, h);
        if (t != NULL && transport_has_address(t, addr))
            return t;
    }
    return NULL;
}

/* Its place in t->addresses, or t->address_count. */
static size_t address_index(const struct transport *t, const struct net_addr *addr)
{
    size_t i = 0;
    while (i < t->address_count && !net_addr_equal(&t->addresses[i].addr, addr))
        i++;
    return i;
}

bool transport_has_address(const struct transport *t, const struct net_addr *addr)
{
    return address_index(t, addr) < t->address_count;
}

const struct transport_address *transport_destination(const struct transport *t)
{
    const struct net_addr *selected = ice_lite_selected(&t->ice);
    size_t i = selected == NULL ? t->address_count : address_index(t, selected);
    if (i < t->address_count)
        return &t->addresses[i];
    return transport_has_address(t, &t->dtls_from.addr) ? &t->dtls_from : NULL;
}

static void remove_address(struct worker *w, struct transport *t, size_t i)
{
    hash_index_remove(&w->by_address, hash_address(w, &t->addresses[i].addr), t->self);
    t->addresses[i] = t->addresses[--t->address_count];
}

static void forget_invalid_addresses(struct worker *w, struct transport *t)
{
    for (size_t i = t->address_count; i-- > 0;) {
        if (!ice_lite_is_valid(&t->ice, &t->addresses[i].addr))
            remove_address(w, t, i);
    }
}

/* Who checks is heard of every few seconds. Who does not, and only watches, sends nothing between
 * two reports (RFC 3550 §6.2: 5 s, and up to half as much again). */
static usec disconnected_at(const struct transport *t)
{
    bool checks = ice_lite_is_checked(&t->ice, t->authenticated_at - TRANSPORT_UNCHECKED_TIME);
    return t->authenticated_at +
           (checks ? TRANSPORT_DISCONNECTED_TIME : TRANSPORT_UNCHECKED_DISCONNECTED_TIME);
}

/* A port that a NAT gave to somebody else before is theirs no more. But a check proves only that
 * its sender knows a password, not that the source address is theirs: what an owner uses who is
 * heard of stays the owner's. (The other comes in when the owner is silent, and checks again until
 * then.) */
static bool take_address_over(struct worker *w, const struct net_addr *addr, usec now)
{
    struct transport *owner = transport_find_address(w, addr);
    if (owner == NULL)
        return true;
    const struct transport_address *used = transport_destination(owner);
    if (used != NULL && net_addr_equal(&used->addr, addr) && now < disconnected_at(owner)) {
        stats_count(&w->stats, STAT_DROP_ADDRESS);
        return false;
    }
    remove_address(w, owner, address_index(owner, addr));
    return true;
}

/* The index follows what ICE holds valid; the path is the one the last check came by. False: it
 * could not be kept, nothing may be sent there. */
static bool keep_address(struct worker *w, struct transport *t,
                         const struct transport_address *from, usec now)
{
    size_t known = address_index(t, &from->addr);
    if (known < t->address_count) {
        t->addresses[known].path = from->path;
        return true;
    }
    forget_invalid_addresses(w, t);
    if (!take_address_over(w, &from->addr, now))
        return false;
    if (t->address_count == ICE_REMOTE_MAX ||
        !hash_index_insert(&w->by_address, hash_address(w, &from->addr), t->self)) {
        stats_count(&w->stats, STAT_DROP_FULL);
        return false;
    }
    t->addresses[t->address_count++] = *from;
    return true;
}

/* Keeps what the offer says of m-lines that are new. */
static void take_media_params(struct worker *w, struct transport *t,
                              const struct transport_params *params)
{
    for (size_t i = t->params.media_count; i < params->media_count; i++) {
        struct media_block **block = &t->params.blocks[i / TRANSPORT_MEDIA_BLOCK];
        handle h;
        if (*block == NULL)
            *block = pool_take(&w->media, &h);
        check(*block != NULL); /* there are enough for all transports */
        *transport_media(t, i) = params->media[i];
    }
    t->params.media_count = params->media_count;
}

static void give_media_params(struct worker *w, struct transport *t)
{
    t->params.media_count = 0;
    for (size_t i = 0; i < ARRAY_LEN(t->params.blocks) && t->params.blocks[i] != NULL; i++)
        pool_give(&w->media, pool_handle_of(&w->media, t->params.blocks[i]));
}

/* Takes m-lines from `first` on into the pools. */
static enum err make_media(struct worker *w, struct transport *t, size_t first)
{
    for (size_t i = first; i < t->params.media_count; i++) {
        enum media_role role = transport_media(t, i)->role;
        t->media[i] = 0;
        if (role == MEDIA_PUBLISH) {
            struct track *track = track_new(w, t, (uint8_t)i);
            if (track == NULL)
                return ERR_FULL;
            t->media[i] = track->self;
        } else if (role == MEDIA_SLOT) {
            struct slot *slot = slot_new(w, t, (uint8_t)i);
            if (slot == NULL)
                return ERR_FULL;
            t->media[i] = slot->self;
        }
        t->rtcp_rsize = t->rtcp_rsize || transport_media(t, i)->rtcp_rsize;
    }
    return OK;
}

static void free_media(struct worker *w, struct transport *t)
{
    for (size_t i = 0; i < t->params.media_count; i++) {
        struct track *track = NULL;
        struct slot *slot = NULL;
        if (transport_media(t, i)->role == MEDIA_PUBLISH)
            track = pool_at(&w->tracks, t->media[i]);
        else if (transport_media(t, i)->role == MEDIA_SLOT)
            slot = pool_at(&w->slots, t->media[i]);
        if (track != NULL)
            track_free(w, track);
        if (slot != NULL)
            slot_free(w, slot);
        t->media[i] = 0;
    }
}

static enum err init_ice(struct transport *t, const struct transport_params *params, usec now)
{
    struct ice_credentials local;
    enum err err = transport_credentials(params, &local);
    return err != OK ? err
                     : ice_lite_init(&t->ice, &local, bytes_of_str(params->remote_ufrag), now);
}

static enum err index_transport(struct worker *w, struct transport *t)
{
    uint64_t participant = worker_hash(w, room_key_of(w, t), bytes_of_str(t->participant));
    if (!hash_index_insert(&w->by_participant, participant, t->self))
        return ERR_FULL;
    return transport_index_ufrag(w, t);
}

static void tell_room_of_tracks(struct worker *w, struct transport *t, size_t first, usec now)
{
    struct room *room = pool_at(&w->rooms, t->room);
    for (size_t i = first; i < t->params.media_count; i++) {
        if (transport_media(t, i)->role != MEDIA_PUBLISH)
            continue;
        struct track *track = pool_at(&w->tracks, t->media[i]);
        if (track != NULL)
            room_on_track(w, room, track, now);
    }
}

struct transport *transport_new(struct worker *w, struct room *room, const char *participant,
                                const struct transport_params *params, usec now, enum err *ret_err)
{
    handle h;
    struct transport *t = pool_take(&w->transports, &h);
    *ret_err = ERR_FULL;
    if (t == NULL) {
        if (room->participant_count == 0) {
            hash_index_remove(&w->by_room, room->hash, room->self);
            pool_give(&w->rooms, room->self);
        }
        return NULL;
    }
    memset(t, 0, sizeof *t);
    t->self = h;
    t->params.dtls_client = params->dtls_client;
    t->params.fingerprint_count = params->fingerprint_count;
    memcpy(t->params.fingerprints, params->fingerprints, sizeof t->params.fingerprints);
    t->params.ext = params->ext;
    memcpy(t->params.formats, params->formats, sizeof t->params.formats);
    memcpy(t->params.cname, params->cname, sizeof t->params.cname);
    t->params.data = params->data;
    take_media_params(w, t, params);
    memcpy(t->participant, participant, strnlen(participant, PARTICIPANT_KEY_MAX));
    t->created_at = t->authenticated_at = now;
    t->rtt_us = -1;
    t->receiver_report_at = t->sender_report_at = t->rekeyed_at = USEC_NEVER;
    t->rtcp_ssrc = (uint32_t)worker_random(w) | 1;
    twcc_recorder_init(&t->twcc, w->arrivals + (size_t)handle_index(h) * TWCC_WINDOW);
    bandwidth_init(w, t, now);
    observation_init(w, t, now);
    w->deadlines[handle_index(h)] = USEC_NEVER;
    room_add(w, room, t);
    enum err err = init_ice(t, params, now);
    if (err == OK)
        err = index_transport(w, t);
    if (err == OK && params->fingerprint_count == 0)
        err = ERR_UNSUPPORTED;
    if (err == OK)
        err = make_media(w, t, 0);
    *ret_err = err;
    if (err != OK) {
        transport_free(w, t);
        return NULL;
    }
    tell_room_of_tracks(w, t, 0, now);
    worker_wake(w, t->self, now);
    stats_set(&w->stats, STAT_PARTICIPANTS, w->transports.live);
    return t;
}

void transport_free(struct worker *w, struct transport *t)
{
    if (t->sealer != NULL && t->state != TRANSPORT_FAILED)
        report_goodbye(w, t);
    association_port_close(&w->port, t->association, &t->dtls_from);
    if (t->sealer != NULL)
        stats_set(&w->stats, STAT_CONNECTED, stats_read(&w->stats, STAT_CONNECTED) - 1);
    free_media(w, t);
    worker_forget_waiting(w, t);
    while (t->address_count > 0)
        remove_address(w, t, t->address_count - 1);
    struct bytes room_key = room_key_of(w, t);
    transport_forget_ufrags(w, t);
    hash_index_remove(&w->by_participant, worker_hash(w, room_key, bytes_of_str(t->participant)),
                      t->self);
    room_remove(w, pool_at(&w->rooms, t->room), t);
    sealer_free(t->sealer);
    opener_free(t->opener);
    bytes_wipe(&t->ice, sizeof t->ice);
    give_media_params(w, t);
    w->deadlines[handle_index(t->self)] = USEC_NEVER;
    pool_give(&w->transports, t->self);
    stats_set(&w->stats, STAT_PARTICIPANTS, w->transports.live);
}

/* SSRCs we may send with: each slot's and its RTX, and our own for RTCP. */
static size_t seal_streams_of(const struct media_params *m)
{
    return m->role == MEDIA_SLOT ? 1u + (m->rtx_ssrc != 0) : 0;
}

/* An m-line is the same for the whole session (RFC 8829 §5.2.2); its direction may change. */
static bool are_known_media_kept(const struct transport *t, const struct transport_params *new)
{
    if (new->media_count < t->params.media_count)
        return false;
    for (size_t i = 0; i < t->params.media_count; i++) {
        const struct media_params *a = transport_media(t, i), *b = &new->media[i];
        if (a->role != MEDIA_UNUSED && b->role != MEDIA_UNUSED &&
            (a->kind != b->kind || strcmp(a->mid, b->mid) != 0))
            return false;
    }
    return true;
}

/* What a payload type or an extension id means stays for the session (RFC 3264 §8.3.2, RFC 8285
 * §6), and is still sent by who has not seen the answer: only what is new is added. */
static enum err add_formats(struct transport_terms *to, const struct transport_params *from)
{
    for (size_t i = 0; i < ARRAY_LEN(to->formats); i++) {
        if (to->formats[i].codec == CODEC_NONE)
            to->formats[i] = from->formats[i];
    }
    to->ext.allow_mixed = to->ext.allow_mixed || from->ext.allow_mixed;
    for (unsigned k = RTP_EXT_NONE + 1; k < RTP_EXT_KIND_COUNT; k++) {
        if (from->ext.id_of[k] == 0 || to->ext.id_of[k] != 0)
            continue;
        if (rtp_ext_map_add(&to->ext, (enum rtp_ext_kind)k, from->ext.id_of[k]) != OK)
            return ERR_MALFORMED;
    }
    return OK;
}

/* An offer with another certificate means another DTLS association (RFC 8842 §4). */
static bool has_new_fingerprint(const struct transport *t, const struct transport_params *params)
{
    if (params->fingerprint_count != t->params.fingerprint_count)
        return params->fingerprint_count > 0;
    for (size_t i = 0; i < params->fingerprint_count; i++) {
        const struct sdp_fingerprint *a = &params->fingerprints[i], *b = &t->params.fingerprints[i];
        if (a->hash != b->hash ||
            !bytes_equal(bytes_of(a->value, a->len), bytes_of(b->value, b->len)))
            return true;
    }
    return false;
}

enum err transport_update(struct worker *w, struct transport *t,
                          const struct transport_params *params, usec now)
{
    size_t first = t->params.media_count;
    if (!are_known_media_kept(t, params))
        return ERR_MALFORMED;
    size_t streams = 1;
    for (size_t i = 0; i < params->media_count; i++)
        streams += seal_streams_of(&params->media[i]);
    if (t->sealer != NULL && streams > t->seal_streams)
        return ERR_FULL;
    enum err err = add_formats(&t->params, params);
    if (err == OK)
        err = transport_restart_ice(w, t, params, now);
    if (err != OK)
        return err;
    if (has_new_fingerprint(t, params))
        transport_restart_dtls(w, t, params);
    take_media_params(w, t, params);
    err = make_media(w, t, first);
    tell_room_of_tracks(w, t, first, now);
    return err;
}

static void fail(struct transport *t, enum err why)
{
    t->state = TRANSPORT_FAILED;
    t->failure = why;
}

/* New keys. What sealed and opened so far is left in place if they cannot be used. */
static enum err make_srtp(const struct worker *w, struct transport *t, const struct dtls_keys *keys,
                          usec now)
{
    size_t streams = 1;
    for (size_t i = 0; i < t->params.media_count; i++)
        streams += seal_streams_of(transport_media(t, i));
    /* Twice what is needed: a client may double its slots once. */
    streams = MIN(2 * streams + 8, (size_t)SEAL_STREAMS_MAX);
    struct sealer *sealer =
        sealer_new_in(w->seal_memory, w->config.seal, keys->profile, &keys->local, streams);
    struct opener *opener = opener_new_in(w->seal_memory, w->config.seal, keys->profile,
                                          &keys->remote, TRANSPORT_OPENER_STREAMS);
    if (sealer == NULL || opener == NULL) {
        sealer_free(sealer);
        opener_free(opener);
        return ERR_SYSTEM;
    }
    if (t->opener != NULL) {
        opener_succeed(opener, t->opener);
        t->rekeyed_at = now;
    }
    sealer_free(t->sealer);
    t->sealer = sealer;
    t->opener = opener;
    t->seal_streams = streams;
    return OK;
}

static void tell_connected(struct worker *w, struct transport *t, enum seal_profile profile,
                           usec now)
{
    struct event e = { .kind = EVENT_TRANSPORT,
                       .transport = TRANSPORT_EVENT_CONNECTED,
                       .connect_us = now - t->created_at,
                       .suite = seal_profile_name(profile) };
    memcpy(e.participant, t->participant, sizeof e.participant);
    struct bytes key = room_key_of(w, t);
    memcpy(e.room, key.data, key.len);
    worker_push_event(w, &e);
}

static void start_media(struct worker *w, struct transport *t, const struct dtls_keys *keys,
                        usec now)
{
    bool is_first = t->sealer == NULL;
    enum err err = make_srtp(w, t, keys, now);
    if (err != OK) {
        fail(t, err);
        return;
    }
    transport_on_authentic(w, t, now);
    if (!is_first)
        return;
    t->state = TRANSPORT_CONNECTED;
    stats_add(&w->stats, STAT_CONNECTED, 1);
    observation_on_connected(w, t, seal_profile_name(keys->profile), now);
    tell_connected(w, t, keys->profile, now);
    for (size_t i = 0; i < t->params.media_count; i++) {
        if (transport_media(t, i)->role == MEDIA_SLOT && t->media[i] != 0)
            slot_on_connected(w, pool_at(&w->slots, t->media[i]), now);
    }
}

void transport_on_notice(struct worker *w, struct transport *t, const struct association_notice *n,
                         usec now)
{
    if (t->state == TRANSPORT_FAILED)
        return;
    switch (n->kind) {
    case ASSOCIATION_SEND:
        worker_record(w, t->self, PACKET_OUT, PACKET_DTLS, &t->dtls_from.addr,
                      bytes_of(n->data, n->len), n->len);
        worker_send_control(w, &t->dtls_from, t->self, bytes_of(n->data, n->len));
        return;
    case ASSOCIATION_KEYS:
        start_media(w, t, &n->keys, now);
        break;
    case ASSOCIATION_FAILED:
        fail(t, n->reason);
        break;
    case ASSOCIATION_ENDED:
    case ASSOCIATION_CLOSED:
        fail(t, ERR_EXPIRED);
        break;
    }
    worker_wake(w, t->self, t->rekeyed_at == USEC_NEVER ? now : t->rekeyed_at + REKEY_TIME);
}

static bool start_dtls(struct worker *w, struct transport *t, const struct transport_address *to,
                       usec now)
{
    t->association =
        association_port_open(&w->port, t->self, to, t->params.data.sctp_port != 0, now);
    if (t->association == 0) {
        stats_count(&w->stats, STAT_DROP_DTLS_FULL);
        return false;
    }
    t->state = TRANSPORT_DTLS;
    t->dtls_from = *to;
    return true;
}

void transport_describe_dtls(const struct transport *t, struct association_request *r)
{
    r->role = t->params.dtls_client ? DTLS_CLIENT : DTLS_SERVER;
    r->expected_count = MIN((size_t)t->params.fingerprint_count, (size_t)DTLS_FINGERPRINTS_MAX);
    for (size_t i = 0; i < r->expected_count; i++) {
        const struct sdp_fingerprint *from = &t->params.fingerprints[i];
        r->expected[i].bits = (uint16_t)(from->len * 8);
        memcpy(r->expected[i].hash, from->value, sizeof r->expected[i].hash);
    }
    const struct data_params *data = &t->params.data;
    r->data_channels = (struct association_data){ .sctp_port = data->sctp_port,
                                                  .max_message_size = data->max_message_size,
                                                  .is_allowed = data->is_allowed,
                                                  .room = t->room };
    memcpy(r->data_channels.participant, t->participant, sizeof t->participant);
}

void transport_restart_dtls(struct worker *w, struct transport *t,
                            const struct transport_params *params)
{
    memcpy(t->params.fingerprints, params->fingerprints, sizeof t->params.fingerprints);
    t->params.fingerprint_count = params->fingerprint_count;
    t->params.dtls_client = params->dtls_client;
    association_port_restart(&w->port, t->association);
}

void transport_on_authentic(struct worker *w, struct transport *t, usec now)
{
    if (now - t->authenticated_at >= PATH_SILENT_TIME)
        t->silence_ended_at = now;
    t->authenticated_at = now;
    if (t->is_disconnected) {
        t->is_disconnected = false;
        worker_tell_transport(w, t, TRANSPORT_EVENT_CONNECTED, now);
    }
}

void transport_on_stun(struct worker *w, struct transport *t, const struct stun_message *m,
                       const struct datagram *d, usec now)
{
    struct transport_address from = { .addr = d->from, .path = d->path };
    uint8_t *at = worker_reserve_control(w, STUN_MESSAGE_MAX);
    if (at == NULL)
        return;
    struct writer response = writer_of(at, STUN_MESSAGE_MAX);
    bool is_new;
    enum err err = transport_receive_check(w, t, m, &d->from, now, &response, &is_new);
    worker_record(w, t->self, PACKET_IN, PACKET_STUN, &d->from, bytes_of(d->data, d->len), d->len);
    if (!response.failed && writer_len(&response) > 0) {
        worker_record(w, t->self, PACKET_OUT, PACKET_STUN, &d->from,
                      bytes_of(at, writer_len(&response)), writer_len(&response));
        worker_commit_control(w, &from, t->self, writer_len(&response));
    }
    if (err != OK) {
        stats_count(&w->stats, STAT_DROP_STUN);
        return;
    }
    if (!is_new)
        return;
    transport_on_authentic(w, t, now);
    if (ice_lite_is_valid(&t->ice, &d->from) && !keep_address(w, t, &from, now))
        return;
    if (t->state == TRANSPORT_NEW) {
        t->state = TRANSPORT_ICE;
        observation_on_checked(w, t, now);
    }
    if (t->state == TRANSPORT_ICE && t->params.dtls_client)
        (void)start_dtls(w, t, &from, now); /* without a place: with the next check */
    else if (!transport_has_address(t, &t->dtls_from.addr))
        t->dtls_from = from; /* the participant has moved in the middle of a handshake, or since */
}

void transport_on_dtls(struct worker *w, struct transport *t, const struct datagram *d, usec now)
{
    struct transport_address from = { .addr = d->from, .path = d->path };
    if (t->state == TRANSPORT_ICE && !start_dtls(w, t, &from, now))
        return;
    if (t->state != TRANSPORT_DTLS && t->state != TRANSPORT_CONNECTED)
        return;
    t->dtls_from = from;
    worker_record(w, t->self, PACKET_IN, PACKET_DTLS, &d->from, bytes_of(d->data, d->len), d->len);
    switch (association_port_put(&w->port, t->association, d, now)) {
    case OK:
        break;
    case ERR_EXPIRED:
        stats_count(&w->stats, STAT_DROP_DTLS_RATE);
        break;
    default:
        stats_count(&w->stats, STAT_DROP_DTLS_FULL);
        break;
    }
}

void transport_send_rtcp(struct worker *w, struct transport *t, struct bytes compound)
{
    const struct transport_address *to = transport_destination(t);
    if (to == NULL || t->sealer == NULL)
        return;
    size_t size = compound.len + SEAL_RTCP_OVERHEAD_MAX;
    uint8_t *at = worker_reserve_control(w, size);
    if (at == NULL)
        return;
    struct writer writer = writer_of(at, size);
    if (sealer_rtcp(t->sealer, compound, &writer) != OK) {
        stats_count(&w->stats, STAT_UNSENT_FULL);
        return;
    }
    stats_count(&w->stats, STAT_RTCP_OUT);
    worker_record(w, t->self, PACKET_OUT, PACKET_RTCP, &to->addr, compound, writer_len(&writer));
    worker_commit_control(w, to, t->self, writer_len(&writer));
}

/* A restart that is asked for gets its time, once: before the transport is connected, a second
 * TRANSPORT_CONNECT_TIMEOUT in all. */
static usec patience_ends(const struct transport *t)
{
    usec restarted_at = ice_lite_is_restarting(&t->ice) ? t->ice.started_at : t->created_at;
    if (t->state == TRANSPORT_CONNECTED)
        return MAX(t->authenticated_at, restarted_at) + TRANSPORT_FAILED_TIME;
    return MIN(restarted_at, t->created_at + TRANSPORT_CONNECT_TIMEOUT) + TRANSPORT_CONNECT_TIMEOUT;
}

/* How long nothing was heard decides; returns when that could change next. */
static usec check_silence(struct worker *w, struct transport *t, usec now)
{
    bool is_connected = t->state == TRANSPORT_CONNECTED;
    usec silent_at = disconnected_at(t);
    usec failed_at = patience_ends(t);
    if (now >= failed_at) {
        fail(t, ERR_EXPIRED);
        return now;
    }
    if (!is_connected || now < silent_at)
        return is_connected ? silent_at : failed_at;
    if (!t->is_disconnected) {
        t->is_disconnected = true;
        worker_tell_transport(w, t, TRANSPORT_EVENT_DISCONNECTED, now);
    }
    return failed_at;
}

usec transport_tick(struct worker *w, struct transport *t, usec now)
{
    if (t->state == TRANSPORT_FAILED)
        return now;
    if (now >= ice_lite_deadline(&t->ice)) {
        if (ice_lite_tick(&t->ice, now) == ICE_EVENT_EXPIRED) {
            fail(t, ERR_EXPIRED);
            return now;
        }
        forget_invalid_addresses(w, t);
    }
    usec next = check_silence(w, t, now);
    if (t->rekeyed_at != USEC_NEVER && now >= t->rekeyed_at + REKEY_TIME) {
        opener_succeed(t->opener, NULL);
        t->rekeyed_at = USEC_NEVER;
    }
    if (t->rekeyed_at != USEC_NEVER)
        next = MIN(next, t->rekeyed_at + REKEY_TIME);
    return MIN(next, ice_lite_deadline(&t->ice));
}
