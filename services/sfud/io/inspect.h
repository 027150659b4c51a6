/* inspect.h - the admin port's look into rooms: statistics as JSON, packet headers as pcap
 * (docs/statistics.md).
 *
 * Loop thread only. A worker is asked by a command and answers between two passes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_IO_INSPECT_H
#define SFUD_IO_INSPECT_H

#include "common/os/admin.h"

struct control;

/* GET /v1/rooms and below. Exchanges that wait are answered by thread_stop() at the latest; the
 * admin port has to be stopped after that and before control is gone. */
struct admin_routes inspect_routes(struct control *c);

#endif
