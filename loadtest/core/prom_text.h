/* prom_text.h - reads the Prometheus text exposition format, version 0.0.4, sample by sample.
 *
 * https://prometheus.io/docs/instrumenting/exposition_formats/. Comments (# HELP, # TYPE) are
 * skipped; every other line is one sample: name, labels, value, and a timestamp that is not kept.
 * Pure: no allocation. The views borrow from the text and live as long as it does. The text comes
 * from the network: nothing in it is believed, and a line that breaks the format costs that line.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_PROM_TEXT_H
#define LOADTEST_PROM_TEXT_H

#include "common/bytes.h"

struct prom_text {
    struct bytes left;
};

struct prom_sample {
    struct bytes name;
    struct bytes labels; /* between the braces, checked, still escaped; empty without any */
    double value;        /* NaN and infinities are values */
};

static inline struct prom_text prom_text_of(struct bytes text)
{
    return (struct prom_text){ .left = text };
}

/* The next sample. OK; ERR_NOT_FOUND at the end of the text; ERR_MALFORMED: a line was skipped, ask
 * for the next. ret is written only on OK. */
MUST_USE enum err prom_text_next(struct prom_text *t, struct prom_sample *ret);

bool prom_sample_is(const struct prom_sample *s, const char *name);

/* The value of a label, unescaped and zero-terminated. OK, ERR_NOT_FOUND, ERR_FULL (does not fit in
 * capacity), ERR_MALFORMED (holds a zero byte). ret is an empty text unless OK. */
MUST_USE enum err prom_sample_label(const struct prom_sample *s, const char *label, char *ret,
                                    size_t capacity);

#endif
