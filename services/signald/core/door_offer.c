/* door_offer.c - see door_offer.h. SPDX-License-Identifier: Apache-2.0 */
#include "door_offer.h"

#include "common/ids.h"
#include "rtc/sdp.h"
#include "rtc/sdp_text.h"

#include <stdio.h>
#include <stdlib.h>

static bool is_media(const struct sdp_media *m)
{
    return m->is_rtp && (m->port != 0 || m->bundle_only) &&
           (m->kind == MEDIA_AUDIO || m->kind == MEDIA_VIDEO);
}

static enum err refuse(char *ret_why, const char *text)
{
    snprintf(ret_why, DOOR_OFFER_WHY_MAX, "%s", text);
    return ERR_MALFORMED;
}

static enum err name_sources(const struct sdp *offer, json_t *sources, unsigned *ret_mask,
                             char *ret_why)
{
    for (size_t i = 0; i < offer->media_count; i++) {
        const struct sdp_media *m = &offer->media[i];
        enum source source = m->kind == MEDIA_AUDIO ? SOURCE_MICROPHONE : SOURCE_CAMERA;
        if (!is_media(m) || (m->direction != SDP_SENDONLY && m->direction != SDP_SENDRECV) ||
            (*ret_mask & (1u << source)))
            continue;
        char mid[MID_BYTES_MAX + 1];
        if (m->mid.len == 0 || m->mid.len > MID_BYTES_MAX) {
            snprintf(ret_why, DOOR_OFFER_WHY_MAX,
                     "line %u: the m-line has no a=mid of 1 to %d bytes", m->line, MID_BYTES_MAX);
            return ERR_MALFORMED;
        }
        memcpy(mid, m->mid.data, m->mid.len);
        mid[m->mid.len] = 0;
        if (sdp_find_media(offer, m->mid) != m) {
            snprintf(ret_why, DOOR_OFFER_WHY_MAX, "line %u: a=mid is used twice", m->line);
            return ERR_MALFORMED;
        }
        if (json_object_set_new(sources, mid, json_string(source_name(source))) != 0)
            return refuse(ret_why, "a=mid: not UTF-8");
        *ret_mask |= 1u << source;
    }
    return *ret_mask == 0 ? refuse(ret_why, "the offer sends neither audio nor video") : OK;
}

static enum err check_viewer(const struct sdp *offer, char *ret_why)
{
    for (size_t i = 0; i < offer->media_count; i++)
        if (is_media(&offer->media[i]) && offer->media[i].direction == SDP_RECVONLY)
            return OK;
    return refuse(ret_why, "the offer has no m-line that is a=recvonly");
}

enum err door_offer_read(struct bytes sdp, bool is_viewer, json_t **ret_sources, unsigned *ret_mask,
                         char ret_why[DOOR_OFFER_WHY_MAX])
{
    struct sdp *offer = malloc(sizeof(*offer)); /* too big for a stack */
    struct sdp_error error;
    check(offer != NULL);
    json_t *sources = json_object();
    unsigned mask = 0;
    enum err err = sdp_parse(sdp, offer, &error);
    if (err != OK)
        err = refuse(ret_why, error.text);
    else if (memchr(sdp.data, 0, sdp.len) != NULL || !utf8_is_valid(sdp))
        err = refuse(ret_why, "the offer is not text in UTF-8");
    else
        err =
            is_viewer ? check_viewer(offer, ret_why) : name_sources(offer, sources, &mask, ret_why);
    free(offer);
    if (err != OK) {
        json_decref(sources);
        return err;
    }
    *ret_sources = sources;
    *ret_mask = mask;
    return OK;
}
