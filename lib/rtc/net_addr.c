/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/net_addr.h"

#include <arpa/inet.h>
#include <stdio.h>

static const uint8_t mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

struct net_addr net_addr_ipv4(const uint8_t ip[4], uint16_t port)
{
    struct net_addr a = { .family = NET_IPV4, .port = port };
    memcpy(a.ip, ip, 4);
    return a;
}

struct net_addr net_addr_ipv6(const uint8_t ip[16], uint16_t port)
{
    if (memcmp(ip, mapped_prefix, sizeof mapped_prefix) == 0)
        return net_addr_ipv4(ip + sizeof mapped_prefix, port);
    struct net_addr a = { .family = NET_IPV6, .port = port };
    memcpy(a.ip, ip, 16);
    return a;
}

enum err net_addr_parse(struct bytes ip_text, uint16_t port, struct net_addr *ret)
{
    char text[INET6_ADDRSTRLEN];
    if (ip_text.len == 0 || ip_text.len >= sizeof text)
        return ERR_MALFORMED;
    memcpy(text, ip_text.data, ip_text.len);
    text[ip_text.len] = '\0';

    uint8_t ip[16];
    if (inet_pton(AF_INET, text, ip) == 1)
        *ret = net_addr_ipv4(ip, port);
    else if (inet_pton(AF_INET6, text, ip) == 1)
        *ret = net_addr_ipv6(ip, port);
    else
        return ERR_MALFORMED;
    return OK;
}

const char *net_addr_format_ip(const struct net_addr *a, char text[NET_ADDR_TEXT_SIZE])
{
    static_assert(NET_ADDR_TEXT_SIZE >= INET6_ADDRSTRLEN + 8, "brackets, colon and port fit");
    if (a->family == NET_IPV4)
        check(inet_ntop(AF_INET, a->ip, text, NET_ADDR_TEXT_SIZE) != NULL);
    else if (a->family == NET_IPV6)
        check(inet_ntop(AF_INET6, a->ip, text, NET_ADDR_TEXT_SIZE) != NULL);
    else
        (void)snprintf(text, NET_ADDR_TEXT_SIZE, "none");
    return text;
}

const char *net_addr_format(const struct net_addr *a, char text[NET_ADDR_TEXT_SIZE])
{
    char ip[NET_ADDR_TEXT_SIZE];
    (void)net_addr_format_ip(a, ip);
    if (a->family == NET_IPV4)
        (void)snprintf(text, NET_ADDR_TEXT_SIZE, "%.15s:%u", ip, a->port);
    else if (a->family == NET_IPV6)
        (void)snprintf(text, NET_ADDR_TEXT_SIZE, "[%.45s]:%u", ip, a->port);
    else
        (void)snprintf(text, NET_ADDR_TEXT_SIZE, "none");
    return text;
}

/* The finaliser of MurmurHash3: every input bit reaches every output bit. */
static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ULL;
    return x ^ (x >> 33);
}

uint64_t net_addr_hash(const struct net_addr *a, uint64_t key)
{
    uint64_t head = ((uint64_t)a->family << 24) | ((uint64_t)a->protocol << 16) | a->port;
    uint64_t h = mix(key ^ head);
    h = mix(h ^ load_be64(a->ip));
    return a->family == NET_IPV6 ? mix(h ^ load_be64(a->ip + 8)) : h;
}
