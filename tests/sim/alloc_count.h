/* alloc_count.h - counts the allocations of code that is being watched. Of binaries linked with
 * --wrap=malloc, calloc and realloc.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_ALLOC_COUNT_H
#define TESTS_SIM_ALLOC_COUNT_H

#include "common/base.h"

void alloc_count_watch(bool on);
/* While it was on. */
uint64_t alloc_count(void);

#endif
