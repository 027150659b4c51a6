/* run_bare.c - the floor: open once, seal for each viewer, one UDP_SEGMENT send on the viewer's
 * connected socket. No rooms, no ICE, no feedback, no decisions; how many packets make a burst is
 * given. A burst's packets are made equally long, so that one send always does.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "rtc/seal_burst.h"

#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BURST_MAX = 50, /* 64 KB of payload */
    BUFFER_SIZE = 2048,
    VIEWER_SSRC = 0x30000000,
};

struct bare {
    struct seal_engine *engine;
    struct seal_burst *burst;
    struct opener *opener;
    struct sealer **sealers;
    int *sockets;
    double owed;    /* of the average burst, from the bursts before */
    uint64_t index; /* of the next packet, the same for all viewers */
    uint8_t buffers[BURST_MAX][BUFFER_SIZE];
    struct opened_rtp opened[BURST_MAX];
    struct mmsghdr messages[BURST_MAX];
    struct iovec parts[BURST_MAX];
    uint8_t scratch[BURST_MAX * BUFFER_SIZE];
};

/* All viewers' sockets share one port of ours, as with a real server. */
static int open_viewer(const struct net_addr *local, uint16_t port, size_t i)
{
    struct sockaddr_in to = rig_viewer_address(i);
    struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = htons(port) };
    int one = 1, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memcpy(&from.sin_addr, local->ip, 4);
    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0 ||
                    bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
                    connect(fd, (struct sockaddr *)&to, sizeof to) != 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool open_bare(struct rig *r, void *state)
{
    struct bare *b = state;
    size_t count = r->options->stage.viewers;
    b->index = 1;
    b->engine = seal_engine_new(r->options->stage.seal);
    b->burst = seal_burst_new(b->engine);
    b->opener = opener_new(b->engine, r->profile, &r->keys.remote, 1);
    b->sealers = calloc(count, sizeof(struct sealer *));
    b->sockets = calloc(count, sizeof *b->sockets);
    bool ok = b->engine != NULL && b->burst != NULL && b->opener != NULL && b->sealers != NULL &&
              b->sockets != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        struct dtls_keys keys;
        rig_viewer_keys(i, r->profile, &keys);
        b->sealers[i] = sealer_new(b->engine, r->profile, &keys.local, 1);
        b->sockets[i] = open_viewer(&r->address, (uint16_t)(r->address.port + 1), i);
        ok = b->sealers[i] != NULL && b->sockets[i] >= 0;
    }
    for (size_t i = 0; i < BURST_MAX; i++) {
        b->parts[i] = (struct iovec){ .iov_base = b->buffers[i], .iov_len = BUFFER_SIZE };
        b->messages[i].msg_hdr = (struct msghdr){ .msg_iov = &b->parts[i], .msg_iovlen = 1 };
    }
    if (!ok)
        fprintf(stderr, "bench: bare: no memory, keys or sockets\n");
    return ok;
}

static void close_bare(struct rig *r, void *state)
{
    struct bare *b = state;
    opener_free(b->opener);
    for (size_t i = 0; i < r->options->stage.viewers; i++) {
        if (b->sealers != NULL)
            sealer_free(b->sealers[i]);
        if (b->sockets != NULL && b->sockets[i] > 0)
            close(b->sockets[i]);
    }
    seal_burst_free(b->burst);
    seal_engine_free(b->engine);
    free(b->sealers);
    free(b->sockets);
}

static bool is_frame_end(const uint8_t *packet)
{
    return (packet[1] & 0x80) != 0;
}

/* Waits for a burst; how many packets came. */
static size_t receive(struct rig *r, struct bare *b)
{
    double mean = r->options->burst;
    size_t count = 0;
    if (mean > 0) {
        b->owed += mean;
        size_t wanted = MIN(MAX((size_t)b->owed, (size_t)1), (size_t)BURST_MAX);
        int n = recvmmsg(r->socket, b->messages, (unsigned)wanted, 0, NULL);
        count = n > 0 ? (size_t)n : 0;
        b->owed -= (double)count;
        return count;
    }
    while (count < BURST_MAX && recvmmsg(r->socket, b->messages + count, 1, 0, NULL) == 1) {
        if (is_frame_end(b->buffers[count++]))
            break;
    }
    return count;
}

/* Opens them where they are; the largest length. */
static size_t open_burst(struct bare *b, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        struct bytes packet = bytes_of(b->buffers[i], b->messages[i].msg_len);
        check(opener_rtp(b->opener, packet, b->buffers[i], &b->opened[i]) == OK);
        len = MAX(len, b->opened[i].len);
    }
    return len;
}

static size_t seal_burst(struct bare *b, size_t count, size_t len, size_t viewer)
{
    struct writer w = writer_of(b->scratch, sizeof b->scratch);
    for (size_t i = 0; i < count; i++) {
        uint8_t *packet = b->buffers[i];
        size_t header_len = b->opened[i].header_len;
        store_be16(packet + 2, (uint16_t)(b->index + i));
        store_be32(packet + 8, VIEWER_SSRC);
        check(sealer_rtp_later(b->sealers[viewer], b->burst, b->index + i,
                               bytes_of(packet, header_len),
                               bytes_of(packet + header_len, len - header_len), &w) == OK);
    }
    seal_burst_run(b->burst);
    return writer_len(&w);
}

static bool send_burst(struct bare *b, size_t viewer, size_t len, uint16_t segment)
{
    struct iovec part = { .iov_base = b->scratch, .iov_len = len };
    union {
        struct cmsghdr header;
        char memory[CMSG_SPACE(sizeof(uint16_t))];
    } control = { .header = { .cmsg_level = SOL_UDP,
                              .cmsg_type = UDP_SEGMENT,
                              .cmsg_len = CMSG_LEN(sizeof segment) } };
    memcpy(CMSG_DATA(&control.header), &segment, sizeof segment);
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
    if (segment < len) {
        m.msg_control = control.memory;
        m.msg_controllen = sizeof control.memory;
    }
    return sendmsg(b->sockets[viewer], &m, 0) == (ssize_t)len;
}

static void turn_bare(struct rig *r, void *state)
{
    struct bare *b = state;
    size_t count = receive(r, b);
    if (count == 0)
        return;
    size_t len = open_burst(b, count), segment = len + seal_rtp_overhead(r->profile);
    rig_count(&r->packets_in, count);
    for (size_t i = 0; i < r->options->stage.viewers; i++) {
        size_t sealed = seal_burst(b, count, len, i);
        bool ok = send_burst(b, i, sealed, (uint16_t)segment);
        rig_count(ok ? &r->forwarded : &r->failed, count);
        rig_count(&r->sends, 1);
    }
    b->index += count;
}

json_t *bench_bare(const struct bench_options *o)
{
    static const struct rig_loop loop = { .what = "bare",
                                          .state_size = sizeof(struct bare),
                                          .open = open_bare,
                                          .turn = turn_bare,
                                          .close = close_bare };
    struct rig rig = { .options = o, .profile = o->stage.profile, .socket = -1 };
    return rig_run(&rig, &loop);
}
