/* datagram.h - one UDP payload, or one frame of a TCP connection, on its way into a worker.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_DATAGRAM_H
#define SFUD_CORE_DATAGRAM_H

#include "rtc/net_addr.h"

struct datagram {
    struct net_addr from; /* remote address and port */
    uint16_t path;        /* the local socket or connection it came by; answers leave by the same */
    uint32_t len;
    /* Borrowed, writable (packets are decrypted in place), valid and unmoved until the
     * worker_pass_end() after the worker_receive() it was given to. */
    uint8_t *data;
    usec arrival; /* as early as it is known: kernel timestamp, else the time of the pass */
};

#endif
