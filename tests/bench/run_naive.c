/* run_naive.c - the forwarder that one writes first: libsrtp2, a session for each viewer, one
 * sendto() for each packet and viewer. What every figure of the bench is a ratio to.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "audience.h"
#include "rig.h"

#include <srtp2/srtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { PACKET_SIZE = 2048, KEY_LEN = 16, SALT_LEN = 14, VIEWER_SSRC = 0x20000000 };

struct naive {
    srtp_t from_publisher;
    srtp_t *to_viewers;
    struct sockaddr_in *addresses;
    struct audience *audience; /* NULL: a device drops what is sent */
    uint16_t seq;
    size_t next; /* who gets the next packet first … */
    double owed; /* … and what is left of how many get it */
};

static bool new_session(const struct seal_master *master, srtp_ssrc_type_t type, srtp_t *ret)
{
    uint8_t key[KEY_LEN + SALT_LEN];
    memcpy(key, master->key, KEY_LEN);
    memcpy(key + KEY_LEN, master->salt, SALT_LEN);
    srtp_policy_t policy = { .ssrc.type = type, .key = key, .window_size = 1024 };
    srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
    srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
    return srtp_create(ret, &policy) == srtp_err_status_ok;
}

static bool open_naive(struct rig *r, void *state)
{
    struct naive *n = state;
    size_t count = r->options->stage.viewers;
    n->to_viewers = calloc(count, sizeof *n->to_viewers);
    n->addresses = calloc(count, sizeof *n->addresses);
    if (r->options->loopback)
        n->audience = audience_start(count, &r->address, r->options->cpu_others, &r->arrived);
    bool ok = (n->audience != NULL || !r->options->loopback) && n->to_viewers != NULL &&
              n->addresses != NULL && srtp_init() == srtp_err_status_ok &&
              new_session(&r->keys.remote, ssrc_any_inbound, &n->from_publisher);
    for (size_t i = 0; ok && i < count; i++) {
        struct dtls_keys keys;
        rig_viewer_keys(i, r->profile, &keys);
        n->addresses[i] =
            n->audience != NULL ? audience_address(n->audience, i) : rig_viewer_address(i);
        ok = new_session(&keys.local, ssrc_any_outbound, &n->to_viewers[i]);
    }
    if (!ok)
        fprintf(stderr, "bench: naive: no session\n");
    return ok;
}

static void close_naive(struct rig *r, void *state)
{
    struct naive *n = state;
    if (n->from_publisher != NULL)
        (void)srtp_dealloc(n->from_publisher);
    for (size_t i = 0; n->to_viewers != NULL && i < r->options->stage.viewers; i++) {
        if (n->to_viewers[i] != NULL)
            (void)srtp_dealloc(n->to_viewers[i]);
    }
    audience_stop(n->audience);
    free(n->to_viewers);
    free(n->addresses);
}

static void forward(struct rig *r, struct naive *n, const uint8_t *packet, int len, size_t viewer)
{
    uint8_t out[PACKET_SIZE];
    int out_len = len;
    memcpy(out, packet, (size_t)len);
    store_be16(out + 2, n->seq);
    store_be32(out + 8, VIEWER_SSRC);
    bool ok =
        srtp_protect(n->to_viewers[viewer], out, &out_len) == srtp_err_status_ok &&
        sendto(r->socket, out, (size_t)out_len, 0, (const struct sockaddr *)&n->addresses[viewer],
               sizeof n->addresses[viewer]) == out_len;
    rig_count(ok ? &r->forwarded : &r->failed, 1);
    rig_count(&r->sends, 1);
}

static void turn_naive(struct rig *r, void *state)
{
    struct naive *n = state;
    uint8_t packet[PACKET_SIZE];
    int len = (int)recv(r->socket, packet, sizeof packet - SRTP_MAX_TRAILER_LEN, 0);
    if (len <= 0 || srtp_unprotect(n->from_publisher, packet, &len) != srtp_err_status_ok)
        return;
    rig_count(&r->packets_in, 1);
    n->seq++;
    size_t count = r->options->stage.viewers;
    n->owed += r->options->fan_out > 0 ? r->options->fan_out : (double)count;
    for (; n->owed >= 1; n->owed--) {
        forward(r, n, packet, len, n->next);
        n->next = (n->next + 1) % count;
    }
}

json_t *bench_naive(const struct bench_options *o)
{
    static const struct rig_loop loop = { .what = "naive",
                                          .state_size = sizeof(struct naive),
                                          .open = open_naive,
                                          .turn = turn_naive,
                                          .close = close_naive };
    struct rig rig = { .options = o, .profile = SEAL_AES_CM_128_HMAC_SHA1_80, .socket = -1 };
    return rig_run(&rig, &loop);
}
