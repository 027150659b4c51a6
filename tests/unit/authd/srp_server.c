/* srp_server.c - core/srp on a command line, for srp_peer.py.
 *
 *     srp_server <group> <username> <salt> <verifier> <A> <b>      (binary values as hex)
 *     → B=… M1=… M2=…, or `refused`
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base64url.h"
#include "core/srp.h"

#include <stdio.h>

static struct bytes hex(const char *text, uint8_t *buffer, size_t capacity)
{
    size_t len = strlen(text) / 2;
    check(len <= capacity && hex_parse(bytes_of_str(text), buffer, len) == OK);
    return bytes_of(buffer, len);
}

static void print(const char *name, const uint8_t *data, size_t len)
{
    char text[SRP_GROUP_BYTES_MAX * 2 + 1];
    hex_write(text, bytes_of(data, len));
    printf("%s=%s\n", name, text);
}

int main(int argc, char **argv)
{
    check(argc == 7);
    uint8_t salt[64], v[SRP_GROUP_BYTES_MAX], a[SRP_GROUP_BYTES_MAX], b[SRP_SECRET_LEN];
    struct srp_suite suite = { .hash = SRP_HASH_SHA256 };
    check(srp_group_parse(argv[1], &suite.group) == OK);
    struct bytes client = hex(argv[5], a, sizeof(a));
    struct srp_exchange ex;
    struct srp_proofs proofs;
    if (srp_exchange_run(suite, hex(argv[4], v, sizeof(v)), client, hex(argv[6], b, sizeof(b)).data,
                         &ex) != OK ||
        srp_proofs_write(suite, bytes_of_str(argv[2]), hex(argv[3], salt, sizeof(salt)), client,
                         &ex, &proofs) != OK) {
        printf("refused\n");
        return 0;
    }
    print("B", ex.server_public, ex.len);
    print("M1", proofs.client, proofs.len);
    print("M2", proofs.server, proofs.len);
    return 0;
}
