/* SPDX-License-Identifier: Apache-2.0 */
#include "io/members.h"

#include <stdio.h>
#include <stdlib.h>

void members_init(struct members *m, size_t worker_count, const uint8_t hash_key[16])
{
    check(worker_count > 0 && worker_count <= WORKERS_MAX);
    *m = (struct members){ .worker_count = worker_count };
    map_init(&m->members, hash_key);
    map_init(&m->rooms, hash_key);
}

void members_done(struct members *m)
{
    struct map_node *n;
    while ((n = map_first(&m->members)) != NULL)
        members_remove(m, container_of(n, struct member, by_key));
    map_done(&m->members);
    map_done(&m->rooms);
}

/* Neither part may have control characters, so that the separator is one. */
static void write_key(char ret[sizeof(((struct member *)0)->key)], const char *room,
                      const char *participant)
{
    (void)snprintf(ret, sizeof(((struct member *)0)->key), "%s\n%s", room, participant);
}

struct member *members_find(const struct members *m, const char *room, const char *participant)
{
    char key[sizeof(((struct member *)0)->key)];
    write_key(key, room, participant);
    struct map_node *n = map_find(&m->members, key);
    return n == NULL ? NULL : container_of(n, struct member, by_key);
}

bool members_has_room(const struct members *m, const char *room)
{
    return map_find(&m->rooms, room) != NULL;
}

static size_t emptiest_worker(const struct members *m)
{
    size_t best = 0;
    for (size_t i = 1; i < m->worker_count; i++) {
        if (m->worker_members[i] < m->worker_members[best])
            best = i;
    }
    return best;
}

static struct member_room *room_for(struct members *m, const char *name)
{
    struct map_node *n = map_find(&m->rooms, name);
    if (n != NULL)
        return container_of(n, struct member_room, by_name);
    struct member_room *room = calloc(1, sizeof *room);
    if (room == NULL)
        return NULL;
    check(strlen(name) <= ROOM_KEY_MAX);
    memcpy(room->name, name, strlen(name) + 1);
    room->worker = emptiest_worker(m);
    if (map_insert(&m->rooms, &room->by_name, room->name) != OK) {
        free(room);
        return NULL;
    }
    return room;
}

static void drop_empty_room(struct members *m, struct member_room *room)
{
    if (room->member_count > 0)
        return;
    (void)map_remove(&m->rooms, room->name);
    free(room);
}

struct member *members_add(struct members *m, const char *room_name, const char *participant)
{
    struct member_room *room = room_for(m, room_name);
    struct member *member = room == NULL ? NULL : calloc(1, sizeof *member);
    if (room == NULL)
        return NULL;
    if (member != NULL) {
        write_key(member->key, room_name, participant);
        member->room = room;
        if (map_insert(&m->members, &member->by_key, member->key) == OK) {
            room->member_count++;
            m->worker_members[room->worker]++;
            return member;
        }
        free(member);
    }
    drop_empty_room(m, room);
    return NULL;
}

void members_remove(struct members *m, struct member *member)
{
    struct member_room *room = member->room;
    (void)map_remove(&m->members, member->key);
    free(member);
    check(room->member_count > 0 && m->worker_members[room->worker] > 0);
    room->member_count--;
    m->worker_members[room->worker]--;
    drop_empty_room(m, room);
}

size_t members_count(const struct members *m)
{
    return m->members.len;
}

size_t members_room_count(const struct members *m)
{
    return m->rooms.len;
}
