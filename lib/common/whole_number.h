/* whole_number.h - whole numbers in JSON, however they are written.
 *
 * JSON has one kind of number (RFC 8259 §6): 5, 5.0 and 5e0 are the same, and JSON Schema calls all
 * of them integers. Some languages write only the second. Pure. SPDX-License-Identifier: Apache-2.0
 */
#ifndef COMMON_WHOLE_NUMBER_H
#define COMMON_WHOLE_NUMBER_H

#include "common/base.h"

#include <jansson.h>

/* False: no number (NULL is fine), not whole, or outside of min..max; ret is untouched. A number
 * with a point or exponent is exact up to 2^53, and refused beyond. */
MUST_USE bool whole_number_read(const json_t *value, int64_t min, int64_t max, int64_t *ret);
/* Whether it is one at all. */
bool is_whole_number(const json_t *value);

#endif
