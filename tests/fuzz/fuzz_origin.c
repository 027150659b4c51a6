/* Origin and Host as clients send them: "origin\nhost". SPDX-License-Identifier: Apache-2.0 */
#include "common/origin.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const list[] = { "https://app.example.org" };
    static const char *const any[] = { "*" };
    char *origin = calloc(1, size + 1); /* strndup() would look for an end behind the data */
    check(origin != NULL);
    if (size > 0)
        memcpy(origin, data, size);
    char *host = strchr(origin, '\n');
    if (host != NULL)
        *host++ = 0;
    enum origin one = origin_judge(origin, host, list, 1);
    enum origin all = origin_judge(origin, host, any, 1);
    check((one == ORIGIN_ALLOWED) <= (strcmp(origin, list[0]) == 0));
    check((one == ORIGIN_OWN) == (all == ORIGIN_OWN));
    check(one != ORIGIN_ALLOWED || all == ORIGIN_ALLOWED);
    /* What is valid in a list is what a page of that origin sends. */
    if (origin_is_valid(origin) && strcmp(origin, "*") != 0)
        check(origin_judge(origin, NULL, (const char *const *)&origin, 1) == ORIGIN_ALLOWED);
    free(origin);
    return 0;
}
