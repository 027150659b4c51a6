/* SPDX-License-Identifier: Apache-2.0 */
#include "common/whole_number.h"

#include <math.h>

#define EXACT_MAX 9007199254740992.0 /* 2^53 */

bool whole_number_read(const json_t *value, int64_t min, int64_t max, int64_t *ret)
{
    int64_t n;
    if (json_is_integer(value)) {
        n = json_integer_value(value);
    } else {
        double real = json_number_value(value);
        if (!json_is_real(value) || !(fabs(real) <= EXACT_MAX) || real != trunc(real))
            return false;
        n = (int64_t)real;
    }
    if (n < min || n > max)
        return false;
    *ret = n;
    return true;
}

bool is_whole_number(const json_t *value)
{
    int64_t n;
    return whole_number_read(value, INT64_MIN, INT64_MAX, &n);
}
