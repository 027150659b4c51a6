/* Vectors: RFC 3711 appendix B.2 and B.3, RFC 7714 §16 and §17. Every profile is also held against
 * libsrtp, both ways. All of it once for each engine, and for each sort of instructions that
 * ipsec-mb has and this CPU, too. SPDX-License-Identifier: Apache-2.0 */
#include "rtc/seal.h"
#include "rtc/seal_burst.h"
#include "rtc/seal_keys.h"
#include "rtc/seal_mb.h"

#include "alloc_probe.h"
#include "cmocka_all.h"
#include "hex.h"

#include <openssl/err.h>
#include <srtp2/srtp.h>
#include <sys/mman.h>
#include <unistd.h>

#define PACKET_MAX 1500

static struct seal_engine *engine; /* of the group that runs; NULL: OpenSSL */

static const enum seal_profile all_profiles[] = {
    SEAL_AEAD_AES_128_GCM,
    SEAL_AEAD_AES_256_GCM,
    SEAL_AES_CM_128_HMAC_SHA1_80,
};

static struct seal_master make_master(uint8_t seed)
{
    struct seal_master m;
    for (size_t i = 0; i < sizeof m.key; i++)
        m.key[i] = (uint8_t)(seed + 37 * i);
    for (size_t i = 0; i < sizeof m.salt; i++)
        m.salt[i] = (uint8_t)(seed + 101 * i);
    return m;
}

/* ---- our two ends ---- */

struct ends {
    struct sealer *sealer;
    struct opener *opener;
    size_t tag_len;
};

static struct ends ends_new(enum seal_profile profile, size_t streams)
{
    struct seal_master master = make_master(1);
    struct ends e = { .sealer = sealer_new(engine, profile, &master, streams),
                      .opener = opener_new(engine, profile, &master, streams),
                      .tag_len = seal_rtp_overhead(profile) };
    assert_non_null(e.sealer);
    assert_non_null(e.opener);
    return e;
}

static void ends_free(struct ends *e)
{
    sealer_free(e->sealer);
    opener_free(e->opener);
}

/* A packet whose payload tells its index, with CSRC and extension in some. Returns its length. */
static size_t make_rtp(uint8_t *p, uint64_t index, uint32_t ssrc, size_t *ret_header_len)
{
    bool has_extension = index % 3 == 0;
    size_t csrc_count = index % 5 == 0 ? 2 : 0, at = 12 + 4 * csrc_count;
    memset(p, 0xc5, 12 + 8 + 8);
    p[0] = (uint8_t)(0x80 | (has_extension ? 0x10 : 0) | csrc_count);
    p[1] = 96;
    store_be16(p + 2, (uint16_t)index);
    store_be32(p + 4, (uint32_t)index * 960);
    store_be32(p + 8, ssrc);
    if (has_extension) {
        store_be32(p + at, 0xbede0001);
        store_be32(p + at + 4, 0x10aa0000);
        at += 8;
    }
    *ret_header_len = at;
    size_t payload_len = index % 7 == 0 ? 0 : 20 + index % 1000;
    for (size_t i = 0; i < payload_len; i++)
        p[at + i] = (uint8_t)(index + i);
    return at + payload_len;
}

static size_t make_rtcp(uint8_t *p, uint32_t ssrc, uint32_t n)
{
    size_t words = 2 + n % 20;
    store_be32(p, 0x80c80000u | (uint32_t)(words - 1));
    store_be32(p + 4, ssrc);
    for (size_t i = 8; i < 4 * words; i++)
        p[i] = (uint8_t)(n + i);
    return 4 * words;
}

static size_t seal_rtp(struct ends *e, uint64_t index, uint32_t ssrc, uint8_t *sealed)
{
    uint8_t clear[PACKET_MAX];
    size_t header_len, len = make_rtp(clear, index, ssrc, &header_len);
    struct writer w = writer_of(sealed, PACKET_MAX);
    assert_int_equal(sealer_rtp(e->sealer, index, bytes_of(clear, header_len),
                                bytes_of(clear + header_len, len - header_len), &w),
                     OK);
    assert_int_equal(writer_len(&w), len + e->tag_len);
    return writer_len(&w);
}

static enum err open_rtp(struct ends *e, const uint8_t *sealed, size_t len, struct opened_rtp *ret)
{
    uint8_t out[PACKET_MAX];
    return opener_rtp(e->opener, bytes_of(sealed, len), out, ret);
}

static enum err pass_rtp(struct ends *e, uint64_t index, uint32_t ssrc)
{
    uint8_t sealed[PACKET_MAX];
    struct opened_rtp opened;
    enum err err = open_rtp(e, sealed, seal_rtp(e, index, ssrc, sealed), &opened);
    if (err == OK)
        assert_int_equal(opened.index, index);
    return err;
}

/* ---- vectors ---- */

static void key_derivation_of_rfc3711_b3_is_reproduced(void **state)
{
    struct seal_master master = { 0 };
    struct seal_session session;
    (void)hex("E1F97A0D3E018BE0D64FA32C06DE4139", master.key, sizeof master.key);
    (void)hex("0EC675AD498AFEEBB6960B3AABE6", master.salt, sizeof master.salt);
    assert_int_equal(seal_session_derive(SEAL_AES_CM_128_HMAC_SHA1_80, &master, &session), OK);
    assert_bytes_equal(bytes_of(session.rtp.key, 16), HEX("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_bytes_equal(bytes_of(session.rtp.salt, 14), HEX("30CBBC08863D8C85D49DB34A9AE1"));
    assert_bytes_equal(bytes_of(session.rtp.auth, 20),
                       HEX("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
    assert_int_equal(seal_session_derive(SEAL_NONE, &master, &session), ERR_UNSUPPORTED);
}

static void keystream_of_rfc3711_b2_is_reproduced(void **state)
{
    enum { SEGMENT_LEN = 1044512 };
    struct seal_session session = { 0 };
    (void)hex("2B7E151628AED2A6ABF7158809CF4F3C", session.rtp.key, 16);
    (void)hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD", session.rtp.salt, 14);
    struct sealer *s = sealer_new_session(engine, SEAL_AES_CM_128_HMAC_SHA1_80, &session, 1);
    static const uint8_t header[12] = { 0x80 };
    static uint8_t zeros[SEGMENT_LEN], sealed[SEGMENT_LEN + 22];
    struct writer w = writer_of(sealed, sizeof sealed);
    assert_int_equal(sealer_rtp(s, 0, bytes_of(header, 12), bytes_of(zeros, SEGMENT_LEN), &w), OK);
    assert_bytes_equal(bytes_of(sealed + 12, 48), HEX("E03EAD0935C95E80E166B16DD92B4EB4"
                                                      "D23513162B02D0F72A43A2FE4A5F97AB"
                                                      "41E95B3BB0A2E8DD477901E4FCA894C0"));
    assert_bytes_equal(bytes_of(sealed + 12 + SEGMENT_LEN - 48, 48),
                       HEX("EC8CDF7398607CB0F2D21675EA9EA1E4"
                           "362B7C3C6773516318A077D7FC5073AE"
                           "6A2CC3787889374FBEB4C81B17BA6C44"));
    sealer_free(s);
}

static const struct gcm_vector {
    enum seal_profile profile;
    const char *rtp, *rtcp;
} gcm_vectors[] = {
    { SEAL_AEAD_AES_128_GCM,
      "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b"
      "36de3adf8833899d7f27beb16a9152cf765ee4390cce",
      "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b46"
      "86303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4" },
    { SEAL_AEAD_AES_256_GCM,
      "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f"
      "1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
      "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658"
      "c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4" },
};
#define GCM_CLEAR_RTP                                                                              \
    "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465"     \
    "732074726573"
#define GCM_CLEAR_RTCP                                                                             \
    "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeef"     \
    "deadbeefdeadbeef"

static struct seal_session gcm_session(void)
{
    struct seal_session s = { 0 };
    for (uint8_t i = 0; i < 32; i++)
        s.rtp.key[i] = s.rtcp.key[i] = i;
    memcpy(s.rtp.salt, "Quid pro quo", 12);
    memcpy(s.rtcp.salt, "Quid pro quo", 12);
    return s;
}

static void vectors_of_rfc7714_are_sealed(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(gcm_vectors); i++) {
        struct seal_session session = gcm_session();
        struct sealer *s = sealer_new_session(engine, gcm_vectors[i].profile, &session, 1);
        struct bytes rtp = HEX(GCM_CLEAR_RTP), rtcp = HEX(GCM_CLEAR_RTCP);
        uint8_t out[256];
        struct writer w = writer_of(out, sizeof out);
        assert_int_equal(sealer_rtp(s, 0xf17b, bytes_of(rtp.data, 12),
                                    bytes_of(rtp.data + 12, rtp.len - 12), &w),
                         OK);
        uint8_t expected[256];
        assert_bytes_equal(bytes_of(out, writer_len(&w)),
                           hex(gcm_vectors[i].rtp, expected, sizeof expected));
        for (uint32_t n = 0; n < 0x5d4; n++) { /* the vector's index */
            w = writer_of(out, sizeof out);
            assert_int_equal(sealer_rtcp(s, rtcp, &w), OK);
        }
        assert_bytes_equal(bytes_of(out, writer_len(&w)),
                           hex(gcm_vectors[i].rtcp, expected, sizeof expected));
        sealer_free(s);
    }
}

static void vectors_of_rfc7714_are_opened(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(gcm_vectors); i++) {
        struct seal_session session = gcm_session();
        struct opener *o = opener_new_session(engine, gcm_vectors[i].profile, &session, 2);
        uint8_t rtp[256], rtcp[256];
        struct bytes packet = hex(gcm_vectors[i].rtp, rtp, sizeof rtp);
        struct opened_rtp opened;
        assert_int_equal(opener_rtp(o, packet, rtp, &opened), OK);
        assert_bytes_equal(bytes_of(rtp, opened.len), HEX(GCM_CLEAR_RTP));
        assert_int_equal(opened.index, 0xf17b);
        packet = hex(gcm_vectors[i].rtcp, rtcp, sizeof rtcp);
        size_t len;
        assert_int_equal(opener_rtcp(o, packet, rtcp, &len), OK);
        assert_bytes_equal(bytes_of(rtcp, len), HEX(GCM_CLEAR_RTCP));
        opener_free(o);
    }
}

/* ---- libsrtp ---- */

static srtp_t libsrtp_new(enum seal_profile profile, bool outbound)
{
    static uint8_t key[SEAL_KEY_MAX + SEAL_SALT_MAX];
    struct seal_master master = make_master(1);
    memcpy(key, master.key, seal_key_len(profile));
    memcpy(key + seal_key_len(profile), master.salt, seal_salt_len(profile));
    srtp_policy_t policy;
    memset(&policy, 0, sizeof policy);
    void (*set)(srtp_crypto_policy_t *) =
        profile == SEAL_AEAD_AES_128_GCM ? srtp_crypto_policy_set_aes_gcm_128_16_auth
        : profile == SEAL_AEAD_AES_256_GCM
            ? srtp_crypto_policy_set_aes_gcm_256_16_auth
            : srtp_crypto_policy_set_rtp_default; /* AES_CM_128_HMAC_SHA1_80 */
    set(&policy.rtp);
    set(&policy.rtcp);
    policy.ssrc.type = outbound ? ssrc_any_outbound : ssrc_any_inbound;
    policy.key = key;
    policy.window_size = 1024;
    srtp_t session;
    assert_int_equal(srtp_create(&session, &policy), srtp_err_status_ok);
    return session;
}

/* Indices that jump over losses and across two wraps of the sequence number. */
static uint64_t index_of_step(uint64_t step)
{
    return 100 + 97 * step + step % 13;
}
#define STEPS 1500

static void libsrtp_opens_what_we_seal(void **state)
{
    for (size_t p = 0; p < ARRAY_LEN(all_profiles); p++) {
        struct ends e = ends_new(all_profiles[p], 4);
        srtp_t peer = libsrtp_new(all_profiles[p], false);
        for (uint64_t step = 0; step < STEPS; step++) {
            uint64_t index = index_of_step(step);
            uint32_t ssrc = 0x1000 + (uint32_t)(step % 3);
            uint8_t clear[PACKET_MAX], sealed[PACKET_MAX] __attribute__((aligned(8)));
            size_t header_len, clear_len = make_rtp(clear, index, ssrc, &header_len);
            int len = (int)seal_rtp(&e, index, ssrc, sealed);
            assert_int_equal(srtp_unprotect(peer, sealed, &len), srtp_err_status_ok);
            assert_bytes_equal(bytes_of(sealed, (size_t)len), bytes_of(clear, clear_len));

            clear_len = make_rtcp(clear, ssrc, (uint32_t)step);
            struct writer w = writer_of(sealed, sizeof sealed);
            assert_int_equal(sealer_rtcp(e.sealer, bytes_of(clear, clear_len), &w), OK);
            len = (int)writer_len(&w);
            assert_int_equal(srtp_unprotect_rtcp(peer, sealed, &len), srtp_err_status_ok);
            assert_bytes_equal(bytes_of(sealed, (size_t)len), bytes_of(clear, clear_len));
        }
        (void)srtp_dealloc(peer);
        ends_free(&e);
    }
}

static void we_open_what_libsrtp_seals(void **state)
{
    for (size_t p = 0; p < ARRAY_LEN(all_profiles); p++) {
        struct ends e = ends_new(all_profiles[p], 4);
        srtp_t peer = libsrtp_new(all_profiles[p], true);
        for (uint64_t step = 0; step < STEPS; step++) {
            uint64_t index = index_of_step(step);
            uint8_t clear[PACKET_MAX], sealed[PACKET_MAX] __attribute__((aligned(8)));
            size_t header_len, clear_len = make_rtp(clear, index, 77, &header_len);
            memcpy(sealed, clear, clear_len);
            int len = (int)clear_len;
            assert_int_equal(srtp_protect(peer, sealed, &len), srtp_err_status_ok);
            struct opened_rtp opened;
            assert_int_equal(opener_rtp(e.opener, bytes_of(sealed, (size_t)len), sealed, &opened),
                             OK);
            assert_bytes_equal(bytes_of(sealed, opened.len), bytes_of(clear, clear_len));
            assert_int_equal(opened.index, index);
            assert_int_equal(opened.header_len, header_len);

            clear_len = make_rtcp(clear, 78, (uint32_t)step);
            memcpy(sealed, clear, clear_len);
            len = (int)clear_len;
            assert_int_equal(srtp_protect_rtcp(peer, sealed, &len), srtp_err_status_ok);
            size_t opened_len;
            uint8_t apart[PACKET_MAX];
            assert_int_equal(
                opener_rtcp(e.opener, bytes_of(sealed, (size_t)len), apart, &opened_len), OK);
            assert_bytes_equal(bytes_of(apart, opened_len), bytes_of(clear, clear_len));
        }
        (void)srtp_dealloc(peer);
        ends_free(&e);
    }
}

/* ---- engines ---- */

static void choices_of_an_engine_are_known_by_name(void **state)
{
    enum seal_choice choice;
    assert_int_equal(seal_choice_parse("auto", &choice), OK);
    assert_int_equal(choice, SEAL_AUTO);
    assert_int_equal(seal_choice_parse("ipsec-mb", &choice), OK);
    assert_int_equal(choice, SEAL_IPSEC_MB);
    assert_int_equal(seal_choice_parse("openssl", &choice), OK);
    assert_int_equal(choice, SEAL_OPENSSL);
    assert_int_equal(seal_choice_parse("fast", &choice), ERR_MALFORMED);

    struct seal_engine *e = seal_engine_new(SEAL_OPENSSL);
    assert_string_equal(seal_engine_name(e), "openssl");
    assert_string_equal(seal_engine_code(e), "");
    assert_string_equal(seal_engine_name(NULL), "openssl");
    seal_engine_free(e);
    struct seal_engine *demanded = seal_engine_new(SEAL_IPSEC_MB);
    if (demanded != NULL) {
        assert_string_equal(seal_engine_name(demanded), "ipsec-mb");
        assert_true(seal_engine_code(demanded)[0] != 0);
    }
    seal_engine_free(demanded);
    e = seal_engine_new(SEAL_AUTO);
    assert_non_null(e);
    seal_engine_free(e);
}

/* A packet with a payload of this length, whose header is longer or shorter. */
static struct bytes make_sized(uint8_t *p, uint16_t seq, size_t payload_len, size_t *ret_header_len)
{
    (void)make_rtp(p, seq, 0x1000 + seq % 3, ret_header_len);
    for (size_t i = 0; i < payload_len; i++)
        p[*ret_header_len + i] = (uint8_t)(seq + 7 * i);
    return bytes_of(p, *ret_header_len + payload_len);
}

#define ROOM (PACKET_MAX + 64 + SEAL_RTCP_OVERHEAD_MAX)

static void engines_seal_and_open_alike_at_every_length(void **state)
{
    struct seal_master master = make_master(1);
    for (size_t p = 0; p < ARRAY_LEN(all_profiles); p++) {
        struct sealer *ours = sealer_new(engine, all_profiles[p], &master, 4);
        struct sealer *other = sealer_new(NULL, all_profiles[p], &master, 4);
        struct opener *opener = opener_new(engine, all_profiles[p], &master, 4);
        for (uint16_t len = 0; len <= PACKET_MAX; len++) {
            uint8_t clear[ROOM], a[ROOM], b[ROOM], out[ROOM];
            size_t header_len, rtcp_len, n = len + 1u;
            struct bytes packet = make_sized(clear, (uint16_t)n, len, &header_len);
            struct bytes header = bytes_of(clear, header_len);
            struct bytes payload = bytes_of(clear + header_len, len);
            struct writer wa = writer_of(a, sizeof a), wb = writer_of(b, sizeof b);
            memcpy(a, clear, packet.len); /* in its place already */
            assert_int_equal(
                sealer_rtp(ours, n, bytes_of(a, header_len), bytes_of(a + header_len, len), &wa),
                OK);
            assert_int_equal(sealer_rtp(other, n, header, payload, &wb), OK);
            assert_bytes_equal(bytes_of(a, writer_len(&wa)), bytes_of(b, writer_len(&wb)));
            struct opened_rtp opened;
            bool in_place = len % 2 == 0;
            uint8_t *to = in_place ? b : out;
            assert_int_equal(opener_rtp(opener, bytes_of(b, writer_len(&wb)), to, &opened), OK);
            assert_bytes_equal(bytes_of(to, opened.len), packet);

            packet.len = 8 + len;
            packet.data = memset(clear, 0x81, 4);
            store_be32(clear + 4, 0x1000);
            wa = writer_of(a, sizeof a), wb = writer_of(b, sizeof b);
            assert_int_equal(sealer_rtcp(ours, packet, &wa), OK);
            assert_int_equal(sealer_rtcp(other, packet, &wb), OK);
            assert_bytes_equal(bytes_of(a, writer_len(&wa)), bytes_of(b, writer_len(&wb)));
            assert_int_equal(opener_rtcp(opener, bytes_of(b, writer_len(&wb)), to, &rtcp_len), OK);
            assert_bytes_equal(bytes_of(to, rtcp_len), packet);
        }
        sealer_free(ours);
        sealer_free(other);
        opener_free(opener);
    }
}

/* Memory with nothing before and behind it. */
struct island {
    uint8_t *base, *start, *end;
};

static struct island island_new(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *base = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(base != MAP_FAILED);
    assert_int_equal(mprotect(base + page, page, PROT_READ | PROT_WRITE), 0);
    return (struct island){ base, base + page, base + 2 * page };
}

static void island_free(struct island *i)
{
    assert_int_equal(munmap(i->base, (size_t)(i->end - i->start) * 3), 0);
}

static void no_byte_beside_a_packet_is_touched(void **state)
{
    struct seal_master master = make_master(1);
    struct island from = island_new(), to = island_new();
    struct seal_burst *burst = seal_burst_new(engine);
    for (size_t p = 0; p < ARRAY_LEN(all_profiles); p++) {
        struct sealer *s = sealer_new(engine, all_profiles[p], &master, 4);
        struct opener *o = opener_new(engine, all_profiles[p], &master, 4);
        uint64_t index = 0;
        for (size_t len = 0; len <= PACKET_MAX; len += len < 300 ? 1 : 7) {
            for (unsigned edge = 0; edge < 8; edge++) {
                uint8_t clear[ROOM], sealed[ROOM];
                size_t header_len;
                struct bytes packet = make_sized(clear, (uint16_t)++index, len, &header_len);
                size_t sealed_len = packet.len + seal_rtp_overhead(all_profiles[p]);
                /* at the very end of its memory, or at the very beginning */
                uint8_t *payload = edge & 1 ? from.end - len : from.start;
                uint8_t *out = edge & 2 ? to.end - sealed_len : to.start;
                memcpy(payload, clear + header_len, len);
                struct writer w = writer_of(out, sealed_len);
                struct bytes header = bytes_of(clear, header_len);
                enum err err =
                    edge & 4 ? sealer_rtp_later(s, burst, index, header, bytes_of(payload, len), &w)
                             : sealer_rtp(s, index, header, bytes_of(payload, len), &w);
                assert_int_equal(err, OK);
                seal_burst_run(burst);
                assert_int_equal(writer_len(&w), sealed_len);
                memcpy(sealed, out, sealed_len);
                struct opened_rtp opened;
                uint8_t *opened_at = edge & 1 ? from.end - sealed_len : from.start;
                assert_int_equal(opener_rtp(o, bytes_of(out, sealed_len), opened_at, &opened), OK);
                assert_bytes_equal(bytes_of(opened_at, opened.len), packet);
            }
        }
        sealer_free(s);
        opener_free(o);
    }
    seal_burst_free(burst);
    island_free(&from);
    island_free(&to);
}

/* ---- bursts ---- */

enum { VIEWERS = 7, BURST_PACKETS_MAX = 140 };

static void bursts_are_what_single_packets_are(void **state)
{
    static uint8_t together[BURST_PACKETS_MAX * ROOM], single[BURST_PACKETS_MAX * ROOM];
    static uint8_t clear[BURST_PACKETS_MAX][ROOM];
    struct seal_burst *burst = seal_burst_new(engine);
    struct sealer *a[VIEWERS], *b[VIEWERS];
    for (uint8_t i = 0; i < VIEWERS; i++) { /* several keys and profiles in one burst */
        struct seal_master master = make_master(i);
        enum seal_profile profile =
            i < 5 ? SEAL_AES_CM_128_HMAC_SHA1_80 : all_profiles[i % ARRAY_LEN(all_profiles)];
        a[i] = sealer_new(engine, profile, &master, 4);
        b[i] = sealer_new(NULL, profile, &master, 4);
    }
    uint16_t n = 0;
    for (size_t count = 1; count <= BURST_PACKETS_MAX; count++) {
        struct writer wa = writer_of(together, sizeof together);
        struct writer wb = writer_of(single, sizeof single);
        for (size_t i = 0; i < count; i++) {
            size_t header_len, len = (++n * 61u) % (PACKET_MAX + 1);
            (void)make_sized(clear[i], n, len, &header_len);
            struct bytes header = bytes_of(clear[i], header_len);
            struct bytes payload = bytes_of(clear[i] + header_len, len);
            if (i % 3 == 0) /* in its place already, as what is patched */
                payload.data = memcpy(wa.at + header_len, payload.data, len);
            assert_int_equal(sealer_rtp(b[i % VIEWERS], n, header, payload, &wb), OK);
            assert_int_equal(sealer_rtp_later(a[i % VIEWERS], burst, n, header, payload, &wa), OK);
        }
        seal_burst_run(burst);
        seal_burst_run(burst); /* again: nothing */
        assert_bytes_equal(bytes_of(together, writer_len(&wa)), bytes_of(single, writer_len(&wb)));
    }
    for (size_t i = 0; i < VIEWERS; i++) {
        sealer_free(a[i]);
        sealer_free(b[i]);
    }
    seal_burst_free(burst);
}

static void libsrtp_opens_bursts(void **state)
{
    enum { COUNT = 24 };
    enum seal_profile profile = SEAL_AES_CM_128_HMAC_SHA1_80;
    struct ends e = ends_new(profile, 4);
    struct seal_burst *burst = seal_burst_new(engine);
    srtp_t peer = libsrtp_new(profile, false);
    for (uint64_t step = 0; step < 40; step++) {
        static uint8_t clear[COUNT][PACKET_MAX];
        static uint8_t sealed[COUNT][PACKET_MAX] __attribute__((aligned(8)));
        size_t header_len, clear_len[COUNT], count = 1 + step % COUNT;
        int len[COUNT];
        for (size_t i = 0; i < count; i++) {
            uint64_t index = index_of_step(step * COUNT + i);
            struct writer w = writer_of(sealed[i], PACKET_MAX);
            clear_len[i] = make_rtp(clear[i], index, 9, &header_len);
            struct bytes payload = bytes_of(clear[i] + header_len, clear_len[i] - header_len);
            assert_int_equal(sealer_rtp_later(e.sealer, burst, index,
                                              bytes_of(clear[i], header_len), payload, &w),
                             OK);
            len[i] = (int)writer_len(&w);
        }
        seal_burst_run(burst);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(srtp_unprotect(peer, sealed[i], &len[i]), srtp_err_status_ok);
            assert_bytes_equal(bytes_of(sealed[i], (size_t)len[i]),
                               bytes_of(clear[i], clear_len[i]));
        }
    }
    (void)srtp_dealloc(peer);
    seal_burst_free(burst);
    ends_free(&e);
}

static void what_cannot_be_sealed_does_not_join_a_burst(void **state)
{
    struct ends e = ends_new(SEAL_AES_CM_128_HMAC_SHA1_80, 1);
    struct seal_burst *burst = seal_burst_new(engine);
    uint8_t header[12] = { 0x80, 96, 0, 7 }, out[35];
    struct bytes payload = bytes_of_str("payload");
    struct writer w = writer_of(out, 28), right = writer_of(out, sizeof out);
    assert_int_equal(sealer_rtp_later(e.sealer, burst, 7, bytes_of(header, 12), payload, &w),
                     ERR_FULL);
    assert_int_equal(sealer_rtp_later(e.sealer, burst, 7, bytes_of(header, 12), payload, &right),
                     OK);
    w = writer_of(out, sizeof out);
    assert_int_equal(sealer_rtp_later(e.sealer, burst, 7, bytes_of(header, 12), payload, &w),
                     ERR_EXPIRED);
    seal_burst_run(burst);
    struct opened_rtp opened;
    assert_int_equal(open_rtp(&e, out, writer_len(&right), &opened), OK);
    seal_burst_free(burst);
    ends_free(&e);
}

/* ---- behaviour ---- */

static void source_is_unchanged_and_packets_are_appended(void **state)
{
    for (size_t p = 0; p < ARRAY_LEN(all_profiles); p++) {
        struct ends e = ends_new(all_profiles[p], 2);
        uint8_t clear[PACKET_MAX], copy[PACKET_MAX], scratch[4 * PACKET_MAX];
        size_t header_len, len = make_rtp(clear, 9, 5, &header_len);
        memcpy(copy, clear, len);
        struct writer w = writer_of(scratch, sizeof scratch);
        for (uint16_t seq = 10; seq < 12; seq++) { /* new header, shared payload */
            uint8_t header[64];
            memcpy(header, clear, header_len);
            store_be16(header + 2, seq);
            assert_int_equal(sealer_rtp(e.sealer, seq, bytes_of(header, header_len),
                                        bytes_of(clear + header_len, len - header_len), &w),
                             OK);
        }
        assert_memory_equal(clear, copy, len);
        assert_int_equal(writer_len(&w), 2 * (len + e.tag_len));
        struct opened_rtp opened;
        assert_int_equal(open_rtp(&e, scratch, len + e.tag_len, &opened), OK);
        assert_int_equal(open_rtp(&e, scratch + len + e.tag_len, len + e.tag_len, &opened), OK);
        assert_int_equal(opened.index, 11);

        store_be16(clear + 2, 12);
        struct writer small = writer_of(scratch, len + e.tag_len - 1);
        assert_int_equal(sealer_rtp(e.sealer, 12, bytes_of(clear, header_len),
                                    bytes_of(clear + header_len, len - header_len), &small),
                         ERR_FULL);
        assert_int_equal(writer_len(&small), 0);
        ends_free(&e);
    }
}

static void every_tampered_byte_fails(void **state)
{
    for (size_t p = 0; p < ARRAY_LEN(all_profiles); p++) {
        struct ends e = ends_new(all_profiles[p], 2);
        uint8_t sealed[PACKET_MAX], changed[PACKET_MAX];
        size_t len = seal_rtp(&e, 15, 5, sealed), ret_len;
        struct opened_rtp opened;
        for (size_t i = 0; i < len; i++) {
            memcpy(changed, sealed, len);
            changed[i] ^= 0x01;
            enum err err = open_rtp(&e, changed, len, &opened);
            assert_true(err == ERR_AUTH || (i < 28 && err == ERR_TRUNCATED));
        }
        assert_int_equal(open_rtp(&e, sealed, len, &opened), OK);

        uint8_t clear[PACKET_MAX], out[PACKET_MAX];
        struct writer w = writer_of(sealed, sizeof sealed);
        size_t clear_len = make_rtcp(clear, 6, 12);
        assert_int_equal(sealer_rtcp(e.sealer, bytes_of(clear, clear_len), &w), OK);
        len = writer_len(&w);
        for (size_t i = 0; i < len; i++) {
            memcpy(changed, sealed, len);
            changed[i] ^= 0x01;
            assert_int_equal(opener_rtcp(e.opener, bytes_of(changed, len), out, &ret_len),
                             ERR_AUTH);
        }
        assert_int_equal(opener_rtcp(e.opener, bytes_of(sealed, len), out, &ret_len), OK);
        ends_free(&e);
    }
}

static void cut_and_foreign_packets_are_refused(void **state)
{
    for (size_t p = 0; p < ARRAY_LEN(all_profiles); p++) {
        struct ends e = ends_new(all_profiles[p], 2);
        uint8_t sealed[PACKET_MAX], clear[64], rtcp[128], out[PACKET_MAX];
        size_t len = seal_rtp(&e, 15, 5, sealed), ret_len;
        struct opened_rtp opened;
        for (size_t cut = 0; cut < len; cut++) {
            enum err err = open_rtp(&e, sealed, cut, &opened);
            assert_true(err == ERR_AUTH || err == ERR_TRUNCATED);
            assert_true(cut >= 12 + e.tag_len || err == ERR_TRUNCATED);
        }
        sealed[0] &= 0x3f;
        assert_int_equal(open_rtp(&e, sealed, len, &opened), ERR_MALFORMED);

        struct writer w = writer_of(rtcp, sizeof rtcp);
        assert_int_equal(sealer_rtcp(e.sealer, bytes_of(clear, make_rtcp(clear, 6, 3)), &w), OK);
        len = writer_len(&w);
        for (size_t cut = 0; cut < 12 + e.tag_len; cut++)
            assert_int_equal(opener_rtcp(e.opener, bytes_of(rtcp, cut), out, &ret_len),
                             ERR_TRUNCATED);
        rtcp[all_profiles[p] == SEAL_AES_CM_128_HMAC_SHA1_80 ? len - 14 : len - 4] &= 0x7f;
        assert_int_equal(opener_rtcp(e.opener, bytes_of(rtcp, len), out, &ret_len),
                         ERR_UNSUPPORTED); /* E flag clear */
        assert_int_equal(sealer_rtcp(e.sealer, bytes_of(clear, 7), &w), ERR_TRUNCATED);
        ends_free(&e);
    }
}

static void replayed_packets_are_expired(void **state)
{
    struct ends e = ends_new(SEAL_AEAD_AES_128_GCM, 2);
    uint8_t sealed[3][PACKET_MAX], clear[64], rtcp[128], out[128];
    size_t len[3], ret_len;
    struct opened_rtp opened;
    for (uint64_t i = 0; i < 3; i++)
        len[i] = seal_rtp(&e, 65534 + i, 5, sealed[i]); /* across the wrap */
    static const size_t order[] = { 0, 2, 1 };          /* and out of order */
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(open_rtp(&e, sealed[order[i]], len[order[i]], &opened), OK);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(open_rtp(&e, sealed[i], len[i], &opened), ERR_EXPIRED);

    struct writer w = writer_of(rtcp, sizeof rtcp);
    assert_int_equal(sealer_rtcp(e.sealer, bytes_of(clear, make_rtcp(clear, 6, 3)), &w), OK);
    assert_int_equal(opener_rtcp(e.opener, bytes_of(rtcp, writer_len(&w)), out, &ret_len), OK);
    assert_int_equal(opener_rtcp(e.opener, bytes_of(rtcp, writer_len(&w)), out, &ret_len),
                     ERR_EXPIRED);
    ends_free(&e);
}

static void late_packets_are_opened_within_the_window_only(void **state)
{
    struct ends e = ends_new(SEAL_AEAD_AES_128_GCM, 2);
    enum { NEWEST = 70000 };
    uint8_t oldest[PACKET_MAX], older[PACKET_MAX];
    assert_int_equal(pass_rtp(&e, 60000, 5), OK); /* so that the rollover is seen */
    size_t older_len = seal_rtp(&e, NEWEST - SEAL_WINDOW, 5, older);
    size_t oldest_len = seal_rtp(&e, NEWEST - SEAL_WINDOW + 1, 5, oldest);
    assert_int_equal(pass_rtp(&e, NEWEST, 5), OK);
    struct opened_rtp opened;
    assert_int_equal(open_rtp(&e, oldest, oldest_len, &opened), OK);
    assert_int_equal(opened.index, NEWEST - SEAL_WINDOW + 1);
    assert_int_equal(open_rtp(&e, older, older_len, &opened), ERR_EXPIRED);
    ends_free(&e);
}

static void rtcp_window_is_64_packets(void **state)
{
    struct ends e = ends_new(SEAL_AES_CM_128_HMAC_SHA1_80, 2);
    uint8_t sealed[66][64], clear[64], out[64];
    size_t len[66], ret_len;
    for (size_t i = 0; i < 66; i++) {
        struct writer w = writer_of(sealed[i], sizeof sealed[i]);
        assert_int_equal(sealer_rtcp(e.sealer, bytes_of(clear, make_rtcp(clear, 6, 3)), &w), OK);
        len[i] = writer_len(&w);
    }
    static const struct {
        size_t packet;
        enum err expected;
    } steps[] = { { 65, OK }, { 1, ERR_EXPIRED },  { 2, OK }, { 2, ERR_EXPIRED },
                  { 64, OK }, { 65, ERR_EXPIRED }, { 30, OK } };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        size_t n = steps[i].packet;
        assert_int_equal(opener_rtcp(e.opener, bytes_of(sealed[n], len[n]), out, &ret_len),
                         steps[i].expected);
    }
    ends_free(&e);
}

static void index_is_followed_across_many_wraps_with_loss(void **state)
{
    struct ends e = ends_new(SEAL_AEAD_AES_128_GCM, 2);
    for (uint64_t index = 5; index < 10 * 65536; index += 30011)
        assert_int_equal(pass_rtp(&e, index, 5), OK);
    ends_free(&e);
}

static void packet_from_before_the_first_wrap_is_no_negative_index(void **state)
{
    /* A sender that starts at 5 and jumps far ahead stays in rollover 0. */
    struct ends e = ends_new(SEAL_AEAD_AES_128_GCM, 2);
    assert_int_equal(pass_rtp(&e, 5, 5), OK);
    assert_int_equal(pass_rtp(&e, 65530, 5), OK);
    ends_free(&e);
}

static void index_is_never_sealed_twice(void **state)
{
    struct ends e = ends_new(SEAL_AEAD_AES_128_GCM, 2);
    uint8_t header[12] = { 0x80, 96, 0x10, 0 }, out[70]; /* two packets of 35 bytes */
    struct bytes payload = bytes_of_str("payload");
    struct writer w = writer_of(out, sizeof out);
    assert_int_equal(sealer_rtp(e.sealer, 0x1000, bytes_of(header, 12), payload, &w), OK);
    assert_int_equal(sealer_rtp(e.sealer, 0x1000, bytes_of(header, 12), payload, &w), ERR_EXPIRED);
    store_be16(header + 2, 0xfff); /* late, but not yet used */
    assert_int_equal(sealer_rtp(e.sealer, 0xfff, bytes_of(header, 12), payload, &w), OK);
    assert_int_equal(sealer_rtp(e.sealer, (1ULL << 48) | 0xfff, bytes_of(header, 12), payload, &w),
                     ERR_EXPIRED);
    ends_free(&e);
}

static void forged_ssrcs_do_not_fill_the_table(void **state)
{
    struct ends e = ends_new(SEAL_AEAD_AES_128_GCM, 2);
    uint8_t sealed[PACKET_MAX], copy[PACKET_MAX];
    size_t len = seal_rtp(&e, 15, 5, sealed);
    struct opened_rtp opened;
    for (uint32_t ssrc = 100; ssrc < 200; ssrc++) {
        memcpy(copy, sealed, len);
        store_be32(copy + 8, ssrc);
        assert_int_equal(open_rtp(&e, copy, len, &opened), ERR_AUTH);
    }
    assert_int_equal(open_rtp(&e, sealed, len, &opened), OK);
    assert_int_equal(pass_rtp(&e, 15, 6), OK);
    ends_free(&e);
}

static void table_is_full_until_an_ssrc_is_forgotten(void **state)
{
    struct ends e = ends_new(SEAL_AEAD_AES_128_GCM, 3);
    uint8_t sealed[PACKET_MAX], header[12] = { 0x80, 96, 0, 1 };
    for (uint32_t ssrc = 1; ssrc <= 3; ssrc++)
        assert_int_equal(pass_rtp(&e, 1, ssrc), OK);
    store_be32(header + 8, 4);
    struct writer w = writer_of(sealed, sizeof sealed);
    assert_int_equal(sealer_rtp(e.sealer, 1, bytes_of(header, 12), (struct bytes){ 0 }, &w),
                     ERR_FULL);
    sealer_forget(e.sealer, 2);
    sealer_forget(e.sealer, 99); /* unknown: nothing happens */
    assert_int_equal(pass_rtp(&e, 1, 4), ERR_FULL);
    opener_forget(e.opener, 2);
    assert_int_equal(pass_rtp(&e, 2, 4), OK);
    assert_int_equal(pass_rtp(&e, 2, 1), OK); /* the others are still known */
    assert_int_equal(pass_rtp(&e, 2, 3), OK);
    ends_free(&e);
}

static void many_ssrcs_keep_their_own_state(void **state)
{
    enum { COUNT = 500 };
    struct ends e = ends_new(SEAL_AEAD_AES_128_GCM, COUNT);
    for (uint64_t index = 65000; index < 67000; index += 900) {
        for (uint32_t i = 0; i < COUNT; i++)
            assert_int_equal(pass_rtp(&e, index + i, i * 0x01000193u), OK);
    }
    ends_free(&e);
}

static void sealing_and_opening_never_allocate(void **state)
{
    for (size_t p = 0; p < ARRAY_LEN(all_profiles); p++) {
        struct ends e = ends_new(all_profiles[p], 4);
        uint8_t clear[64], rtcp[128];
        size_t len;
        struct seal_burst *burst = seal_burst_new(engine);
        alloc_probe_reset(0, false);
        for (uint64_t i = 0; i < 10000; i++) {
            struct writer w = writer_of(rtcp, sizeof rtcp);
            store_be32(clear, 0x80600000 | (uint32_t)((60000 + i) & 0xffff));
            store_be32(clear + 8, 3);
            if (sealer_rtp_later(e.sealer, burst, 60000 + i, bytes_of(clear, 12),
                                 bytes_of(clear + 12, 20), &w) != OK)
                fail();
            seal_burst_run(burst);
            w = writer_of(rtcp, sizeof rtcp);
            if (pass_rtp(&e, 60000 + i, (uint32_t)i % 3) != OK ||
                sealer_rtcp(e.sealer, bytes_of(clear, make_rtcp(clear, 1, 3)), &w) != OK ||
                opener_rtcp(e.opener, bytes_of(rtcp, writer_len(&w)), rtcp, &len) != OK)
                fail();
            rtcp[10] ^= 1;
            if (opener_rtcp(e.opener, bytes_of(rtcp, writer_len(&w)), rtcp, &len) == OK)
                fail(); /* refusing doesn't allocate, either */
        }
        assert_int_equal(alloc_probe.count, 0);
        assert_int_equal(ERR_peek_error(), 0);
        seal_burst_free(burst);
        ends_free(&e);
    }
}

static void failed_allocations_are_survived(void **state)
{
    struct seal_master master = make_master(1);
    for (size_t p = 0; p < ARRAY_LEN(all_profiles); p++) {
        bool done = false;
        for (size_t n = 1; !done; n++) {
            alloc_probe_reset(n, false);
            struct sealer *s = sealer_new(engine, all_profiles[p], &master, 4);
            struct opener *o = opener_new(engine, all_profiles[p], &master, 4);
            done = s != NULL && o != NULL && alloc_probe.count < n;
            assert_true(n < 1000);
            sealer_free(s);
            opener_free(o);
        }
        alloc_probe_reset(1, false);
        assert_null(seal_burst_new(engine));
        alloc_probe_reset(0, false);
    }
    ERR_clear_error();
    assert_null(sealer_new(engine, SEAL_NONE, &master, 1));
}

static void profiles_tell_their_sizes(void **state)
{
    assert_int_equal(seal_rtp_overhead(SEAL_AES_CM_128_HMAC_SHA1_80), 10);
    assert_int_equal(seal_rtcp_overhead(SEAL_AES_CM_128_HMAC_SHA1_80), 14);
    assert_int_equal(seal_rtcp_overhead(SEAL_AEAD_AES_256_GCM), 20);
    assert_int_equal(seal_key_len(SEAL_AEAD_AES_256_GCM), 32);
    assert_int_equal(seal_salt_len(SEAL_AES_CM_128_HMAC_SHA1_80), 14);
    assert_int_equal(seal_rtp_overhead(SEAL_NONE), 0);
    assert_string_equal(seal_profile_name(SEAL_AEAD_AES_128_GCM), "AEAD_AES_128_GCM");
    assert_string_equal(seal_profile_name((enum seal_profile)2), "none");
}

static struct ends ends_in(struct seal_memory *memory, size_t streams)
{
    struct seal_master m = make_master(1);
    struct ends e = {
        .sealer = sealer_new_in(memory, engine, SEAL_AEAD_AES_128_GCM, &m, streams),
        .opener = opener_new_in(memory, engine, SEAL_AEAD_AES_128_GCM, &m, streams),
        .tag_len = seal_rtp_overhead(SEAL_AEAD_AES_128_GCM),
    };
    assert_true(e.sealer != NULL && e.opener != NULL);
    return e;
}

static void many_share_one_memory_and_none_sees_the_others_windows(void **state)
{
    enum { SSRCS = 12 };
    struct seal_memory *memory = seal_memory_new(4 * SSRCS);
    struct ends a = ends_in(memory, SSRCS), b = ends_in(memory, SSRCS);
    uint8_t sealed[2][SSRCS][PACKET_MAX];
    size_t len[2][SSRCS];
    struct opened_rtp opened;
    for (uint32_t i = 0; i < SSRCS; i++) { /* the same SSRCs in both */
        len[0][i] = seal_rtp(&a, 100 + i, i, sealed[0][i]);
        len[1][i] = seal_rtp(&b, 200 + i, i, sealed[1][i]);
        assert_int_equal(open_rtp(&a, sealed[0][i], len[0][i], &opened), OK);
        assert_int_equal(open_rtp(&b, sealed[1][i], len[1][i], &opened), OK);
    }
    for (uint32_t i = 0; i < SSRCS; i++) {
        assert_int_equal(open_rtp(&a, sealed[0][i], len[0][i], &opened), ERR_EXPIRED);
        assert_int_equal(open_rtp(&b, sealed[1][i], len[1][i], &opened), ERR_EXPIRED);
    }
    /* Forgotten one by one, in some order: those that are left stay as they were. */
    for (uint32_t i = 0; i < SSRCS; i++) {
        opener_forget(a.opener, i * 5 % SSRCS);
        for (uint32_t j = 0; j < SSRCS; j++)
            assert_int_equal(open_rtp(&b, sealed[1][j], len[1][j], &opened), ERR_EXPIRED);
        for (uint32_t j = i + 1; j < SSRCS; j++) {
            uint32_t ssrc = j * 5 % SSRCS;
            assert_int_equal(open_rtp(&a, sealed[0][ssrc], len[0][ssrc], &opened), ERR_EXPIRED);
        }
    }
    sealer_free(a.sealer);
    opener_free(a.opener);
    struct ends c = ends_in(memory, SSRCS); /* gets the places that a had: nothing is left there */
    for (uint32_t i = 0; i < SSRCS; i++)
        assert_int_equal(pass_rtp(&c, 100 + i, i), OK);
    sealer_free(b.sealer), opener_free(b.opener);
    sealer_free(c.sealer), opener_free(c.opener);
    seal_memory_free(memory);
}

static void a_memory_that_is_full_is_one_ssrc_too_many(void **state)
{
    struct seal_memory *memory = seal_memory_new(3);
    struct ends e = ends_in(memory, 4);
    assert_int_equal(pass_rtp(&e, 1, 10), OK); /* one place of the sealer, one of the opener */
    uint8_t sealed[PACKET_MAX];
    struct opened_rtp opened;
    size_t len = seal_rtp(&e, 1, 11, sealed);
    assert_int_equal(open_rtp(&e, sealed, len, &opened), ERR_FULL);
    opener_forget(e.opener, 10);
    assert_int_equal(open_rtp(&e, sealed, len, &opened), OK);
    sealer_free(e.sealer), opener_free(e.opener);
    seal_memory_free(memory);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(key_derivation_of_rfc3711_b3_is_reproduced),
    cmocka_unit_test(keystream_of_rfc3711_b2_is_reproduced),
    cmocka_unit_test(vectors_of_rfc7714_are_sealed),
    cmocka_unit_test(vectors_of_rfc7714_are_opened),
    cmocka_unit_test(libsrtp_opens_what_we_seal),
    cmocka_unit_test(we_open_what_libsrtp_seals),
    cmocka_unit_test(choices_of_an_engine_are_known_by_name),
    cmocka_unit_test(engines_seal_and_open_alike_at_every_length),
    cmocka_unit_test(no_byte_beside_a_packet_is_touched),
    cmocka_unit_test(bursts_are_what_single_packets_are),
    cmocka_unit_test(libsrtp_opens_bursts),
    cmocka_unit_test(what_cannot_be_sealed_does_not_join_a_burst),
    cmocka_unit_test(source_is_unchanged_and_packets_are_appended),
    cmocka_unit_test(every_tampered_byte_fails),
    cmocka_unit_test(cut_and_foreign_packets_are_refused),
    cmocka_unit_test(replayed_packets_are_expired),
    cmocka_unit_test(late_packets_are_opened_within_the_window_only),
    cmocka_unit_test(rtcp_window_is_64_packets),
    cmocka_unit_test(index_is_followed_across_many_wraps_with_loss),
    cmocka_unit_test(packet_from_before_the_first_wrap_is_no_negative_index),
    cmocka_unit_test(index_is_never_sealed_twice),
    cmocka_unit_test(forged_ssrcs_do_not_fill_the_table),
    cmocka_unit_test(table_is_full_until_an_ssrc_is_forgotten),
    cmocka_unit_test(many_ssrcs_keep_their_own_state),
    cmocka_unit_test(many_share_one_memory_and_none_sees_the_others_windows),
    cmocka_unit_test(a_memory_that_is_full_is_one_ssrc_too_many),
    cmocka_unit_test(sealing_and_opening_never_allocate),
    cmocka_unit_test(failed_allocations_are_survived),
    cmocka_unit_test(profiles_tell_their_sizes),
};

/* All tests with each engine; what this CPU cannot run is left out. */
static int run_with(const char *name, struct seal_engine *e, bool is_there)
{
    if (!is_there) {
        print_message("%s: not here\n", name);
        return 0;
    }
    engine = e;
    int failed = cmocka_run_group_tests_name(name, tests, NULL, NULL);
    seal_engine_free(e);
    return failed;
}

int main(void)
{
    static const char *const names[] = { [SEAL_MB_SSE] = "ipsec-mb sse",
                                         [SEAL_MB_AVX] = "ipsec-mb avx",
                                         [SEAL_MB_AVX2] = "ipsec-mb avx2",
                                         [SEAL_MB_AVX512] = "ipsec-mb avx512" };
    alloc_probe_install();
    check(srtp_init() == srtp_err_status_ok);
    int failed = run_with("openssl", NULL, true);
    for (size_t code = SEAL_MB_SSE; code < ARRAY_LEN(names); code++) {
        struct seal_engine *e = seal_engine_new_mb((enum seal_mb_code)code);
        failed += run_with(names[code], e, e != NULL);
    }
    (void)srtp_shutdown();
    return failed;
}
