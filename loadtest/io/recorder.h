/* recorder.h - files that bots append to, a few of them kept open.
 *
 * Thread: one recorder per thread; two must not write the same file.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_IO_RECORDER_H
#define LOADTEST_IO_RECORDER_H

#include "common/bytes.h"

enum { RECORDER_OPEN_MAX = 64 }; /* the one that was longest not written to is closed */

struct recorder;

/* NULL without memory. */
struct recorder *recorder_new(void);
/* Writes what is buffered and closes all files. NULL is fine. */
void recorder_free(struct recorder *r);
/* Appends to the file, made with its directories if need be. ERR_SYSTEM (errno). */
MUST_USE enum err recorder_append(struct recorder *r, const char *path, struct bytes data);

#endif
