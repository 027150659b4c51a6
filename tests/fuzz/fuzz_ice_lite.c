/* fuzz_ice_lite.c - events into an ICE-lite agent: valid checks, raw datagrams, time, restarts.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "rtc/ice_lite.h"

enum op { OP_CHECK, OP_RAW, OP_TIME, OP_RESTART, OP_COUNT };

static struct ice_credentials make_credentials(uint8_t n)
{
    uint8_t random[ICE_RANDOM_LEN];
    struct ice_credentials c;
    memset(random, n, sizeof random);
    ice_credentials_make(random, &c);
    return c;
}

static size_t write_check(struct reader *r, uint8_t *buffer, size_t capacity)
{
    uint8_t flags = reader_u8(r);
    struct ice_credentials c = make_credentials(flags >> 4);
    struct writer name = writer_of(buffer + capacity / 2, capacity / 2);
    writer_printf(&name, "%s:%s", c.ufrag, (flags & 1) != 0 ? "peer" : "other");
    struct stun_binding b = {
        .username = bytes_of(name.start, writer_len(&name)),
        .password = bytes_of_str(c.pwd),
        .priority = reader_u8(r),
        .use_candidate = (flags & 2) != 0,
        .controlled = (flags & 4) != 0,
    };
    b.transaction.id[0] = reader_u8(r);
    struct writer w = writer_of(buffer, capacity / 2);
    check(stun_write_request(&b, &w) == OK);
    return writer_len(&w);
}

static void receive(struct ice_lite *ice, struct bytes packet, uint8_t host, usec now)
{
    struct stun_message m;
    if (stun_parse(packet, &m) != OK)
        return;
    uint8_t ip[4] = { 192, 0, 2, host }, out[STUN_MESSAGE_MAX];
    struct net_addr from = net_addr_ipv4(ip, 5000);
    struct writer response = writer_of(out, sizeof out);
    enum ice_event event = ICE_EVENT_NONE;
    enum err e = ice_lite_receive(ice, &m, &from, now, &response, &event);
    check(e != ERR_FULL);
    if (e == OK && m.class == STUN_REQUEST && event != ICE_EVENT_REPEATED)
        check(ice_lite_is_valid(ice, &from) && ice_lite_deadline(ice) > now);
    if (event == ICE_EVENT_SELECTED)
        check(net_addr_equal(ice_lite_selected(ice), &from));
}

static void check_invariants(const struct ice_lite *ice)
{
    check(ice->remote_count <= ICE_REMOTE_MAX && ice->selected < (int)ice->remote_count);
    const struct net_addr *selected = ice_lite_selected(ice);
    check(selected == NULL || ice_lite_is_valid(ice, selected));
    check(!ice->expired || ice_lite_deadline(ice) == USEC_NEVER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reader r = reader_of(bytes_of(data, len));
    struct ice_credentials local = make_credentials(0);
    struct ice_lite ice;
    usec now = SECONDS(1);
    check(ice_lite_init(&ice, &local, bytes_of_str("peer"), now) == OK);
    while (!r.failed && reader_left(&r) > 0) {
        uint8_t buffer[1024], op = reader_u8(&r);
        uint8_t host = op >> 4;
        switch ((enum op)(op % OP_COUNT)) {
        case OP_CHECK:
            receive(&ice, bytes_of(buffer, write_check(&r, buffer, sizeof buffer)), host, now);
            break;
        case OP_RAW:
            receive(&ice, fuzz_take_chunk(&r), host, now);
            break;
        case OP_TIME:
            now += MILLIS(200) * reader_u8(&r);
            (void)ice_lite_tick(&ice, now);
            break;
        case OP_RESTART: {
            struct ice_credentials next = make_credentials(host);
            check(ice_lite_restart(&ice, &next, (struct bytes){ 0 }, now) == OK);
            break;
        }
        default:
            break;
        }
        check_invariants(&ice);
    }
    return 0;
}
