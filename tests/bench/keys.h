/* keys.h - the SRTP keys of everybody in the bench, made from their number: no handshakes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BENCH_KEYS_H
#define TESTS_BENCH_KEYS_H

#include "rtc/dtls.h"

/* As the server sees them: local is what it seals with. */
void keys_of(uint32_t number, enum seal_profile profile, struct dtls_keys *ret);

/* Keys for everybody are of this profile. Before any association. */
void keys_set_profile(enum seal_profile profile);
/* The fingerprint that says who somebody is, 32 bytes. */
void keys_write_number(uint32_t number, uint8_t fingerprint[32]);

#endif
