/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/ice_lite.h"

#include "alloc_probe.h"
#include "cmocka_all.h"

#define START SECONDS(100)

/* One participant's side: what its checks look like, and what we answered last. */
struct fixture {
    struct ice_lite ice;
    struct ice_credentials local;
    struct ice_credentials next;
    usec now;
    enum ice_event event;
    uint32_t transaction; /* of the newest check */
    uint8_t answer[STUN_MESSAGE_MAX];
    size_t answer_len;
};

struct check_options {
    bool nominate, controlled;
    bool is_copy; /* of the newest check */
    const struct ice_credentials *credentials;
    const char *remote, *password;
};

static struct net_addr host(uint8_t n)
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

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){ .local = credentials(1), .next = credentials(2), .now = START };
    assert_int_equal(ice_lite_init(&f.ice, &f.local, bytes_of_str("peer"), START), OK);
    *state = &f;
    return 0;
}

static enum err deliver(struct fixture *f, struct bytes packet, struct net_addr from)
{
    struct stun_message m;
    assert_int_equal(stun_parse(packet, &m), OK);
    struct writer w = writer_of(f->answer, sizeof f->answer);
    f->event = ICE_EVENT_NONE;
    enum err e = ice_lite_receive(&f->ice, &m, &from, f->now, &w, &f->event);
    f->answer_len = writer_len(&w);
    return e;
}

static enum err send_check(struct fixture *f, uint8_t n, struct check_options o)
{
    const struct ice_credentials *c = o.credentials == NULL ? &f->local : o.credentials;
    uint8_t name_buffer[64], buffer[STUN_MESSAGE_MAX];
    struct writer name = writer_of(name_buffer, sizeof name_buffer);
    writer_printf(&name, "%s:%s", c->ufrag, o.remote == NULL ? "peer" : o.remote);
    f->transaction += !o.is_copy;
    struct stun_binding b = {
        .transaction = { "transaction!" },
        .username = bytes_of(name_buffer, writer_len(&name)),
        .password = bytes_of_str(o.password == NULL ? c->pwd : o.password),
        .priority = 1000,
        .use_candidate = o.nominate,
        .controlled = o.controlled,
    };
    store_be32(b.transaction.id, f->transaction);
    struct writer w = writer_of(buffer, sizeof buffer);
    assert_int_equal(stun_write_request(&b, &w), OK);
    return deliver(f, bytes_of(buffer, writer_len(&w)), host(n));
}

static struct stun_message answer(struct fixture *f)
{
    struct stun_message m;
    assert_int_equal(stun_parse(bytes_of(f->answer, f->answer_len), &m), OK);
    return m;
}

static bool is_selected(const struct fixture *f, uint8_t n)
{
    struct net_addr a = host(n);
    const struct net_addr *selected = ice_lite_selected(&f->ice);
    return selected != NULL && net_addr_equal(selected, &a);
}

static bool is_valid(const struct fixture *f, uint8_t n)
{
    struct net_addr a = host(n);
    return ice_lite_is_valid(&f->ice, &a);
}

static const struct check_options plain = { 0 };
static const struct check_options nominate = { .nominate = true };

static void authenticated_check_validates_its_address(void **state)
{
    struct fixture *f = *state;
    assert_false(is_valid(f, 1));
    assert_int_equal(send_check(f, 1, plain), OK);
    assert_int_equal(f->event, ICE_EVENT_VALIDATED);
    assert_true(is_valid(f, 1));
    assert_null(ice_lite_selected(&f->ice));

    struct net_addr from = host(1);
    struct stun_message m = answer(f);
    assert_int_equal(m.class, STUN_SUCCESS);
    assert_int_equal(load_be32(m.transaction.id), f->transaction);
    assert_memory_equal(m.transaction.id + 4, "saction!", STUN_TRANSACTION_LEN - 4);
    assert_true(net_addr_equal(&m.mapped, &from));
    assert_int_equal(stun_check_integrity(&m, bytes_of_str(f->local.pwd)), OK);

    assert_int_equal(send_check(f, 1, plain), OK);
    assert_int_equal(f->event, ICE_EVENT_NONE);
}

static void nomination_selects_and_the_latest_wins(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(send_check(f, 1, nominate), OK);
    assert_int_equal(f->event, ICE_EVENT_SELECTED);
    assert_true(is_selected(f, 1));
    assert_int_equal(send_check(f, 2, plain), OK);
    assert_int_equal(f->event, ICE_EVENT_VALIDATED);
    assert_true(is_selected(f, 1));
    assert_int_equal(send_check(f, 2, nominate), OK);
    assert_int_equal(f->event, ICE_EVENT_SELECTED);
    assert_true(is_selected(f, 2));
    assert_int_equal(send_check(f, 2, nominate), OK);
    assert_int_equal(f->event, ICE_EVENT_NONE);
    assert_int_equal(send_check(f, 1, nominate), OK); /* and back */
    assert_true(is_selected(f, 1));
}

static void wrong_credentials_are_401_and_change_nothing(void **state)
{
    struct fixture *f = *state;
    struct ice_credentials stranger = credentials(9);
    const struct check_options cases[] = {
        { .nominate = true, .password = "not the password at all" },
        { .nominate = true, .credentials = &stranger },
        { .nominate = true, .remote = "mallory" },
        { .nominate = true, .remote = "" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(send_check(f, 1, cases[i]), ERR_AUTH);
        struct stun_message m = answer(f);
        assert_int_equal(m.error_code, 401);
        assert_false(m.has_integrity);
        assert_false(is_valid(f, 1));
        assert_int_equal(f->event, ICE_EVENT_NONE);
    }
    assert_int_equal(f->ice.rejected_count, ARRAY_LEN(cases));
}

static void requests_without_credentials_are_400(void **state)
{
    struct fixture *f = *state;
    static const uint8_t bare[20] = { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 };
    assert_int_equal(deliver(f, bytes_of(bare, sizeof bare), host(1)), ERR_AUTH);
    assert_int_equal(answer(f).error_code, 400);
}

static void controlled_peer_gets_role_conflict(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(send_check(f, 1, (struct check_options){ .controlled = true }), ERR_BAD_STATE);
    struct stun_message m = answer(f);
    assert_int_equal(m.error_code, 487);
    assert_int_equal(stun_check_integrity(&m, bytes_of_str(f->local.pwd)), OK);
    assert_false(is_valid(f, 1));
}

static void indications_and_responses_are_not_answered(void **state)
{
    struct fixture *f = *state;
    static const uint8_t indication[20] = { 0, 0x11, 0, 0, 0x21, 0x12, 0xa4, 0x42 };
    static const uint8_t response[20] = { 1, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x42 };
    assert_int_equal(deliver(f, bytes_of(indication, 20), host(1)), OK);
    assert_int_equal(f->answer_len, 0);
    assert_false(is_valid(f, 1));
    assert_int_equal(deliver(f, bytes_of(response, 20), host(1)), ERR_UNSUPPORTED);
    assert_int_equal(f->answer_len, 0);
}

static void stalest_address_makes_room_but_never_the_selected(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(send_check(f, 1, nominate), OK);
    for (uint8_t n = 2; n <= ICE_REMOTE_MAX; n++) {
        f->now += MILLIS(500);
        assert_int_equal(send_check(f, n, plain), OK);
    }
    f->now += SECONDS(1);
    assert_int_equal(send_check(f, 2, plain), OK); /* now 3 is the stalest but for 1 */
    f->now += SECONDS(1);
    assert_int_equal(send_check(f, 100, plain), OK);
    assert_int_equal(f->ice.remote_count, ICE_REMOTE_MAX);
    assert_true(is_valid(f, 1) && is_valid(f, 2) && is_valid(f, 100));
    assert_false(is_valid(f, 3));
    assert_true(is_selected(f, 1));
}

static void consent_expires_30_s_after_the_last_check(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(send_check(f, 1, nominate), OK);
    f->now += SECONDS(20);
    assert_int_equal(send_check(f, 1, plain), OK);
    usec deadline = ice_lite_deadline(&f->ice);
    assert_int_equal(deadline, f->now + SECONDS(30));
    assert_int_equal(ice_lite_tick(&f->ice, deadline - 1), ICE_EVENT_NONE);
    assert_int_equal(ice_lite_tick(&f->ice, deadline), ICE_EVENT_EXPIRED);
    assert_int_equal(ice_lite_tick(&f->ice, deadline + 1), ICE_EVENT_NONE);
    assert_int_equal(ice_lite_deadline(&f->ice), USEC_NEVER);
    assert_int_equal(send_check(f, 1, nominate), ERR_BAD_STATE);
    assert_int_equal(f->answer_len, 0);
}

static void transport_nobody_checks_expires(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ice_lite_deadline(&f->ice), START + SECONDS(30));
    assert_int_equal(ice_lite_tick(&f->ice, START + SECONDS(30)), ICE_EVENT_EXPIRED);
}

static void silent_selected_address_gives_way_to_a_living_nominated_one(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(send_check(f, 2, nominate), OK);
    assert_int_equal(send_check(f, 1, nominate), OK);
    f->now += SECONDS(5);
    assert_int_equal(send_check(f, 2, plain), OK);
    assert_true(is_selected(f, 1));
    assert_int_equal(ice_lite_tick(&f->ice, START + SECONDS(30)), ICE_EVENT_SELECTED);
    assert_true(is_selected(f, 2));
    assert_int_equal(ice_lite_tick(&f->ice, START + SECONDS(35)), ICE_EVENT_EXPIRED);
}

static void restart_keeps_the_old_until_the_new_is_used(void **state)
{
    struct fixture *f = *state;
    const struct check_options renewed = { .credentials = &f->next, .remote = "new!" };
    struct check_options renewed_nominate = renewed;
    renewed_nominate.nominate = true;
    assert_int_equal(send_check(f, 1, nominate), OK);
    assert_int_equal(send_check(f, 1, renewed), ERR_AUTH); /* not announced yet */
    assert_int_equal(ice_lite_restart(&f->ice, &f->next, bytes_of_str("new!"), f->now), OK);
    assert_true(ice_lite_has_ufrag(&f->ice, bytes_of_str(f->local.ufrag)));
    assert_true(ice_lite_has_ufrag(&f->ice, bytes_of_str(f->next.ufrag)));
    assert_int_equal(send_check(f, 1, plain), OK); /* the old ones still do */

    assert_int_equal(send_check(f, 2, renewed), OK);
    assert_int_equal(answer(f).class, STUN_SUCCESS);
    assert_int_equal(f->event, ICE_EVENT_VALIDATED);
    assert_true(is_selected(f, 1)); /* media stays where it is … */
    assert_true(is_valid(f, 1));
    assert_false(ice_lite_has_ufrag(&f->ice, bytes_of_str(f->local.ufrag)));
    assert_int_equal(send_check(f, 1, plain), ERR_AUTH);

    assert_int_equal(send_check(f, 2, renewed_nominate), OK); /* … until the nomination */
    assert_int_equal(f->event, ICE_EVENT_SELECTED);
    assert_true(is_selected(f, 2));
    assert_true(is_valid(f, 1)); /* what is on its way from there is taken */
    assert_int_equal(ice_lite_deadline(&f->ice), f->now + ICE_OVERLAP_TIME);
    f->now += ICE_OVERLAP_TIME;
    assert_int_equal(ice_lite_tick(&f->ice, f->now), ICE_EVENT_NONE);
    assert_false(is_valid(f, 1));
    assert_true(is_selected(f, 2));
}

static void restart_that_is_pending_gets_its_time_once(void **state)
{
    struct fixture *f = *state;
    const struct check_options renewed = { .credentials = &f->next, .remote = "new!" };
    assert_int_equal(send_check(f, 1, nominate), OK);
    usec asked_at = f->now += SECONDS(25);
    for (; f->now < START + SECONDS(45); f->now += SECONDS(5)) {
        assert_int_equal(ice_lite_restart(&f->ice, &f->next, bytes_of_str("new!"), f->now), OK);
        (void)ice_lite_tick(&f->ice, f->now);
    }
    assert_null(ice_lite_selected(&f->ice)); /* no consent, nothing is sent … */
    assert_false(is_valid(f, 1));
    assert_int_equal(ice_lite_deadline(&f->ice), asked_at + ICE_CONSENT_TIMEOUT);
    struct ice_lite before = f->ice;
    assert_int_equal(ice_lite_tick(&f->ice, asked_at + ICE_CONSENT_TIMEOUT), ICE_EVENT_EXPIRED);
    f->ice = before;
    assert_int_equal(send_check(f, 2, renewed), OK); /* … but it is waited for */
    assert_true(is_valid(f, 2));
    assert_false(ice_lite_is_restarting(&f->ice));
}

static void each_address_has_its_own_consent(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(send_check(f, 1, nominate), OK);
    assert_int_equal(send_check(f, 2, plain), OK);
    f->now += SECONDS(6);
    assert_int_equal(send_check(f, 1, plain), OK);
    assert_int_equal(ice_lite_tick(&f->ice, START + SECONDS(30)), ICE_EVENT_NONE);
    assert_true(is_valid(f, 1));
    assert_false(is_valid(f, 2));
    assert_int_equal(ice_lite_tick(&f->ice, START + SECONDS(36)), ICE_EVENT_EXPIRED);
    assert_null(ice_lite_selected(&f->ice));
}

/* A NAT gave the participant another port, and it does not say USE-CANDIDATE again. */
static void checked_address_takes_the_place_of_a_silent_one(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(send_check(f, 1, nominate), OK);
    f->now += ICE_SILENT_TIME - 1;
    assert_int_equal(send_check(f, 2, plain), OK);
    assert_true(is_selected(f, 1));
    f->now += 1;
    assert_int_equal(send_check(f, 2, plain), OK);
    assert_int_equal(f->event, ICE_EVENT_SELECTED);
    assert_true(is_selected(f, 2));
    assert_int_equal(send_check(f, 1, plain), OK); /* the new one is not silent */
    assert_true(is_selected(f, 2));
}

static void checks_never_allocate(void **state)
{
    struct fixture *f = *state;
    const struct check_options forged = { .password = "not the password at all" };
    alloc_probe_reset(0, false);
    for (int i = 0; i < 10000; i++) {
        if (send_check(f, (uint8_t)(i % 16), nominate) != OK || send_check(f, 3, forged) == OK)
            fail();
    }
    assert_int_equal(alloc_probe.count, 0);
}

static void overlong_remote_ufrag_is_unsupported(void **state)
{
    struct ice_lite ice;
    struct ice_credentials local = credentials(1);
    char longer[ICE_UFRAG_MAX + 2];
    memset(longer, 'a', sizeof longer);
    assert_int_equal(ice_lite_init(&ice, &local, bytes_of(longer, ICE_UFRAG_MAX), 0), OK);
    assert_int_equal(ice_lite_init(&ice, &local, bytes_of(longer, ICE_UFRAG_MAX + 1), 0),
                     ERR_UNSUPPORTED);
}

/* Somebody who listens sends what a participant has sent, from anywhere. */
static void a_copy_of_a_check_is_answered_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    const struct check_options copy = { .nominate = true, .is_copy = true };
    assert_int_equal(send_check(f, 1, nominate), OK);
    assert_int_equal(send_check(f, 2, copy), OK);
    assert_int_equal(f->event, ICE_EVENT_REPEATED);
    assert_int_equal(answer(f).class, STUN_SUCCESS);
    assert_true(is_selected(f, 1));
    assert_false(is_valid(f, 2));
    f->now += ICE_CONSENT_TIMEOUT - 1;
    assert_int_equal(send_check(f, 1, copy), OK);
    f->now += 1;
    assert_int_equal(ice_lite_tick(&f->ice, f->now), ICE_EVENT_EXPIRED);
}

static void so_many_checks_are_remembered(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(send_check(f, 1, nominate), OK);
    uint32_t first = f->transaction;
    for (int i = 1; i < ICE_SEEN_MAX; i++)
        assert_int_equal(send_check(f, 1, plain), OK);
    uint32_t last = f->transaction;
    for (uint32_t id = first; id <= last; id++) {
        f->transaction = id;
        assert_int_equal(send_check(f, 2, (struct check_options){ .is_copy = true }), OK);
        assert_int_equal(f->event, ICE_EVENT_REPEATED);
    }
    assert_false(is_valid(f, 2));
}

static void media_renews_the_consent_that_a_check_began(void **state)
{
    struct fixture *f = *state;
    struct net_addr from = host(1), other = host(2);
    assert_int_equal(send_check(f, 1, nominate), OK);
    for (int i = 0; i < 100; i++) {
        f->now += MILLIS(500);
        ice_lite_on_authentic(&f->ice, &from, f->now);
        assert_int_equal(ice_lite_tick(&f->ice, f->now), ICE_EVENT_NONE);
    }
    ice_lite_on_authentic(&f->ice, &other, f->now);
    assert_false(is_valid(f, 2));
    f->now += ICE_CONSENT_TIMEOUT - SECONDS(1) - 1; /* to the second, whenever the last one came */
    assert_int_equal(ice_lite_tick(&f->ice, f->now), ICE_EVENT_NONE);
    f->now += SECONDS(1) + 1;
    assert_int_equal(ice_lite_tick(&f->ice, f->now), ICE_EVENT_EXPIRED);
}

static void credentials_are_made_of_ice_characters(void **state)
{
    struct ice_credentials c = credentials(77);
    assert_int_equal(strlen(c.ufrag), ICE_UFRAG_LEN);
    assert_int_equal(strlen(c.pwd), ICE_PWD_LEN);
    assert_int_equal(strspn(c.pwd, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789+/"),
                     ICE_PWD_LEN);
    struct ice_credentials d = credentials(78);
    assert_string_not_equal(c.pwd, d.pwd);
}

static void candidate_priority_follows_rfc8445(void **state)
{
    assert_int_equal(ice_candidate_priority(ICE_HOST, 65535, 1), 2130706431u);
    assert_int_equal(ice_candidate_priority(ICE_SRFLX, 65535, 1), 1694498815u);
    assert_true(ice_candidate_priority(ICE_HOST, 1, 1) > ice_candidate_priority(ICE_HOST, 0, 1));
}

int main(void)
{
    alloc_probe_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(authenticated_check_validates_its_address, setup),
        cmocka_unit_test_setup(nomination_selects_and_the_latest_wins, setup),
        cmocka_unit_test_setup(wrong_credentials_are_401_and_change_nothing, setup),
        cmocka_unit_test_setup(requests_without_credentials_are_400, setup),
        cmocka_unit_test_setup(controlled_peer_gets_role_conflict, setup),
        cmocka_unit_test_setup(indications_and_responses_are_not_answered, setup),
        cmocka_unit_test_setup(stalest_address_makes_room_but_never_the_selected, setup),
        cmocka_unit_test_setup(consent_expires_30_s_after_the_last_check, setup),
        cmocka_unit_test_setup(transport_nobody_checks_expires, setup),
        cmocka_unit_test_setup(silent_selected_address_gives_way_to_a_living_nominated_one, setup),
        cmocka_unit_test_setup(restart_keeps_the_old_until_the_new_is_used, setup),
        cmocka_unit_test_setup(restart_that_is_pending_gets_its_time_once, setup),
        cmocka_unit_test_setup(each_address_has_its_own_consent, setup),
        cmocka_unit_test_setup(checked_address_takes_the_place_of_a_silent_one, setup),
        cmocka_unit_test_setup(a_copy_of_a_check_is_answered_and_changes_nothing, setup),
        cmocka_unit_test_setup(so_many_checks_are_remembered, setup),
        cmocka_unit_test_setup(media_renews_the_consent_that_a_check_began, setup),
        cmocka_unit_test_setup(checks_never_allocate, setup),
        cmocka_unit_test(overlong_remote_ufrag_is_unsupported),
        cmocka_unit_test(credentials_are_made_of_ice_characters),
        cmocka_unit_test(candidate_priority_follows_rfc8445),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
