/* probe.h - which backend of udp.h this machine can really run.
 *
 * Finds out by doing: opens the backend on loopback, sends itself datagrams (merged and single),
 * waits for them, is woken. Kernel versions say nothing: containers and sysctls forbid io_uring.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_IO_PROBE_H
#define SFUD_IO_PROBE_H

#include "io/udp.h"

enum probe_wish { PROBE_AUTO, PROBE_URING, PROBE_EPOLL };

struct probe_result {
    enum udp_backend backend;
    bool gso;                   /* several segments arrived out of one send */
    struct udp_failure refusal; /* why not io_uring; empty if it was not tried or works */
};

/* One backend. ERR_SYSTEM and the reason. */
MUST_USE enum err probe_backend(enum udp_backend backend, bool *ret_gso,
                                struct udp_failure *ret_failure);
/* "auto", "uring", "epoll". ERR_MALFORMED. */
MUST_USE enum err probe_wish_parse(const char *text, enum probe_wish *ret);
/* ERR_SYSTEM: what was asked for does not work; `refusal` says why. */
MUST_USE enum err probe(enum probe_wish wish, struct probe_result *ret);

#endif
