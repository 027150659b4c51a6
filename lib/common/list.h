/* list.h - an intrusive doubly linked list. The link lives inside the object; the list owns
 * nothing.
 *
 * Pure, no allocation. An object may be in as many lists as it has links. A link that is in no list
 * points to itself after list_link_init() or list_remove(), so removing twice is harmless.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_LIST_H
#define COMMON_LIST_H

#include "common/base.h"

struct list_link {
    struct list_link *prev;
    struct list_link *next;
};

/* The head: an empty list points to itself. */
struct list {
    struct list_link head;
};

static inline void list_link_init(struct list_link *l)
{
    l->prev = l;
    l->next = l;
}

static inline void list_init(struct list *l)
{
    list_link_init(&l->head);
}

static inline bool list_is_empty(const struct list *l)
{
    return l->head.next == &l->head;
}

static inline bool list_link_is_linked(const struct list_link *l)
{
    return l->next != l;
}

static inline void list_insert_before(struct list_link *at, struct list_link *l)
{
    l->prev = at->prev;
    l->next = at;
    at->prev->next = l;
    at->prev = l;
}

static inline void list_push_back(struct list *list, struct list_link *l)
{
    list_insert_before(&list->head, l);
}

static inline void list_push_front(struct list *list, struct list_link *l)
{
    list_insert_before(list->head.next, l);
}

static inline void list_remove(struct list_link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    list_link_init(l);
}

/* The first link, or NULL. */
static inline struct list_link *list_first(const struct list *l)
{
    return list_is_empty(l) ? NULL : l->head.next;
}

/* Removes and returns the first link, or NULL. */
static inline struct list_link *list_pop_front(struct list *l)
{
    struct list_link *first = list_first(l);
    if (first != NULL)
        list_remove(first);
    return first;
}

/* for every link; `it` may be removed (and its object freed) inside the body. */
#define list_for_each(it, list)                                                                    \
    for (struct list_link *it = (list)->head.next, *it##_next = it->next; it != &(list)->head;     \
         it = it##_next, it##_next = it->next)

#define list_entry(link, type, member) container_of(link, type, member)

#endif
