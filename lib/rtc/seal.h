/* seal.h - SRTP and SRTCP for one transport: a sealer (outbound) and an opener (inbound).
 *
 * RFC 3711 with AES_CM_128_HMAC_SHA1_80, RFC 7714 with AEAD_AES_128_GCM and AEAD_AES_256_GCM; no
 * MKI, key derivation rate 0. Pure; keys are expanded by _new and used with a new IV per packet, so
 * that sealing and opening never allocate, and wiped by _free. One thread at a time per object.
 * (Named seal because srtp_* belongs to libsrtp, which the tests and the load tester link.)
 *
 *   RTP   header + CSRCs + extension (clear, authenticated) | payload (encrypted) | tag 16 or 10
 *   RTCP  GCM: 8 bytes clear | encrypted | tag 16 | E + 31-bit index
 *         CM:  8 bytes clear | encrypted | E + 31-bit index | tag 10
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_SEAL_H
#define RTC_SEAL_H

#include "common/bytes.h"
#include "rtc/seal_engine.h"

/* The numbers are those of the DTLS use_srtp extension (RFC 5764 §4.1.2, RFC 7714 §14.2). */
enum seal_profile {
    SEAL_NONE = 0,
    SEAL_AES_CM_128_HMAC_SHA1_80 = 0x0001,
    SEAL_AEAD_AES_128_GCM = 0x0007,
    SEAL_AEAD_AES_256_GCM = 0x0008,
};

#define SEAL_KEY_MAX           32
#define SEAL_SALT_MAX          14
#define SEAL_RTP_OVERHEAD_MAX  16 /* bytes a sealed RTP packet may be longer */
#define SEAL_RTCP_OVERHEAD_MAX 20
#define SEAL_STREAMS_MAX       4096
#define SEAL_WINDOW            1024 /* packets: how late a packet may come and still be told apart */

/* One direction's master key and salt; only the profile's lengths are used. Wipe after use. */
struct seal_master {
    uint8_t key[SEAL_KEY_MAX];
    uint8_t salt[SEAL_SALT_MAX];
};

size_t seal_key_len(enum seal_profile profile);      /* 16, 16, 32; 0 if unknown */
size_t seal_salt_len(enum seal_profile profile);     /* 14, 12, 12 */
size_t seal_rtp_overhead(enum seal_profile profile); /* 10, 16, 16 */
size_t seal_rtcp_overhead(enum seal_profile profile);
/* "AEAD_AES_128_GCM", …, "none". */
const char *seal_profile_name(enum seal_profile profile);

/* Length of the clear RTP header with CSRCs and extension; 0 if it isn't RTP version 2 or is cut.
 */
size_t seal_rtp_header_len(struct bytes packet);

struct sealer; /* outbound; heap */
struct opener; /* inbound; heap */

/* Places for the replay windows of many sealers and openers of one thread, untouched until an SSRC
 * is used: 160 bytes each. */
struct seal_memory;

/* NULL without memory. */
struct seal_memory *seal_memory_new(size_t streams);
/* After all that use it. */
void seal_memory_free(struct seal_memory *m);
/* Bytes of one. */
size_t seal_memory_size(size_t streams);

/* Derives the session keys. streams: SSRCs that may be used at the same time, 1..SEAL_STREAMS_MAX;
 * about 170 bytes each. NULL if memory or OpenSSL fails. master is not kept; engine is. */
struct sealer *sealer_new(const struct seal_engine *engine, enum seal_profile profile,
                          const struct seal_master *master, size_t streams);
void sealer_free(struct sealer *s);
struct opener *opener_new(const struct seal_engine *engine, enum seal_profile profile,
                          const struct seal_master *master, size_t streams);
void opener_free(struct opener *o);
/* The same with places of `memory`, which outlives it: 8 to 16 bytes for each of `streams` until it
 * is used. When no place is left there, an SSRC is one too many. memory NULL: of its own. */
struct sealer *sealer_new_in(struct seal_memory *memory, const struct seal_engine *engine,
                             enum seal_profile profile, const struct seal_master *master,
                             size_t streams);
struct opener *opener_new_in(struct seal_memory *memory, const struct seal_engine *engine,
                             enum seal_profile profile, const struct seal_master *master,
                             size_t streams);
/* Takes old over: what o cannot authenticate is tried with old's keys, for packets that were under
 * way when keys were exchanged. At most one: an older one is freed. NULL ends that. Costs a copy of
 * each packet meanwhile. */
void opener_succeed(struct opener *o, struct opener *old);

/* Bytes that it holds: keys, and what of its memory is in use. */
size_t sealer_memory(const struct sealer *s);
size_t opener_memory(const struct opener *o); /* without the one before */

/* Seals one RTP packet out of place, appending to out: header, encrypted payload, tag.
 *
 * index    extended sequence number: rollover counter << 16 | sequence number; its low 16 bits are
 *          those in header (checked). A stream starts with rollover counter 0; start below 0x8000,
 *          so that a lost first packet can't hide a wrap. Not necessarily in order, but never twice
 * header   whole clear header, CSRCs and extension included; borrowed
 * payload  borrowed, unchanged; may be at exactly its place in out already, else no overlap
 *
 * OK; ERR_EXPIRED: this index was sealed before or is too old to know (sealing it again would
 * break the cipher: count and drop); ERR_FULL: no room in out, or too many SSRCs (out is then
 * untouched); ERR_SYSTEM: OpenSSL failed. */
MUST_USE enum err sealer_rtp(struct sealer *s, uint64_t index, struct bytes header,
                             struct bytes payload, struct writer *out);

/* Seals one compound RTCP packet (8 bytes or more, whose bytes 4..7 are the sender's SSRC),
 * appending to out. The SRTCP index counts all senders of the sealer together; gaps are allowed.
 * ERR_TRUNCATED, ERR_FULL (no room in out), ERR_EXPIRED after 2^31 packets, ERR_SYSTEM. */
MUST_USE enum err sealer_rtcp(struct sealer *s, struct bytes packet, struct writer *out);

/* Drops the state of an SSRC that will never be sent with these keys again. */
void sealer_forget(struct sealer *s, uint32_t ssrc);

struct opened_rtp {
    size_t len;        /* of the clear packet at out */
    size_t header_len; /* the payload is out + header_len … out + len (RTP padding included) */
    uint64_t index;    /* extended sequence number, from RFC 3711 §3.3.1's estimate */
};

/* Authenticates and decrypts one SRTP packet.
 *
 * out   room for packet.len bytes: packet.data itself (in place) or not overlapping
 * ret   written only on OK; on errors the bytes of out are undefined
 *
 * OK, ERR_TRUNCATED, ERR_MALFORMED (not RTP version 2), ERR_AUTH, ERR_EXPIRED (replayed, or older
 * than SEAL_WINDOW), ERR_FULL (an authenticated packet of one SSRC too many), ERR_SYSTEM.
 * State of an SSRC begins with its first authenticated packet: forged ones can't fill the table. */
MUST_USE enum err opener_rtp(struct opener *o, struct bytes packet, uint8_t *out,
                             struct opened_rtp *ret);

/* The same for SRTCP. Only encrypted packets are accepted (E flag clear: ERR_UNSUPPORTED). */
MUST_USE enum err opener_rtcp(struct opener *o, struct bytes packet, uint8_t *out, size_t *ret_len);

/* Frees the table entry of an SSRC; if it comes back, it starts anew (its replay window too). */
void opener_forget(struct opener *o, uint32_t ssrc);

#endif
