/* config.c - see config.h. SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "common/origin.h"
#include "common/turn.h"
#include "limits.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define JOIN_RATE_MIN 0.1
#define JOIN_RATE_MAX 100000.0

/* http:// or https://, and a host. */
static bool is_http_url(const char *url)
{
    const char *host = strncmp(url, "http://", 7) == 0    ? url + 7
                       : strncmp(url, "https://", 8) == 0 ? url + 8
                                                          : "";
    return strcspn(host, "/?#:") > 0 && strpbrk(url, " \t\r\n") == NULL;
}

static bool is_readable_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* NULL, or what is wrong with the ICE servers that WHIP and WHEP clients are told. */
static const char *check_turn(const struct signald_config *c)
{
    for (size_t i = 0; i < c->turn_urls.count; i++) {
        if (!turn_url_is_valid(c->turn_urls.items[i]))
            return "turn-urls: one is not like stun:host:port or turn:host:port?transport=udp";
        if (turn_url_needs_credential(c->turn_urls.items[i]) && c->turn_secret_file == NULL)
            return "turn-urls names a TURN server, but turn-secret-file is not set";
    }
    return c->turn_urls.count > ICE_URLS_MAX ? "turn-urls: at most 8" : NULL;
}

/* Of allowed-origins, the first that is none; NULL: all are good. */
static const char *bad_origin(const struct signald_config *c)
{
    for (size_t i = 0; i < c->allowed_origins.count; i++)
        if (!origin_is_valid(c->allowed_origins.items[i]))
            return c->allowed_origins.items[i];
    return NULL;
}

static bool validate(void *data, char *ret_why, size_t capacity)
{
    const struct signald_config *c = data;
    const char *why = NULL;
    if (!(c->join_rate >= JOIN_RATE_MIN && c->join_rate <= JOIN_RATE_MAX)) /* nor not a number */
        why = "join-rate must be from 0.1 to 100000";
    else if (!is_http_url(c->jwks_url))
        why = "jwks-url must be http://host… or https://host…";
    else if (c->token_issuer[0] == 0)
        why = "token-issuer must not be empty";
    else if (c->web_root != NULL && !is_readable_directory(c->web_root))
        why = "web-root is not a directory that can be read";
    else
        why = check_turn(c);
    const char *origin = bad_origin(c);
    if (why != NULL)
        snprintf(ret_why, capacity, "%s", why);
    else if (origin != NULL)
        snprintf(ret_why, capacity, "allowed-origins: '%.200s' is not like https://host[:port]",
                 origin);
    return why == NULL && origin == NULL;
}

enum config_next signald_config_load(struct signald_config *c, int argc, char *const *argv,
                                     char *const *environment, struct config **ret)
{
    const struct config_option options[] = {
        { "listen", CONFIG_ADDRESS, "127.0.0.1:7881", "Address for WebSockets and the web app.",
          .ret = &c->listen },
        { "web-root", CONFIG_STRING, NULL,
          "Directory of the built web app; nothing is served if unset.", .ret = &c->web_root },
        { "jwks-url", CONFIG_STRING, "http://127.0.0.1:7883/.well-known/jwks.json",
          "Where authd publishes its keys.", .ret = &c->jwks_url },
        { "token-issuer", CONFIG_STRING, "conclave", "The iss that tokens must have.",
          .ret = &c->token_issuer },
        { "room-participants-max", CONFIG_UINT, "1000", "Participants of one room at most.",
          "Limits", .ret = &c->room_participants_max, .min = 1, .max = 100000 },
        { "trusted-proxies", CONFIG_NETWORKS, "127.0.0.0/8,::1",
          "Networks whose X-Forwarded-For is believed.", .ret = &c->trusted_proxies },
        { "allowed-origins", CONFIG_STRINGS, NULL,
          "Origins of pages elsewhere that may open WebSockets and use WHIP and WHEP, like "
          "https://app.example.org; * is any.",
          .ret = &c->allowed_origins },
        { "address-sockets-max", CONFIG_UINT, "1000",
          "Open sockets of one client address at most; IPv6 counts by /64.", "Limits",
          .ret = &c->address_sockets_max, .min = 1, .max = 1000000 },
        { "join-rate", CONFIG_DOUBLE, "20", "Joins and resumes per second of one client address.",
          "Limits", .ret = &c->join_rate },
        { "join-burst", CONFIG_UINT, "200", "Joins and resumes of one client address at once.",
          "Limits", .ret = &c->join_burst, .min = 1, .max = 1000000 },
        { "turn-urls", CONFIG_STRINGS, NULL,
          "stun: and turn: URLs that WHIP and WHEP clients are told (Link headers).", "TURN",
          .ret = &c->turn_urls },
        { "turn-secret-file", CONFIG_STRING, NULL, "File (0600) with coturn's static-auth-secret.",
          "TURN", .ret = &c->turn_secret_file },
        { "turn-ttl", CONFIG_DURATION, "12h",
          "How long TURN credentials of WHIP and WHEP clients are good for: they cannot ask again.",
          "TURN", .ret = &c->turn_ttl, .min = (uint64_t)SECONDS(60),
          .max = (uint64_t)SECONDS(7 * 86400) },
    };
    struct config_spec spec = {
        .daemon = "signald",
        .summary = "WebSocket signaling of Conclave: rooms, presence, slots; serves the web app.",
        .admin_listen_default = "127.0.0.1:9081",
        .options = options,
        .option_count = ARRAY_LEN(options),
        .common = &c->common,
        .validate = validate,
        .data = c,
    };
    return config_load(&spec, argc, argv, environment, stdout, stderr, ret);
}
