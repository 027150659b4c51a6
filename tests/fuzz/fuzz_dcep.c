/* fuzz_dcep.c - any bytes as a message that opens a data channel; what is read is written back.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "rtc/dcep.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct dcep_message m, again;
    if (dcep_parse(bytes_of(data, len), &m) != OK)
        return 0;
    uint8_t *out = malloc(len);
    check(out != NULL);
    struct writer w = writer_of(out, len);
    enum err err = m.kind == DCEP_ACK ? dcep_write_ack(&w) : dcep_write_open(&m.open, &w);
    check(err == OK && writer_len(&w) == len);
    check(dcep_parse(bytes_of(out, len), &again) == OK && again.kind == m.kind);
    if (m.kind == DCEP_OPEN) {
        check(bytes_equal(again.open.label, m.open.label));
        check(bytes_equal(again.open.protocol, m.open.protocol));
        check(again.open.reliability == m.open.reliability && again.open.limit == m.open.limit);
        check(again.open.ordered == m.open.ordered && again.open.priority == m.open.priority);
    }
    free(out);
    return 0;
}
