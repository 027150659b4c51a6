/* action.c - see action.h. SPDX-License-Identifier: Apache-2.0 */
#include "action.h"

#include <stdlib.h>
#include <string.h>

static const char *const script_names[SCRIPT_COUNT] = {
    "place", "join", "leave", "update", "track", "resume", "restore", "chat", "snapshot", "owners",
};

const char *script_name(unsigned script)
{
    check(script < SCRIPT_COUNT);
    return script_names[script];
}

struct action *action_push(struct list *queue, enum action_kind kind)
{
    struct action *a = calloc(1, sizeof(*a));
    check(a != NULL);
    a->kind = kind;
    list_push_back(queue, &a->link);
    return a;
}

static char *copy(const char *text)
{
    char *ret = strdup(text);
    check(ret != NULL);
    return ret;
}

void action_set_room(struct action *a, const char *room)
{
    a->room = copy(room);
}

void action_set_name(struct action *a, const char *name)
{
    a->name = copy(name);
}

void action_free(struct action *a)
{
    if (a == NULL)
        return;
    free(a->text);
    free(a->room);
    free(a->name);
    json_decref(a->json);
    if (a->response != NULL)
        http_response_clear(a->response);
    free(a->response);
    free(a);
}
