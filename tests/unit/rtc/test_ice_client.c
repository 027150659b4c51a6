/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/ice_client.h"

#include "alloc_probe.h"
#include "cmocka_all.h"
#include "prng.h"

#define START        SECONDS(100)
#define DELAY        MILLIS(20) /* one way, unless a test says otherwise */
#define FLIGHT_MAX   128
#define PRIORITY     ice_candidate_priority(ICE_HOST, 65535, 1)
#define PRIORITY_LOW ice_candidate_priority(ICE_HOST, 1, 1)

/* One end: a client, or an ICE-lite server. It owns one or two addresses (a server's candidates).
 */
struct end {
    bool is_lite;
    struct ice_client client;
    struct ice_lite lite;
    struct ice_credentials credentials;
    struct net_addr addrs[2];
    bool deaf[2]; /* nothing arrives at that address */
    size_t selected_count;
    usec selected_at;
    enum ice_client_event over; /* FAILED or EXPIRED */
    enum err last_err;
};

struct packet {
    usec arrives_at;
    struct net_addr from, to;
    size_t len; /* 0: free */
    uint8_t data[256];
};

/* Two ends, the network between them, and its clock. */
struct world {
    struct end a, b;
    usec now, delay;
    uint32_t loss_percent;
    struct prng prng;
    struct packet flight[FLIGHT_MAX];
    size_t sent_count;
};

static struct net_addr addr(uint8_t n)
{
    uint8_t ip[4] = { 192, 0, 2, n };
    return net_addr_ipv4(ip, 5000);
}

static struct ice_credentials credentials(uint8_t seed)
{
    uint8_t random[ICE_RANDOM_LEN];
    struct ice_credentials c;
    for (size_t i = 0; i < sizeof random; i++)
        random[i] = (uint8_t)(seed * 31 + i * 7);
    ice_credentials_make(random, &c);
    return c;
}

static void world_send(struct world *w, struct net_addr from, struct net_addr to,
                       const struct writer *out)
{
    size_t len = writer_len(out);
    w->sent_count++;
    if (len == 0 || prng_below(&w->prng, 100) < w->loss_percent)
        return;
    for (size_t i = 0; i < FLIGHT_MAX; i++) {
        struct packet *p = &w->flight[i];
        if (p->len > 0)
            continue;
        assert_true(len <= sizeof p->data);
        *p = (struct packet){ .arrives_at = w->now + w->delay, .from = from, .to = to, .len = len };
        memcpy(p->data, out->start, len);
        return;
    }
    fail_msg("too many packets in flight");
}

static void note_event(struct end *e, enum ice_client_event event, usec now)
{
    if (event == ICE_CLIENT_EVENT_SELECTED) {
        if (e->selected_count++ == 0)
            e->selected_at = now;
    } else if (event != ICE_CLIENT_EVENT_NONE) {
        assert_int_equal(e->over, ICE_CLIENT_EVENT_NONE);
        e->over = event;
    }
}

static void end_receive(struct world *w, struct end *e, const struct packet *p)
{
    struct stun_message m;
    uint8_t buffer[STUN_MESSAGE_MAX];
    struct writer out = writer_of(buffer, sizeof buffer);
    assert_int_equal(stun_parse(bytes_of(p->data, p->len), &m), OK);
    if (e->is_lite) {
        enum ice_event event = ICE_EVENT_NONE;
        e->last_err = ice_lite_receive(&e->lite, &m, &p->from, w->now, &out, &event);
    } else {
        enum ice_client_event event = ICE_CLIENT_EVENT_NONE;
        e->last_err = ice_client_receive(&e->client, &m, &p->from, w->now, &out, &event);
        note_event(e, event, w->now);
    }
    if (writer_len(&out) > 0)
        world_send(w, p->to, p->from, &out);
}

static void end_run(struct world *w, struct end *e)
{
    if (e->is_lite || ice_client_deadline(&e->client) > w->now)
        return;
    note_event(e, ice_client_tick(&e->client, w->now), w->now);
    for (;;) {
        uint8_t buffer[STUN_MESSAGE_MAX];
        struct writer out = writer_of(buffer, sizeof buffer);
        struct net_addr to;
        if (!ice_client_next_check(&e->client, w->now, &out, &to))
            break;
        world_send(w, e->addrs[0], to, &out);
    }
    assert_true(ice_client_deadline(&e->client) > w->now);
}

static void deliver(struct world *w, struct packet *p)
{
    struct packet copy = *p;
    p->len = 0;
    struct end *ends[2] = { &w->a, &w->b };
    for (size_t i = 0; i < 4; i++) {
        struct end *e = ends[i / 2];
        if (net_addr_equal(&e->addrs[i % 2], &copy.to) && !e->deaf[i % 2])
            end_receive(w, e, &copy);
    }
}

/* Runs both ends and the network until then, hopping from event to event. */
static void run_until(struct world *w, usec until)
{
    for (;;) {
        end_run(w, &w->a);
        end_run(w, &w->b);
        usec next = w->a.is_lite ? USEC_NEVER : ice_client_deadline(&w->a.client);
        if (!w->b.is_lite)
            next = MIN(next, ice_client_deadline(&w->b.client));
        for (size_t i = 0; i < FLIGHT_MAX; i++) {
            if (w->flight[i].len > 0)
                next = MIN(next, w->flight[i].arrives_at);
        }
        if (next > until)
            break;
        w->now = next;
        for (size_t i = 0; i < FLIGHT_MAX; i++) {
            if (w->flight[i].len > 0 && w->flight[i].arrives_at <= w->now)
                deliver(w, &w->flight[i]);
        }
    }
    w->now = until;
}

static void init_client(struct world *w, struct end *e, const struct end *other, bool controlled,
                        uint64_t seed)
{
    struct ice_client_config config = {
        .local = &e->credentials,
        .remote_ufrag = bytes_of_str(other->credentials.ufrag),
        .remote_pwd = bytes_of_str(other->credentials.pwd),
        .controlled = controlled,
        .seed = seed,
    };
    e->is_lite = false;
    assert_int_equal(ice_client_init(&e->client, &config, w->now), OK);
}

/* Knows it when a is a client and b a lite server; tests of two clients make b one. */
static int setup(void **state)
{
    static struct world w;
    w = (struct world){ .now = START, .delay = DELAY, .prng = { 1 } };
    w.a = (struct end){ .credentials = credentials(1), .addrs = { addr(1) } };
    w.b = (struct end){ .is_lite = true,
                        .credentials = credentials(2),
                        .addrs = { addr(11), addr(12) } };
    init_client(&w, &w.a, &w.b, false, 42);
    assert_int_equal(
        ice_lite_init(&w.b.lite, &w.b.credentials, bytes_of_str(w.a.credentials.ufrag), START), OK);
    *state = &w;
    return 0;
}

static void add(struct world *w, struct end *e, struct net_addr remote, uint32_t priority)
{
    assert_int_equal(ice_client_add_candidate(&e->client, &remote, priority, w->now), OK);
}

static void make_full(struct world *w, bool a_controlled, bool b_controlled)
{
    init_client(w, &w->a, &w->b, a_controlled, 42);
    init_client(w, &w->b, &w->a, b_controlled, 43);
}

static void assert_selected(const struct end *e, struct net_addr expected)
{
    const struct net_addr *selected = ice_client_selected(&e->client);
    assert_non_null(selected);
    assert_true(net_addr_equal(selected, &expected));
    assert_true(ice_client_is_valid(&e->client, &expected));
    assert_int_equal(e->client.state, ICE_CLIENT_CONNECTED);
}

/* ---- against a lite server ---- */

static void lite_server_is_connected_in_one_round_trip(void **state)
{
    struct world *w = *state;
    add(w, &w->a, addr(11), PRIORITY);
    run_until(w, START + 2 * DELAY);
    assert_selected(&w->a, addr(11));
    assert_int_equal(w->a.selected_at, START + 2 * DELAY);
    assert_int_equal(w->a.client.selected_at, START + 2 * DELAY);
    assert_int_equal(w->a.client.rtt_us, 2 * DELAY);
    assert_int_equal(w->a.client.check_count, 1);
    assert_true(net_addr_equal(&w->a.client.mapped, &w->a.addrs[0]));
    const struct net_addr *theirs = ice_lite_selected(&w->b.lite);
    assert_non_null(theirs);
    assert_true(net_addr_equal(theirs, &w->a.addrs[0]));
}

static void silent_candidate_gives_way_to_one_that_works(void **state)
{
    struct world *w = *state;
    w->b.deaf[0] = true;
    add(w, &w->a, addr(11), PRIORITY);
    add(w, &w->a, addr(12), PRIORITY_LOW);
    run_until(w, START + SECONDS(1));
    assert_selected(&w->a, addr(12));
    assert_true(w->a.selected_at <= START + 4 * DELAY + MILLIS(50) + ICE_CLIENT_PACE);
    assert_non_null(ice_lite_selected(&w->b.lite));
}

static void better_candidate_is_checked_and_nominated_first(void **state)
{
    struct world *w = *state;
    add(w, &w->a, addr(12), PRIORITY_LOW);
    add(w, &w->a, addr(11), PRIORITY);
    run_until(w, START + SECONDS(1));
    assert_selected(&w->a, addr(11));
    assert_int_equal(w->a.selected_at, START + 2 * DELAY);
    assert_int_equal(w->a.selected_count, 1);
}

static void late_candidate_is_checked_when_it_comes(void **state)
{
    struct world *w = *state;
    run_until(w, START + SECONDS(3));
    assert_int_equal(w->sent_count, 0);
    add(w, &w->a, addr(11), PRIORITY);
    run_until(w, START + SECONDS(4));
    assert_int_equal(w->a.selected_at, START + SECONDS(3) + 2 * DELAY);
}

static void connects_through_loss_for_every_seed(void **state)
{
    struct world *w = *state;
    usec total = 0, worst = 0;
    for (uint64_t seed = 1; seed <= 500; seed++) {
        (void)setup(state);
        w->prng.state = seed;
        w->loss_percent = 30;
        init_client(w, &w->a, &w->b, false, seed);
        add(w, &w->a, addr(11), PRIORITY);
        add(w, &w->a, addr(12), PRIORITY_LOW);
        run_until(w, START + SECONDS(10));
        assert_int_equal(w->a.over, ICE_CLIENT_EVENT_NONE);
        assert_int_equal(w->a.client.state, ICE_CLIENT_CONNECTED);
        assert_non_null(ice_lite_selected(&w->b.lite));
        total += w->a.selected_at - START;
        worst = MAX(worst, w->a.selected_at - START);
    }
    print_message("30 %% loss: connected after %d ms on average, %d ms at worst\n",
                  (int)(total / 500 / 1000), (int)(worst / 1000));
    assert_true(total / 500 < MILLIS(300));
}

static void silence_fails_at_the_deadline_and_backs_off(void **state)
{
    struct world *w = *state;
    w->b.deaf[0] = true;
    add(w, &w->a, addr(11), PRIORITY);
    run_until(w, START + SECONDS(10) - 1);
    assert_int_equal(w->a.over, ICE_CLIENT_EVENT_NONE);
    /* 0, 100, 300, 700, 1500, 3100 ms, then every 1600 ms */
    assert_int_equal(w->a.client.check_count, 10);
    run_until(w, START + SECONDS(60));
    assert_int_equal(w->a.over, ICE_CLIENT_EVENT_FAILED);
    assert_int_equal(w->a.client.check_count, 10);
    assert_int_equal(ice_client_deadline(&w->a.client), USEC_NEVER);
    assert_null(ice_client_selected(&w->a.client));
    struct net_addr late = addr(12);
    assert_int_equal(ice_client_add_candidate(&w->a.client, &late, 1, w->now), ERR_BAD_STATE);
}

static void no_candidate_fails_after_the_configured_time(void **state)
{
    struct world *w = *state;
    struct ice_client_config config = { .local = &w->a.credentials,
                                        .remote_ufrag = bytes_of_str("abcd"),
                                        .remote_pwd = bytes_of_str("0123456789012345678901"),
                                        .connect_timeout = SECONDS(2) };
    assert_int_equal(ice_client_init(&w->a.client, &config, START), OK);
    assert_int_equal(ice_client_deadline(&w->a.client), START + SECONDS(2));
    assert_int_equal(ice_client_tick(&w->a.client, START + SECONDS(2) - 1), ICE_CLIENT_EVENT_NONE);
    assert_int_equal(ice_client_tick(&w->a.client, START + SECONDS(2)), ICE_CLIENT_EVENT_FAILED);
    assert_int_equal(ice_client_tick(&w->a.client, START + SECONDS(3)), ICE_CLIENT_EVENT_NONE);
}

static void wrong_password_is_never_selected(void **state)
{
    struct world *w = *state;
    w->b.credentials.pwd[0] ^= 1; /* what a was told */
    init_client(w, &w->a, &w->b, false, 42);
    add(w, &w->a, addr(11), PRIORITY);
    run_until(w, START + SECONDS(20));
    assert_int_equal(w->a.over, ICE_CLIENT_EVENT_FAILED);
    assert_int_equal(w->a.selected_count, 0);
    assert_int_equal(w->a.last_err, ERR_AUTH);
    assert_int_equal(w->a.client.last_error_code, 401);
    struct net_addr server = addr(11);
    assert_false(ice_client_is_valid(&w->a.client, &server));
}

/* ---- consent ---- */

static void consent_lasts_for_an_hour_with_loss_and_jittered_checks(void **state)
{
    struct world *w = *state;
    add(w, &w->a, addr(11), PRIORITY);
    run_until(w, START + SECONDS(1));
    w->loss_percent = 5;
    uint32_t before = w->a.client.check_count;
    usec shortest = USEC_NEVER, longest = 0;
    while (w->now < START + SECONDS(3600)) {
        usec wait = ice_client_deadline(&w->a.client) - w->now;
        if (wait > MILLIS(100)) { /* the network is quiet: this is what is left of an interval */
            shortest = MIN(shortest, wait);
            longest = MAX(longest, wait);
        }
        run_until(w, w->now + wait);
    }
    uint32_t checks = w->a.client.check_count - before;
    assert_in_range(checks, 3600 / 6, 3600 / 4);
    assert_true(longest <= SECONDS(6) && longest >= MILLIS(5500));
    assert_int_equal(w->a.over, ICE_CLIENT_EVENT_NONE);
    assert_int_equal(w->a.selected_count, 1);
    assert_selected(&w->a, addr(11));
    assert_int_equal(ice_lite_tick(&w->b.lite, w->now), ICE_EVENT_NONE);
    assert_true(shortest > 0);
}

static void silence_after_selection_expires_after_30_s(void **state)
{
    struct world *w = *state;
    add(w, &w->a, addr(11), PRIORITY);
    run_until(w, START + SECONDS(22));
    usec consented_at = w->a.client.consented_at;
    assert_true(consented_at > START + SECONDS(10)); /* a consent check was answered */
    w->b.deaf[0] = true;
    run_until(w, consented_at + SECONDS(30) - 1);
    assert_int_equal(w->a.over, ICE_CLIENT_EVENT_NONE);
    run_until(w, consented_at + SECONDS(30));
    assert_int_equal(w->a.over, ICE_CLIENT_EVENT_EXPIRED);
    assert_int_equal(w->a.client.state, ICE_CLIENT_EXPIRED);
    size_t sent = w->sent_count;
    run_until(w, consented_at + SECONDS(120));
    assert_int_equal(w->sent_count, sent);
}

static void consent_survives_25_s_of_silence(void **state)
{
    struct world *w = *state;
    add(w, &w->a, addr(11), PRIORITY);
    run_until(w, START + SECONDS(1));
    usec consented_at = w->a.client.consented_at;
    w->b.deaf[0] = true;
    run_until(w, consented_at + SECONDS(23));
    w->b.deaf[0] = false;
    run_until(w, consented_at + SECONDS(60));
    assert_int_equal(w->a.over, ICE_CLIENT_EVENT_NONE);
    assert_selected(&w->a, addr(11));
}

/* ---- full agents ---- */

static void full_agents_connect_in_one_and_a_half_round_trips(void **state)
{
    struct world *w = *state;
    for (int a_controlled = 0; a_controlled < 2; a_controlled++) {
        (void)setup(state);
        make_full(w, a_controlled, !a_controlled);
        add(w, &w->a, addr(11), PRIORITY);
        add(w, &w->b, addr(1), PRIORITY);
        run_until(w, START + SECONDS(60));
        assert_selected(&w->a, addr(11));
        assert_selected(&w->b, addr(1));
        assert_true(w->a.selected_at <= START + 3 * DELAY);
        assert_true(w->b.selected_at <= START + 3 * DELAY);
        assert_int_equal(w->a.client.role_change_count, 0);
        assert_int_equal(w->a.over, ICE_CLIENT_EVENT_NONE);
    }
}

static void controlled_agent_follows_the_nomination_of_the_best_pair(void **state)
{
    struct world *w = *state;
    make_full(w, true, false);
    add(w, &w->a, addr(12), PRIORITY_LOW);
    add(w, &w->a, addr(11), PRIORITY);
    add(w, &w->b, addr(1), PRIORITY);
    run_until(w, START + SECONDS(5));
    assert_selected(&w->a, addr(11)); /* b sends from its first address */
    assert_selected(&w->b, addr(1));
}

static void peer_reflexive_address_is_learned_from_checks(void **state)
{
    struct world *w = *state;
    make_full(w, false, true);
    add(w, &w->a, addr(11), PRIORITY);
    struct net_addr client = addr(1);
    assert_false(ice_client_is_valid(&w->b.client, &client));
    run_until(w, START + DELAY);
    assert_true(ice_client_is_valid(&w->b.client, &client));
    assert_int_equal(w->b.client.pairs[0].priority, ice_candidate_priority(ICE_PRFLX, 65535, 1));
    run_until(w, START + SECONDS(1));
    assert_selected(&w->a, addr(11));
    assert_selected(&w->b, client);
    add(w, &w->b, client, PRIORITY); /* signalled late: the same pair */
    assert_int_equal(w->b.client.pair_count, 1);
    assert_int_equal(w->b.client.pairs[0].priority, PRIORITY);
}

static void two_controlling_agents_agree_by_tie_breaker(void **state)
{
    struct world *w = *state;
    for (int controlled = 0; controlled < 2; controlled++) {
        (void)setup(state);
        make_full(w, controlled, controlled);
        add(w, &w->a, addr(11), PRIORITY);
        add(w, &w->b, addr(1), PRIORITY);
        run_until(w, START + SECONDS(60));
        assert_selected(&w->a, addr(11));
        assert_selected(&w->b, addr(1));
        assert_true(w->a.selected_at <= START + SECONDS(1));
        bool a_larger = w->a.client.tie_breaker >= w->b.client.tie_breaker;
        assert_int_equal(w->a.client.controlled, !a_larger);
        assert_int_equal(w->b.client.controlled, a_larger);
        assert_int_equal(w->a.client.role_change_count + w->b.client.role_change_count, 1);
    }
}

static void role_conflict_is_resolved_by_487_alone(void **state)
{
    struct world *w = *state;
    for (int controlled = 0; controlled < 2; controlled++) {
        (void)setup(state);
        uint64_t seed = 43; /* of b, so that its tie-breaker decides that it has its way */
        do {
            make_full(w, controlled, controlled);
            init_client(w, &w->b, &w->a, controlled, seed++);
        } while ((w->b.client.tie_breaker > w->a.client.tie_breaker) == (controlled != 0));
        add(w, &w->a, addr(11), PRIORITY); /* b knows no candidate: only a checks */
        run_until(w, START + 2 * DELAY);
        assert_int_equal(w->a.client.last_error_code, 487);
        assert_int_equal(w->a.client.controlled, !controlled);
        assert_int_equal(w->b.client.role_change_count, 0);
        add(w, &w->b, addr(1), PRIORITY);
        run_until(w, START + SECONDS(60));
        assert_selected(&w->a, addr(11));
        assert_selected(&w->b, addr(1));
        assert_int_equal(w->a.client.role_change_count, 1);
    }
}

static void lite_server_makes_a_controlled_client_controlling(void **state)
{
    struct world *w = *state;
    init_client(w, &w->a, &w->b, true, 42);
    add(w, &w->a, addr(11), PRIORITY);
    run_until(w, START + SECONDS(1));
    assert_int_equal(w->a.client.last_error_code, 487);
    assert_false(w->a.client.controlled);
    assert_selected(&w->a, addr(11));
    assert_int_equal(w->a.selected_at, START + 4 * DELAY);
}

static void full_agents_connect_through_loss_for_every_seed(void **state)
{
    struct world *w = *state;
    for (uint64_t seed = 1; seed <= 500; seed++) {
        (void)setup(state);
        make_full(w, (seed & 1) != 0, (seed & 2) != 0);
        w->prng.state = seed;
        w->loss_percent = 25;
        add(w, &w->a, addr(11), PRIORITY);
        add(w, &w->a, addr(12), PRIORITY_LOW);
        if ((seed & 4) != 0)
            add(w, &w->b, addr(1), PRIORITY);
        run_until(w, START + SECONDS(10));
        assert_int_equal(w->a.client.state, ICE_CLIENT_CONNECTED);
        assert_int_equal(w->b.client.state, ICE_CLIENT_CONNECTED);
        assert_true(w->a.client.controlled != w->b.client.controlled);
        assert_selected(&w->b, addr(1));
    }
}

/* ---- one message at a time ---- */

struct request_options {
    const char *username, *password; /* NULL: the right ones */
    bool controlled, nominate;
    uint64_t tie_breaker;
    uint8_t from;
};

struct reply {
    enum err err;
    enum ice_client_event event;
    uint8_t data[STUN_MESSAGE_MAX];
    size_t len;
    struct stun_message message; /* if len > 0 */
};

static struct reply receive(struct world *w, struct bytes packet, struct net_addr from)
{
    struct reply r = { .event = ICE_CLIENT_EVENT_NONE };
    struct stun_message m;
    assert_int_equal(stun_parse(packet, &m), OK);
    struct writer out = writer_of(r.data, sizeof r.data);
    r.err = ice_client_receive(&w->a.client, &m, &from, w->now, &out, &r.event);
    r.len = writer_len(&out);
    return r;
}

static void parse_reply(struct reply *r)
{
    assert_int_equal(stun_parse(bytes_of(r->data, r->len), &r->message), OK);
}

static struct reply request(struct world *w, struct request_options o)
{
    char name[80];
    uint8_t buffer[STUN_MESSAGE_MAX];
    struct writer out = writer_of(buffer, sizeof buffer);
    (void)snprintf(name, sizeof name, "%s:%s", w->a.credentials.ufrag, w->b.credentials.ufrag);
    struct stun_binding b = {
        .transaction = { "transaction!" },
        .username = bytes_of_str(o.username == NULL ? name : o.username),
        .password = bytes_of_str(o.password == NULL ? w->a.credentials.pwd : o.password),
        .priority = PRIORITY_LOW,
        .tie_breaker = o.tie_breaker,
        .controlled = o.controlled,
        .use_candidate = o.nominate,
    };
    assert_int_equal(stun_write_request(&b, &out), OK);
    return receive(w, bytes_of(buffer, writer_len(&out)), addr(o.from));
}

static void unauthenticated_requests_are_refused_and_change_nothing(void **state)
{
    struct world *w = *state;
    struct request_options cases[] = {
        { .from = 11, .controlled = true, .password = "not the password at all" },
        { .from = 11, .controlled = true, .username = "someone:else" },
        { .from = 11, .controlled = true, .username = "no colon" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct reply r = request(w, cases[i]);
        parse_reply(&r);
        assert_int_equal(r.err, ERR_AUTH);
        assert_int_equal(r.message.error_code, 401);
        assert_false(r.message.has_integrity);
        assert_int_equal(w->a.client.pair_count, 0);
    }
    static const uint8_t bare[20] = { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 };
    struct reply r = receive(w, bytes_of(bare, sizeof bare), addr(11));
    parse_reply(&r);
    assert_int_equal(r.err, ERR_AUTH);
    assert_int_equal(r.message.error_code, 400);
    assert_int_equal(w->a.client.rejected_count, ARRAY_LEN(cases) + 1);
}

static void authenticated_request_is_answered_with_our_password(void **state)
{
    struct world *w = *state;
    struct reply r = request(w, (struct request_options){ .from = 33, .controlled = true });
    parse_reply(&r);
    struct net_addr from = addr(33);
    assert_int_equal(r.err, OK);
    assert_int_equal(r.message.class, STUN_SUCCESS);
    assert_memory_equal(r.message.transaction.id, "transaction!", STUN_TRANSACTION_LEN);
    assert_true(net_addr_equal(&r.message.mapped, &from));
    assert_int_equal(stun_check_integrity(&r.message, bytes_of_str(w->a.credentials.pwd)), OK);
    assert_true(ice_client_is_valid(&w->a.client, &from));
    assert_int_equal(ice_client_deadline(&w->a.client), w->now); /* the triggered check */
}

static void role_conflict_is_answered_by_tie_breaker(void **state)
{
    struct world *w = *state;
    struct reply r = request(w, (struct request_options){ .from = 11, .tie_breaker = 0 });
    parse_reply(&r);
    assert_int_equal(r.err, ERR_BAD_STATE);
    assert_int_equal(r.message.error_code, 487);
    assert_int_equal(stun_check_integrity(&r.message, bytes_of_str(w->a.credentials.pwd)), OK);
    assert_false(w->a.client.controlled);

    r = request(w, (struct request_options){ .from = 11, .tie_breaker = UINT64_MAX });
    assert_int_equal(r.err, OK);
    assert_true(w->a.client.controlled);
}

static void pairs_beyond_the_limit_are_refused(void **state)
{
    struct world *w = *state;
    for (uint8_t i = 0; i < ICE_CLIENT_PAIR_MAX; i++)
        add(w, &w->a, addr((uint8_t)(100 + i)), PRIORITY);
    struct net_addr more = addr(99);
    assert_int_equal(ice_client_add_candidate(&w->a.client, &more, 1, w->now), ERR_FULL);
    struct reply r = request(w, (struct request_options){ .from = 99, .controlled = true });
    parse_reply(&r);
    assert_int_equal(r.err, ERR_FULL);
    assert_int_equal(r.message.error_code, 500);
    r = request(w, (struct request_options){ .from = 100, .controlled = true });
    assert_int_equal(r.err, OK);
}

static void many_candidates_are_paced_and_all_checked_before_any_again(void **state)
{
    struct world *w = *state;
    for (uint8_t i = 0; i < ICE_CLIENT_PAIR_MAX; i++)
        add(w, &w->a, addr((uint8_t)(100 + i)), PRIORITY);
    run_until(w, START + (ICE_CLIENT_PAIR_MAX - 1) * ICE_CLIENT_PACE);
    assert_int_equal(w->a.client.check_count, ICE_CLIENT_PAIR_MAX);
    for (size_t i = 0; i < ICE_CLIENT_PAIR_MAX; i++)
        assert_int_equal(w->a.client.pairs[i].attempts, 1);
}

static void unusable_candidates_are_unsupported(void **state)
{
    struct world *w = *state;
    static const char *const texts[] = { "0.0.0.0", "::", "fe80::1", "2001:db8::1" };
    w->a.client.family = NET_IPV4;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct net_addr a;
        assert_int_equal(net_addr_parse(bytes_of_str(texts[i]), 5000, &a), OK);
        assert_int_equal(ice_client_add_candidate(&w->a.client, &a, 1, START), ERR_UNSUPPORTED);
    }
    struct net_addr tcp = addr(11), portless = addr(11), none = { 0 };
    tcp.protocol = NET_TCP;
    portless.port = 0;
    assert_int_equal(ice_client_add_candidate(&w->a.client, &tcp, 1, START), ERR_UNSUPPORTED);
    assert_int_equal(ice_client_add_candidate(&w->a.client, &portless, 1, START), ERR_UNSUPPORTED);
    assert_int_equal(ice_client_add_candidate(&w->a.client, &none, 1, START), ERR_UNSUPPORTED);
    w->a.client.family = NET_NONE;
    struct net_addr ipv6;
    assert_int_equal(net_addr_parse(bytes_of_str("2001:db8::1"), 5000, &ipv6), OK);
    assert_int_equal(ice_client_add_candidate(&w->a.client, &ipv6, 1, START), OK);
}

/* The next check of a, parsed; its bytes stay in buffer. */
static struct stun_message take_check(struct world *w, uint8_t buffer[STUN_MESSAGE_MAX])
{
    struct writer out = writer_of(buffer, STUN_MESSAGE_MAX);
    struct net_addr to;
    struct stun_message m;
    assert_true(ice_client_next_check(&w->a.client, w->now, &out, &to));
    assert_int_equal(stun_parse(bytes_of(buffer, writer_len(&out)), &m), OK);
    return m;
}

static struct reply answer(struct world *w, const struct stun_message *m, uint8_t from,
                           const char *password)
{
    uint8_t buffer[STUN_MESSAGE_MAX];
    struct writer out = writer_of(buffer, sizeof buffer);
    assert_int_equal(
        stun_write_success(&m->transaction, &w->a.addrs[0], bytes_of_str(password), &out), OK);
    return receive(w, bytes_of(buffer, writer_len(&out)), addr(from));
}

static void only_the_authentic_answer_from_the_right_address_counts_and_once(void **state)
{
    struct world *w = *state;
    uint8_t buffer[STUN_MESSAGE_MAX];
    add(w, &w->a, addr(11), PRIORITY);
    add(w, &w->a, addr(12), PRIORITY_LOW);
    struct stun_message m = take_check(w, buffer);
    assert_true(m.use_candidate && m.ice_controlling && m.has_priority && m.has_fingerprint);
    assert_int_equal(stun_check_integrity(&m, bytes_of_str(w->b.credentials.pwd)), OK);
    const char *right = w->b.credentials.pwd;
    struct stun_message other = m;
    other.transaction.id[0] ^= 1;
    assert_int_equal(answer(w, &other, 11, right).err, ERR_NOT_FOUND);
    assert_int_equal(answer(w, &m, 12, right).err, ERR_NOT_FOUND);
    assert_int_equal(answer(w, &m, 77, right).err, ERR_NOT_FOUND);
    assert_int_equal(answer(w, &m, 11, w->a.credentials.pwd).err, ERR_AUTH);
    assert_int_equal(answer(w, &m, 11, "").err, ERR_AUTH);
    assert_null(ice_client_selected(&w->a.client));
    struct reply r = answer(w, &m, 11, right);
    assert_int_equal(r.err, OK);
    assert_int_equal(r.event, ICE_CLIENT_EVENT_SELECTED);
    assert_int_equal(r.len, 0);
    assert_int_equal(answer(w, &m, 11, right).err, ERR_NOT_FOUND);
}

static void answer_to_an_earlier_transmission_tells_its_own_round_trip(void **state)
{
    struct world *w = *state;
    uint8_t first_buffer[STUN_MESSAGE_MAX], second_buffer[STUN_MESSAGE_MAX];
    add(w, &w->a, addr(11), PRIORITY);
    struct stun_message first = take_check(w, first_buffer);
    w->now += MILLIS(100);
    struct stun_message second = take_check(w, second_buffer);
    assert_memory_not_equal(first.transaction.id, second.transaction.id, STUN_TRANSACTION_LEN);
    w->now += MILLIS(30);
    assert_int_equal(answer(w, &first, 11, w->b.credentials.pwd).err, OK);
    assert_int_equal(w->a.client.rtt_us, MILLIS(130));
    w->now += MILLIS(90);
    assert_int_equal(answer(w, &second, 11, w->b.credentials.pwd).err, OK);
    assert_int_equal(w->a.client.rtt_us, MILLIS(120));
    assert_int_equal(w->a.client.rtt_us_min, MILLIS(120));
}

static void controlled_checks_do_not_nominate(void **state)
{
    struct world *w = *state;
    uint8_t buffer[STUN_MESSAGE_MAX];
    init_client(w, &w->a, &w->b, true, 42);
    add(w, &w->a, addr(11), PRIORITY);
    struct stun_message m = take_check(w, buffer);
    assert_true(m.ice_controlled);
    assert_false(m.use_candidate);
    assert_int_equal(answer(w, &m, 11, w->b.credentials.pwd).event, ICE_CLIENT_EVENT_NONE);
    assert_null(ice_client_selected(&w->a.client)); /* that is theirs to say */
    struct reply r = request(w, (struct request_options){ .from = 11, .nominate = true });
    assert_int_equal(r.event, ICE_CLIENT_EVENT_SELECTED);
}

/* Aggressive nomination (RFC 5245): every pair is nominated, the best that works is used. */
static void aggressive_nomination_ends_at_the_best_pair(void **state)
{
    struct world *w = *state;
    uint8_t low[STUN_MESSAGE_MAX], high[STUN_MESSAGE_MAX];
    init_client(w, &w->a, &w->b, true, 42);
    const struct request_options from_low = { .from = 12, .nominate = true };
    const struct request_options from_high = { .from = 11, .nominate = true };
    add(w, &w->a, addr(12), PRIORITY_LOW);
    struct stun_message low_check = take_check(w, low);
    assert_int_equal(request(w, from_low).err, OK);
    assert_int_equal(answer(w, &low_check, 12, w->b.credentials.pwd).event,
                     ICE_CLIENT_EVENT_SELECTED);
    add(w, &w->a, addr(11), PRIORITY);
    assert_int_equal(request(w, from_high).event, ICE_CLIENT_EVENT_NONE);
    w->now += ICE_CLIENT_PACE;
    struct stun_message high_check = take_check(w, high); /* triggered, though connected */
    assert_int_equal(answer(w, &high_check, 11, w->b.credentials.pwd).event,
                     ICE_CLIENT_EVENT_SELECTED);
    assert_selected(&w->a, addr(11));
    assert_int_equal(request(w, from_low).event, ICE_CLIENT_EVENT_NONE);
    assert_selected(&w->a, addr(11));
}

static void same_seed_gives_the_same_bytes(void **state)
{
    struct world *w = *state;
    uint8_t bytes[3][STUN_MESSAGE_MAX];
    static const uint64_t seeds[3] = { 7, 7, 8 };
    for (size_t i = 0; i < 3; i++) {
        memset(bytes[i], 0, sizeof bytes[i]);
        init_client(w, &w->a, &w->b, false, seeds[i]);
        add(w, &w->a, addr(11), PRIORITY);
        (void)take_check(w, bytes[i]);
    }
    assert_memory_equal(bytes[0], bytes[1], STUN_MESSAGE_MAX);
    assert_memory_not_equal(bytes[0] + 8, bytes[2] + 8, STUN_TRANSACTION_LEN);
}

static void unusable_remote_credentials_are_refused(void **state)
{
    struct world *w = *state;
    char longer[ICE_PWD_MAX + 1];
    memset(longer, 'a', sizeof longer);
    struct ice_client_config config = { .local = &w->a.credentials,
                                        .remote_ufrag = bytes_of(longer, ICE_UFRAG_MAX),
                                        .remote_pwd = bytes_of(longer, ICE_PWD_MAX) };
    struct ice_client ice;
    assert_int_equal(ice_client_init(&ice, &config, 0), OK);
    config.remote_ufrag.len++;
    assert_int_equal(ice_client_init(&ice, &config, 0), ERR_UNSUPPORTED);
    config.remote_ufrag.len = 0;
    assert_int_equal(ice_client_init(&ice, &config, 0), ERR_MALFORMED);
    config.remote_ufrag.len = 4;
    config.remote_pwd.len++;
    assert_int_equal(ice_client_init(&ice, &config, 0), ERR_UNSUPPORTED);
}

static void nothing_is_ever_allocated(void **state)
{
    struct world *w = *state;
    alloc_probe_reset(0, false);
    add(w, &w->a, addr(11), PRIORITY);
    run_until(w, START + SECONDS(600));
    assert_selected(&w->a, addr(11));
    assert_int_equal(alloc_probe.count, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    alloc_probe_install();
    const struct CMUnitTest tests[] = {
        TEST(lite_server_is_connected_in_one_round_trip),
        TEST(silent_candidate_gives_way_to_one_that_works),
        TEST(better_candidate_is_checked_and_nominated_first),
        TEST(late_candidate_is_checked_when_it_comes),
        TEST(connects_through_loss_for_every_seed),
        TEST(silence_fails_at_the_deadline_and_backs_off),
        TEST(no_candidate_fails_after_the_configured_time),
        TEST(wrong_password_is_never_selected),
        TEST(consent_lasts_for_an_hour_with_loss_and_jittered_checks),
        TEST(silence_after_selection_expires_after_30_s),
        TEST(consent_survives_25_s_of_silence),
        TEST(full_agents_connect_in_one_and_a_half_round_trips),
        TEST(controlled_agent_follows_the_nomination_of_the_best_pair),
        TEST(peer_reflexive_address_is_learned_from_checks),
        TEST(two_controlling_agents_agree_by_tie_breaker),
        TEST(role_conflict_is_resolved_by_487_alone),
        TEST(lite_server_makes_a_controlled_client_controlling),
        TEST(full_agents_connect_through_loss_for_every_seed),
        TEST(unauthenticated_requests_are_refused_and_change_nothing),
        TEST(authenticated_request_is_answered_with_our_password),
        TEST(role_conflict_is_answered_by_tie_breaker),
        TEST(pairs_beyond_the_limit_are_refused),
        TEST(many_candidates_are_paced_and_all_checked_before_any_again),
        TEST(unusable_candidates_are_unsupported),
        TEST(only_the_authentic_answer_from_the_right_address_counts_and_once),
        TEST(answer_to_an_earlier_transmission_tells_its_own_round_trip),
        TEST(controlled_checks_do_not_nominate),
        TEST(aggressive_nomination_ends_at_the_best_pair),
        TEST(same_seed_gives_the_same_bytes),
        TEST(unusable_remote_credentials_are_refused),
        TEST(nothing_is_ever_allocated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
