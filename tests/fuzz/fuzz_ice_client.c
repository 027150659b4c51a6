/* fuzz_ice_client.c - events into a full-ICE agent: candidates, checks and answers with the right
 * password, raw datagrams, time.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "rtc/ice_client.h"

enum op { OP_REQUEST, OP_ANSWER, OP_RAW, OP_TIME, OP_CANDIDATE, OP_COUNT };

/* The agent, and its last checks as the other side saw them. */
struct scene {
    struct ice_client ice;
    struct ice_credentials local, remote;
    usec now;
    struct stun_message checks[8];
    struct net_addr to[8];
    size_t check_count;
};

static struct net_addr host(uint8_t n)
{
    uint8_t ip[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = n };
    return n % 4 == 3 ? net_addr_ipv6(ip, 5000) : net_addr_ipv4(ip, (uint16_t)(5000 + n));
}

static void check_invariants(const struct ice_client *ice)
{
    const struct net_addr *selected = ice_client_selected(ice);
    check(ice->pair_count <= ICE_CLIENT_PAIR_MAX);
    check(ice->selected < (int)ice->pair_count && ice->nominee < (int)ice->pair_count);
    check(selected == NULL || ice_client_is_valid(ice, selected));
    check(ice->state != ICE_CLIENT_CONNECTED || selected != NULL);
    check(ice->state != ICE_CLIENT_CONNECTING || selected == NULL);
    bool is_over = ice->state == ICE_CLIENT_FAILED || ice->state == ICE_CLIENT_EXPIRED;
    check(is_over == (ice_client_deadline(ice) == USEC_NEVER));
    check(ice->rtt_us >= ice->rtt_us_min && ice->success_count <= ice->check_count);
}

static void receive(struct scene *s, struct bytes packet, const struct net_addr *from)
{
    struct stun_message m;
    uint8_t out[STUN_MESSAGE_MAX];
    if (stun_parse(packet, &m) != OK)
        return;
    struct writer response = writer_of(out, sizeof out);
    enum ice_client_event event = ICE_CLIENT_EVENT_NONE;
    enum err e = ice_client_receive(&s->ice, &m, from, s->now, &response, &event);
    check(!response.failed);
    if (m.class != STUN_REQUEST)
        check(writer_len(&response) == 0);
    if (e == OK && m.class != STUN_INDICATION && m.error_code == 0)
        check(ice_client_is_valid(&s->ice, from));
    if (event == ICE_CLIENT_EVENT_SELECTED)
        check(e == OK && net_addr_equal(ice_client_selected(&s->ice), from));
    if (writer_len(&response) > 0)
        check(stun_parse(bytes_of(out, writer_len(&response)), &m) == OK);
}

static void receive_request(struct scene *s, struct reader *r, const struct net_addr *from)
{
    uint8_t flags = reader_u8(r), name[80], buffer[STUN_MESSAGE_MAX];
    struct writer username = writer_of(name, sizeof name);
    writer_printf(&username, "%s:%s", s->local.ufrag, s->remote.ufrag);
    struct stun_binding b = {
        .username = bytes_of(name, writer_len(&username)),
        .password = bytes_of_str((flags & 8) != 0 ? s->remote.pwd : s->local.pwd),
        .priority = reader_u8(r),
        .tie_breaker = (flags & 16) != 0 ? UINT64_MAX : 0,
        .controlled = (flags & 1) != 0,
        .use_candidate = (flags & 2) != 0,
    };
    struct writer w = writer_of(buffer, sizeof buffer);
    check(stun_write_request(&b, &w) == OK);
    receive(s, bytes_of(buffer, writer_len(&w)), from);
}

/* An answer to one of the last checks: success or an error, from where it was sent to or not. */
static void receive_answer(struct scene *s, struct reader *r, const struct net_addr *elsewhere)
{
    static const uint16_t codes[4] = { 400, 401, 487, 500 };
    uint8_t which = reader_u8(r), flags = reader_u8(r), buffer[STUN_MESSAGE_MAX];
    if (s->check_count == 0)
        return;
    size_t i = which % MIN(s->check_count, ARRAY_LEN(s->checks));
    struct bytes password = bytes_of_str((flags & 1) != 0 ? s->local.pwd : s->remote.pwd);
    struct writer w = writer_of(buffer, sizeof buffer);
    if ((flags & 2) != 0)
        check(stun_write_error(&s->checks[i], codes[(flags >> 3) & 3], password, &w) == OK);
    else
        check(stun_write_success(&s->checks[i].transaction, elsewhere, password, &w) == OK);
    receive(s, bytes_of(buffer, writer_len(&w)), (flags & 4) != 0 ? elsewhere : &s->to[i]);
}

static void pass_time(struct scene *s, usec by)
{
    s->now += by;
    enum ice_client_event event = ice_client_tick(&s->ice, s->now);
    check(event != ICE_CLIENT_EVENT_SELECTED);
    for (size_t sent = 0;; sent++) {
        uint8_t buffer[STUN_MESSAGE_MAX];
        struct writer out = writer_of(buffer, sizeof buffer);
        size_t i = s->check_count % ARRAY_LEN(s->checks);
        if (!ice_client_next_check(&s->ice, s->now, &out, &s->to[i]))
            break;
        check(sent == 0); /* paced: one at a time */
        check(stun_parse(bytes_of(buffer, writer_len(&out)), &s->checks[i]) == OK);
        check(stun_check_integrity(&s->checks[i], bytes_of_str(s->remote.pwd)) == OK);
        check(!s->checks[i].ice_controlled || !s->checks[i].use_candidate);
        s->checks[i].packet = s->checks[i].username = (struct bytes){ 0 }; /* of buffer */
        s->check_count++;
    }
    check(ice_client_deadline(&s->ice) > s->now); /* no busy loop */
}

static void scene_init(struct scene *s, uint8_t flags)
{
    uint8_t random[ICE_RANDOM_LEN];
    *s = (struct scene){ .now = SECONDS(1) };
    memset(random, 1, sizeof random);
    ice_credentials_make(random, &s->local);
    memset(random, 2, sizeof random);
    ice_credentials_make(random, &s->remote);
    struct ice_client_config config = {
        .local = &s->local,
        .remote_ufrag = bytes_of_str(s->remote.ufrag),
        .remote_pwd = bytes_of_str(s->remote.pwd),
        .controlled = (flags & 1) != 0,
        .family = (flags & 2) != 0 ? NET_IPV4 : NET_NONE,
        .seed = flags,
    };
    check(ice_client_init(&s->ice, &config, s->now) == OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reader r = reader_of(bytes_of(data, len));
    struct scene s;
    scene_init(&s, reader_u8(&r));
    while (!r.failed && reader_left(&r) > 0) {
        uint8_t op = reader_u8(&r);
        struct net_addr other = host(op / OP_COUNT);
        switch ((enum op)(op % OP_COUNT)) {
        case OP_REQUEST:
            receive_request(&s, &r, &other);
            break;
        case OP_ANSWER:
            receive_answer(&s, &r, &other);
            break;
        case OP_RAW:
            receive(&s, fuzz_take_chunk(&r), &other);
            break;
        case OP_TIME:
            pass_time(&s, MILLIS(10) * (1 + reader_u8(&r)) * (op / OP_COUNT + 1));
            break;
        case OP_CANDIDATE:
            if (ice_client_add_candidate(&s.ice, &other, reader_u8(&r), s.now) == OK)
                check(s.ice.pair_count > 0);
            break;
        default:
            break;
        }
        check_invariants(&s.ice);
    }
    return 0;
}
