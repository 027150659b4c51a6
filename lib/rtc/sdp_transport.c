/* sdp_transport.c - the transport of a bundle, as its first m-line or the session says
 * (RFC 9143 §7.2).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/sdp_text.h"

static struct bytes either(struct bytes media, struct bytes session)
{
    return media.len > 0 ? media : session;
}

static enum err require(const struct sdp_transport *t, const char *what, struct sdp_error *error)
{
    unsigned line = t->tagged->line;
    if (t->ufrag.len == 0 || t->pwd.len == 0)
        return sdp_fail(error, ERR_UNSUPPORTED, line,
                        "the %s has no ICE credentials (a=ice-ufrag, a=ice-pwd)", what);
    if (t->fingerprint_count == 0)
        return sdp_fail(error, ERR_UNSUPPORTED, line,
                        "the %s has no DTLS fingerprint (a=fingerprint, sha-256 or better)", what);
    if (t->setup == SDP_SETUP_NONE)
        return sdp_fail(error, ERR_UNSUPPORTED, line,
                        "the %s does not say who starts DTLS (a=setup)", what);
    return OK;
}

enum err sdp_find_transport(const struct sdp *sdp, const char *what, struct sdp_transport *ret,
                            struct sdp_error *ret_error)
{
    struct bytes bundle = sdp->bundle;
    if (bundle.len == 0)
        return sdp_fail(ret_error, ERR_UNSUPPORTED, 0,
                        "the %s does not bundle its m-lines (a=group:BUNDLE)", what);
    const struct sdp_media *tagged = sdp_find_media(sdp, sdp_cut(&bundle, ' '));
    if (tagged == NULL)
        return sdp_fail(ret_error, ERR_MALFORMED, 0, "a=group:BUNDLE names an unknown mid");
    bool own = tagged->fingerprint_count > 0;
    *ret = (struct sdp_transport){
        .tagged = tagged,
        .ufrag = either(tagged->ice_ufrag, sdp->ice_ufrag),
        .pwd = either(tagged->ice_pwd, sdp->ice_pwd),
        .fingerprints = own ? tagged->fingerprints : sdp->fingerprints,
        .fingerprint_count = own ? tagged->fingerprint_count : sdp->fingerprint_count,
        .setup = tagged->setup != SDP_SETUP_NONE ? tagged->setup : sdp->setup,
        .extmap_allow_mixed = sdp->extmap_allow_mixed || tagged->extmap_allow_mixed,
    };
    return require(ret, what, ret_error);
}

bool sdp_is_open(const struct sdp_media *m)
{
    return m->is_rtp && (m->port != 0 || m->bundle_only);
}
