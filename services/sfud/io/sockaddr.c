/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sockaddr.h"

socklen_t sockaddr_write(const struct net_addr *a, struct sockaddr_in6 *ret)
{
    if (a->family == NET_IPV4) {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(a->port) };
        memcpy(&in.sin_addr, a->ip, 4);
        memcpy(ret, &in, sizeof in);
        return sizeof in;
    }
    if (a->family == NET_IPV6) {
        *ret = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(a->port) };
        memcpy(&ret->sin6_addr, a->ip, 16);
        return sizeof *ret;
    }
    return 0;
}

bool sockaddr_read(const struct sockaddr *s, socklen_t len, struct net_addr *ret)
{
    if (len >= sizeof(struct sockaddr_in) && s->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, s, sizeof in);
        uint8_t ip[4];
        memcpy(ip, &in.sin_addr, 4);
        *ret = net_addr_ipv4(ip, ntohs(in.sin_port));
        return true;
    }
    if (len >= sizeof(struct sockaddr_in6) && s->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, s, sizeof in6);
        uint8_t ip[16];
        memcpy(ip, &in6.sin6_addr, 16);
        *ret = net_addr_ipv6(ip, ntohs(in6.sin6_port));
        return true;
    }
    return false;
}
