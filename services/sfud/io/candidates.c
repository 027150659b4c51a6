/* SPDX-License-Identifier: Apache-2.0 */
#include "io/candidates.h"

#include "io/sockaddr.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

enum { INTERFACE_ADDRESSES_MAX = 128 };

static bool is_link_local(const struct net_addr *a)
{
    return a->family == NET_IPV6 ? a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80
                                 : a->ip[0] == 169 && a->ip[1] == 254;
}

/* 0 best; -1 never. */
static int rank_of(const struct interface_address *a)
{
    if (!a->is_up || !net_addr_is_set(&a->ip))
        return -1;
    if (is_link_local(&a->ip)) /* IPv6: useless without a scope that the other side cannot know */
        return a->ip.family == NET_IPV6 ? -1 : 1;
    return a->is_loopback ? 2 : 0;
}

static size_t add_unique(const struct net_addr *a, struct net_addr *ret, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (net_addr_equal(&ret[i], a))
            return count;
    }
    if (count == CANDIDATES_MAX)
        return count;
    ret[count] = *a;
    return count + 1;
}

size_t candidates_choose(const struct interface_address *addresses, size_t count,
                         struct net_addr ret[CANDIDATES_MAX])
{
    static const enum net_family families[] = { NET_IPV4, NET_IPV6 };
    size_t found = 0;
    for (int rank = 0; rank <= 2 && found == 0; rank++) {
        for (size_t f = 0; f < ARRAY_LEN(families); f++) {
            for (size_t i = 0; i < count; i++) {
                if (addresses[i].ip.family == families[f] && rank_of(&addresses[i]) == rank)
                    found = add_unique(&addresses[i].ip, ret, found);
            }
        }
    }
    return found;
}

static enum err read_interfaces(struct interface_address *ret, size_t *ret_count)
{
    struct ifaddrs *list;
    if (getifaddrs(&list) != 0)
        return ERR_SYSTEM;
    size_t count = 0;
    for (struct ifaddrs *i = list; i != NULL && count < INTERFACE_ADDRESSES_MAX; i = i->ifa_next) {
        struct net_addr ip;
        if (i->ifa_addr == NULL || !sockaddr_read(i->ifa_addr, sizeof(struct sockaddr_in6), &ip))
            continue;
        ip.port = 0;
        ret[count++] = (struct interface_address){
            .ip = ip,
            .is_up = (i->ifa_flags & IFF_UP) && (i->ifa_flags & IFF_RUNNING),
            .is_loopback = i->ifa_flags & IFF_LOOPBACK,
        };
    }
    freeifaddrs(list);
    *ret_count = count;
    return OK;
}

static enum err read_public(const struct candidates_config *config, struct net_addr *ret,
                            size_t *ret_count)
{
    struct interface_address given[CANDIDATES_MAX];
    if (config->public_ip_count > CANDIDATES_MAX)
        return ERR_FULL;
    for (size_t i = 0; i < config->public_ip_count; i++) {
        given[i] = (struct interface_address){ .is_up = true };
        enum err e = net_addr_parse(bytes_of_str(config->public_ips[i]), 0, &given[i].ip);
        if (e != OK)
            return e;
    }
    *ret_count = candidates_choose(given, config->public_ip_count, ret);
    return *ret_count > 0 ? OK : ERR_NOT_FOUND;
}

static bool has_media_listen(const struct candidates_config *config)
{
    return config->media_listen != NULL && config->media_listen[0] != 0;
}

static bool is_wildcard(const struct net_addr *a)
{
    static const uint8_t zero[16];
    return memcmp(a->ip, zero, sizeof zero) == 0;
}

enum err candidates_gather(const struct candidates_config *config,
                           struct net_addr ret[CANDIDATES_MAX], size_t *ret_count)
{
    struct net_addr listen = { 0 };
    enum err e = OK;
    if (config->public_ip_count > 0)
        return read_public(config, ret, ret_count);
    if (has_media_listen(config)) {
        e = net_addr_parse(bytes_of_str(config->media_listen), 0, &listen);
        if (e != OK)
            return e;
        if (!is_wildcard(&listen)) {
            ret[0] = listen;
            *ret_count = 1;
            return OK;
        }
    }
    struct interface_address all[INTERFACE_ADDRESSES_MAX];
    size_t count, kept = 0;
    e = read_interfaces(all, &count);
    if (e != OK)
        return e;
    for (size_t i = 0; i < count; i++) { /* 0.0.0.0 and :: each mean one family */
        if (listen.family == NET_NONE || all[i].ip.family == listen.family)
            all[kept++] = all[i];
    }
    *ret_count = candidates_choose(all, kept, ret);
    return *ret_count > 0 ? OK : ERR_NOT_FOUND;
}

/* Whether a socket of IPv6 can be made and bound at all. */
static bool has_ipv6(void)
{
    struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool yes = fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof any) == 0;
    if (fd >= 0)
        close(fd);
    return yes;
}

enum err candidates_listen(const struct candidates_config *config, struct net_addr ret[2],
                           size_t *ret_count)
{
    *ret_count = 1;
    if (has_media_listen(config))
        return net_addr_parse(bytes_of_str(config->media_listen), 0, &ret[0]);
    ret[0] = (struct net_addr){ .family = NET_IPV4 };
    if (has_ipv6())
        ret[(*ret_count)++] = (struct net_addr){ .family = NET_IPV6 };
    return OK;
}
