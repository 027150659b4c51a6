/* Names of WebSocket servers, resolved off the loop once for many connections.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/websocket_private.h"

#include "common/os/clock.h"

#include <netdb.h>
#include <stdlib.h>

#define RESOLVED_FOR SECONDS(60)

struct websocket_host *websocket_host_find(struct websocket_pool *p, const char *name)
{
    for (struct list_link *l = p->hosts.head.next; l != &p->hosts.head; l = l->next) {
        struct websocket_host *h = container_of(l, struct websocket_host, link);
        if (strcmp(h->name, name) == 0)
            return h;
    }
    struct websocket_host *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    h->pool = p;
    h->request.data = h;
    list_init(&h->waiting);
    lws_strncpy(h->name, name, sizeof h->name);
    list_push_back(&p->hosts, &h->link);
    return h;
}

static void release_waiting(struct websocket_host *h)
{
    for (struct list_link *l; (l = list_pop_front(&h->waiting)) != NULL;) {
        struct websocket *w = container_of(l, struct websocket, wait);
        if (h->address_count == 0) {
            websocket_fail(w, "dns");
        } else {
            w->must_connect = true;
            websocket_defer(w);
        }
    }
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *result)
{
    struct websocket_host *h = request->data;
    h->is_resolving = false;
    h->address_count = 0;
    for (struct addrinfo *a = status == 0 ? result : NULL;
         a != NULL && h->address_count < WEBSOCKET_ADDRESSES_MAX; a = a->ai_next) {
        char *text = h->addresses[h->address_count];
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, INET6_ADDRSTRLEN, NULL, 0,
                        NI_NUMERICHOST) == 0)
            h->address_count++;
    }
    uv_freeaddrinfo(result);
    h->resolved_at = clock_now();
    if (!h->pool->is_closing)
        release_waiting(h);
}

void websocket_resolve(struct websocket *w)
{
    struct websocket_host *h = w->host;
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    if (h->address_count > 0 && clock_now() - h->resolved_at < RESOLVED_FOR) {
        w->must_connect = true;
        websocket_defer(w);
        return;
    }
    list_push_back(&h->waiting, &w->wait);
    if (h->is_resolving)
        return;
    h->is_resolving = true;
    if (uv_getaddrinfo(w->pool->loop, &h->request, on_resolved, h->name, NULL, &hints) != 0) {
        h->is_resolving = false;
        h->address_count = 0;
        release_waiting(h);
    }
}

void websocket_hosts_free(struct websocket_pool *p)
{
    for (struct list_link *l; (l = list_pop_front(&p->hosts)) != NULL;)
        free(container_of(l, struct websocket_host, link));
}
