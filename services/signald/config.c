/* config.c - see config.h. SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "common/os/net_address.h"
#include "common/os/random.h"

#include <string.h>
#include <unistd.h>

static bool validate(void *data, char *ret_why, size_t capacity)
{
    const struct signald_config *c = data;
    for (size_t i = 0; i < c->trusted_proxies.count; i++)
        if (!net_cidr_is_valid(c->trusted_proxies.items[i])) {
            snprintf(ret_why, capacity, "trusted-proxies: '%s' is not an address or CIDR",
                     c->trusted_proxies.items[i]);
            return false;
        }
    const char *id = c->common.instance_id;
    if (id != NULL && (strlen(id) > 100 || strpbrk(id, " {}*|\t\r\n") != NULL)) {
        snprintf(ret_why, capacity, "instance-id: at most 100 characters, without spaces { } * |");
        return false;
    }
    return true;
}

/* signald-<hostname>-<4 random>, unless it was given. */
static void name_instance(struct signald_config *c)
{
    if (c->common.instance_id != NULL) {
        snprintf(c->instance, sizeof(c->instance), "%s", c->common.instance_id);
        return;
    }
    char host[64] = "host", id[ID_CAPACITY];
    if (gethostname(host, sizeof(host) - 1) != 0)
        snprintf(host, sizeof(host), "host");
    random_id(id, "");
    snprintf(c->instance, sizeof(c->instance), "signald-%s-%.4s", host, id);
}

enum config_next signald_config_load(struct signald_config *c, int argc, char *const *argv,
                                     char *const *environment, struct config **ret)
{
    const struct config_option options[] = {
        { "listen", CONFIG_ADDRESS, "127.0.0.1:7881", "address for WebSockets and the web app",
          .ret = &c->listen },
        { "web-root", CONFIG_STRING, NULL, "directory of the built web app; unset = none",
          .ret = &c->web_root },
        { "jwks-url", CONFIG_STRING, "http://127.0.0.1:7883/.well-known/jwks.json",
          "where authd publishes its keys", .ret = &c->jwks_url },
        { "token-issuer", CONFIG_STRING, "conclave", "the iss that tokens must have",
          .ret = &c->token_issuer },
        { "room-participants-max", CONFIG_UINT, "1000", "participants of one room", "Limits",
          .ret = &c->room_participants_max, .min = 1, .max = 100000 },
        { "trusted-proxies", CONFIG_STRINGS, "127.0.0.0/8,::1",
          "addresses or CIDRs whose X-Forwarded-For counts", .ret = &c->trusted_proxies },
        { "address-sockets-max", CONFIG_UINT, "1000", "open sockets of one client address",
          "Limits", .ret = &c->address_sockets_max, .min = 1, .max = 1000000 },
        { "join-rate", CONFIG_DOUBLE, "20", "joins and resumes per second of one address",
          "Limits", .ret = &c->join_rate },
        { "join-burst", CONFIG_UINT, "200", "joins and resumes of one address at once", "Limits",
          .ret = &c->join_burst, .min = 1, .max = 1000000 },
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
    enum config_next next = config_load(&spec, argc, argv, environment, stdout, stderr, ret);
    if (next == CONFIG_RUN)
        name_instance(c);
    return next;
}
