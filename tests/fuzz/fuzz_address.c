/* Addresses in headers of proxies. SPDX-License-Identifier: Apache-2.0 */
#include "common/address.h"

#include <stdlib.h>
#include <string.h>

static bool is_trusted(const void *context, const char *address)
{
    return strncmp(address, context, 3) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char address[ADDRESS_CAPACITY], again[ADDRESS_CAPACITY], one[ADDRESS_CAPACITY];
    if (address_parse(bytes_of(data, size), address) == OK) {
        check(address_parse(bytes_of_str(address), again) == OK && strcmp(address, again) == 0);
        check(strncmp(address, "::ffff:", 7) != 0 || strchr(address, '.') == NULL);
        address_subscriber(address, one);
        check((strchr(address, ':') == NULL) == (strcmp(address, one) == 0));
    }
    char *header = calloc(1, size + 1); /* strndup() would look for an end behind the data */
    check(header != NULL);
    if (size > 0)
        memcpy(header, data, size);
    char client[ADDRESS_CAPACITY] = "10.0.0.1";
    address_behind_proxies(header, is_trusted, "10.", client);
    check(address_parse(bytes_of_str(client), again) == OK && strcmp(client, again) == 0);
    address_subscriber(header, one);
    free(header);
    return 0;
}
