/* scan.h - the reaper's rounds: every five seconds through all rooms, for who is left behind.
 *
 * Decisions are core/reaper's. Loop thread only. SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_IO_SCAN_H
#define SIGNALD_IO_SCAN_H

#include "common/base.h"

struct scan;
struct runtime;

struct scan *scan_new(struct runtime *r);
void scan_on_redis(struct scan *s, bool is_connected);
void scan_free(struct scan *s);

#endif
