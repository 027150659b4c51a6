/* SPDX-License-Identifier: Apache-2.0 */
#include "core/data_topics.h"

struct data_topic data_topic_of(struct bytes label, bool is_reliable, bool is_ordered)
{
    struct data_topic t = { .is_reliable = is_reliable,
                            .is_ordered = is_ordered,
                            .label_len = MIN(label.len, (size_t)DATA_LABEL_MAX) };
    if (t.label_len > 0)
        memcpy(t.label, label.data, t.label_len);
    return t;
}

bool data_topic_equals(const struct data_topic *a, const struct data_topic *b)
{
    return a->is_reliable == b->is_reliable && a->is_ordered == b->is_ordered &&
           bytes_equal(bytes_of(a->label, a->label_len), bytes_of(b->label, b->label_len));
}

/* Its place, or DATA_TOPICS_MAX. */
static size_t place_of(const struct data_topics *t, const struct data_topic *topic)
{
    size_t i = 0;
    while (i < DATA_TOPICS_MAX &&
           (t->at[i].holder_count == 0 || !data_topic_equals(&t->at[i].topic, topic)))
        i++;
    return i;
}

enum err data_topics_hold(struct data_topics *t, const struct data_topic *topic)
{
    size_t i = place_of(t, topic);
    for (size_t k = 0; i == DATA_TOPICS_MAX && k < DATA_TOPICS_MAX; k++) {
        if (t->at[k].holder_count == 0)
            i = k;
    }
    if (i == DATA_TOPICS_MAX)
        return ERR_FULL;
    t->at[i].topic = *topic;
    t->at[i].holder_count++;
    return OK;
}

void data_topics_release(struct data_topics *t, const struct data_topic *topic)
{
    size_t i = place_of(t, topic);
    check(i < DATA_TOPICS_MAX);
    t->at[i].holder_count--;
}

bool data_topics_has(const struct data_topics *t, const struct data_topic *topic)
{
    return place_of(t, topic) < DATA_TOPICS_MAX;
}
