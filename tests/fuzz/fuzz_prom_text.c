/* What a metrics endpoint answers. SPDX-License-Identifier: Apache-2.0 */
#include "core/prom_text.h"

#include "fuzz_input.h"

static bool is_inside(struct bytes part, struct bytes whole)
{
    return part.len == 0 ||
           (part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

/* What was read can be read again from its own pieces. */
static void read_again(const struct prom_sample *s)
{
    static uint8_t line[1 << 16];
    if (s->name.len + s->labels.len + 8 > sizeof line)
        return;
    struct writer w = writer_of(line, sizeof line);
    writer_put(&w, s->name);
    writer_put(&w, bytes_of_str("{"));
    writer_put(&w, s->labels);
    writer_put(&w, bytes_of_str("} 7\n"));
    check(!w.failed);
    struct prom_text t = prom_text_of(bytes_of(line, writer_len(&w)));
    struct prom_sample again;
    check(prom_text_next(&t, &again) == OK);
    check(bytes_equal(again.name, s->name) && again.value == 7);
    check(prom_text_next(&t, &again) == ERR_NOT_FOUND);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes whole = bytes_of(data, len);
    struct prom_text t = prom_text_of(whole);
    struct prom_sample s;
    size_t lines = 0;
    enum err e;
    while ((e = prom_text_next(&t, &s)) != ERR_NOT_FOUND) {
        check(e == OK || e == ERR_MALFORMED);
        check(++lines <= len);
        if (e != OK)
            continue;
        check(s.name.len > 0 && is_inside(s.name, whole) && is_inside(s.labels, whole));
        char value[16];
        e = prom_sample_label(&s, "direction", value, sizeof value);
        check(strlen(value) < sizeof value && (e == OK || value[0] == '\0'));
        read_again(&s);
    }
    return 0;
}
