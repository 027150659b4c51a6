/* event.h - audit events: parse, validate, canonical bytes (docs/cluster.md, "Audit events").
 *
 * Pure. The canonical form is compact JSON with sorted keys, in ASCII: what is hashed and stored.
 * Members that are not known here are kept: an older auditd must not lose what a newer daemon says.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDITD_CORE_EVENT_H
#define AUDITD_CORE_EVENT_H

#include "common/base.h"
#include "common/bytes.h"
#include "common/ids.h"
#include "limits.h"

#define EVENT_TYPE_MAX     64
#define STREAM_ID_CAPACITY 48

/* event_clear() frees it. */
struct event {
    char id[UUID_CAPACITY];
    char type[EVENT_TYPE_MAX + 1];
    wall_usec time;
    char *canonical; /* owned, zero-terminated, no newline inside */
    size_t canonical_len;
};

void event_clear(struct event *e);

/* OK and ret; ERR_MALFORMED (not JSON, or breaks the schema), ERR_FULL (too large canonically),
 * ERR_SYSTEM (memory). ret_why, if not NULL, gets a constant text saying which member is wrong. */
MUST_USE enum err event_parse(struct bytes json, struct event *ret, const char **ret_why);

/* An event by auditd itself.
 *
 * id      a UUID
 * detail  member of meta, with its value; NULL = none */
struct event_own {
    const char *id;
    wall_usec time;
    const char *type; /* "audit.rejected", "audit.recovered", "audit.gap" */
    const char *instance;
    const char *keys[3];
    const char *values[3];
};
MUST_USE enum err event_write_own(const struct event_own *own, struct event *ret);

/* The record that takes the place of a stream entry that is no event, so that nothing vanishes
 * unseen. Its id follows from the entry: read twice, it is the same event. */
MUST_USE enum err event_reject(const char *stream_id, struct bytes raw, const char *why,
                               const char *instance, wall_usec now, struct event *ret);

/* The record that says that entries between two stream ids were trimmed before anybody read them.
 * Its id follows from the ids and the count. */
MUST_USE enum err event_gap(const char *after, const char *before, uint64_t lost,
                            const char *instance, wall_usec now, struct event *ret);

#endif
