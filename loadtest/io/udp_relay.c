/* SPDX-License-Identifier: Apache-2.0 */
#include "io/udp_relay.h"

#include "common/os/clock.h"
#include "io/media_socket.h"
#include "rtc/pcap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct client {
    struct net_addr address, to;
    struct media_socket *upstream; /* NULL: the place is free */
    struct netem *lines[RELAY_DIRECTIONS];
    usec heard_at;
};

struct udp_relay {
    /* given */
    struct net_addr address, to;
    struct network_path paths[RELAY_DIRECTIONS];
    uint64_t seed;
    /* owned */
    struct media_sockets *sockets;
    struct media_socket *listener;
    FILE *pcap;
    struct client clients[RELAY_CLIENTS_MAX];
    /* state */
    struct relay_counters counters[RELAY_DIRECTIONS];
    uint64_t client_serial;
};

/* --- clients --- */

static void drop_client(struct client *c)
{
    media_socket_close(c->upstream);
    for (unsigned d = 0; d < RELAY_DIRECTIONS; d++)
        netem_free(c->lines[d]);
    *c = (struct client){ 0 };
}

static struct client *find_client(struct udp_relay *r, const struct net_addr *address)
{
    for (size_t i = 0; i < RELAY_CLIENTS_MAX; i++) {
        if (r->clients[i].upstream != NULL && net_addr_equal(&r->clients[i].address, address))
            return &r->clients[i];
    }
    return NULL;
}

static struct client *place_for_client(struct udp_relay *r)
{
    struct client *oldest = &r->clients[0];
    for (size_t i = 0; i < RELAY_CLIENTS_MAX; i++) {
        if (r->clients[i].upstream == NULL)
            return &r->clients[i];
        if (r->clients[i].heard_at < oldest->heard_at)
            oldest = &r->clients[i];
    }
    drop_client(oldest);
    return oldest;
}

/* NULL: no descriptor, no memory, or nowhere to relay to. */
static struct client *take_client(struct udp_relay *r, const struct net_addr *address)
{
    if (!net_addr_is_set(&r->to))
        return NULL;
    struct client *c = place_for_client(r);
    uint64_t seed = r->seed + 2 * r->client_serial++;
    *c = (struct client){ .address = *address, .to = r->to };
    for (unsigned d = 0; d < RELAY_DIRECTIONS; d++)
        c->lines[d] = netem_new(&r->paths[d], seed + d);
    c->upstream = media_socket_open(r->sockets, c, RELAY_DOWN);
    if (c->upstream != NULL && c->lines[RELAY_UP] != NULL && c->lines[RELAY_DOWN] != NULL)
        return c;
    drop_client(c);
    return NULL;
}

/* --- datagrams --- */

static void push(struct udp_relay *r, struct client *c, unsigned direction, struct bytes datagram,
                 usec now)
{
    static const struct netem_tag none = { 0 };
    struct netem *line = c->lines[direction];
    struct relay_counters *n = &r->counters[direction];
    uint64_t reordered = netem_reordered(line), duplicated = netem_duplicated(line);
    n->fates[netem_push(line, datagram, &none, now)]++;
    n->reordered += netem_reordered(line) - reordered;
    n->duplicated += netem_duplicated(line) - duplicated;
}

static void on_datagram(void *data, const struct media_arrival *a)
{
    struct udp_relay *r = data;
    struct client *c = a->owner;
    if (c == NULL) { /* at the listener */
        c = find_client(r, &a->from);
        if (c == NULL)
            c = take_client(r, &a->from);
        if (c == NULL)
            return;
        c->heard_at = a->now;
        push(r, c, RELAY_UP, bytes_of(a->data, a->len), a->now);
    } else if (net_addr_equal(&a->from, &c->to)) {
        push(r, c, RELAY_DOWN, bytes_of(a->data, a->len), a->now);
    }
}

static void capture(struct udp_relay *r, const struct client *c, const struct netem_datagram *d)
{
    uint8_t record[PCAP_RECORD_OVERHEAD_MAX + MEDIA_DATAGRAM_MAX];
    struct writer w = writer_of(record, sizeof record);
    pcap_write_udp(&w, &(struct pcap_datagram){ .from = r->address,
                                                .to = c->address,
                                                .captured = bytes_of(d->data, d->len),
                                                .len = d->len,
                                                .at = clock_wall() });
    check(!w.failed);
    (void)fwrite(record, 1, writer_len(&w), r->pcap);
}

static void pop(struct udp_relay *r, struct client *c, unsigned direction, usec now)
{
    struct netem_datagram d;
    while (netem_pop(c->lines[direction], now, &d)) {
        bool is_up = direction == RELAY_UP;
        struct media_send send = { .data = d.data, .len = d.len, .to = is_up ? c->to : c->address };
        r->counters[direction].packets++;
        r->counters[direction].bytes += d.len;
        if (!is_up && r->pcap != NULL)
            capture(r, c, &d);
        media_socket_send(is_up ? c->upstream : r->listener, &send, 1);
    }
}

static void on_pass(void *data, usec now)
{
    struct udp_relay *r = data;
    usec wake_at = USEC_NEVER;
    for (size_t i = 0; i < RELAY_CLIENTS_MAX; i++) {
        struct client *c = &r->clients[i];
        for (unsigned d = 0; d < RELAY_DIRECTIONS && c->upstream != NULL; d++) {
            pop(r, c, d, now);
            wake_at = MIN(wake_at, netem_next_deadline(c->lines[d]));
        }
    }
    media_wake_at(r->sockets, wake_at);
}

/* --- the relay --- */

static bool start_capture(struct udp_relay *r, const char *path)
{
    uint8_t header[PCAP_FILE_HEADER_BYTES];
    struct writer w = writer_of(header, sizeof header);
    r->pcap = fopen(path, "wbe");
    if (r->pcap == NULL)
        return false;
    pcap_write_header(&w);
    check(!w.failed);
    return fwrite(header, 1, sizeof header, r->pcap) == sizeof header && fflush(r->pcap) == 0;
}

enum err udp_relay_start(uv_loop_t *loop, const struct udp_relay_config *config,
                         struct udp_relay **ret, enum relay_step *ret_step)
{
    struct udp_relay *r = calloc(1, sizeof *r);
    *ret_step = RELAY_STEP_MEMORY;
    if (r == NULL)
        return ERR_SYSTEM;
    r->address = config->listen;
    r->to = config->to;
    memcpy(r->paths, config->paths, sizeof r->paths);
    r->seed = config->seed;
    struct media_config media = {
        .loop = loop, .on_datagram = on_datagram, .on_pass = on_pass, .data = r
    };
    bool is_captured = config->pcap_path == NULL || start_capture(r, config->pcap_path);
    if (!is_captured || media_sockets_new(&media, &r->sockets) != OK) {
        int why = errno;
        *ret_step = is_captured ? RELAY_STEP_MEMORY : RELAY_STEP_CAPTURE;
        udp_relay_free(r);
        errno = why;
        return ERR_SYSTEM;
    }
    *ret = r;
    *ret_step = RELAY_STEP_LISTEN;
    r->listener = media_socket_open_at(r->sockets, NULL, RELAY_UP, &r->address);
    if (r->listener == NULL)
        return ERR_SYSTEM;
    r->address.port = media_socket_port(r->listener, (enum net_family)r->address.family);
    return OK;
}

struct net_addr udp_relay_address(const struct udp_relay *r)
{
    return r->address;
}

void udp_relay_command(struct udp_relay *r, const struct relay_command *c)
{
    if (c->has_to)
        r->to = c->to;
    for (unsigned d = 0; d < RELAY_DIRECTIONS; d++) {
        if (!c->has_path[d])
            continue;
        r->paths[d] = c->paths[d];
        for (size_t i = 0; i < RELAY_CLIENTS_MAX; i++) {
            if (r->clients[i].upstream != NULL)
                netem_set_path(r->clients[i].lines[d], &r->paths[d]);
        }
    }
}

const struct relay_counters *udp_relay_counters(const struct udp_relay *r, unsigned direction)
{
    check(direction < RELAY_DIRECTIONS);
    return &r->counters[direction];
}

unsigned udp_relay_client_count(const struct udp_relay *r)
{
    unsigned count = 0;
    for (size_t i = 0; i < RELAY_CLIENTS_MAX; i++)
        count += r->clients[i].upstream != NULL;
    return count;
}

void udp_relay_flush(struct udp_relay *r)
{
    if (r->pcap != NULL)
        (void)fflush(r->pcap);
}

void udp_relay_close(struct udp_relay *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < RELAY_CLIENTS_MAX; i++)
        drop_client(&r->clients[i]);
    media_sockets_close(r->sockets);
}

void udp_relay_free(struct udp_relay *r)
{
    if (r == NULL)
        return;
    if (r->pcap != NULL)
        (void)fclose(r->pcap);
    media_sockets_free(r->sockets);
    free(r);
}
