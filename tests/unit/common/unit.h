/* unit.h - cmocka with what it needs included before it. SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_COMMON_UNIT_H
#define UNIT_COMMON_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
