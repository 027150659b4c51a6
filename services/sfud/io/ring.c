/* The backend of udp.h on io_uring: multishot recvmsg into a ring of provided buffers, sendmsg for
 * every piece, one submission per outbox.
 *
 *   receive   the kernel takes a buffer per datagram and posts a completion; the buffer goes back
 * at the end of the pass. When it runs out of buffers the multishot ends (ENOBUFS), what arrives
 * waits in the socket, and the next wait arms it again. send      completes within the submission
 * (MSG_DONTWAIT); the outbox is owned by the kernel until the completion of its last piece has been
 * seen, whenever that is. wake      a multishot poll of the eventfd. watch     a poll of the other
 * descriptor, which is armed again in the wait after it has fired: it fires while there is
 * something.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/udp_impl.h"

#include "common/os/clock.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    SQ_ENTRIES = 256,
    CQ_ENTRIES = 2048, /* all buffers, all headers, and the wake-ups */
    BUFFERS = 256,     /* a power of two; of one pass, all sockets */
    BUFFER_GROUP = 1,
    HEADERS = 512,   /* pieces on their way */
    NAME_BYTES = 32, /* of sockaddr_in6, rounded so that the control messages are aligned */
    BUFFER_PREFIX = sizeof(struct io_uring_recvmsg_out) + NAME_BYTES + UDP_CONTROL_BYTES,
    BUFFER_BYTES = BUFFER_PREFIX + UDP_RECEIVE_BYTES,
};
static_assert(BUFFER_PREFIX % 8 == 0 && BUFFER_BYTES % 8 == 0, "control messages are aligned");

/* user_data: what it belongs to, and an index. */
enum tag { TAG_RECEIVE = 1, TAG_WAKE, TAG_WATCH, TAG_SEND };
#define USER_DATA(tag, index) ((uint64_t)(tag) << 32 | (uint64_t)(index))

struct send_slot {
    struct udp_header header;
    struct udp_outbox *outbox;
};

struct arrived {
    uint16_t buffer;
    uint16_t socket;
    uint32_t len;
};

struct ring_backend {
    struct io_uring ring;
    bool is_ring_open;
    struct io_uring_buf_ring *buffers;
    uint8_t *memory;
    struct msghdr receive_header; /* layout of every receive */
    bool is_armed[UDP_SOCKETS_MAX];
    bool is_wake_armed;
    bool is_watch_armed;
    struct arrived arrived[BUFFERS]; /* each holds a buffer, so there are no more than those */
    size_t arrived_count, handed;
    struct send_slot sends[HEADERS];
    uint16_t free_sends[HEADERS];
    size_t free_count;
};

static uint8_t *buffer_at(struct ring_backend *b, size_t index)
{
    return b->memory + index * BUFFER_BYTES;
}

static void buffer_return(struct ring_backend *b, uint16_t index, int offset)
{
    io_uring_buf_ring_add(b->buffers, buffer_at(b, index), BUFFER_BYTES, index,
                          io_uring_buf_ring_mask(BUFFERS), offset);
}

/* The best set-up the kernel has; the ring belongs to this thread. */
static int open_ring(struct io_uring *ring)
{
    static const unsigned wishes[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
        0,
    };
    int e = -EINVAL;
    for (size_t i = 0; i < ARRAY_LEN(wishes) && e == -EINVAL; i++) {
        struct io_uring_params p = { .flags = wishes[i] | IORING_SETUP_CQSIZE,
                                     .cq_entries = CQ_ENTRIES };
        e = io_uring_queue_init_params(SQ_ENTRIES, ring, &p);
    }
    return e;
}

static enum err open_buffers(struct ring_backend *b, struct udp_failure *ret_failure)
{
    b->memory = mmap(NULL, (size_t)BUFFERS * BUFFER_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    b->buffers = mmap(NULL, BUFFERS * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (b->memory == MAP_FAILED || b->buffers == MAP_FAILED)
        return udp_fail(ret_failure, "memory", errno);
    struct io_uring_buf_reg reg = { .ring_addr = (uint64_t)(uintptr_t)b->buffers,
                                    .ring_entries = BUFFERS,
                                    .bgid = BUFFER_GROUP };
    int e = io_uring_register_buf_ring(&b->ring, &reg, 0);
    if (e < 0)
        return udp_fail(ret_failure, "io_uring buffer ring", -e);
    io_uring_buf_ring_init(b->buffers);
    for (uint16_t i = 0; i < BUFFERS; i++)
        buffer_return(b, i, i);
    io_uring_buf_ring_advance(b->buffers, BUFFERS);
    return OK;
}

static enum err ring_open(struct udp *u, struct udp_failure *ret_failure)
{
    struct ring_backend *b = calloc(1, sizeof *b);
    if (b == NULL)
        return udp_fail(ret_failure, "memory", ENOMEM);
    u->backend = b;
    int e = open_ring(&b->ring);
    if (e < 0)
        return udp_fail(ret_failure, "io_uring_setup", -e);
    b->is_ring_open = true;
    int fds[UDP_SOCKETS_MAX];
    for (size_t i = 0; i < u->socket_count; i++)
        fds[i] = u->sockets[i].fd;
    e = io_uring_register_files(&b->ring, fds, (unsigned)u->socket_count);
    if (e < 0)
        return udp_fail(ret_failure, "io_uring files", -e);
    (void)io_uring_register_ring_fd(&b->ring); /* saves a lookup per call, where there is one */
    b->receive_header =
        (struct msghdr){ .msg_namelen = NAME_BYTES, .msg_controllen = UDP_CONTROL_BYTES };
    for (uint16_t i = 0; i < HEADERS; i++)
        b->free_sends[b->free_count++] = i;
    return open_buffers(b, ret_failure);
}

static bool ring_watch(struct udp *u)
{
    (void)u; /* the next wait arms it */
    return true;
}

static void ring_close(struct udp *u)
{
    struct ring_backend *b = u->backend;
    if (b == NULL)
        return;
    if (b->is_ring_open)
        io_uring_queue_exit(&b->ring);
    if (b->memory != NULL && b->memory != MAP_FAILED)
        munmap(b->memory, (size_t)BUFFERS * BUFFER_BYTES);
    if (b->buffers != NULL && (void *)b->buffers != MAP_FAILED)
        munmap(b->buffers, BUFFERS * sizeof(struct io_uring_buf));
    free(b);
}

/* An entry; submits what waits if there is none. */
static struct io_uring_sqe *take_sqe(struct ring_backend *b)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);
    while (sqe == NULL) {
        (void)io_uring_submit(&b->ring);
        sqe = io_uring_get_sqe(&b->ring);
    }
    return sqe;
}

static void arm(struct udp *u, struct ring_backend *b)
{
    for (size_t i = 0; i < u->socket_count; i++) {
        if (b->is_armed[i])
            continue;
        struct io_uring_sqe *sqe = take_sqe(b);
        io_uring_prep_recvmsg_multishot(sqe, (int)i, &b->receive_header, 0);
        sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
        sqe->buf_group = BUFFER_GROUP;
        io_uring_sqe_set_data64(sqe, USER_DATA(TAG_RECEIVE, i));
        b->is_armed[i] = true;
    }
    if (!b->is_wake_armed) {
        struct io_uring_sqe *sqe = take_sqe(b);
        io_uring_prep_poll_multishot(sqe, u->wake_fd, POLLIN);
        io_uring_sqe_set_data64(sqe, USER_DATA(TAG_WAKE, 0));
        b->is_wake_armed = true;
    }
    if (!b->is_watch_armed && u->watch_fd >= 0) {
        struct io_uring_sqe *sqe = take_sqe(b);
        io_uring_prep_poll_add(sqe, u->watch_fd, POLLIN);
        io_uring_sqe_set_data64(sqe, USER_DATA(TAG_WATCH, 0));
        b->is_watch_armed = true;
    }
}

static void on_receive(struct ring_backend *b, size_t socket, const struct io_uring_cqe *cqe)
{
    if (!(cqe->flags & IORING_CQE_F_MORE))
        b->is_armed[socket] = false;
    if (!(cqe->flags & IORING_CQE_F_BUFFER))
        return; /* out of buffers, or an error of the socket that the next arming will show */
    check(b->arrived_count < BUFFERS);
    b->arrived[b->arrived_count++] =
        (struct arrived){ .buffer = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT),
                          .socket = (uint16_t)socket,
                          .len = cqe->res < 0 ? 0 : (uint32_t)cqe->res };
}

static void on_send(struct udp *u, struct ring_backend *b, size_t index,
                    const struct io_uring_cqe *cqe)
{
    struct send_slot *s = &b->sends[index];
    udp_on_sent(u, &s->header, cqe->res < 0 ? -cqe->res : 0);
    check(s->outbox->sends_pending > 0);
    s->outbox->sends_pending--;
    b->free_sends[b->free_count++] = (uint16_t)index;
}

static void drain_completions(struct udp *u, struct ring_backend *b)
{
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;
    io_uring_for_each_cqe(&b->ring, head, cqe)
    {
        uint32_t index = (uint32_t)cqe->user_data;
        switch ((enum tag)(cqe->user_data >> 32)) {
        case TAG_RECEIVE:
            on_receive(b, index, cqe);
            break;
        case TAG_SEND:
            on_send(u, b, index, cqe);
            break;
        case TAG_WAKE:
            if (!(cqe->flags & IORING_CQE_F_MORE))
                b->is_wake_armed = false;
            udp_wake_clear(u);
            break;
        case TAG_WATCH:
            b->is_watch_armed = false;
            u->is_watch_ready = true;
            break;
        }
        count++;
    }
    io_uring_cq_advance(&b->ring, count);
}

static void ring_wait(struct udp *u, usec deadline)
{
    struct ring_backend *b = u->backend;
    bool has_rest = b->handed < b->arrived_count || u->received.at < u->received.len;
    arm(u, b);
    usec left = MIN(deadline - clock_now(), SECONDS(60));
    if (has_rest || left <= 0) {
        (void)io_uring_submit_and_get_events(&b->ring);
    } else {
        struct __kernel_timespec ts = { .tv_sec = left / USEC_PER_SEC,
                                        .tv_nsec = left % USEC_PER_SEC * 1000 };
        struct io_uring_cqe *cqe;
        (void)io_uring_submit_and_wait_timeout(&b->ring, &cqe, 1, &ts, NULL);
    }
    drain_completions(u, b);
}

static bool ring_next_buffer(struct udp *u)
{
    struct ring_backend *b = u->backend;
    while (b->handed < b->arrived_count) {
        const struct arrived *a = &b->arrived[b->handed++];
        uint8_t *memory = buffer_at(b, a->buffer);
        struct io_uring_recvmsg_out *out =
            io_uring_recvmsg_validate(memory, (int)a->len, &b->receive_header);
        if (out == NULL)
            continue;
        struct msghdr msg = { .msg_name = io_uring_recvmsg_name(out),
                              .msg_namelen = MIN(out->namelen, (uint32_t)NAME_BYTES),
                              .msg_control = memory + sizeof *out + NAME_BYTES,
                              .msg_controllen = MIN((size_t)out->controllen, UDP_CONTROL_BYTES),
                              .msg_flags = (int)out->flags };
        size_t len = a->len - BUFFER_PREFIX;
        if (udp_received_fill(u, a->socket, &msg, memory + BUFFER_PREFIX, len, &u->received))
            return true;
    }
    return false;
}

/* Buffers of which every segment was handed over go back; one that is half read stays. */
static void ring_pass_end(struct udp *u)
{
    struct ring_backend *b = u->backend;
    size_t done = b->handed;
    if (done > 0 && u->received.at < u->received.len)
        done--;
    for (size_t i = 0; i < done; i++)
        buffer_return(b, b->arrived[i].buffer, (int)i);
    io_uring_buf_ring_advance(b->buffers, (int)done);
    memmove(b->arrived, b->arrived + done, (b->arrived_count - done) * sizeof b->arrived[0]);
    b->arrived_count -= done;
    b->handed -= done;
}

static void ring_reap(struct udp *u)
{
    struct ring_backend *b = u->backend;
    struct io_uring_cqe *cqe;
    (void)io_uring_submit_and_wait(&b->ring, 1);
    if (io_uring_peek_cqe(&b->ring, &cqe) == 0)
        drain_completions(u, b);
}

static void send_piece(struct udp *u, struct ring_backend *b, struct udp_outbox *o,
                       const struct outbox_send *s, size_t offset, size_t len, size_t segment_len)
{
    while (b->free_count == 0)
        ring_reap(u);
    uint16_t index = b->free_sends[b->free_count - 1];
    struct send_slot *slot = &b->sends[index];
    if (!udp_header_fill(u, &slot->header, &o->box, s, offset, len, segment_len)) {
        udp_on_unroutable(u, len, segment_len);
        return;
    }
    b->free_count--;
    slot->outbox = o;
    o->sends_pending++;
    struct io_uring_sqe *sqe = take_sqe(b);
    io_uring_prep_sendmsg(sqe, slot->header.socket, &slot->header.msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(sqe, USER_DATA(TAG_SEND, index));
}

static void ring_send(struct udp *u, struct udp_outbox *o)
{
    struct ring_backend *b = u->backend;
    for (size_t i = 0; i < o->box.send_count; i++) {
        const struct outbox_send *s = &o->box.sends[i];
        size_t offset = 0, len, segment_len;
        if (!udp_is_for_us(s))
            continue;
        while (udp_piece_next(u, s, &offset, &len, &segment_len))
            send_piece(u, b, o, s, offset - len, len, segment_len);
    }
    (void)io_uring_submit(&b->ring);
    drain_completions(u, b);
}

const struct udp_ops udp_ring_ops = {
    .open = ring_open,
    .watch = ring_watch,
    .close = ring_close,
    .wait = ring_wait,
    .next_buffer = ring_next_buffer,
    .pass_end = ring_pass_end,
    .send = ring_send,
    .reap = ring_reap,
};
