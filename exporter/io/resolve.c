/* SPDX-License-Identifier: Apache-2.0 */

/* Names, who waits for them, and the cache.
 *
 * A name is NEW (to be asked with the next batch), ASKED (in a worker) or KNOWN (cached). A request
 * waits at its name, or stands in the list `due` when its answer is there; due requests are
 * answered from the loop, never inside a lookup. One batch is one worker that asks for all its
 * names at the same time.
 *
 * A name whose server is slow must not hold up the others. Each name is answered when its record
 * arrives, not when its batch ends. A batch that has not ended soon hangs, and another one may run
 * beside it. What is not answered within a second is asked again in a *slow* batch, which is more
 * patient; slow batches never take the place of the others.
 *
 * A name whose server does not answer keeps the last good address. It is *stale* then: who asks for
 * it is answered at once, and the resolver itself asks again until the server says something. */
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
#define HANGS_AFTER_USEC      (50 * USEC_PER_MSEC)
#define STALE_UNUSED_USEC     (24 * 3600 * USEC_PER_SEC)
#define MOST_NAMES            1024
#define LONGEST_NAME          255
#define MOST_ANSWERS_PER_TURN 64

/* Batches at the same time: of names that are not slow, of slow ones. */
static const unsigned most_batches[2] = {3, RESOLVE_WORKERS - 3};

enum name_state { NAME_NEW, NAME_ASKED, NAME_KNOWN };

struct name {
    struct name *previous, *next; /* oldest first */
    char *host;
    enum name_state state;
    bool slow;
    bool stale; /* the answer is an old one, for the name server is silent */
    uint64_t expires_usec, used_usec;
    struct resolve_request *waiting; /* any order */
    struct resolve_answer answer; /* ports are 0; the last good one while a name is asked again */
    struct error error;           /* set: no answer */
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
    uint64_t started_usec;
    bool slow;
    struct name *names[RESOLVE_WORK_NAMES];
};

struct resolver {
    struct loop *loop;
    struct worker_pool *pool;
    struct resolver_options options;
    struct hash_map by_host;
    struct name *oldest, *newest;
    struct batch *batches;
    struct resolve_request *due, *last_due;
    struct loop_deferred *deferred;
    struct loop_timer *impatience; /* until a batch hangs, and the next one may start */
    struct loop_timer *refresh;    /* set while there are stale names */
    size_t n_new[2];               /* names in NAME_NEW that are not slow, that are */
    size_t n_stale;
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

static void set_stale(struct resolver *resolver, struct name *name, bool stale) {
    if (name->stale == stale) {
        return;
    }
    name->stale = stale;
    resolver->n_stale += stale ? 1 : (size_t)-1;
    bool changed = stale ? resolver->n_stale == 1 : resolver->n_stale == 0;
    if (changed && stale) {
        loop_timer_set(resolver->refresh,
                       loop_now_usec(resolver->loop) + resolver->options.bad_for_usec);
    }
    if (changed && resolver->options.silence != NULL) {
        resolver->options.silence(resolver->options.userdata, stale ? name->host : NULL);
    }
}

static bool has_old_answer(const struct name *name) {
    return name->state != NAME_KNOWN && name->answer.n_addresses > 0;
}

static void free_name(struct resolver *resolver, struct name *name) {
    set_stale(resolver, name, false);
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

static void answer_waiting(struct resolver *resolver, struct name *name) {
    while (name->waiting != NULL) {
        struct resolve_request *request = name->waiting;
        unlink_request(request);
        take_from_name(request, name);
        append_due(resolver, request);
    }
}

static void on_deadline(void *userdata) {
    struct resolve_request *request = userdata;
    struct name *name = request->name;
    if (name != NULL && has_old_answer(name)) {
        set_stale(request->resolver, name, true);
        answer_waiting(request->resolver, name);
        return;
    }
    error_say(&request->error, -ETIMEDOUT, "name server did not answer in time for '%s'",
              name != NULL ? name->host : "host");
    give_answer(request);
}

static void settle_name(struct resolver *resolver, struct name *name) {
    const struct resolver_options *options = &resolver->options;
    bool bad = error_is_set(&name->error) || name->stale;
    name->state = NAME_KNOWN;
    name->expires_usec =
        loop_now_usec(resolver->loop) + (bad ? options->bad_for_usec : options->good_for_usec);
    answer_waiting(resolver, name);
}

static void make_new(struct resolver *resolver, struct name *name) {
    name->state = NAME_NEW;
    resolver->n_new[name->slow]++;
}

/* What says nothing about the name itself (-EAGAIN, -EBUSY) leaves it its last good answer. */
static void fail_name(struct resolver *resolver, struct name *name, int code, const char *why) {
    bool keeps = code != -EHOSTUNREACH && has_old_answer(name);
    if (!keeps) {
        name->answer.n_addresses = 0;
        error_say(&name->error, code, "host '%s': %s", name->host, why);
    }
    name->slow = code == -EAGAIN;
    set_stale(resolver, name, keeps);
    settle_name(resolver, name);
}

static void take_record(struct resolver *resolver, struct name *name,
                        const struct resolve_record *record) {
    if (record->gai_error == 0 && resolve_record_read(record, &name->answer) > 0) {
        name->slow = false;
        set_stale(resolver, name, false);
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
        if (status == WORKER_TIMEOUT && !batch->slow && name->waiting != NULL &&
            !has_old_answer(name)) {
            name->slow = true;
            make_new(resolver, name);
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
        take_records(resolver, batch, result->answer);
        take_missing(resolver, batch, result->status);
        loop_deferred_arm(resolver->deferred);
    }
    free_batch(batch);
}

static void on_records(void *userdata, struct str answer) {
    struct batch *batch = userdata;
    if (batch->resolver != NULL) {
        take_records(batch->resolver, batch, answer);
    }
}

/* A process costs more than a name: names wait for the batch that runs, unless it hangs. */
static bool may_ask(struct resolver *resolver, bool slow) {
    uint64_t hangs_usec = 0;
    unsigned n_running = 0;
    for (const struct batch *batch = resolver->batches; batch != NULL; batch = batch->next) {
        if (batch->slow == slow) {
            uint64_t usec = batch->started_usec + HANGS_AFTER_USEC;
            hangs_usec = usec > hangs_usec ? usec : hangs_usec;
            n_running++;
        }
    }
    if (n_running >= most_batches[slow]) {
        return false;
    }
    if (hangs_usec > loop_now_usec(resolver->loop)) {
        loop_timer_set(resolver->impatience, hangs_usec);
        return false;
    }
    return true;
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
            *batch = (struct batch){.resolver = resolver,
                                    .started_usec = loop_now_usec(resolver->loop),
                                    .slow = slow,
                                    .next = resolver->batches};
        }
        name->state = NAME_ASKED;
        resolver->n_new[slow]--;
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
    const struct worker_request request = {
        .work = resolve_work_run,
        .input = &batch->work,
        .deadline_usec = batch->started_usec + (slow ? SLOW_BATCH_USEC : FAST_BATCH_USEC),
        .done = on_batch,
        .arrived = on_records,
        .userdata = batch,
    };
    batch->job = worker_submit(resolver->pool, &request);
}

static void on_turn(void *userdata) {
    struct resolver *resolver = userdata;
    for (int slow = 0; slow < 2; slow++) {
        if (resolver->n_new[slow] > 0 && may_ask(resolver, slow != 0)) {
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

static void ask_again(struct resolver *resolver, struct name *name) {
    make_new(resolver, name);
    name->error = (struct error){0};
    unlink_name(resolver, name);
    append_name(resolver, name);
    loop_deferred_arm(resolver->deferred);
}

/* Without anybody's question, so that it is known when name servers answer again. */
static void on_refresh(void *userdata) {
    struct resolver *resolver = userdata;
    uint64_t now = loop_now_usec(resolver->loop);
    /* Those that are asked again go to the end; they are not KNOWN when they are met there. */
    for (struct name *name = resolver->oldest, *next; name != NULL; name = next) {
        next = name->next;
        if (!name->stale || name->state != NAME_KNOWN || name->expires_usec > now) {
            continue;
        }
        if (now - name->used_usec > STALE_UNUSED_USEC) {
            free_name(resolver, name);
        } else {
            ask_again(resolver, name);
        }
    }
    if (resolver->n_stale > 0) {
        loop_timer_set(resolver->refresh, now + resolver->options.bad_for_usec);
    }
}

static void on_impatience(void *userdata) {
    const struct resolver *resolver = userdata;
    loop_deferred_arm(resolver->deferred);
}

struct resolver *resolver_new(struct loop *loop, struct worker_pool *pool) {
    struct resolver *resolver = mem_alloc(sizeof(*resolver));
    resolver->loop = loop;
    resolver->pool = pool;
    resolver->deferred = loop_deferred_new(loop, on_turn, resolver);
    resolver->impatience = loop_timer_new(loop, on_impatience, resolver);
    resolver->refresh = loop_timer_new(loop, on_refresh, resolver);
    resolver_configure(resolver, &(struct resolver_options){0});
    return resolver;
}

void resolver_configure(struct resolver *resolver, const struct resolver_options *options) {
    resolver->options = *options;
    if (options->good_for_usec == 0) {
        resolver->options.good_for_usec = GOOD_FOR_USEC;
    }
    if (options->bad_for_usec == 0) {
        resolver->options.bad_for_usec = BAD_FOR_USEC;
    }
}

struct resolver *resolver_free(struct resolver *resolver) {
    if (resolver == NULL || resolver->freed) {
        return NULL;
    }
    resolver->freed = true;
    resolver->options.silence = NULL;
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
    resolver->impatience = loop_timer_free(resolver->impatience);
    resolver->refresh = loop_timer_free(resolver->refresh);
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
    make_new(resolver, name);
    return name;
}

/* The deadline of a request; a name that has an old answer is not waited for much longer than a
 * name server takes. */
static void wait_at_name(struct resolver *resolver, struct name *name,
                         struct resolve_request *request, uint64_t deadline_usec) {
    uint64_t patience_usec = loop_now_usec(resolver->loop) + FAST_BATCH_USEC;
    append_waiting(name, request);
    if (has_old_answer(name) && patience_usec < deadline_usec) {
        deadline_usec = patience_usec;
    }
    if (deadline_usec != UINT64_MAX) {
        request->timer = loop_timer_new(resolver->loop, on_deadline, request);
        loop_timer_set(request->timer, deadline_usec);
    }
}

static void look_up_name(struct resolver *resolver, struct resolve_request *request,
                         const char *host, uint64_t deadline_usec) {
    uint64_t now = loop_now_usec(resolver->loop);
    struct name *name = hash_map_get(&resolver->by_host, hash_host(host), has_host, host);
    if (name == NULL) {
        name = add_name(resolver, host);
    } else if (name->state == NAME_KNOWN && name->expires_usec <= now) {
        ask_again(resolver, name);
    }
    if (name == NULL) {
        error_say(&request->error, -EBUSY, "host '%s': too many lookups at the same time", host);
        append_due(resolver, request);
        return;
    }
    name->used_usec = now;
    if (name->state == NAME_KNOWN || name->stale) {
        take_from_name(request, name);
        append_due(resolver, request);
    } else {
        wait_at_name(resolver, name, request, deadline_usec);
        loop_deferred_arm(resolver->deferred);
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
