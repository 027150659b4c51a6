/* layer.h - which simulcast layer a viewer gets.
 *
 * Pure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_LAYER_H
#define SFUD_CORE_LAYER_H

#include "common/base.h"

/* The highest active layer that is not above `max`, else the lowest active one; -1 if none is.
 *
 * active  bit i: layer i sends, 0 is the lowest resolution */
static inline int layer_choose(uint32_t active, unsigned max)
{
    if (active == 0)
        return -1;
    uint32_t wanted = max >= 31 ? active : active & ((2u << max) - 1);
    if (wanted != 0)
        return 31 - __builtin_clz(wanted);
    return __builtin_ctz(active);
}

#endif
