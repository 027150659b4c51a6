/* scenario_value.h - texts of a scenario as values: "200ms", "1%", "2mbps", "640x360", "10/s".
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_SCENARIO_VALUE_H
#define LOADTEST_SCENARIO_VALUE_H

#include "core/scenario_keys.h"

enum { VALUE_WHY_MAX = 256 };

/* Reads `text` into the field that `key` has in the struct at `base`. Kinds NETWORK, GROUP, PART
 * and PARTS are not for this. False: ret_why is a sentence, and the field is untouched. */
MUST_USE bool value_read(const struct scenario_key *key, const char *text, void *base,
                         char ret_why[VALUE_WHY_MAX]);

/* "from 1 to 100000", "from 1s to 720h"; "" where the kind alone is the limit. */
enum { VALUE_RANGE_MAX = 80 };
const char *value_range(const struct scenario_key *key, char ret[VALUE_RANGE_MAX]);

/* Names that groups, networks and the like may have. */
bool is_scenario_name(const char *name);

#endif
