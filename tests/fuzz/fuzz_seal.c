/* fuzz_seal.c - SRTP: forged packets into an opener, and packets of any shape there and back.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "rtc/seal.h"

#include <stdlib.h>

#define PACKET_MAX 2048

struct pair {
    struct sealer *sealer;
    struct opener *opener;
    uint64_t index;
};

static void open_forged(struct pair *p, struct bytes packet)
{
    uint8_t *out = malloc(packet.len + (packet.len == 0)); /* exact, so that ASan sees overruns */
    struct opened_rtp opened;
    size_t len;
    check(out != NULL);
    enum err rtp = opener_rtp(p->opener, packet, out, &opened);
    enum err rtcp = opener_rtcp(p->opener, packet, out, &len);
    check(rtp != OK || (opened.header_len <= opened.len && opened.len < packet.len));
    check(rtcp != OK || len < packet.len);
    check(rtp != ERR_SYSTEM && rtcp != ERR_SYSTEM);
    free(out);
}

static void pass_rtp(struct pair *p, struct bytes packet)
{
    uint8_t clear[PACKET_MAX], sealed[PACKET_MAX + SEAL_RTP_OVERHEAD_MAX];
    size_t header_len = seal_rtp_header_len(packet);
    if (header_len == 0 || packet.len > PACKET_MAX)
        return;
    memcpy(clear, packet.data, packet.len);
    p->index++;
    store_be16(clear + 2, (uint16_t)p->index);
    struct writer w = writer_of(sealed, sizeof sealed);
    enum err e = sealer_rtp(p->sealer, p->index, bytes_of(clear, header_len),
                            bytes_of(clear + header_len, packet.len - header_len), &w);
    check(e == OK || e == ERR_FULL); /* too many SSRCs */
    if (e != OK)
        return;
    struct opened_rtp opened;
    e = opener_rtp(p->opener, bytes_of(sealed, writer_len(&w)), sealed, &opened);
    check(e == OK || e == ERR_FULL);
    check(e != OK || (opened.index == p->index && opened.header_len == header_len &&
                      bytes_equal(bytes_of(sealed, opened.len), bytes_of(clear, packet.len))));
}

static void pass_rtcp(struct pair *p, struct bytes packet)
{
    uint8_t sealed[PACKET_MAX + SEAL_RTCP_OVERHEAD_MAX];
    if (packet.len < 8 || packet.data[0] >> 6 != 2 || packet.len > PACKET_MAX)
        return;
    struct writer w = writer_of(sealed, sizeof sealed);
    check(sealer_rtcp(p->sealer, packet, &w) == OK);
    size_t len;
    enum err e = opener_rtcp(p->opener, bytes_of(sealed, writer_len(&w)), sealed, &len);
    check(e == OK || e == ERR_FULL);
    check(e != OK || bytes_equal(bytes_of(sealed, len), packet));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const enum seal_profile profiles[] = { SEAL_AEAD_AES_128_GCM, SEAL_AEAD_AES_256_GCM,
                                                  SEAL_AES_CM_128_HMAC_SHA1_80 };
    static const struct seal_master master = { .key = "key", .salt = "salt" };
    struct reader r = reader_of(bytes_of(data, len));
    enum seal_profile profile = profiles[reader_u8(&r) % ARRAY_LEN(profiles)];
    struct pair p = { .sealer = sealer_new(profile, &master, 3),
                      .opener = opener_new(profile, &master, 3) };
    check(p.sealer != NULL && p.opener != NULL);
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
    sealer_free(p.sealer);
    opener_free(p.opener);
    return 0;
}
