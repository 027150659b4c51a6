/* merge_private.h - shared by the merge*.c files only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_MERGE_PRIVATE_H
#define LOADTEST_MERGE_PRIVATE_H

#include "core/merge.h"

/* "series": the rows are those of the longest; every other has its nearest sample there. */
json_t *merge_series(const struct merge_part *parts, size_t count, const json_t *observer);

#endif
