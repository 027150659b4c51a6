/* random.h - randomness from the kernel. SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_OS_RANDOM_H
#define COMMON_OS_RANDOM_H

#include "common/base.h"
#include "common/ids.h"

/* Fills len bytes (getrandom). Aborts if the kernel has none: nobody can go on without. Any thread.
 */
void random_bytes(void *ret, size_t len);

/* id_write() and uuid7_write() with fresh randomness (and the wall clock). */
void random_id(char ret[ID_CAPACITY], const char *prefix);
void random_uuid7(char ret[UUID_CAPACITY]);

/* Uniform in 0..bound-1; bound > 0. For jitter. */
uint64_t random_below(uint64_t bound);

#endif
