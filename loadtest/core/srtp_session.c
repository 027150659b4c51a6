/* SPDX-License-Identifier: Apache-2.0 */
#include "core/srtp_session.h"

#include <srtp2/srtp.h>
#include <stdlib.h>

enum { REPLAY_WINDOW = 1024 };

struct srtp_session {
    srtp_t out, in;
};

static bool set_profile(srtp_policy_t *policy, enum seal_profile profile)
{
    switch (profile) {
    case SEAL_AES_CM_128_HMAC_SHA1_80:
        srtp_crypto_policy_set_rtp_default(&policy->rtp);
        srtp_crypto_policy_set_rtcp_default(&policy->rtcp);
        return true;
    case SEAL_AEAD_AES_128_GCM:
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy->rtp);
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy->rtcp);
        return true;
    case SEAL_AEAD_AES_256_GCM:
        srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy->rtp);
        srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy->rtcp);
        return true;
    case SEAL_NONE:
        break;
    }
    return false;
}

static srtp_t new_direction(enum seal_profile profile, const struct seal_master *master, bool out)
{
    uint8_t key[SEAL_KEY_MAX + SEAL_SALT_MAX];
    size_t key_len = seal_key_len(profile);
    memcpy(key, master->key, key_len);
    memcpy(key + key_len, master->salt, seal_salt_len(profile));
    srtp_policy_t policy = { .ssrc.type = out ? ssrc_any_outbound : ssrc_any_inbound,
                             .key = key,
                             .window_size = REPLAY_WINDOW,
                             .allow_repeat_tx = 0 };
    srtp_t session = NULL;
    if (set_profile(&policy, profile) && srtp_create(&session, &policy) != srtp_err_status_ok)
        session = NULL;
    bytes_wipe(key, sizeof key);
    return session;
}

struct srtp_session *srtp_session_new(const struct dtls_keys *keys)
{
    struct srtp_session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->out = new_direction(keys->profile, &keys->local, true);
    s->in = new_direction(keys->profile, &keys->remote, false);
    if (s->out == NULL || s->in == NULL) {
        srtp_session_free(s);
        return NULL;
    }
    return s;
}

/* srtp_init() itself fails the second time: whether sessions can be made is what counts. */
enum err srtp_session_library_init(void)
{
    if (srtp_init() == srtp_err_status_ok)
        return OK;
    const struct dtls_keys keys = { .profile = SEAL_AEAD_AES_128_GCM };
    struct srtp_session *probe = srtp_session_new(&keys);
    srtp_session_free(probe);
    return probe == NULL ? ERR_SYSTEM : OK;
}

void srtp_session_free(struct srtp_session *s)
{
    if (s == NULL)
        return;
    if (s->out != NULL)
        (void)srtp_dealloc(s->out);
    if (s->in != NULL)
        (void)srtp_dealloc(s->in);
    free(s);
}

static enum err finish(srtp_err_status_t status, int result, size_t *len)
{
    switch (status) {
    case srtp_err_status_ok:
        *len = (size_t)result;
        return OK;
    case srtp_err_status_auth_fail:
    case srtp_err_status_cipher_fail:
        return ERR_AUTH;
    case srtp_err_status_replay_fail:
    case srtp_err_status_replay_old:
        return ERR_EXPIRED;
    case srtp_err_status_bad_param:
    case srtp_err_status_parse_err:
        return ERR_MALFORMED;
    default:
        return ERR_SYSTEM;
    }
}

enum err srtp_session_seal_rtp(struct srtp_session *s, uint8_t *packet, size_t *len)
{
    int n = (int)*len;
    srtp_err_status_t status = srtp_protect(s->out, packet, &n);
    return finish(status, n, len);
}

enum err srtp_session_seal_rtcp(struct srtp_session *s, uint8_t *packet, size_t *len)
{
    int n = (int)*len;
    srtp_err_status_t status = srtp_protect_rtcp(s->out, packet, &n);
    return finish(status, n, len);
}

enum err srtp_session_open_rtp(struct srtp_session *s, uint8_t *packet, size_t *len)
{
    int n = (int)*len;
    srtp_err_status_t status = srtp_unprotect(s->in, packet, &n);
    return finish(status, n, len);
}

enum err srtp_session_open_rtcp(struct srtp_session *s, uint8_t *packet, size_t *len)
{
    int n = (int)*len;
    srtp_err_status_t status = srtp_unprotect_rtcp(s->in, packet, &n);
    return finish(status, n, len);
}
