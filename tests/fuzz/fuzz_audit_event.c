/* fuzz_audit_event.c - an entry of the audit stream: parsed, chained, read back.
 *
 * What is accepted is its own canonical form and survives the chain; the input is also read as a
 * line of a segment, which must never be taken for one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/chain.h"
#include "core/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void chain_check(struct bytes canonical)
{
    static uint8_t text[LINE_BYTES_MAX + 512];
    struct writer w = writer_of(text, sizeof(text));
    struct chain written, read;
    struct bytes event;
    chain_init(&written, "c_aaaaaaaaaaaaaaaa");
    chain_write_header(&written, 0, &w);
    size_t header_len = writer_len(&w);
    chain_write_record(&written, canonical, &w);
    check(!w.failed);
    chain_init_unknown(&read);
    check(chain_read_header(&read, bytes_of(text, header_len - 1)) == CHAIN_FINE);
    struct bytes line = bytes_of(text + header_len, writer_len(&w) - header_len - 1);
    check(chain_read_record(&read, line, &event) == CHAIN_FINE);
    check(bytes_equal(event, canonical));
}

static void line_check(struct bytes line)
{
    struct chain c;
    chain_init_unknown(&c);
    if (chain_read_header(&c, line) == CHAIN_FINE)
        (void)!chain_read_record(&c, line, NULL);
    chain_init_unknown(&c);
    check(chain_read_record(&c, line, NULL) != CHAIN_FINE || line.len > 0);
    (void)!chain_adopt_header(&c, line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct event event, again;
    const char *why = NULL;
    line_check(bytes_of(data, len));
    if (event_parse(bytes_of(data, len), &event, &why) != OK) {
        check(why != NULL);
        check(event_reject("1790000000000-0", bytes_of(data, len), why, "auditd-1", 0, &event) ==
              OK);
    }
    struct bytes canonical = bytes_of(event.canonical, event.canonical_len);
    check(event.canonical_len <= EVENT_BYTES_MAX);
    check(event_parse(canonical, &again, NULL) == OK);
    check(bytes_equal(canonical, bytes_of(again.canonical, again.canonical_len)));
    chain_check(canonical);
    event_clear(&again);
    event_clear(&event);
    return 0;
}
