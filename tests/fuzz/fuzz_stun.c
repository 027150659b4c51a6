/* fuzz_stun.c - one datagram into the STUN parser; what it accepts must hold together.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "rtc/demux.h"
#include "rtc/stun.h"

static bool is_inside(struct bytes view, struct bytes packet)
{
    return view.data == NULL ||
           (view.data >= packet.data && view.data + view.len <= packet.data + packet.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes packet = bytes_of(data, len);
    (void)demux_classify(packet);
    struct stun_message m;
    if (stun_parse(packet, &m) != OK)
        return 0;
    check(is_inside(m.username, packet) && is_inside(m.software, packet));
    check(is_inside(m.reason, packet));
    check(is_inside(stun_username_local(m.username), packet));
    check(is_inside(stun_username_remote(m.username), packet));
    check(!m.has_integrity || (size_t)m.integrity_offset + 24 <= len);
    if (stun_check_integrity(&m, bytes_of_str("VOkJxbRl1RmTxUk/WvJxBt")) == OK)
        check(m.has_integrity);

    uint8_t buffer[STUN_MESSAGE_MAX];
    struct writer w = writer_of(buffer, sizeof buffer);
    struct stun_message answer;
    check(stun_write_error(&m, STUN_UNKNOWN_ATTRIBUTE, bytes_of_str("pwd"), &w) == OK);
    check(stun_parse(bytes_of(buffer, writer_len(&w)), &answer) == OK);
    check(answer.error_code == STUN_UNKNOWN_ATTRIBUTE && answer.has_fingerprint);
    if (net_addr_is_set(&m.mapped)) {
        w = writer_of(buffer, sizeof buffer);
        check(stun_write_success(&m.transaction, &m.mapped, bytes_of_str("pwd"), &w) == OK);
        check(stun_parse(bytes_of(buffer, writer_len(&w)), &answer) == OK);
        check(net_addr_equal(&answer.mapped, &m.mapped));
        check(stun_check_integrity(&answer, bytes_of_str("pwd")) == OK);
    }
    return 0;
}
