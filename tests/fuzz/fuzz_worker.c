/* fuzz_worker.c - bytes as commands, time and datagrams of two connected participants and of
 * strangers. What the worker sends must open at the receiver, each packet once.
 *
 * The handshake is left out: transports are given SRTP keys directly, so that the bytes reach what
 * is behind the decryption.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "core/pcap.h"
#include "core/snapshot.h"
#include "core/worker_state.h"
#include "rtc/demux.h"

#include <stdio.h>
#include <stdlib.h>

enum { PEERS = 2, OPUS = 111, VP8 = 96, VP8_RTX = 97, H264 = 102, H264_RTX = 103, VP9 = 98 };
/* Odd inputs are of AES-CM, which is sealed in bursts where ipsec-mb is. */
#define PROFILE (bench.is_odd ? SEAL_AES_CM_128_HMAC_SHA1_80 : SEAL_AEAD_AES_128_GCM)

struct peer {
    struct net_addr addr;
    struct sealer *sealer;
    struct opener *opener;
    uint16_t seq[8];
    uint16_t transport_seq;
};

struct bench {
    struct worker *worker;
    struct seal_engine *seal; /* what the machine has; lives on */
    bool is_odd;
    struct peer peers[PEERS];
    usec now;
    uint8_t arena[PASS_DATAGRAMS_MAX][DATAGRAM_SIZE_MAX + 64];
    size_t arena_used;
    uint64_t version;
};

static struct bench bench;
static uint8_t scratch[OUTBOX_SCRATCH_BYTES_MIN];
static struct outbox_send sends[64];

static const struct seal_master masters[PEERS][2] = {
    { { .key = { 1 }, .salt = { 2 } }, { .key = { 3 }, .salt = { 4 } } },
    { { .key = { 5 }, .salt = { 6 } }, { .key = { 7 }, .salt = { 8 } } },
};

static void add_format(struct transport_params *p, uint8_t type, enum codec codec, uint8_t apt)
{
    p->formats[type] = (struct format){ .codec = (uint8_t)codec,
                                        .payload_type = type,
                                        .channels = codec == CODEC_OPUS ? 2 : 1,
                                        .apt = apt,
                                        .clock_rate = codec == CODEC_OPUS ? 48000 : 90000,
                                        .feedback = codec == CODEC_OPUS || codec == CODEC_RTX
                                                        ? 0
                                                        : RTCP_FB_NACK | RTCP_FB_NACK_PLI };
}

static struct media_params *add_media(struct transport_params *p, enum media_role role,
                                      enum media_kind kind, unsigned seed)
{
    static const uint8_t video[] = { VP8, VP8_RTX, H264, H264_RTX, VP9 };
    size_t i = p->media_count++;
    struct media_params *m = &p->media[i];
    *m = (struct media_params){ .role = role,
                                .kind = kind,
                                .extensions = UINT32_MAX,
                                .rtcp_rsize = seed == 0,
                                .allowed = true };
    m->mid[0] = (char)('0' + i);
    if (kind == MEDIA_AUDIO) {
        m->payload_types[0] = OPUS;
        m->payload_type_count = 1;
    } else {
        memcpy(m->payload_types, video, sizeof video);
        m->payload_type_count = sizeof video;
    }
    if (role == MEDIA_SLOT) {
        m->ssrc = 1000 * (seed + 1) + (uint32_t)i;
        m->rtx_ssrc = kind == MEDIA_VIDEO ? m->ssrc + 100 : 0;
    }
    return m;
}

static void fill_params(struct transport_params *p, unsigned seed)
{
    snprintf(p->local_ufrag, sizeof p->local_ufrag, "peer%u", seed);
    snprintf(p->local_pwd, sizeof p->local_pwd, "0123456789abcdefghijklmn");
    snprintf(p->cname, sizeof p->cname, "conclave");
    p->fingerprint_count = 1;
    p->fingerprints[0] = (struct sdp_fingerprint){ .hash = SDP_SHA256, .len = 32 };
    for (unsigned kind = 1; kind < RTP_EXT_KIND_COUNT; kind++)
        check(rtp_ext_map_add(&p->ext, (enum rtp_ext_kind)kind, kind) == OK);
    add_format(p, OPUS, CODEC_OPUS, 0);
    add_format(p, VP8, CODEC_VP8, 0);
    add_format(p, VP8_RTX, CODEC_RTX, VP8);
    add_format(p, H264, CODEC_H264, 0);
    add_format(p, H264_RTX, CODEC_RTX, H264);
    add_format(p, VP9, CODEC_VP9, 0);
    add_media(p, MEDIA_PUBLISH, MEDIA_AUDIO, seed)->source = SOURCE_MICROPHONE;
    struct media_params *camera = add_media(p, MEDIA_PUBLISH, MEDIA_VIDEO, seed);
    camera->source = SOURCE_CAMERA;
    camera->rid_count = 3;
    memcpy(camera->rids, (char[3][SDP_RID_MAX + 1]){ "q", "h", "f" }, sizeof camera->rids);
    add_media(p, MEDIA_SLOT, MEDIA_AUDIO, seed);
    add_media(p, MEDIA_SLOT, MEDIA_VIDEO, seed);
    add_media(p, MEDIA_SLOT, MEDIA_VIDEO, seed);
}

static struct command *new_command(enum command_kind kind, unsigned who)
{
    static struct command c;
    c = (struct command){ .kind = kind, .room = "default/fuzz" };
    snprintf(c.participant, sizeof c.participant, "p_%u", who);
    return &c;
}

static void drain_events(void)
{
    struct event e;
    while (worker_next_event(bench.worker, &e))
        continue;
}

static void run_command(struct command *c)
{
    worker_command(bench.worker, c, bench.now);
    drain_events();
}

static void flush(void);
static void receive(const struct net_addr *from, struct bytes d);

static void check_in(unsigned who)
{
    uint8_t packet[STUN_MESSAGE_MAX];
    struct writer w = writer_of(packet, sizeof packet);
    char username[32];
    snprintf(username, sizeof username, "peer%u:x", who);
    const struct stun_binding b = { .username = bytes_of_str(username),
                                    .password = bytes_of_str("0123456789abcdefghijklmn"),
                                    .priority = 1,
                                    .use_candidate = true };
    check(stun_write_request(&b, &w) == OK);
    receive(&bench.peers[who].addr, bytes_of(packet, writer_len(&w)));
}

/* Opened at the address, with the keys of the present transport; what those before have sealed is
 * delivered first. */
static void connect_peer(unsigned who)
{
    flush();
    struct peer *p = &bench.peers[who];
    sealer_free(p->sealer);
    opener_free(p->opener);
    *p = (struct peer){ .addr = net_addr_ipv4((const uint8_t[4]){ 192, 0, 2, (uint8_t)who }, 5) };
    p->sealer = sealer_new(NULL, PROFILE, &masters[who][0], 64);
    p->opener = opener_new(NULL, PROFILE, &masters[who][1], 64);
    struct command *c = new_command(COMMAND_TRANSPORT_CREATE, who);
    fill_params(&c->transport, who);
    run_command(c);
    check_in(who);
    struct transport *t = transport_find(bench.worker, c->room, c->participant);
    check(t != NULL && t->state == TRANSPORT_ICE);
    t->sealer = sealer_new(bench.seal, PROFILE, &masters[who][1], 64);
    t->opener = opener_new(bench.seal, PROFILE, &masters[who][0], 32);
    t->seal_streams = 64;
    t->state = TRANSPORT_CONNECTED;
    stats_add(&bench.worker->stats, STAT_CONNECTED, 1);
    worker_wake(bench.worker, t->self, bench.now);
}

static void deliver(const struct net_addr *to, struct bytes d)
{
    uint8_t clear[DATAGRAM_SIZE_MAX + 512];
    check(d.len > 0 && d.len <= sizeof clear);
    for (size_t i = 0; i < PEERS; i++) {
        struct peer *p = &bench.peers[i];
        if (!net_addr_equal(&p->addr, to))
            continue;
        enum demux_kind kind = demux_classify(d);
        struct opened_rtp rtp;
        size_t len;
        if (kind == DEMUX_RTP)
            check(opener_rtp(p->opener, d, clear, &rtp) == OK);
        else if (kind == DEMUX_RTCP)
            check(opener_rtcp(p->opener, d, clear, &len) == OK);
    }
}

static void flush(void)
{
    struct outbox out;
    outbox_init(&out, scratch, sizeof scratch, sends, ARRAY_LEN(sends));
    if (bench.now >= worker_next_deadline(bench.worker))
        worker_tick(bench.worker, bench.now);
    for (bool more = true; more;) {
        more = worker_flush(bench.worker, bench.now, &out);
        for (size_t i = 0; i < out.send_count; i++) {
            const struct outbox_send *s = &sends[i];
            check(s->offset + s->len <= out.scratch_used && s->segment_size > 0);
            for (uint32_t at = 0; at < s->len; at += s->segment_size)
                deliver(&s->to, bytes_of(scratch + s->offset + at,
                                         MIN((uint32_t)s->segment_size, s->len - at)));
        }
        outbox_clear(&out);
    }
    worker_pass_end(bench.worker);
    bench.arena_used = 0;
    drain_events();
}

static void receive(const struct net_addr *from, struct bytes d)
{
    if (bench.arena_used == PASS_DATAGRAMS_MAX || worker_wants_flush(bench.worker))
        flush();
    uint8_t *memory = bench.arena[bench.arena_used++];
    size_t len = MIN(d.len, sizeof bench.arena[0]);
    if (len > 0)
        memcpy(memory, d.data, len);
    const struct datagram in = {
        .from = *from, .data = memory, .len = (uint32_t)len, .arrival = bench.now
    };
    worker_receive(bench.worker, &in, bench.now);
}

static void send_rtp(struct peer *p, struct bytes clear)
{
    uint8_t sealed[DATAGRAM_SIZE_MAX + 64];
    struct writer w = writer_of(sealed, sizeof sealed);
    size_t head = seal_rtp_header_len(clear);
    if (head == 0 || sealer_rtp(p->sealer, load_be16(clear.data + 2), bytes_of(clear.data, head),
                                bytes_of(clear.data + head, clear.len - head), &w) != OK)
        return;
    receive(&p->addr, bytes_of(sealed, writer_len(&w)));
}

static void send_rtcp(struct peer *p, struct bytes clear)
{
    uint8_t sealed[DATAGRAM_SIZE_MAX + 64];
    struct writer w = writer_of(sealed, sizeof sealed);
    if (sealer_rtcp(p->sealer, clear, &w) == OK)
        receive(&p->addr, bytes_of(sealed, writer_len(&w)));
}

/* A well-formed packet of one of four streams, whose payload comes from the input. */
static void send_media(struct reader *r)
{
    static const uint8_t types[4] = { VP8, H264, VP9, VP8 };
    static const char *const rids[4] = { "", "q", "h", "f" };
    struct peer *p = &bench.peers[reader_u8(r) % PEERS];
    unsigned stream = reader_u8(r) % 4, flags = reader_u8(r);
    bool is_rtx = stream > 0 && (flags & 8) != 0;
    uint16_t *seq = &p->seq[stream + (is_rtx ? 4 : 0)];
    *seq = (uint16_t)(*seq + (int8_t)reader_u8(r));
    struct rtp_ext_values v = { .present = RTP_EXT_BIT(RTP_EXT_TRANSPORT_CC),
                                .transport_seq = p->transport_seq++,
                                .mid = bytes_of_str(stream == 0 ? "0" : "1"),
                                .rid = bytes_of_str(rids[stream]),
                                .audio_level = (uint8_t)(flags >> 1) };
    v.repaired_rid = v.rid;
    if (flags & 2)
        v.present |= RTP_EXT_BIT(RTP_EXT_MID);
    if (stream > 0)
        v.present |= RTP_EXT_BIT(is_rtx ? RTP_EXT_REPAIRED_RID : RTP_EXT_RID);
    else
        v.present |= RTP_EXT_BIT(RTP_EXT_AUDIO_LEVEL);
    static struct rtp_ext_map map;
    for (unsigned kind = 1; kind < RTP_EXT_KIND_COUNT; kind++)
        check(rtp_ext_map_add(&map, (enum rtp_ext_kind)kind, kind) == OK);
    uint8_t body[128], packet[DATAGRAM_SIZE_MAX];
    struct writer bw = writer_of(body, sizeof body), w = writer_of(packet, sizeof packet);
    struct rtp_packet h = { .marker = (flags & 1) != 0,
                            .payload_type = stream == 0 ? OPUS
                                            : is_rtx    ? VP8_RTX
                                                        : types[(flags >> 4) & 3],
                            .seq = *seq,
                            .timestamp = (uint32_t)(bench.now / 11),
                            .ssrc = 10 + stream + (is_rtx ? 100 : 0) + ((flags & 0xc0) == 0xc0),
                            .has_ext = true };
    rtp_ext_write(&map, &v, &bw, &h.ext_profile, NULL);
    h.ext = bytes_of(body, writer_len(&bw));
    struct bytes payload = fuzz_take_chunk(r);
    payload.len = MIN(payload.len, (size_t)1200);
    h.payload = payload;
    rtp_write(&w, &h);
    check(!w.failed);
    send_rtp(p, bytes_of(packet, writer_len(&w)));
}

static void set_slots(struct reader *r)
{
    static const char *const mids[3] = { "2", "3", "4" };
    struct command *c = new_command(COMMAND_SLOTS_SET, reader_u8(r) % PEERS);
    c->slots_set.version = ++bench.version;
    c->slots_set.slot_count = 3;
    for (size_t i = 0; i < 3; i++) {
        unsigned v = reader_u8(r);
        struct slot_setting *s = &c->slots_set.slots[i];
        snprintf(s->mid, sizeof s->mid, "%s", mids[i]);
        snprintf(s->participant, sizeof s->participant, "p_%u", v & 3);
        s->has_track = (v & 4) == 0;
        s->source = (enum source)((v >> 3) % SOURCE_COUNT);
        s->spatial_max = (uint8_t)(v >> 6);
    }
    run_command(c);
}

static void come_or_go(unsigned who)
{
    struct command *c = new_command(COMMAND_TRANSPORT_REMOVE, who);
    if (transport_find(bench.worker, c->room, c->participant) != NULL)
        run_command(c);
    else
        connect_peer(who);
}

/* Everything that can be asked for, whatever state they are in. */
static void look(unsigned who)
{
    static struct participant_snapshot participant;
    static struct packets_snapshot packets;
    static struct room_snapshot room;
    static uint8_t file[PCAP_SIZE_MAX];
    struct command *c = new_command(COMMAND_SNAPSHOT, who);
    c->snapshot.ret_participant = &participant;
    c->snapshot.ret_packets = &packets;
    packets.ring.count = 0;
    run_command(c);
    struct writer w = writer_of(file, sizeof file);
    pcap_write(&w, &packets.ring, &bench.peers[who].addr, SECONDS(1700000000));
    check(!w.failed);
    c = new_command(COMMAND_SNAPSHOT, who);
    c->participant[0] = 0;
    c->snapshot.ret_room = &room;
    c->snapshot.skip = who;
    run_command(c);
    check(room.count <= PEERS);
}

static void step(struct reader *r)
{
    static const struct net_addr stranger = { .family = NET_IPV4,
                                              .port = 9,
                                              .ip = { 203, 0, 113 } };
    struct command *c;
    switch (reader_u8(r) % 10) {
    case 0:
        bench.now += MILLIS(reader_u16(r) % 4096);
        break;
    case 1:
        send_media(r);
        break;
    case 2:
        send_rtp(&bench.peers[0], fuzz_take_chunk(r));
        break;
    case 3:
        send_rtcp(&bench.peers[reader_u8(r) % PEERS], fuzz_take_chunk(r));
        break;
    case 4:
        receive(&bench.peers[0].addr, fuzz_take_chunk(r));
        break;
    case 5:
        receive(&stranger, fuzz_take_chunk(r));
        break;
    case 6:
        set_slots(r);
        break;
    case 7:
        c = new_command(COMMAND_TRACK_SET, reader_u8(r) % PEERS);
        c->track_set.source = (enum source)(reader_u8(r) % SOURCE_COUNT);
        c->track_set.muted = reader_u8(r) & 1;
        run_command(c);
        break;
    case 8:
        flush();
        look((unsigned)(bench.now % PEERS));
        break;
    default:
        come_or_go(reader_u8(r) % PEERS);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    bench.is_odd = len % 2 != 0;
    if (bench.seal == NULL)
        bench.seal = seal_engine_new(SEAL_AUTO);
    struct worker_config config = { .participants_max = 4,
                                    .seal = bench.seal,
                                    .playout_delay_max = MILLIS(250),
                                    .rooms_max = 2,
                                    .tracks_max = 8,
                                    .slots_max = 12,
                                    .encodings_max = 6,
                                    .cached_packets_max = 32,
                                    .queue_max = 256 };
    bench.worker = worker_new(&config);
    check(bench.worker != NULL);
    bench.now = SECONDS(10);
    bench.version = 0;
    bench.arena_used = 0;
    for (unsigned i = 0; i < PEERS; i++)
        connect_peer(i);
    struct reader r = reader_of(bytes_of(data, len));
    for (size_t i = 0; i < 2000 && reader_left(&r) > 0; i++)
        step(&r);
    flush();
    for (unsigned i = 0; i < PEERS; i++)
        look(i);
    for (size_t i = 0; i < PEERS; i++) {
        sealer_free(bench.peers[i].sealer);
        opener_free(bench.peers[i].opener);
        bench.peers[i] = (struct peer){ .sealer = NULL };
    }
    worker_free(bench.worker);
    return 0;
}
