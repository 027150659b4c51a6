/* sdp_candidate.c - candidate lines of the other side (RFC 8839 §5.1, RFC 6544 §4.5).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/sdp_text.h"

/* Index of `text` in `names`, or `count`. */
static size_t find_name(struct bytes text, const char *const *names, size_t count)
{
    size_t i = 0;
    while (i < count && !sdp_is_nocase(text, names[i]))
        i++;
    return i;
}

/* What follows the type: pairs of a name and a value, of which we want one. */
static enum err read_tcptype(struct bytes pairs, enum sdp_tcptype *ret)
{
    static const char *const names[] = { "", "active", "passive", "so" };
    *ret = SDP_TCPTYPE_NONE;
    while (pairs.len > 0) {
        struct bytes name = sdp_cut(&pairs, ' ');
        struct bytes value = sdp_cut(&pairs, ' ');
        if (!sdp_is_nocase(name, "tcptype"))
            continue;
        size_t found = find_name(value, names, ARRAY_LEN(names));
        if (found == SDP_TCPTYPE_NONE || found == ARRAY_LEN(names))
            return ERR_MALFORMED;
        *ret = (enum sdp_tcptype)found;
    }
    return OK;
}

enum err sdp_candidate_read(struct bytes value, struct sdp_remote_candidate *ret)
{
    static const char *const types[] = { "host", "srflx", "prflx", "relay" };
    struct bytes foundation = sdp_cut(&value, ' '), component_text = sdp_cut(&value, ' ');
    struct bytes transport = sdp_cut(&value, ' '), priority_text = sdp_cut(&value, ' ');
    struct bytes address = sdp_cut(&value, ' '), port_text = sdp_cut(&value, ' ');
    struct bytes typ = sdp_cut(&value, ' '), type_text = sdp_cut(&value, ' ');
    uint64_t component, priority, port;
    enum sdp_tcptype tcptype;
    if (foundation.len == 0 || transport.len == 0 || address.len == 0 || type_text.len == 0 ||
        !sdp_is(typ, "typ") || !sdp_number(component_text, UINT16_MAX, &component) ||
        !sdp_number(priority_text, UINT32_MAX, &priority) ||
        !sdp_number(port_text, UINT16_MAX, &port) || read_tcptype(value, &tcptype) != OK)
        return ERR_MALFORMED;
    bool tcp = sdp_is_nocase(transport, "tcp");
    size_t type = find_name(type_text, types, ARRAY_LEN(types));
    struct net_addr parsed;
    if (component != 1 || (!tcp && !sdp_is_nocase(transport, "udp")) || port == 0 ||
        type == ARRAY_LEN(types) || tcp != (tcptype != SDP_TCPTYPE_NONE) ||
        net_addr_parse(address, (uint16_t)port, &parsed) != OK)
        return ERR_UNSUPPORTED;
    parsed.protocol = tcp ? NET_TCP : NET_UDP;
    *ret = (struct sdp_remote_candidate){ .address = parsed,
                                          .priority = (uint32_t)priority,
                                          .type = (uint8_t)type,
                                          .tcptype = (uint8_t)tcptype };
    return OK;
}

enum err sdp_candidate_parse(struct bytes text, struct sdp_remote_candidate *ret)
{
    return sdp_is(sdp_cut(&text, ':'), "candidate") ? sdp_candidate_read(text, ret) : ERR_MALFORMED;
}
