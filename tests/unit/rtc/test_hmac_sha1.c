/* Vectors: RFC 2202 §3. SPDX-License-Identifier: Apache-2.0 */
#include "rtc/hmac_sha1.h"

#include "cmocka_all.h"
#include "hex.h"

static const struct {
    uint8_t key_byte;
    size_t key_len;
    const char *message, *mac;
} vectors[] = {
    { 0x0b, 20, "Hi There", "b617318655057264e28bc0b6fb378c8ef146be00" },
    { 0xaa, 80, "Test Using Larger Than Block-Size Key - Hash Key First",
      "aa4ae5e15272d00e95705637ce8a3b55ed402112" },
    { 0xaa, 80, "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data",
      "e8e99d0f45237d786d6bbaa7965c7808bbff1a91" },
};

static void vectors_of_rfc2202_are_reproduced(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        uint8_t key[80], mac[HMAC_SHA1_LEN], expected[HMAC_SHA1_LEN];
        struct hmac_sha1 h;
        struct bytes message = bytes_of_str(vectors[i].message);
        memset(key, vectors[i].key_byte, sizeof key);
        hmac_sha1_init(&h, bytes_of(key, vectors[i].key_len));
        (void)hex(vectors[i].mac, expected, sizeof expected);
        hmac_sha1_sum(&h, &message, 1, mac);
        assert_memory_equal(mac, expected, sizeof mac);
        /* the key is kept, and how a message is cut does not matter */
        struct bytes parts[3] = { bytes_of(message.data, 3), bytes_of(NULL, 0),
                                  bytes_of(message.data + 3, message.len - 3) };
        hmac_sha1_sum(&h, parts, 3, mac);
        assert_memory_equal(mac, expected, sizeof mac);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_rfc2202_are_reproduced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
