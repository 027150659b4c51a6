/* fuzz_seal.c - SRTP: forged packets into an opener, and packets of any shape there and back. All
 * of it with OpenSSL and with ipsec-mb, which have to agree to the byte.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "rtc/seal.h"
#include "rtc/seal_burst.h"

#include <stdlib.h>

#define PACKET_MAX 2048

enum { ENGINES = 2, BURST_MAX = 5 };

/* The same keys with each engine. */
struct ends {
    struct sealer *sealer[ENGINES];
    struct opener *opener[ENGINES];
    struct seal_burst *burst; /* of the last engine … */
    struct sealer *twin;      /* … what is sealed with it */
    uint64_t index;
};

/* Packets that wait in the burst, and what they have to become. */
static struct waiting {
    uint8_t clear[PACKET_MAX];
    uint8_t sealed[PACKET_MAX + SEAL_RTP_OVERHEAD_MAX],
        expected[PACKET_MAX + SEAL_RTP_OVERHEAD_MAX];
    size_t len;
} waiting[BURST_MAX];
static size_t waiting_count;

static struct seal_engine *engines[ENGINES];

static void open_forged(struct ends *p, struct bytes packet)
{
    struct opened_rtp opened[ENGINES];
    enum err rtp[ENGINES], rtcp[ENGINES];
    size_t len[ENGINES];
    for (size_t i = 0; i < ENGINES; i++) {
        uint8_t *out = malloc(packet.len + (packet.len == 0)); /* exact: ASan sees overruns */
        check(out != NULL);
        rtp[i] = opener_rtp(p->opener[i], packet, out, &opened[i]);
        rtcp[i] = opener_rtcp(p->opener[i], packet, out, &len[i]);
        check(rtp[i] != OK ||
              (opened[i].header_len <= opened[i].len && opened[i].len < packet.len));
        check(rtcp[i] != OK || len[i] < packet.len);
        check(rtp[i] != ERR_SYSTEM && rtcp[i] != ERR_SYSTEM);
        check(rtp[i] == rtp[0] && rtcp[i] == rtcp[0]);
        free(out);
    }
}

static void run_burst(struct ends *p)
{
    seal_burst_run(p->burst);
    for (size_t i = 0; i < waiting_count; i++)
        check(bytes_equal(bytes_of(waiting[i].sealed, waiting[i].len),
                          bytes_of(waiting[i].expected, waiting[i].len)));
    waiting_count = 0;
}

/* As it was sealed by OpenSSL, it has to be by a burst. */
static void join_burst(struct ends *p, struct bytes clear, size_t header_len, struct bytes sealed)
{
    if (waiting_count == BURST_MAX)
        run_burst(p);
    struct waiting *to = &waiting[waiting_count];
    memcpy(to->clear, clear.data, clear.len);
    struct writer w = writer_of(to->sealed, sizeof to->sealed);
    enum err e = sealer_rtp_later(p->twin, p->burst, p->index, bytes_of(to->clear, header_len),
                                  bytes_of(to->clear + header_len, clear.len - header_len), &w);
    check(e == OK && writer_len(&w) == sealed.len);
    memcpy(to->expected, sealed.data, sealed.len);
    to->len = sealed.len;
    waiting_count++;
}

static void pass_rtp(struct ends *p, struct bytes packet)
{
    uint8_t clear[PACKET_MAX], sealed[ENGINES][PACKET_MAX + SEAL_RTP_OVERHEAD_MAX];
    size_t header_len = seal_rtp_header_len(packet), len[ENGINES];
    if (header_len == 0 || packet.len > PACKET_MAX)
        return;
    memcpy(clear, packet.data, packet.len);
    p->index++;
    store_be16(clear + 2, (uint16_t)p->index);
    for (size_t i = 0; i < ENGINES; i++) {
        struct writer w = writer_of(sealed[i], sizeof sealed[i]);
        enum err e = sealer_rtp(p->sealer[i], p->index, bytes_of(clear, header_len),
                                bytes_of(clear + header_len, packet.len - header_len), &w);
        check(e == OK || e == ERR_FULL); /* too many SSRCs */
        if (e != OK)
            return;
        len[i] = writer_len(&w);
        check(bytes_equal(bytes_of(sealed[i], len[i]), bytes_of(sealed[0], len[0])));
    }
    join_burst(p, bytes_of(clear, packet.len), header_len, bytes_of(sealed[0], len[0]));
    for (size_t i = 0; i < ENGINES; i++) {
        struct opened_rtp opened;
        enum err e = opener_rtp(p->opener[i], bytes_of(sealed[i], len[i]), sealed[i], &opened);
        check(e == OK || e == ERR_FULL);
        check(e != OK ||
              (opened.index == p->index && opened.header_len == header_len &&
               bytes_equal(bytes_of(sealed[i], opened.len), bytes_of(clear, packet.len))));
    }
}

static void pass_rtcp(struct ends *p, struct bytes packet)
{
    uint8_t sealed[ENGINES][PACKET_MAX + SEAL_RTCP_OVERHEAD_MAX];
    size_t sealed_len[ENGINES], len;
    if (packet.len < 8 || packet.data[0] >> 6 != 2 || packet.len > PACKET_MAX)
        return;
    for (size_t i = 0; i < ENGINES; i++) {
        struct writer w = writer_of(sealed[i], sizeof sealed[i]);
        check(sealer_rtcp(p->sealer[i], packet, &w) == OK);
        sealed_len[i] = writer_len(&w);
        check(bytes_equal(bytes_of(sealed[i], sealed_len[i]), bytes_of(sealed[0], sealed_len[0])));
    }
    for (size_t i = 0; i < ENGINES; i++) {
        enum err e = opener_rtcp(p->opener[i], bytes_of(sealed[i], sealed_len[i]), sealed[i], &len);
        check(e == OK || e == ERR_FULL);
        check(e != OK || bytes_equal(bytes_of(sealed[i], len), packet));
    }
}

/* The engines live on: ipsec-mb takes long to test itself. Where it isn't: OpenSSL twice. */
static void open_ends(struct ends *p, enum seal_profile profile)
{
    static const struct seal_master master = { .key = "key", .salt = "salt" };
    if (engines[0] == NULL) {
        engines[0] = seal_engine_new(SEAL_OPENSSL);
        engines[1] = seal_engine_new(SEAL_AUTO);
    }
    for (size_t i = 0; i < ENGINES; i++) {
        p->sealer[i] = sealer_new(engines[i], profile, &master, 3);
        p->opener[i] = opener_new(engines[i], profile, &master, 3);
        check(p->sealer[i] != NULL && p->opener[i] != NULL);
    }
    static struct seal_burst *burst;
    burst = burst == NULL ? seal_burst_new(engines[ENGINES - 1]) : burst;
    p->burst = burst;
    p->twin = sealer_new(engines[ENGINES - 1], profile, &master, 3);
    check(p->burst != NULL && p->twin != NULL);
}

static void close_ends(struct ends *p)
{
    for (size_t i = 0; i < ENGINES; i++) {
        sealer_free(p->sealer[i]);
        opener_free(p->opener[i]);
    }
    sealer_free(p->twin);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const enum seal_profile profiles[] = { SEAL_AEAD_AES_128_GCM, SEAL_AEAD_AES_256_GCM,
                                                  SEAL_AES_CM_128_HMAC_SHA1_80 };
    struct reader r = reader_of(bytes_of(data, len));
    enum seal_profile profile = profiles[reader_u8(&r) % ARRAY_LEN(profiles)];
    struct ends p = { 0 };
    open_ends(&p, profile);
    while (!r.failed && reader_left(&r) > 0) {
        uint8_t op = reader_u8(&r);
        struct bytes packet = fuzz_take_chunk(&r);
        if (op % 3 == 0)
            open_forged(&p, packet);
        else if (op % 3 == 1)
            pass_rtp(&p, packet);
        else
            pass_rtcp(&p, packet);
    }
    run_burst(&p);
    close_ends(&p);
    return 0;
}
