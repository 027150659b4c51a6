/* keyfile.h - secrets on disk: made on first start, mode 0600, refused if others can read them.
 *
 * Blocking file i/o: start-up and reload only. Errors come with one line for the operator in
 * ret_why
 * ("/var/lib/conclave/turn.key: readable by group or others (mode 0640), expected 0600").
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_OS_KEYFILE_H
#define COMMON_OS_KEYFILE_H

#include "common/base.h"
#include "common/bytes.h"

#include <openssl/evp.h>

#define KEYFILE_WHY_CAPACITY 512
#define KEYFILE_BYTES_MAX    (64 * 1024)

/* Reads a file that must be regular, and not accessible to group or others. ret is malloc()ed with
 * a terminating zero beyond ret_len; wipe and free it. ERR_NOT_FOUND, ERR_AUTH (permissions),
 * ERR_FULL (too large), ERR_SYSTEM. */
MUST_USE enum err keyfile_read(const char *path, uint8_t **ret, size_t *ret_len,
                               char ret_why[KEYFILE_WHY_CAPACITY]);
/* Writes atomically: temporary file in the same directory (0600), fsync, rename, fsync directory.
 * With `exclusive` an existing file is never replaced: ERR_BAD_STATE. */
MUST_USE enum err keyfile_write(const char *path, struct bytes data, bool exclusive,
                                char ret_why[KEYFILE_WHY_CAPACITY]);

/* A random secret of len bytes, stored as one line of base64url; made if absent (two daemons that
 * start at once end up with the same one). Also accepts any other text of at least 16 characters:
 * then that text is the secret and ret_len its length, at most capacity. */
MUST_USE enum err keyfile_secret(const char *path, size_t len, uint8_t *ret, size_t capacity,
                                 size_t *ret_len, char ret_why[KEYFILE_WHY_CAPACITY]);

/* A P-256 private key in PEM (PKCS#8); made if absent. Caller EVP_PKEY_free()s. ERR_UNSUPPORTED for
 * another kind of key, ERR_MALFORMED. */
MUST_USE enum err keyfile_p256(const char *path, EVP_PKEY **ret,
                               char ret_why[KEYFILE_WHY_CAPACITY]);
/* Makes a directory and what is missing above it, mode 0700; fine if it is there. ERR_FULL (path
 * too long), ERR_SYSTEM. */
MUST_USE enum err keyfile_directory(const char *path, char ret_why[KEYFILE_WHY_CAPACITY]);

/* Whether keyfile_directory() would succeed and files could be made there; by making a directory
 * with a random name in it, or in what exists above it, and removing that at once. */
MUST_USE enum err keyfile_directory_check(const char *path, char ret_why[KEYFILE_WHY_CAPACITY]);

/* A fresh P-256 key, not stored. NULL if OpenSSL fails. */
EVP_PKEY *keyfile_p256_generate(void);

#endif
