/* SPDX-License-Identifier: Apache-2.0 */
#include "audience.h"

#include "io/sockaddr.h"
#include "machine.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 32, DATAGRAM_SIZE = 2048, READY_MAX = 64, WAIT_MS = 50, RECEIVE_BUFFER = 1 << 20 };

struct audience {
    int cpu, epoll_fd;
    int *sockets;
    struct sockaddr_in *addresses;
    size_t count; /* of open sockets */
    _Atomic uint64_t *taken;
    _Atomic bool is_stopping;
    pthread_t thread;
    bool is_started;
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    uint8_t data[BATCH][DATAGRAM_SIZE];
};

static bool open_seat(struct audience *a, const struct net_addr *at)
{
    struct sockaddr_in6 name;
    int bytes = RECEIVE_BUFFER, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    size_t i = a->count++;
    a->sockets[i] = fd;
    struct net_addr any_port = *at;
    any_port.port = 0;
    socklen_t len = sockaddr_write(&any_port, &name);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    if (bind(fd, (struct sockaddr *)&name, len) != 0)
        return false;
    len = sizeof a->addresses[i];
    return getsockname(fd, (struct sockaddr *)&a->addresses[i], &len) == 0 &&
           epoll_ctl(a->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void *run(void *arg)
{
    struct audience *a = arg;
    struct epoll_event ready[READY_MAX];
    machine_pin(a->cpu);
    while (!atomic_load_explicit(&a->is_stopping, memory_order_relaxed)) {
        int count = epoll_wait(a->epoll_fd, ready, READY_MAX, WAIT_MS);
        for (int i = 0; i < count; i++) {
            int n = recvmmsg(ready[i].data.fd, a->messages, BATCH, MSG_DONTWAIT, NULL);
            if (n > 0)
                atomic_fetch_add_explicit(a->taken, (uint64_t)n, memory_order_relaxed);
        }
    }
    return NULL;
}

static bool open_all(struct audience *a, size_t count, const struct net_addr *at)
{
    a->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    a->sockets = calloc(count, sizeof *a->sockets);
    a->addresses = calloc(count, sizeof *a->addresses);
    if (a->epoll_fd < 0 || a->sockets == NULL || a->addresses == NULL)
        return false;
    for (size_t i = 0; i < BATCH; i++) {
        a->parts[i] = (struct iovec){ .iov_base = a->data[i], .iov_len = DATAGRAM_SIZE };
        a->messages[i].msg_hdr = (struct msghdr){ .msg_iov = &a->parts[i], .msg_iovlen = 1 };
    }
    while (a->count < count) {
        if (!open_seat(a, at))
            return false;
    }
    return true;
}

struct audience *audience_start(size_t count, const struct net_addr *at, int cpu,
                                _Atomic uint64_t *taken)
{
    struct audience *a = calloc(1, sizeof *a);
    if (a == NULL)
        return NULL;
    a->cpu = cpu;
    a->taken = taken;
    a->is_started = open_all(a, count, at) && pthread_create(&a->thread, NULL, run, a) == 0;
    if (a->is_started)
        return a;
    fprintf(stderr, "bench: audience: %s\n", strerror(errno));
    audience_stop(a);
    return NULL;
}

struct sockaddr_in audience_address(const struct audience *a, size_t i)
{
    check(i < a->count);
    return a->addresses[i];
}

void audience_stop(struct audience *a)
{
    if (a == NULL)
        return;
    atomic_store(&a->is_stopping, true);
    if (a->is_started)
        pthread_join(a->thread, NULL);
    for (size_t i = 0; a->sockets != NULL && i < a->count; i++)
        close(a->sockets[i]);
    if (a->epoll_fd >= 0)
        close(a->epoll_fd);
    free(a->sockets);
    free(a->addresses);
    free(a);
}
