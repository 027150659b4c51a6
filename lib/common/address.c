/* SPDX-License-Identifier: Apache-2.0 */
#include "common/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool is_port(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    }
    return text.len >= 1 && text.len <= 5;
}

static struct bytes trimmed(struct bytes text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = bytes_of(text.data + 1, text.len - 1);
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* Splits "host:port" and "[host]:port"; a bare IPv6 address has more than one colon. */
static bool split_port(struct bytes text, struct bytes *ret_host)
{
    *ret_host = text;
    if (text.len == 0)
        return false;
    const uint8_t *end = text.data + text.len;
    const uint8_t *mark = memchr(text.data, text.data[0] == '[' ? ']' : ':', text.len);
    if (text.data[0] != '[') {
        if (mark == NULL || memchr(mark + 1, ':', (size_t)(end - mark - 1)) != NULL)
            return true;
        *ret_host = bytes_of(text.data, (size_t)(mark - text.data));
        return is_port(bytes_of(mark + 1, (size_t)(end - mark - 1)));
    }
    if (mark == NULL)
        return false;
    *ret_host = bytes_of(text.data + 1, (size_t)(mark - text.data - 1));
    if (memchr(ret_host->data, ':', ret_host->len) == NULL)
        return false;
    return mark + 1 == end ||
           (mark[1] == ':' && is_port(bytes_of(mark + 2, (size_t)(end - mark - 2))));
}

enum err address_parse(struct bytes text, char ret[ADDRESS_CAPACITY])
{
    struct bytes host;
    struct in_addr v4;
    struct in6_addr v6;
    char copy[ADDRESS_CAPACITY];
    if (!split_port(trimmed(text), &host) || host.len >= sizeof copy ||
        memchr(host.data, '\0', host.len) != NULL)
        return ERR_MALFORMED;
    memcpy(copy, host.data, host.len);
    copy[host.len] = '\0';
    if (inet_pton(AF_INET, copy, &v4) == 1)
        check(inet_ntop(AF_INET, &v4, ret, ADDRESS_CAPACITY) != NULL);
    else if (inet_pton(AF_INET6, copy, &v6) != 1)
        return ERR_MALFORMED;
    else if (IN6_IS_ADDR_V4MAPPED(&v6))
        check(inet_ntop(AF_INET, v6.s6_addr + 12, ret, ADDRESS_CAPACITY) != NULL);
    else
        check(inet_ntop(AF_INET6, &v6, ret, ADDRESS_CAPACITY) != NULL);
    return OK;
}

void address_subscriber(const char *address, char ret[ADDRESS_CAPACITY])
{
    char text[ADDRESS_CAPACITY];
    struct in6_addr v6;
    if (address_parse(bytes_of_str(address), text) != OK) {
        snprintf(ret, ADDRESS_CAPACITY, "%s", address);
        return;
    }
    if (inet_pton(AF_INET6, text, &v6) == 1) {
        memset(v6.s6_addr + 8, 0, 8);
        check(inet_ntop(AF_INET6, &v6, text, INET6_ADDRSTRLEN) != NULL);
        memcpy(text + strlen(text), "/64", sizeof "/64");
    }
    memcpy(ret, text, sizeof text);
}

void address_behind_proxies(const char *header, bool (*is_trusted)(const void *, const char *),
                            const void *context, char address[ADDRESS_CAPACITY])
{
    char hop[ADDRESS_CAPACITY];
    size_t end = strlen(header);
    while (end > 0 && is_trusted(context, address)) {
        size_t start = end;
        while (start > 0 && header[start - 1] != ',')
            start--;
        if (address_parse(bytes_of(header + start, end - start), hop) != OK)
            return;
        memcpy(address, hop, sizeof hop);
        end = start == 0 ? 0 : start - 1;
    }
}
