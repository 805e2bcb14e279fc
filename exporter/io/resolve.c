/* SPDX-License-Identifier: Apache-2.0 */

/* Names, who waits for them, and the cache.
 *
 * A name is NEW (to be asked with the next batch), ASKED (in a worker) or KNOWN (cached). A request
 * waits at its name, or stands in the list `due` when its answer is there; due requests are
 * answered from the loop, never inside a lookup. One batch is one worker that asks for all its
 * names at the same time. A name whose server is slow must not hold up the others: what a batch has
 * not answered within a second is asked again in a *slow* batch, which is more patient; at most one
 * batch of each kind runs. */
#include "io/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/mem.h"
#include "io/resolve_work.h"

#define GOOD_FOR_USEC         (30 * USEC_PER_SEC)
#define BAD_FOR_USEC          (5 * USEC_PER_SEC)
#define FAST_BATCH_USEC       (1 * USEC_PER_SEC)
#define SLOW_BATCH_USEC       (10 * USEC_PER_SEC)
#define MOST_NAMES            1024
#define LONGEST_NAME          255
#define MOST_ANSWERS_PER_TURN 64

enum name_state { NAME_NEW, NAME_ASKED, NAME_KNOWN };

struct name {
    struct name *previous, *next; /* oldest first */
    char *host;
    enum name_state state;
    bool slow;
    uint64_t expires_usec;
    struct resolve_request *waiting; /* any order */
    struct resolve_answer answer;    /* ports are 0 */
    struct error error;              /* set: no answer */
};

struct resolve_request {
    struct resolver *resolver;
    struct resolve_request *previous, *next; /* among those who wait, or in due */
    struct name *name;                       /* NULL when due */
    uint16_t port;
    struct loop_timer *timer;
    struct resolve_answer answer;
    struct error error;
    void (*done)(void *userdata, const struct resolve_answer *answer, const struct error *err);
    void *userdata;
};

struct batch {
    struct resolver *resolver; /* NULL when it was freed meanwhile */
    struct worker_job *job;
    struct batch *next;
    struct resolve_work work;
    bool slow;
    struct name *names[RESOLVE_WORK_NAMES];
};

struct resolver {
    struct loop *loop;
    struct worker_pool *pool;
    struct hash_map by_host;
    struct name *oldest, *newest;
    struct batch *batches;
    struct resolve_request *due, *last_due;
    struct loop_deferred *deferred;
    size_t n_new;   /* names in NAME_NEW */
    bool runs[2];   /* a batch of names that are not slow, one of slow ones */
    unsigned depth; /* callbacks on the stack; the memory lives as long */
    bool freed;
};

static bool has_host(const void *entry, const void *key) {
    const struct name *name = entry;
    return strcmp(name->host, key) == 0;
}

static uint64_t hash_host(const char *host) {
    return hash_bytes(host, strlen(host));
}

static void append_name(struct resolver *resolver, struct name *name) {
    name->next = NULL;
    name->previous = resolver->newest;
    *(resolver->newest != NULL ? &resolver->newest->next : &resolver->oldest) = name;
    resolver->newest = name;
}

static void unlink_name(struct resolver *resolver, struct name *name) {
    *(name->previous != NULL ? &name->previous->next : &resolver->oldest) = name->next;
    *(name->next != NULL ? &name->next->previous : &resolver->newest) = name->previous;
}

static void free_name(struct resolver *resolver, struct name *name) {
    unlink_name(resolver, name);
    hash_map_remove(&resolver->by_host, hash_host(name->host), name);
    free(name->host);
    free(name);
}

static void append_due(struct resolver *resolver, struct resolve_request *request) {
    request->timer = loop_timer_free(request->timer);
    request->name = NULL;
    request->next = NULL;
    request->previous = resolver->last_due;
    *(resolver->last_due != NULL ? &resolver->last_due->next : &resolver->due) = request;
    resolver->last_due = request;
    loop_deferred_arm(resolver->deferred);
}

static void append_waiting(struct name *name, struct resolve_request *request) {
    request->name = name;
    request->previous = NULL;
    request->next = name->waiting;
    if (name->waiting != NULL) {
        name->waiting->previous = request;
    }
    name->waiting = request;
}

static void unlink_request(struct resolve_request *request) {
    struct resolver *resolver = request->resolver;
    struct resolve_request **first =
        request->name != NULL ? &request->name->waiting : &resolver->due;
    *(request->previous != NULL ? &request->previous->next : first) = request->next;
    if (request->next != NULL) {
        request->next->previous = request->previous;
    } else if (request->name == NULL) {
        resolver->last_due = request->previous;
    }
}

struct resolve_request *resolve_request_free(struct resolve_request *request) {
    if (request != NULL) {
        unlink_request(request);
        loop_timer_free(request->timer);
        free(request);
    }
    return NULL;
}

static void set_port(struct resolve_address *address, uint16_t port) {
    if (address->addr.any.sa_family == AF_INET6) {
        address->addr.v6.sin6_port = htons(port);
    } else {
        address->addr.v4.sin_port = htons(port);
    }
}

static void take_from_name(struct resolve_request *request, const struct name *name) {
    request->error = name->error;
    request->answer = name->answer;
    for (size_t i = 0; i < request->answer.n_addresses; i++) {
        set_port(&request->answer.addresses[i], request->port);
    }
}

/* Calls back, and frees the request. */
static void give_answer(struct resolve_request *request) {
    struct resolver *resolver = request->resolver;
    unlink_request(request);
    request->timer = loop_timer_free(request->timer);
    resolver->depth++;
    bool failed = error_is_set(&request->error);
    request->done(request->userdata, failed ? NULL : &request->answer,
                  failed ? &request->error : NULL);
    free(request);
    if (--resolver->depth == 0 && resolver->freed) {
        free(resolver);
    }
}

static void on_deadline(void *userdata) {
    struct resolve_request *request = userdata;
    error_say(&request->error, -ETIMEDOUT, "name server did not answer in time for '%s'",
              request->name != NULL ? request->name->host : "host");
    give_answer(request);
}

static void settle_name(struct resolver *resolver, struct name *name) {
    uint64_t good_for = error_is_set(&name->error) ? BAD_FOR_USEC : GOOD_FOR_USEC;
    name->state = NAME_KNOWN;
    name->slow = name->error.code == -EAGAIN;
    name->expires_usec = loop_now_usec(resolver->loop) + good_for;
    while (name->waiting != NULL) {
        struct resolve_request *request = name->waiting;
        unlink_request(request);
        take_from_name(request, name);
        append_due(resolver, request);
    }
}

static void fail_name(struct resolver *resolver, struct name *name, int code, const char *why) {
    name->answer.n_addresses = 0;
    error_say(&name->error, code, "host '%s': %s", name->host, why);
    settle_name(resolver, name);
}

static void take_record(struct resolver *resolver, struct name *name,
                        const struct resolve_record *record) {
    if (record->gai_error == 0 && resolve_record_read(record, &name->answer) > 0) {
        settle_name(resolver, name);
        return;
    }
    bool unknown = record->gai_error == EAI_NONAME || record->gai_error == EAI_NODATA ||
                   record->gai_error == EAI_ADDRFAMILY || record->gai_error == 0;
    const char *why =
        record->gai_error == 0 ? "no usable address" : gai_strerror(record->gai_error);
    fail_name(resolver, name, unknown ? -EHOSTUNREACH : -EAGAIN, why);
}

static void take_records(struct resolver *resolver, struct batch *batch, struct str answer) {
    struct resolve_record record;
    for (; answer.len >= sizeof(record);
         answer.data += sizeof(record), answer.len -= sizeof(record)) {
        memcpy(&record, answer.data, sizeof(record));
        struct name *name = record.index < batch->work.n_hosts ? batch->names[record.index] : NULL;
        if (name != NULL) {
            batch->names[record.index] = NULL;
            take_record(resolver, name, &record);
        }
    }
}

static void take_missing(struct resolver *resolver, struct batch *batch,
                         enum worker_status status) {
    for (size_t i = 0; i < batch->work.n_hosts; i++) {
        struct name *name = batch->names[i];
        if (name == NULL) {
            continue;
        }
        if (status == WORKER_TIMEOUT && !batch->slow && name->waiting != NULL) {
            name->state = NAME_NEW;
            name->slow = true;
            resolver->n_new++;
        } else if (status == WORKER_BUSY) {
            fail_name(resolver, name, -EBUSY,
                      "no process could be made for the lookup, or too many wait for one");
        } else {
            fail_name(resolver, name, -EAGAIN, "the name server did not answer");
        }
    }
}

static void unlink_batch(struct resolver *resolver, const struct batch *batch) {
    struct batch **at = &resolver->batches;
    while (*at != batch) {
        at = &(*at)->next;
    }
    *at = batch->next;
}

static void free_batch(struct batch *batch) {
    for (size_t i = 0; i < batch->work.n_hosts; i++) {
        free(batch->work.hosts[i]);
    }
    free(batch);
}

static void on_batch(void *userdata, const struct worker_result *result) {
    struct batch *batch = userdata;
    struct resolver *resolver = batch->resolver;
    if (resolver != NULL) {
        unlink_batch(resolver, batch);
        resolver->runs[batch->slow] = false;
        take_records(resolver, batch, result->answer);
        take_missing(resolver, batch, result->status);
        loop_deferred_arm(resolver->deferred);
    }
    free_batch(batch);
}

/* Asks for up to a batch of new names that are slow, or that are not. */
static void ask(struct resolver *resolver, bool slow) {
    struct batch *batch = NULL;
    for (struct name *name = resolver->oldest; name != NULL; name = name->next) {
        if (name->state != NAME_NEW || name->slow != slow) {
            continue;
        }
        if (batch == NULL) {
            batch = mem_alloc(sizeof(*batch));
            *batch = (struct batch){.resolver = resolver, .slow = slow, .next = resolver->batches};
        }
        name->state = NAME_ASKED;
        resolver->n_new--;
        batch->names[batch->work.n_hosts] = name;
        batch->work.hosts[batch->work.n_hosts++] = mem_strdup(name->host);
        if (batch->work.n_hosts == RESOLVE_WORK_NAMES) {
            break;
        }
    }
    if (batch == NULL) {
        return;
    }
    resolver->batches = batch;
    resolver->runs[slow] = true;
    const struct worker_request request = {
        .work = resolve_work_run,
        .input = &batch->work,
        .deadline_usec = loop_now_usec(resolver->loop) + (slow ? SLOW_BATCH_USEC : FAST_BATCH_USEC),
        .done = on_batch,
        .userdata = batch,
    };
    batch->job = worker_submit(resolver->pool, &request);
}

static void on_turn(void *userdata) {
    struct resolver *resolver = userdata;
    for (int slow = 0; slow < 2; slow++) {
        if (resolver->n_new > 0 && !resolver->runs[slow]) {
            ask(resolver, slow != 0);
        }
    }
    resolver->depth++;
    for (int i = 0; i < MOST_ANSWERS_PER_TURN && !resolver->freed && resolver->due != NULL; i++) {
        give_answer(resolver->due);
    }
    if (!resolver->freed && resolver->due != NULL) {
        loop_deferred_arm(resolver->deferred);
    }
    if (--resolver->depth == 0 && resolver->freed) {
        free(resolver);
    }
}

struct resolver *resolver_new(struct loop *loop, struct worker_pool *pool) {
    struct resolver *resolver = mem_alloc(sizeof(*resolver));
    resolver->loop = loop;
    resolver->pool = pool;
    resolver->deferred = loop_deferred_new(loop, on_turn, resolver);
    return resolver;
}

struct resolver *resolver_free(struct resolver *resolver) {
    if (resolver == NULL || resolver->freed) {
        return NULL;
    }
    resolver->freed = true;
    resolver->depth++;
    for (struct batch *batch = resolver->batches; batch != NULL; batch = batch->next) {
        batch->resolver = NULL;
        worker_cancel(batch->job);
    }
    for (struct name *name = resolver->oldest; name != NULL; name = name->next) {
        error_say(&name->error, -ECANCELED, "host '%s': lookup canceled", name->host);
        settle_name(resolver, name);
    }
    while (resolver->due != NULL) {
        give_answer(resolver->due);
    }
    while (resolver->oldest != NULL) {
        free_name(resolver, resolver->oldest);
    }
    hash_map_deinit(&resolver->by_host);
    resolver->deferred = loop_deferred_free(resolver->deferred);
    if (--resolver->depth == 0) {
        free(resolver);
    }
    return NULL;
}

/* Drops the oldest names that nobody needs. Return: false when there is no room for one more. */
static bool make_room(struct resolver *resolver) {
    struct name *next;
    for (struct name *name = resolver->oldest; name != NULL; name = next) {
        next = name->next;
        if (resolver->by_host.n_entries < MOST_NAMES) {
            return true;
        }
        if (name->state == NAME_KNOWN) {
            free_name(resolver, name);
        }
    }
    return resolver->by_host.n_entries < MOST_NAMES;
}

static struct name *add_name(struct resolver *resolver, const char *host) {
    if (!make_room(resolver)) {
        return NULL;
    }
    struct name *name = mem_alloc(sizeof(*name));
    name->host = mem_strdup(host);
    hash_map_add(&resolver->by_host, hash_host(host), name);
    append_name(resolver, name);
    resolver->n_new++;
    return name;
}

static void ask_again(struct resolver *resolver, struct name *name) {
    name->state = NAME_NEW;
    name->error = (struct error){0};
    name->answer = (struct resolve_answer){0};
    unlink_name(resolver, name);
    append_name(resolver, name);
    resolver->n_new++;
}

static void look_up_name(struct resolver *resolver, struct resolve_request *request,
                         const char *host, uint64_t deadline_usec) {
    struct name *name = hash_map_get(&resolver->by_host, hash_host(host), has_host, host);
    if (name == NULL) {
        name = add_name(resolver, host);
    } else if (name->state == NAME_KNOWN && name->expires_usec <= loop_now_usec(resolver->loop)) {
        ask_again(resolver, name);
    }
    if (name == NULL) {
        error_say(&request->error, -EBUSY, "host '%s': too many lookups at the same time", host);
        append_due(resolver, request);
    } else if (name->state == NAME_KNOWN) {
        take_from_name(request, name);
        append_due(resolver, request);
    } else {
        append_waiting(name, request);
        loop_deferred_arm(resolver->deferred);
        if (deadline_usec != UINT64_MAX) {
            request->timer = loop_timer_new(resolver->loop, on_deadline, request);
            loop_timer_set(request->timer, deadline_usec);
        }
    }
}

struct resolve_request *resolver_lookup(
    struct resolver *resolver, const char *host, uint16_t port, uint64_t deadline_usec,
    void (*done)(void *userdata, const struct resolve_answer *answer, const struct error *err),
    void *userdata) {
    struct resolve_request *request = mem_alloc(sizeof(*request));
    *request = (struct resolve_request){
        .resolver = resolver, .port = port, .done = done, .userdata = userdata};
    size_t len = strlen(host);
    if (resolve_literal(host, port, &request->answer.addresses[0])) {
        request->answer.n_addresses = 1;
        append_due(resolver, request);
    } else if (len == 0 || len > LONGEST_NAME) {
        error_say(&request->error, -EHOSTUNREACH, "host name is %s",
                  len == 0 ? "empty" : "too long");
        append_due(resolver, request);
    } else {
        look_up_name(resolver, request, host, deadline_usec);
    }
    return request;
}
