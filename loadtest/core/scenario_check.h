/* scenario_check.h - contradictions: values that are fine alone but not together.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_SCENARIO_CHECK_H
#define LOADTEST_SCENARIO_CHECK_H

#include "core/scenario_tree.h"

/* s was read from root; fills what follows from other keys (`watch: all`, layers without a camera),
 * and refuses what was written in vain or cannot be. ret_error as scenario_parse(). */
MUST_USE enum err scenario_check(struct scenario *s, const struct tree *root,
                                 char ret_error[SCENARIO_ERROR_MAX]);

#endif
