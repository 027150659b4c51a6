/* seal_engine.h - which library encrypts SRTP: OpenSSL everywhere, ipsec-mb where the CPU has it.
 *
 * Chosen once, at the start of a process, and given to sealers, openers and bursts; wherever one is
 * asked for, NULL means OpenSSL. What is sealed is the same to the byte
 * (docs/decisions/0011-sealing-with-ipsec-mb.md). Never written to after seal_engine_new(): threads
 * share one.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_SEAL_ENGINE_H
#define RTC_SEAL_ENGINE_H

#include "common/base.h"

enum seal_choice {
    SEAL_AUTO,     /* ipsec-mb where it is known to win: from AVX2 on */
    SEAL_IPSEC_MB, /* demanded: AES-NI does */
    SEAL_OPENSSL,
};

struct seal_engine;

/* "auto", "ipsec-mb", "openssl". ERR_MALFORMED. */
MUST_USE enum err seal_choice_parse(const char *text, enum seal_choice *ret);

/* NULL: ipsec-mb is demanded, but not built in, or this CPU cannot run it; or no memory. */
struct seal_engine *seal_engine_new(enum seal_choice choice);
/* After everything that was made with it. */
void seal_engine_free(struct seal_engine *e);

/* "openssl", "ipsec-mb". */
const char *seal_engine_name(const struct seal_engine *e);
/* The instructions that ipsec-mb uses: "avx512", "avx2", "avx", "sse"; of OpenSSL "". */
const char *seal_engine_code(const struct seal_engine *e);

#endif
