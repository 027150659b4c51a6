/* SPDX-License-Identifier: Apache-2.0 */
#include "common/os/net_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool port_parse(const char *text, uint16_t *ret)
{
    size_t len = strlen(text);
    if (len == 0 || len > 5 || strspn(text, "0123456789") != len)
        return false;
    unsigned long value = strtoul(text, NULL, 10);
    if (value > UINT16_MAX)
        return false;
    *ret = (uint16_t)value;
    return true;
}

static enum err address_of(const char *host, uint16_t port, struct sockaddr_storage *ret)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
        memcpy(ret, &v4, sizeof v4);
    else if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1)
        memcpy(ret, &v6, sizeof v6);
    else
        return ERR_MALFORMED;
    return OK;
}

enum err net_address_parse(const char *text, struct sockaddr_storage *ret)
{
    char host[NET_ADDRESS_CAPACITY] = "0.0.0.0";
    const char *port_text = text;
    const char *start = text, *end = NULL;
    if (text[0] == '[') {
        start = text + 1;
        end = strchr(start, ']');
        if (end == NULL || end[1] != ':')
            return ERR_MALFORMED;
        port_text = end + 2;
    } else if (strchr(text, ':') != NULL) {
        end = strrchr(text, ':');
        port_text = end + 1;
        if (memchr(text, ':', (size_t)(end - text)) != NULL)
            return ERR_MALFORMED; /* IPv6 needs brackets */
    }
    if (end != NULL && end != start) {
        size_t len = (size_t)(end - start);
        if (len >= sizeof host)
            return ERR_MALFORMED;
        memcpy(host, start, len);
        host[len] = '\0';
    }
    uint16_t port;
    if (!port_parse(port_text, &port))
        return ERR_MALFORMED;
    if (strcmp(host, "localhost") == 0)
        memcpy(host, "127.0.0.1", sizeof "127.0.0.1");
    return address_of(host, port, ret);
}

void net_address_host(const struct sockaddr *address, char ret[NET_ADDRESS_CAPACITY])
{
    ret[0] = '\0';
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
        (void)inet_ntop(AF_INET, &v4->sin_addr, ret, NET_ADDRESS_CAPACITY);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
            (void)inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, ret, NET_ADDRESS_CAPACITY);
        else
            (void)inet_ntop(AF_INET6, &v6->sin6_addr, ret, NET_ADDRESS_CAPACITY);
    }
}

uint16_t net_address_port(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
    if (address->sa_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
    return 0;
}

socklen_t net_address_len(const struct sockaddr *address)
{
    return address->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

void net_address_text(const struct sockaddr *address, char ret[NET_ADDRESS_CAPACITY])
{
    char host[NET_ADDRESS_CAPACITY];
    net_address_host(address, host);
    bool is_v6 = strchr(host, ':') != NULL;
    int n = snprintf(ret, NET_ADDRESS_CAPACITY, is_v6 ? "[%.45s]:%u" : "%.45s:%u", host,
                     (unsigned)net_address_port(address));
    check(n > 0 && n < NET_ADDRESS_CAPACITY);
}

/* 16 bytes for both families (IPv4 mapped into IPv6), so that one comparison serves. */
static bool host_bytes(const char *host, uint8_t ret[16], unsigned *ret_offset)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    memcpy(ret, mapped, sizeof mapped);
    *ret_offset = 96;
    if (inet_pton(AF_INET, host, ret + 12) == 1)
        return true;
    *ret_offset = 0;
    return inet_pton(AF_INET6, host, ret) == 1;
}

static bool cidr_parse(const char *cidr, uint8_t ret[16], unsigned *ret_bits)
{
    char host[NET_ADDRESS_CAPACITY];
    size_t len = strcspn(cidr, "/");
    if (len >= sizeof host)
        return false;
    memcpy(host, cidr, len);
    host[len] = '\0';
    unsigned offset;
    if (!host_bytes(host, ret, &offset))
        return false;
    *ret_bits = 128;
    if (cidr[len] == '\0')
        return true;
    uint16_t bits;
    if (!port_parse(cidr + len + 1, &bits) || bits > 128 - offset)
        return false;
    *ret_bits = offset + bits;
    return true;
}

bool net_cidr_is_valid(const char *cidr)
{
    uint8_t network[16];
    unsigned bits;
    return cidr_parse(cidr, network, &bits);
}

bool net_address_in(const char *address, const char *cidr)
{
    uint8_t host[16], network[16];
    unsigned offset, bits;
    if (!host_bytes(address, host, &offset) || !cidr_parse(cidr, network, &bits))
        return false;
    if (memcmp(host, network, bits / 8) != 0)
        return false;
    if (bits % 8 == 0)
        return true;
    uint8_t mask = (uint8_t)(0xff << (8 - bits % 8));
    return ((host[bits / 8] ^ network[bits / 8]) & mask) == 0;
}
