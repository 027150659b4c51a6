/* ids.h - identifiers from random bytes, and which names people may choose.
 *
 * Pure: randomness and time are parameters.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_IDS_H
#define COMMON_IDS_H

#include "common/base.h"
#include "common/bytes.h"

/* An id is a prefix that says what it names ("p_" participant, "r_" room, …) and 16 characters of
 * lower-case base32 (RFC 4648 alphabet), 80 bits: unguessable enough to be unique, not a secret. */
#define ID_RANDOM_LEN 10
#define ID_DIGITS     16
#define ID_PREFIX_MAX 15
#define ID_CAPACITY   (ID_PREFIX_MAX + ID_DIGITS + 1)

/* prefix  at most ID_PREFIX_MAX characters, "p_"; ret is zero-terminated */
void id_write(char ret[ID_CAPACITY], const char *prefix, const uint8_t random[ID_RANDOM_LEN]);

/* Whether text is prefix + 16 base32 digits: the check for an id that came from outside. */
bool id_is_valid(const char *text, const char *prefix);

/* Lower-case base32 without padding; ret needs (len * 8 + 4) / 5 + 1 bytes. For longer secrets. */
void base32_write(char *ret, const uint8_t *data, size_t len);

/* UUIDv7 (RFC 9562 §5.7): milliseconds of wall time, then 12 + 62 random bits. Sorts by time. */
#define UUID_CAPACITY   37
#define UUID_RANDOM_LEN 10
void uuid7_write(char ret[UUID_CAPACITY], wall_usec time, const uint8_t random[UUID_RANDOM_LEN]);
bool uuid_is_valid(const char *text);

/* Limits of names, in bytes of UTF-8 (without the zero) and in characters. */
#define ROOM_NAME_BYTES_MAX    128
#define ROOM_NAME_CHARS_MAX    64
#define ORG_NAME_BYTES_MAX     63
#define DISPLAY_NAME_BYTES_MAX 256
#define DISPLAY_NAME_CHARS_MAX 64

/* All of them: well-formed UTF-8 (RFC 3629), no control characters (C0, C1, DEL), no invisible
 * direction changes (U+202A-E, U+2066-9), no line or paragraph separators, no leading or trailing
 * space, at least one visible character. OK, ERR_MALFORMED, or ERR_FULL (too long). */

/* Room and channel names: also without / \ { } * which mean something in paths, keys and grants. */
MUST_USE enum err room_name_check(struct bytes name);
/* Orgs are slugs: a-z 0-9 and inner hyphens, as in a DNS label. */
MUST_USE enum err org_name_check(struct bytes name);
/* What people are called: anything printable. */
MUST_USE enum err display_name_check(struct bytes name);

/* Decodes one character; returns its length 1-4, or 0 if malformed or truncated. */
size_t utf8_decode(struct bytes text, uint32_t *ret);
bool utf8_is_valid(struct bytes text);

#endif
