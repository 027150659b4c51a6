/* ice_restart.c - new ICE credentials of a transport beside the old ones, and the way to it by
 * both. See transport.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/worker_state.h"

enum err transport_credentials(const struct transport_params *params, struct ice_credentials *ret)
{
    size_t ufrag_len = strlen(params->local_ufrag), pwd_len = strlen(params->local_pwd);
    if (ufrag_len > ICE_UFRAG_MAX || pwd_len > ICE_PWD_MAX ||
        strlen(params->remote_ufrag) > ICE_UFRAG_MAX)
        return ERR_UNSUPPORTED;
    *ret = (struct ice_credentials){ .ufrag = "" };
    memcpy(ret->ufrag, params->local_ufrag, ufrag_len);
    memcpy(ret->pwd, params->local_pwd, pwd_len);
    return OK;
}

static uint64_t hash_ufrag(const struct worker *w, struct bytes ufrag)
{
    return worker_hash(w, ufrag, bytes_of(NULL, 0));
}

static enum err add(struct worker *w, const struct transport *t, const char *ufrag)
{
    uint64_t hash = hash_ufrag(w, bytes_of_str(ufrag));
    return hash_index_insert(&w->by_ufrag, hash, t->self) ? OK : ERR_FULL;
}

static void remove(struct worker *w, const struct transport *t, const char *ufrag)
{
    hash_index_remove(&w->by_ufrag, hash_ufrag(w, bytes_of_str(ufrag)), t->self);
}

enum err transport_index_ufrag(struct worker *w, struct transport *t)
{
    return add(w, t, t->ice.local.ufrag);
}

void transport_forget_ufrags(struct worker *w, struct transport *t)
{
    remove(w, t, t->ice.local.ufrag);
    if (ice_lite_is_restarting(&t->ice))
        remove(w, t, t->ice.next.ufrag);
}

struct transport *transport_find_ufrag(const struct worker *w, struct bytes ufrag)
{
    uint64_t hash = hash_ufrag(w, ufrag);
    size_t at = HASH_INDEX_START;
    for (handle h; (h = hash_index_find(&w->by_ufrag, hash, &at)) != 0;) {
        struct transport *t = pool_at(&w->transports, h);
        if (t != NULL && ice_lite_has_ufrag(&t->ice, ufrag))
            return t;
    }
    return NULL;
}

enum err transport_restart_ice(struct worker *w, struct transport *t,
                               const struct transport_params *params, usec now)
{
    struct ice_credentials next;
    enum err err = transport_credentials(params, &next);
    if (err != OK)
        return err;
    bool is_restarting = ice_lite_is_restarting(&t->ice);
    const char *newest = is_restarting ? t->ice.next.ufrag : t->ice.local.ufrag;
    if (strcmp(newest, next.ufrag) == 0)
        return OK;
    if (transport_find_ufrag(w, bytes_of_str(next.ufrag)) != NULL)
        return ERR_BAD_STATE;
    if (is_restarting)
        remove(w, t, t->ice.next.ufrag);
    check(add(w, t, next.ufrag) == OK); /* the index has two places for each transport */
    check(ice_lite_restart(&t->ice, &next, bytes_of_str(params->remote_ufrag), now) == OK);
    stats_count(&w->stats, STAT_ICE_RESTARTS);
    return OK;
}

/* After silence a new path has missed something; one that takes over from a good one has not. */
static void refresh_pictures(struct worker *w, const struct transport *t, usec now)
{
    bool was_silent = now - t->authenticated_at >= PATH_SILENT_TIME ||
                      (t->silence_ended_at != 0 && now - t->silence_ended_at < PATH_CHOICE_TIME);
    if (t->state != TRANSPORT_CONNECTED || !was_silent)
        return;
    for (size_t i = 0; i < t->params.media_count; i++) {
        if (transport_media(t, i)->role == MEDIA_SLOT && t->media[i] != 0)
            slot_on_path_changed(w, pool_at(&w->slots, t->media[i]), now);
    }
}

enum err transport_receive_check(struct worker *w, struct transport *t,
                                 const struct stun_message *m, const struct net_addr *from,
                                 usec now, struct writer *response, bool *ret_is_new)
{
    char old[ICE_UFRAG_MAX + 1];
    memcpy(old, t->ice.local.ufrag, sizeof old);
    bool was_restarting = ice_lite_is_restarting(&t->ice);
    enum ice_event event = ICE_EVENT_NONE;
    enum err err = ice_lite_receive(&t->ice, m, from, now, response, &event);
    if (was_restarting && !ice_lite_is_restarting(&t->ice))
        remove(w, t, old);
    if (err == OK && event == ICE_EVENT_SELECTED)
        refresh_pictures(w, t, now);
    if (err == OK)
        worker_wake(w, t->self, ice_lite_deadline(&t->ice));
    *ret_is_new = m->class == STUN_REQUEST && event != ICE_EVENT_REPEATED;
    return err;
}
