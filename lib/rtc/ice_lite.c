/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/ice_lite.h"

#define UFRAG_LEN_MIN 4
#define PWD_LEN_MIN   22

static const char ice_chars[65] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void ice_credentials_make(const uint8_t random[ICE_RANDOM_LEN], struct ice_credentials *ret)
{
    *ret = (struct ice_credentials){ 0 };
    for (size_t i = 0; i < ICE_UFRAG_LEN; i++)
        ret->ufrag[i] = ice_chars[random[i] & 63];
    for (size_t i = 0; i < ICE_PWD_LEN; i++)
        ret->pwd[i] = ice_chars[random[ICE_UFRAG_LEN + i] & 63];
}

static void check_credentials(const struct ice_credentials *c)
{
    check(strnlen(c->ufrag, sizeof c->ufrag) >= UFRAG_LEN_MIN && c->ufrag[ICE_UFRAG_MAX] == '\0');
    check(strnlen(c->pwd, sizeof c->pwd) >= PWD_LEN_MIN && c->pwd[ICE_PWD_MAX] == '\0');
}

static enum err copy_ufrag(struct bytes ufrag, char ret[ICE_UFRAG_MAX + 1])
{
    if (ufrag.len > ICE_UFRAG_MAX)
        return ERR_UNSUPPORTED;
    memset(ret, 0, ICE_UFRAG_MAX + 1);
    if (ufrag.len > 0)
        memcpy(ret, ufrag.data, ufrag.len);
    return OK;
}

enum err ice_lite_init(struct ice_lite *ice, const struct ice_credentials *local,
                       struct bytes remote_ufrag, usec now)
{
    check_credentials(local);
    *ice = (struct ice_lite){ .local = *local, .selected = -1, .started_at = now };
    return copy_ufrag(remote_ufrag, ice->remote_ufrag);
}

enum err ice_lite_restart(struct ice_lite *ice, const struct ice_credentials *next,
                          struct bytes remote_ufrag, usec now)
{
    check_credentials(next);
    enum err e = copy_ufrag(remote_ufrag, ice->next_remote_ufrag);
    if (e != OK)
        return e;
    if (!ice_lite_is_restarting(ice))
        ice->started_at = now;
    ice->next = *next;
    return OK;
}

bool ice_lite_is_restarting(const struct ice_lite *ice)
{
    return ice->next.ufrag[0] != '\0';
}

/* The new generation is in use: the old credentials are worth nothing from now on. */
static void adopt_next(struct ice_lite *ice)
{
    ice->local = ice->next;
    memcpy(ice->remote_ufrag, ice->next_remote_ufrag, sizeof ice->remote_ufrag);
    bytes_wipe(&ice->next, sizeof ice->next);
    ice->generation++;
}

static bool text_equal(const char *text, struct bytes b)
{
    return bytes_equal(bytes_of_str(text), b);
}

bool ice_lite_has_ufrag(const struct ice_lite *ice, struct bytes ufrag)
{
    return ufrag.len > 0 &&
           (text_equal(ice->local.ufrag, ufrag) || text_equal(ice->next.ufrag, ufrag));
}

static int find_remote(const struct ice_lite *ice, const struct net_addr *addr)
{
    for (int i = 0; i < ice->remote_count; i++) {
        if (net_addr_equal(&ice->remotes[i].addr, addr))
            return i;
    }
    return -1;
}

bool ice_lite_is_valid(const struct ice_lite *ice, const struct net_addr *addr)
{
    return find_remote(ice, addr) >= 0;
}

const struct net_addr *ice_lite_selected(const struct ice_lite *ice)
{
    return ice->selected < 0 ? NULL : &ice->remotes[ice->selected].addr;
}

/* The place for a new address: a free one, or that of the one which expires first and is not
 * selected. */
static int make_room(struct ice_lite *ice)
{
    if (ice->remote_count < ICE_REMOTE_MAX)
        return ice->remote_count++;
    int stalest = -1;
    for (int i = 0; i < ice->remote_count; i++) {
        if (i != ice->selected &&
            (stalest < 0 || ice->remotes[i].expires_at < ice->remotes[stalest].expires_at))
            stalest = i;
    }
    check(stalest >= 0);
    return stalest;
}

/* After a nomination in a new generation, addresses of older ones only finish what is under way. */
static void retire_old_generations(struct ice_lite *ice, usec now)
{
    for (int i = 0; i < ice->remote_count; i++) {
        struct ice_remote *r = &ice->remotes[i];
        if (r->generation != ice->generation)
            r->expires_at = MIN(r->expires_at, now + ICE_OVERLAP_TIME);
    }
}

static bool is_nominated(const struct ice_remote *r)
{
    return r->nominated_at != USEC_NEVER;
}

/* Does a check from here select, nominated or not? */
static bool takes_over(const struct ice_lite *ice, int i, usec now)
{
    return ice->selected >= 0 && ice->selected != i &&
           now - ice->remotes[ice->selected].checked_at >= ICE_SILENT_TIME;
}

static enum ice_event note_check(struct ice_lite *ice, const struct stun_message *m,
                                 const struct net_addr *from, usec now)
{
    enum ice_event event = ICE_EVENT_NONE;
    int i = find_remote(ice, from);
    if (i < 0) {
        i = make_room(ice);
        ice->remotes[i] = (struct ice_remote){ .addr = *from, .nominated_at = USEC_NEVER };
        event = ICE_EVENT_VALIDATED;
    }
    struct ice_remote *r = &ice->remotes[i];
    r->checked_at = now;
    r->expires_at = now + ICE_CONSENT_TIMEOUT;
    r->priority = m->priority;
    r->generation = ice->generation;
    if (!m->use_candidate && !takes_over(ice, i, now))
        return event;

    /* The latest nomination wins, which serves both ways of nominating: regular sends one, and
     * aggressive (RFC 5245) ends up repeating it only on the pair that the participant uses. */
    if (m->use_candidate)
        r->nominated_at = now;
    if (ice->selected != i) {
        ice->selected = (int8_t)i;
        event = ICE_EVENT_SELECTED;
    }
    retire_old_generations(ice, now);
    return event;
}

/* Which of our credentials the request used, NULL if none. */
static const struct ice_credentials *credentials_for(const struct ice_lite *ice,
                                                     struct bytes username, bool *is_next)
{
    struct bytes ufrag = stun_username_local(username);
    struct bytes remote = stun_username_remote(username);
    *is_next = false;
    if (ufrag.len == 0)
        return NULL;
    if (text_equal(ice->local.ufrag, ufrag)) {
        bool known = ice->remote_ufrag[0] == '\0' || text_equal(ice->remote_ufrag, remote);
        return known ? &ice->local : NULL;
    }
    if (text_equal(ice->next.ufrag, ufrag)) {
        bool known =
            ice->next_remote_ufrag[0] == '\0' || text_equal(ice->next_remote_ufrag, remote);
        *is_next = true;
        return known ? &ice->next : NULL;
    }
    return NULL;
}

static enum err refuse(struct ice_lite *ice, const struct stun_message *m, uint16_t code,
                       struct bytes password, enum err why, struct writer *response)
{
    ice->rejected_count++;
    enum err e = stun_write_error(m, code, password, response);
    return e == OK ? why : e;
}

/* Copies of a request have its transaction id (RFC 8489 §6.2.1), and nobody else can make one that
 * is authenticated. */
static bool was_seen(struct ice_lite *ice, const struct stun_transaction *t)
{
    uint32_t id = load_be32(t->id) ^ load_be32(t->id + 4) ^ load_be32(t->id + 8);
    for (size_t i = 0; i < MIN(ice->seen_count, (uint32_t)ICE_SEEN_MAX); i++) {
        if (ice->seen[i] == id)
            return true;
    }
    ice->seen[ice->seen_count++ % ICE_SEEN_MAX] = id;
    return false;
}

static enum err handle_request(struct ice_lite *ice, const struct stun_message *m,
                               const struct net_addr *from, usec now, struct writer *response,
                               enum ice_event *ret)
{
    /* In the order of RFC 8489 §9.1.3 and §6.3: who is it, then what do they want. */
    struct bytes none = { 0 };
    if (!m->has_integrity || m->username.data == NULL)
        return refuse(ice, m, STUN_BAD_REQUEST, none, ERR_AUTH, response);
    bool is_next;
    const struct ice_credentials *own = credentials_for(ice, m->username, &is_next);
    if (own == NULL || stun_check_integrity(m, bytes_of_str(own->pwd)) != OK)
        return refuse(ice, m, STUN_UNAUTHENTICATED, none, ERR_AUTH, response);

    struct bytes password = bytes_of_str(own->pwd);
    if (m->unknown_required_count > 0)
        return refuse(ice, m, STUN_UNKNOWN_ATTRIBUTE, password, ERR_UNSUPPORTED, response);
    if (m->ice_controlled)
        return refuse(ice, m, STUN_ROLE_CONFLICT, password, ERR_BAD_STATE, response);
    if (!m->has_priority)
        return refuse(ice, m, STUN_BAD_REQUEST, password, ERR_MALFORMED, response);

    enum err e = stun_write_success(&m->transaction, from, password, response);
    if (e != OK)
        return e;
    if (was_seen(ice, &m->transaction)) {
        *ret = ICE_EVENT_REPEATED;
        return OK;
    }
    if (is_next)
        adopt_next(ice);
    *ret = note_check(ice, m, from, now);
    return OK;
}

enum err ice_lite_receive(struct ice_lite *ice, const struct stun_message *request,
                          const struct net_addr *from, usec now, struct writer *response,
                          enum ice_event *ret)
{
    check(net_addr_is_set(from));
    if (request->method != STUN_METHOD_BINDING ||
        (request->class != STUN_REQUEST && request->class != STUN_INDICATION))
        return ERR_UNSUPPORTED;
    if (ice->expired)
        return ERR_BAD_STATE;
    if (request->class == STUN_INDICATION) {
        *ret = ICE_EVENT_NONE; /* unauthenticated, so it proves and changes nothing */
        return OK;
    }
    ice->request_count++;
    return handle_request(ice, request, from, now, response, ret);
}

void ice_lite_on_authentic(struct ice_lite *ice, const struct net_addr *from, usec now)
{
    for (int i = 0; i < ice->remote_count; i++) {
        struct ice_remote *r = &ice->remotes[i];
        if (r->expires_at - now <= ICE_CONSENT_TIMEOUT - SECONDS(1) &&
            r->generation == ice->generation && net_addr_equal(&r->addr, from))
            r->expires_at = now + ICE_CONSENT_TIMEOUT;
    }
}

bool ice_lite_is_checked(const struct ice_lite *ice, usec since)
{
    for (int i = 0; i < ice->remote_count; i++) {
        if (ice->remotes[i].checked_at >= since)
            return true;
    }
    return false;
}

usec ice_lite_deadline(const struct ice_lite *ice)
{
    if (ice->expired)
        return USEC_NEVER;
    if (ice->remote_count == 0)
        return ice->started_at + ICE_CONSENT_TIMEOUT;
    usec first = ice->remotes[0].expires_at;
    for (int i = 1; i < ice->remote_count; i++)
        first = MIN(first, ice->remotes[i].expires_at);
    return first;
}

/* Forgets addresses whose time is over. False: the selected one was among them. */
static bool drop_expired(struct ice_lite *ice, usec now)
{
    int selected = -1;
    bool was_selected = ice->selected >= 0;
    uint8_t kept = 0;
    for (int i = 0; i < ice->remote_count; i++) {
        if (ice->remotes[i].expires_at <= now)
            continue;
        if (i == ice->selected)
            selected = kept;
        ice->remotes[kept++] = ice->remotes[i];
    }
    ice->remote_count = kept;
    ice->selected = (int8_t)selected;
    return !was_selected || selected >= 0;
}

/* The address that was nominated last, or -1. */
static int find_successor(const struct ice_lite *ice)
{
    int best = -1;
    for (int i = 0; i < ice->remote_count; i++) {
        const struct ice_remote *r = &ice->remotes[i];
        if (is_nominated(r) && (best < 0 || r->nominated_at > ice->remotes[best].nominated_at))
            best = i;
    }
    return best;
}

enum ice_event ice_lite_tick(struct ice_lite *ice, usec now)
{
    if (ice->expired || now < ice_lite_deadline(ice))
        return ICE_EVENT_NONE;
    bool lost = !drop_expired(ice, now);
    if (lost)
        ice->selected = (int8_t)find_successor(ice);
    if (ice->remote_count > 0 || now < ice_lite_deadline(ice))
        return lost ? ICE_EVENT_SELECTED : ICE_EVENT_NONE;
    ice->expired = true;
    return ICE_EVENT_EXPIRED;
}

uint32_t ice_candidate_priority(enum ice_candidate_type type, uint16_t local_preference,
                                uint8_t component)
{
    check(component >= 1);
    return ((uint32_t)type << 24) | ((uint32_t)local_preference << 8) | (256u - component);
}
