/* cmocka_all.h - cmocka with the headers it wants in front of it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_RTC_CMOCKA_ALL_H
#define TESTS_UNIT_RTC_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
