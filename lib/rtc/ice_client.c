/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/ice_client.h"

#include "common/splitmix.h"

#define CONSENT_JITTER_PERCENT 20
/* How long the nominated pair may be later than another one before that one is nominated. */
#define NOMINEE_GRACE    MILLIS(50)
#define NOMINEE_ATTEMPTS 3
/* Once connected, a newly nominated pair that does not answer is given up. */
#define RENOMINATION_ATTEMPTS 8

/* Ids that do not repeat. Nobody needs to be surprised by them: answers are
 * authenticated. */
static uint64_t next_random(struct ice_client *ice)
{
    return splitmix_next(&ice->random_state);
}

static struct stun_transaction next_transaction(struct ice_client *ice)
{
    struct stun_transaction t;
    store_be64(t.id, next_random(ice));
    store_be32(t.id + 8, (uint32_t)next_random(ice));
    return t;
}

static enum err copy_text(struct bytes text, char *ret, size_t size)
{
    if (text.len == 0)
        return ERR_MALFORMED;
    if (text.len >= size)
        return ERR_UNSUPPORTED;
    memcpy(ret, text.data, text.len); /* the rest is zero */
    return OK;
}

enum err ice_client_init(struct ice_client *ice, const struct ice_client_config *config, usec now)
{
    check(config->local->ufrag[0] != '\0' && config->local->pwd[0] != '\0');
    check(config->connect_timeout >= 0);
    usec timeout =
        config->connect_timeout == 0 ? ICE_CLIENT_CONNECT_TIMEOUT : config->connect_timeout;
    *ice = (struct ice_client){
        .local = *config->local,
        .family = config->family,
        .connect_deadline = now + timeout,
        .controlled = config->controlled,
        .nominee = -1,
        .selected = -1,
        .random_state = config->seed,
        .paced_until = now,
        .started_at = now,
        .selected_at = USEC_NEVER,
        .rtt_us = -1,
        .rtt_us_min = -1,
    };
    ice->tie_breaker = next_random(ice);
    enum err e = copy_text(config->remote_ufrag, ice->remote.ufrag, sizeof ice->remote.ufrag);
    if (e != OK)
        return e;
    return copy_text(config->remote_pwd, ice->remote.pwd, sizeof ice->remote.pwd);
}

static bool is_over(const struct ice_client *ice)
{
    return ice->state == ICE_CLIENT_FAILED || ice->state == ICE_CLIENT_EXPIRED;
}

/* ---- pairs ---- */

static int find_pair(const struct ice_client *ice, const struct net_addr *addr)
{
    for (int i = 0; i < ice->pair_count; i++) {
        if (net_addr_equal(&ice->pairs[i].addr, addr))
            return i;
    }
    return -1;
}

static bool can_send_to(const struct ice_client *ice, const struct net_addr *addr)
{
    static const uint8_t unspecified[16];
    if (addr->protocol != NET_UDP || addr->port == 0 || !net_addr_is_set(addr) ||
        (ice->family != NET_NONE && ice->family != addr->family))
        return false;
    bool is_link_local =
        addr->family == NET_IPV6 && addr->ip[0] == 0xfe && (addr->ip[1] & 0xc0) == 0x80;
    return !is_link_local && !bytes_equal(bytes_of(addr->ip, 16), bytes_of(unspecified, 16));
}

/* An index, or -1 if all places are taken. No check is due yet. */
static int add_pair(struct ice_client *ice, const struct net_addr *addr, uint32_t priority)
{
    if (ice->pair_count == ICE_CLIENT_PAIR_MAX)
        return -1;
    struct ice_client_pair *p = &ice->pairs[ice->pair_count];
    *p = (struct ice_client_pair){ .addr = *addr, .priority = priority, .due_at = USEC_NEVER };
    for (size_t i = 0; i < ICE_CLIENT_SENT_MAX; i++)
        p->sent[i].at = USEC_NEVER;
    return ice->pair_count++;
}

/* Checks of the pair begin anew. triggered: before those of other pairs (RFC 8445 §6.1.4.1). */
static void schedule(struct ice_client_pair *p, usec due_at, bool triggered)
{
    p->due_at = due_at;
    p->attempts = 0;
    p->triggered = triggered;
}

enum err ice_client_add_candidate(struct ice_client *ice, const struct net_addr *addr,
                                  uint32_t priority, usec now)
{
    if (is_over(ice))
        return ERR_BAD_STATE;
    if (!can_send_to(ice, addr))
        return ERR_UNSUPPORTED;
    int known = find_pair(ice, addr);
    if (known >= 0) {
        ice->pairs[known].priority = priority;
        return OK;
    }
    int i = add_pair(ice, addr, priority);
    if (i < 0)
        return ERR_FULL;
    if (ice->state == ICE_CLIENT_CONNECTING)
        schedule(&ice->pairs[i], now, false);
    return OK;
}

bool ice_client_is_valid(const struct ice_client *ice, const struct net_addr *addr)
{
    int i = find_pair(ice, addr);
    return i >= 0 && ice->pairs[i].valid;
}

const struct net_addr *ice_client_selected(const struct ice_client *ice)
{
    return ice->selected < 0 ? NULL : &ice->pairs[ice->selected].addr;
}

/* ---- selection and roles ---- */

static usec consent_interval(struct ice_client *ice)
{
    const usec jitter = ICE_CLIENT_CONSENT_INTERVAL * CONSENT_JITTER_PERCENT / 100;
    return ICE_CLIENT_CONSENT_INTERVAL - jitter +
           (usec)(next_random(ice) % (uint64_t)(2 * jitter + 1));
}

static enum ice_client_event select_pair(struct ice_client *ice, int index, usec now)
{
    ice->selected = (int8_t)index;
    ice->state = ICE_CLIENT_CONNECTED;
    ice->consented_at = now;
    if (ice->selected_at == USEC_NEVER)
        ice->selected_at = now;
    for (int i = 0; i < ice->pair_count; i++) {
        struct ice_client_pair *p = &ice->pairs[i];
        if (i != index && (!p->nominated || p->succeeded))
            schedule(p, USEC_NEVER, false);
    }
    schedule(&ice->pairs[index], now + consent_interval(ice), false);
    return ICE_CLIENT_EVENT_SELECTED;
}

/* Controlled: a nominated pair that works is used unless there is a better one. With one local
 * candidate, pairs are ordered as the priorities of their remote candidates. */
static enum ice_client_event follow_nomination(struct ice_client *ice, int index, usec now)
{
    const struct ice_client_pair *p = &ice->pairs[index];
    if (!ice->controlled || !p->nominated || !p->succeeded || ice->selected == index)
        return ICE_CLIENT_EVENT_NONE;
    if (ice->selected >= 0 && ice->pairs[ice->selected].priority >= p->priority)
        return ICE_CLIENT_EVENT_NONE;
    return select_pair(ice, index, now);
}

static void change_role(struct ice_client *ice, bool controlled, usec now)
{
    ice->controlled = controlled;
    ice->nominee = -1;
    ice->role_change_count++;
    for (int i = 0; i < ice->pair_count; i++) {
        struct ice_client_pair *p = &ice->pairs[i];
        p->nominated = false;
        /* What works already is to be nominated now. */
        if (ice->state == ICE_CLIENT_CONNECTING && p->succeeded)
            schedule(p, controlled ? USEC_NEVER : now, false);
    }
}

/* ---- incoming requests ---- */

static enum err refuse(struct ice_client *ice, const struct stun_message *m, uint16_t code,
                       enum err why, struct writer *response)
{
    /* Who has not proved to know our password gets no MAC made with it. */
    bool authenticated = why != ERR_AUTH;
    struct bytes password = authenticated ? bytes_of_str(ice->local.pwd) : (struct bytes){ 0 };
    ice->rejected_count++;
    enum err e = stun_write_error(m, code, password, response);
    return e == OK ? why : e;
}

static bool is_authentic(const struct ice_client *ice, const struct stun_message *m)
{
    return bytes_equal(stun_username_local(m->username), bytes_of_str(ice->local.ufrag)) &&
           bytes_equal(stun_username_remote(m->username), bytes_of_str(ice->remote.ufrag)) &&
           stun_check_integrity(m, bytes_of_str(ice->local.pwd)) == OK;
}

/* RFC 8445 §7.3.1.1: the larger tie-breaker controls. True if the other side has to give in. */
static bool wins_role_conflict(const struct ice_client *ice, const struct stun_message *m)
{
    bool same_role = ice->controlled ? m->ice_controlled : m->ice_controlling;
    return same_role && (ice->tie_breaker >= m->tie_breaker) != ice->controlled;
}

static void resolve_role(struct ice_client *ice, const struct stun_message *m, usec now)
{
    if (m->ice_controlled && ice->controlled)
        change_role(ice, false, now);
    else if (m->ice_controlling && !ice->controlled)
        change_role(ice, true, now);
}

static enum ice_client_event note_request(struct ice_client *ice, const struct stun_message *m,
                                          int index, usec now)
{
    struct ice_client_pair *p = &ice->pairs[index];
    p->valid = true;
    if (ice->controlled && m->use_candidate)
        p->nominated = true;
    bool wanted = ice->state == ICE_CLIENT_CONNECTING || (ice->controlled && p->nominated);
    if (!p->succeeded && wanted)
        schedule(p, now, true);
    return follow_nomination(ice, index, now);
}

static enum err handle_request(struct ice_client *ice, const struct stun_message *m,
                               const struct net_addr *from, usec now, struct writer *response,
                               enum ice_client_event *ret)
{
    ice->request_count++;
    if (!m->has_integrity || m->username.data == NULL)
        return refuse(ice, m, STUN_BAD_REQUEST, ERR_AUTH, response);
    if (!is_authentic(ice, m))
        return refuse(ice, m, STUN_UNAUTHENTICATED, ERR_AUTH, response);
    if (m->unknown_required_count > 0)
        return refuse(ice, m, STUN_UNKNOWN_ATTRIBUTE, ERR_UNSUPPORTED, response);
    if (wins_role_conflict(ice, m))
        return refuse(ice, m, STUN_ROLE_CONFLICT, ERR_BAD_STATE, response);
    if (!m->has_priority)
        return refuse(ice, m, STUN_BAD_REQUEST, ERR_MALFORMED, response);

    int index = find_pair(ice, from);
    if (index < 0 && !can_send_to(ice, from))
        return refuse(ice, m, STUN_BAD_REQUEST, ERR_UNSUPPORTED, response);
    if (index < 0 && ice->pair_count == ICE_CLIENT_PAIR_MAX)
        return refuse(ice, m, STUN_SERVER_ERROR, ERR_FULL, response);
    enum err e = stun_write_success(&m->transaction, from, bytes_of_str(ice->local.pwd), response);
    if (e != OK)
        return e;
    resolve_role(ice, m, now);
    if (index < 0)
        index = add_pair(ice, from, m->priority); /* peer-reflexive, RFC 8445 §7.3.1.3 */
    *ret = note_request(ice, m, index, now);
    return OK;
}

/* ---- responses ---- */

static struct ice_client_sent *find_sent(struct ice_client_pair *p,
                                         const struct stun_transaction *t)
{
    for (size_t i = 0; i < ICE_CLIENT_SENT_MAX; i++) {
        struct ice_client_sent *s = &p->sent[i];
        if (s->at != USEC_NEVER && memcmp(s->transaction.id, t->id, STUN_TRANSACTION_LEN) == 0)
            return s;
    }
    return NULL;
}

/* The pair answers for the first time: what is to be done with it? */
static void schedule_after_success(struct ice_client *ice, struct ice_client_pair *p, usec now)
{
    /* If the nominee does not answer soon, this check makes the pair the nominee. */
    bool may_be_nominated = ice->state == ICE_CLIENT_CONNECTING && !ice->controlled;
    schedule(p, may_be_nominated ? now + NOMINEE_GRACE : USEC_NEVER, false);
}

static enum ice_client_event note_success(struct ice_client *ice, int index,
                                          const struct ice_client_sent *sent,
                                          const struct stun_message *m, usec now)
{
    struct ice_client_pair *p = &ice->pairs[index];
    ice->success_count++;
    ice->mapped = m->mapped;
    ice->rtt_us = now - sent->at;
    if (ice->rtt_us_min < 0 || ice->rtt_us < ice->rtt_us_min)
        ice->rtt_us_min = ice->rtt_us;
    bool was_silent = !p->succeeded;
    p->valid = true;
    p->succeeded = true;
    if (ice->selected == index) {
        ice->consented_at = now;
        return ICE_CLIENT_EVENT_NONE;
    }
    if (was_silent)
        schedule_after_success(ice, p, now);
    if (ice->controlled)
        return follow_nomination(ice, index, now);
    if (sent->nominates && ice->selected < 0)
        return select_pair(ice, index, now);
    return ICE_CLIENT_EVENT_NONE;
}

static void note_role_conflict(struct ice_client *ice, int index,
                               const struct ice_client_sent *sent, usec now)
{
    if (sent->controlled == ice->controlled) /* not already done */
        change_role(ice, !ice->controlled, now);
    schedule(&ice->pairs[index], now, true);
}

static enum err handle_response(struct ice_client *ice, const struct stun_message *m,
                                const struct net_addr *from, usec now, enum ice_client_event *ret)
{
    int index = find_pair(ice, from);
    struct ice_client_sent *found =
        index < 0 ? NULL : find_sent(&ice->pairs[index], &m->transaction);
    if (found == NULL)
        return ERR_NOT_FOUND;
    if (m->class == STUN_ERROR)
        ice->last_error_code = m->error_code;
    if (stun_check_integrity(m, bytes_of_str(ice->remote.pwd)) != OK)
        return ERR_AUTH;
    struct ice_client_sent sent = *found;
    found->at = USEC_NEVER;
    if (m->unknown_required_count > 0)
        return ERR_UNSUPPORTED;
    *ret = ICE_CLIENT_EVENT_NONE;
    if (m->class == STUN_SUCCESS) {
        *ret = note_success(ice, index, &sent, m, now);
        return OK;
    }
    if (m->error_code != STUN_ROLE_CONFLICT)
        return ERR_UNSUPPORTED;
    note_role_conflict(ice, index, &sent, now);
    return OK;
}

enum err ice_client_receive(struct ice_client *ice, const struct stun_message *m,
                            const struct net_addr *from, usec now, struct writer *response,
                            enum ice_client_event *ret)
{
    check(net_addr_is_set(from));
    if (m->method != STUN_METHOD_BINDING)
        return ERR_UNSUPPORTED;
    if (is_over(ice))
        return ERR_BAD_STATE;
    switch (m->class) {
    case STUN_REQUEST:
        return handle_request(ice, m, from, now, response, ret);
    case STUN_SUCCESS:
    case STUN_ERROR:
        return handle_response(ice, m, from, now, ret);
    case STUN_INDICATION:
    default:
        *ret = ICE_CLIENT_EVENT_NONE; /* unauthenticated, so it proves and changes nothing */
        return OK;
    }
}

/* ---- time and outgoing checks ---- */

static usec verdict_at(const struct ice_client *ice)
{
    return ice->state == ICE_CLIENT_CONNECTING ? ice->connect_deadline
                                               : ice->consented_at + ICE_CONSENT_TIMEOUT;
}

usec ice_client_deadline(const struct ice_client *ice)
{
    if (is_over(ice))
        return USEC_NEVER;
    usec due_at = USEC_NEVER;
    for (int i = 0; i < ice->pair_count; i++)
        due_at = MIN(due_at, ice->pairs[i].due_at);
    return MIN(MAX(due_at, ice->paced_until), verdict_at(ice));
}

enum ice_client_event ice_client_tick(struct ice_client *ice, usec now)
{
    if (is_over(ice) || now < verdict_at(ice))
        return ICE_CLIENT_EVENT_NONE;
    bool failed = ice->state == ICE_CLIENT_CONNECTING;
    ice->state = failed ? ICE_CLIENT_FAILED : ICE_CLIENT_EXPIRED;
    return failed ? ICE_CLIENT_EVENT_FAILED : ICE_CLIENT_EVENT_EXPIRED;
}

/* Triggered checks first, then the pair with the fewest attempts, then the best. */
static bool goes_before(const struct ice_client_pair *a, const struct ice_client_pair *b)
{
    if (a->triggered != b->triggered)
        return a->triggered;
    if (a->attempts != b->attempts)
        return a->attempts < b->attempts;
    return a->priority > b->priority;
}

static int find_due(const struct ice_client *ice, usec now)
{
    int best = -1;
    for (int i = 0; i < ice->pair_count; i++) {
        const struct ice_client_pair *p = &ice->pairs[i];
        if (p->due_at <= now && (best < 0 || goes_before(p, &ice->pairs[best])))
            best = i;
    }
    return best;
}

/* Whether a check of the pair carries USE-CANDIDATE. One pair is nominated at a time; it loses that
 * to a pair that works if it does not work itself or leaves several nominating checks unanswered.
 */
static bool nominates(struct ice_client *ice, int index)
{
    if (ice->controlled)
        return false;
    if (ice->selected >= 0)
        return index == ice->selected;
    if (ice->nominee < 0)
        ice->nominee = (int8_t)index;
    const struct ice_client_pair *nominee = &ice->pairs[ice->nominee];
    bool is_replaceable = !nominee->succeeded || nominee->attempts >= NOMINEE_ATTEMPTS;
    if (ice->pairs[index].succeeded && is_replaceable)
        ice->nominee = (int8_t)index;
    return ice->nominee == index;
}

/* When the pair's next check is due if this one stays unanswered. */
static void schedule_repeat(struct ice_client *ice, int index, usec now)
{
    struct ice_client_pair *p = &ice->pairs[index];
    p->triggered = false;
    if (index == ice->selected) {
        p->due_at = now + consent_interval(ice); /* RFC 7675 §5.1: never repeated sooner */
        return;
    }
    unsigned doublings = MIN(p->attempts, 8u);
    if (p->attempts < UINT16_MAX)
        p->attempts++;
    bool given_up = ice->selected >= 0 && p->attempts >= RENOMINATION_ATTEMPTS;
    usec wait = MIN(ICE_CLIENT_RETRY_MIN << doublings, ICE_CLIENT_RETRY_MAX);
    p->due_at = given_up ? USEC_NEVER : now + wait;
}

static void write_check(const struct ice_client *ice, const struct ice_client_sent *sent,
                        struct writer *out)
{
    uint8_t name[2 * ICE_UFRAG_MAX + 1];
    struct writer username = writer_of(name, sizeof name);
    writer_put(&username, bytes_of_str(ice->remote.ufrag));
    writer_u8(&username, ':');
    writer_put(&username, bytes_of_str(ice->local.ufrag));
    check(!username.failed);
    struct stun_binding binding = {
        .transaction = sent->transaction,
        .username = bytes_of(name, writer_len(&username)),
        .password = bytes_of_str(ice->remote.pwd),
        .priority = ice_candidate_priority(ICE_PRFLX, UINT16_MAX, 1),
        .tie_breaker = ice->tie_breaker,
        .controlled = sent->controlled,
        .use_candidate = sent->nominates,
    };
    check(stun_write_request(&binding, out) == OK);
}

bool ice_client_next_check(struct ice_client *ice, usec now, struct writer *out,
                           struct net_addr *ret_to)
{
    if (is_over(ice) || now < ice->paced_until || now >= verdict_at(ice))
        return false;
    int index = find_due(ice, now);
    if (index < 0)
        return false;
    struct ice_client_pair *p = &ice->pairs[index];
    struct ice_client_sent *sent = &p->sent[p->sent_next];
    p->sent_next = (uint8_t)((p->sent_next + 1) % ICE_CLIENT_SENT_MAX);
    *sent = (struct ice_client_sent){
        .at = now,
        .transaction = next_transaction(ice),
        .controlled = ice->controlled,
        .nominates = nominates(ice, index),
    };
    write_check(ice, sent, out);
    schedule_repeat(ice, index, now);
    ice->paced_until = now + ICE_CLIENT_PACE;
    ice->check_count++;
    *ret_to = p->addr;
    return true;
}
