/* SPDX-License-Identifier: ISC */
/* The lookup: shared by a handshake and the store that answers it. */
#include "session/store.h"

#include "base/mem.h"

struct session_lookup {
    struct task task;
    uint8_t id[SESSION_ID_MAX];
    size_t id_len;
    bool takes;
    uint8_t *value; /* sealed, so no secret */
    size_t value_len;
};

struct session_lookup *session_lookup_new(struct span id, bool takes)
{
    struct session_lookup *l = id.n && id.n <= SESSION_ID_MAX ? mem_zalloc(sizeof *l) : NULL;

    if (!l || !task_init(&l->task)) {
        mem_free(l);
        return NULL;
    }
    memcpy(l->id, id.p, id.n);
    l->id_len = id.n;
    l->takes = takes;
    return l;
}

struct span session_lookup_id(const struct session_lookup *l)
{
    return span_of(l->id, l->id_len);
}

bool session_lookup_takes(const struct session_lookup *l)
{
    return l->takes;
}

struct session_lookup *session_lookup_ref(struct session_lookup *l)
{
    task_ref(&l->task);
    return l;
}

static void lookup_free(struct session_lookup *l)
{
    mem_free(l->value);
    mem_free(l);
}

void session_lookup_unref(struct session_lookup *l)
{
    if (l && task_unref(&l->task)) {
        lookup_free(l);
    }
}

void session_lookup_found(struct session_lookup *l, struct span value)
{
    if (task_begin_end(&l->task)) {
        if (value.n && value.n <= SESSION_STORED_MAX) {
            l->value = mem_dup(value.p, value.n);
        }
        l->value_len = l->value ? value.n : 0;
        task_end(&l->task, l->value);
    }
}

void session_lookup_missed(struct session_lookup *l)
{
    task_fail(&l->task);
}

struct task *session_lookup_task(struct session_lookup *l)
{
    return &l->task;
}

struct span session_lookup_value(const struct session_lookup *l)
{
    return task_done(&l->task) ? span_of(l->value, l->value_len) : span_of(NULL, 0);
}

void session_lookup_cancel(struct session_lookup *l)
{
    if (l && task_cancel(&l->task)) {
        lookup_free(l);
    }
}
