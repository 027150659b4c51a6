/* verify.h - `auditd --verify DIR`: is the log what auditd wrote?
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDITD_IO_VERIFY_H
#define AUDITD_IO_VERIFY_H

#include "common/base.h"

#include <stdio.h>

/* Reads every segment and prints one line:
 *
 *     intact: N events in M segments, head <hash>         0
 *     broken: segment X line Y: reason                    1
 *     the directory cannot be read                        2
 *
 * An edit, deletion, insertion or exchange anywhere is found by the log itself. That its end was
 * cut off, or all of it rewritten, shows only against a head that was noted elsewhere:
 *
 * expect_head  a hash that must be one of the chain's, or NULL
 *
 * While an auditd is running there, an unfinished last line is its work in progress. */
int verify_directory(const char *dir, const char *expect_head, FILE *out);

#endif
