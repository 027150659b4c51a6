/* libsrtp's half of a leg against our own seal.h, in every profile that DTLS may choose.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/srtp_session.h"
#include "rtc/rtcp.h"
#include "rtc/rtp.h"

static const enum seal_profile profiles[] = { SEAL_AES_CM_128_HMAC_SHA1_80, SEAL_AEAD_AES_128_GCM,
                                              SEAL_AEAD_AES_256_GCM };

struct pair {
    struct srtp_session *bot;
    struct sealer *sealer; /* the server's */
    struct opener *opener;
};

static struct dtls_keys keys_of(enum seal_profile profile)
{
    struct dtls_keys k = { .profile = profile };
    for (size_t i = 0; i < SEAL_KEY_MAX; i++) {
        k.local.key[i] = (uint8_t)(i * 7 + 1);
        k.remote.key[i] = (uint8_t)(i * 11 + 2);
    }
    for (size_t i = 0; i < SEAL_SALT_MAX; i++) {
        k.local.salt[i] = (uint8_t)(i * 13 + 3);
        k.remote.salt[i] = (uint8_t)(i * 17 + 4);
    }
    return k;
}

static struct pair pair_new(enum seal_profile profile)
{
    struct dtls_keys k = keys_of(profile);
    struct pair p = { .bot = srtp_session_new(&k),
                      .sealer = sealer_new(NULL, profile, &k.remote, 4),
                      .opener = opener_new(NULL, profile, &k.local, 4) };
    assert_true(p.bot != NULL && p.sealer != NULL && p.opener != NULL);
    return p;
}

static void pair_free(struct pair *p)
{
    srtp_session_free(p->bot);
    sealer_free(p->sealer);
    opener_free(p->opener);
}

static int init_library(void **state)
{
    assert_int_equal(srtp_session_library_init(), OK);
    return srtp_session_library_init() == OK ? 0 : 1; /* a second call is OK */
}

static const char payload[] = "what a bot says to a server";

static size_t write_rtp(uint8_t *packet, size_t size, uint16_t seq)
{
    static const uint8_t ext[4] = { 0x10, 0xab, 0, 0 };
    struct rtp_packet p = { .payload_type = 96,
                            .marker = true,
                            .seq = seq,
                            .timestamp = 1234,
                            .ssrc = 77,
                            .has_ext = true,
                            .ext_profile = RTP_EXT_ONE_BYTE,
                            .ext = bytes_of(ext, sizeof ext),
                            .payload = bytes_of_str(payload) };
    struct writer w = writer_of(packet, size - SRTP_SESSION_OVERHEAD_MAX);
    rtp_write(&w, &p);
    assert_false(w.failed);
    return writer_len(&w);
}

static size_t server_seals(struct pair *p, uint8_t *sealed, size_t size, uint32_t index)
{
    uint8_t clear[256];
    size_t len = write_rtp(clear, sizeof clear, (uint16_t)index);
    size_t header = seal_rtp_header_len(bytes_of(clear, len));
    struct writer w = writer_of(sealed, size);
    assert_int_equal(sealer_rtp(p->sealer, index, bytes_of(clear, header),
                                bytes_of(clear + header, len - header), &w),
                     OK);
    return writer_len(&w);
}

static void what_the_bot_seals_the_server_opens(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        struct pair p = pair_new(profiles[i]);
        for (unsigned n = 0; n < 70000; n += n < 20 ? 1 : 997) { /* over the rollover */
            uint8_t packet[256], clear[256];
            size_t len = write_rtp(clear, sizeof clear, (uint16_t)(100 + n)), sealed = len;
            memcpy(packet, clear, len);
            assert_int_equal(srtp_session_seal_rtp(p.bot, packet, &sealed), OK);
            assert_int_equal(sealed, len + seal_rtp_overhead(profiles[i]));
            assert_true(sealed <= len + SRTP_SESSION_OVERHEAD_MAX);
            struct opened_rtp opened;
            assert_int_equal(opener_rtp(p.opener, bytes_of(packet, sealed), packet, &opened), OK);
            assert_int_equal(opened.index, 100 + n);
            assert_int_equal(opened.len, len);
            assert_memory_equal(packet, clear, len);
        }
        pair_free(&p);
    }
}

static void what_the_server_seals_the_bot_opens(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        struct pair p = pair_new(profiles[i]);
        for (uint32_t index = 65500; index < 65600; index++) {
            uint8_t packet[256];
            size_t len = server_seals(&p, packet, sizeof packet, index);
            if (index > 65535 && index < 65540)
                continue; /* some are lost around the wrap */
            assert_int_equal(srtp_session_open_rtp(p.bot, packet, &len), OK);
            struct rtp_packet rtp;
            assert_int_equal(rtp_parse(bytes_of(packet, len), &rtp), OK);
            assert_int_equal(rtp.seq, (uint16_t)index);
            assert_true(bytes_equal(rtp.payload, bytes_of_str(payload)));
        }
        pair_free(&p);
    }
}

static size_t write_rtcp(uint8_t *packet, size_t size)
{
    struct writer w = writer_of(packet, size);
    rtcp_write_rr(&w, 7, NULL, 0);
    rtcp_write_pli(&w, 7, 8);
    assert_false(w.failed);
    return writer_len(&w);
}

static void rtcp_passes_in_both_directions(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        struct pair p = pair_new(profiles[i]);
        uint8_t clear[64], packet[128];
        for (unsigned n = 0; n < 10; n++) {
            size_t len = write_rtcp(clear, sizeof clear), sealed = len, opened = 0;
            memcpy(packet, clear, len);
            assert_int_equal(srtp_session_seal_rtcp(p.bot, packet, &sealed), OK);
            assert_true(sealed > len && sealed <= len + SRTP_SESSION_OVERHEAD_MAX);
            assert_int_equal(opener_rtcp(p.opener, bytes_of(packet, sealed), packet, &opened), OK);
            assert_int_equal(opened, len);
            assert_memory_equal(packet, clear, len);
            struct writer w = writer_of(packet, sizeof packet);
            assert_int_equal(sealer_rtcp(p.sealer, bytes_of(clear, len), &w), OK);
            size_t back = writer_len(&w);
            assert_int_equal(srtp_session_open_rtcp(p.bot, packet, &back), OK);
            assert_int_equal(back, len);
            assert_memory_equal(packet, clear, len);
        }
        pair_free(&p);
    }
}

static void a_changed_packet_is_not_authentic(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        struct pair p = pair_new(profiles[i]);
        uint8_t packet[256], changed[256];
        size_t len = server_seals(&p, packet, sizeof packet, 5);
        for (size_t at = 1; at < len; at++) { /* byte 0 is the format */
            size_t n = len;
            memcpy(changed, packet, len);
            changed[at] ^= 0x10;
            assert_int_not_equal(srtp_session_open_rtp(p.bot, changed, &n), OK);
        }
        memcpy(changed, packet, len);
        changed[len - 1] ^= 1;
        size_t n = len;
        assert_int_equal(srtp_session_open_rtp(p.bot, changed, &n), ERR_AUTH);
        assert_int_equal(srtp_session_open_rtp(p.bot, packet, &len), OK); /* still new */
        pair_free(&p);
    }
}

static void a_packet_opens_once(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        struct pair p = pair_new(profiles[i]);
        uint8_t packet[256], copy[256];
        size_t len = server_seals(&p, packet, sizeof packet, 5), n = len;
        memcpy(copy, packet, len);
        assert_int_equal(srtp_session_open_rtp(p.bot, copy, &n), OK);
        n = len;
        memcpy(copy, packet, len);
        assert_int_equal(srtp_session_open_rtp(p.bot, copy, &n), ERR_EXPIRED);
        for (uint32_t index = 6; index < 3000; index++) {
            n = server_seals(&p, copy, sizeof copy, index);
            assert_int_equal(srtp_session_open_rtp(p.bot, copy, &n), OK);
        }
        assert_int_equal(srtp_session_open_rtp(p.bot, packet, &len), ERR_EXPIRED); /* long ago */
        pair_free(&p);
    }
}

static void what_is_not_a_packet_is_refused(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        struct pair p = pair_new(profiles[i]);
        for (size_t len = 0; len < 64; len++) {
            uint8_t junk[64 + SRTP_SESSION_OVERHEAD_MAX];
            memset(junk, 0x80, sizeof junk);
            size_t n = len;
            assert_int_not_equal(srtp_session_open_rtp(p.bot, junk, &n), OK);
            n = len;
            assert_int_not_equal(srtp_session_open_rtcp(p.bot, junk, &n), OK);
        }
        pair_free(&p);
    }
}

static void an_unknown_profile_has_no_session(void **state)
{
    struct dtls_keys k = keys_of(SEAL_AEAD_AES_128_GCM);
    k.profile = SEAL_NONE;
    assert_null(srtp_session_new(&k));
    srtp_session_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_bot_seals_the_server_opens),
        cmocka_unit_test(what_the_server_seals_the_bot_opens),
        cmocka_unit_test(rtcp_passes_in_both_directions),
        cmocka_unit_test(a_changed_packet_is_not_authentic),
        cmocka_unit_test(a_packet_opens_once),
        cmocka_unit_test(what_is_not_a_packet_is_refused),
        cmocka_unit_test(an_unknown_profile_has_no_session),
    };
    return cmocka_run_group_tests(tests, init_library, NULL);
}
