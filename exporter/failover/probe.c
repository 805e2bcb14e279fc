/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/mem.h"

#define RENEW_USEC ((uint64_t)30 * USEC_PER_SEC)
/* A connection that is being made this long is given up for another one. */
#define CONNECT_USEC ((uint64_t)3 * USEC_PER_SEC)
#define MOST_BYTES   ((size_t)256 * 1024)
/* What was answered longer ago is no sign that the connection serves. */
#define FRESH_INTERVALS 2

struct probe_slot {
    struct probe *probe;
    struct client *client; /* NULL: free */
    struct arena arena;    /* of its replies */
    struct arena facts;    /* of the reply that may come later than the next question */
    uint64_t opened_usec;
    uint64_t asked_usec;
    struct client_hello hello;
    unsigned n_open; /* questions without an answer, also those that were given up */
    /* Of the server at its other end, by its newest answer. */
    uint64_t answered_usec; /* 0: there was none */
    char system[48], address[64];
    uint16_t port;
    bool was_ready;                   /* it is a kept one now */
    bool asked;                       /* an answer is awaited */
    bool knows_identity, knows_facts; /* they were told, are being told, or refused */
    bool closing;                     /* by us: what it still says does not count */
};

struct probe {
    struct probe_options options;
    struct probe_events events;
    struct probe_slot slots[2];
    bool attempt; /* under way */
    uint64_t attempt_usec;
    uint64_t renewed_usec; /* when the last attempt to renew began */
    uint64_t hurried_usec; /* when a lost connection was made anew at once, last */
    struct member_identity identity;
    bool pooled;
};

static void begin(struct probe *probe);

static uint64_t now_of(const struct probe *probe) {
    return loop_now_usec(probe->options.loop);
}

static struct probe_slot *other_of(struct probe_slot *slot) {
    return &slot->probe->slots[slot == &slot->probe->slots[0] ? 1 : 0];
}

static bool is_ready(const struct probe_slot *slot) {
    return slot->client != NULL && slot->client->state == CLIENT_READY;
}

static void slot_close(struct probe_slot *slot) {
    struct client *client = slot->client;
    slot->client = NULL;
    slot->closing = true;
    client_free(client);
    slot->closing = slot->was_ready = slot->asked = false;
    slot->knows_identity = slot->knows_facts = false;
    slot->answered_usec = 0;
    slot->system[0] = '\0';
}

static void fail(struct probe *probe, const struct client_failure *failure, bool kept_open) {
    const struct probe_failure told = {failure, kept_open};
    probe->attempt = false;
    probe->events.failed(probe->events.userdata, &told);
}

/* ---- asking ---- */

/* Whether the same question may have an answer another time. One that is refused may not be
 * repeated: each would be a line in the server's log. */
static bool is_passing(const struct client_failure *failure) {
    return failure->reason == REASON_TIMEOUT || failure->reason == REASON_LOCK ||
           failure->reason == REASON_CONFLICT;
}

static void took_identity(void *userdata, const struct client_reply *reply,
                          const struct client_failure *failure) {
    struct probe_slot *slot = userdata;
    struct probe *probe = slot->probe;
    struct error err = {0};
    struct member_identity identity;
    slot->n_open--;
    if (failure != NULL) {
        slot->knows_identity = !is_passing(failure);
        return; /* what may not be seen is not known */
    }
    int r = probe->options.kind == PROBE_POSTGRES
                ? identity_read_postgres(reply->table, &identity, &err)
                : identity_read_redis(reply->tree, &slot->arena, &identity, &err);
    if (r == 0) {
        probe->identity = identity;
        memcpy(slot->system, identity.system, sizeof(slot->system));
    }
}

static void took_facts(void *userdata, const struct client_reply *reply,
                       const struct client_failure *failure) {
    struct probe_slot *slot = userdata;
    struct probe *probe = slot->probe;
    struct member_facts facts;
    slot->n_open--;
    if (failure != NULL) {
        slot->knows_facts = !is_passing(failure);
        return; /* what may not be seen is not known */
    }
    if (slot->closing || probe->events.learned == NULL) {
        return;
    }
    int r = probe->options.kind == PROBE_POSTGRES ? facts_read_postgres(reply->table, &facts, NULL)
                                                  : facts_read_redis(reply->tree, &facts, NULL);
    if (r == 0) {
        probe->events.learned(probe->events.userdata, &facts);
    }
}

static void note_server(struct probe_slot *slot, const struct member_answer *answer) {
    slot->answered_usec = now_of(slot->probe);
    memcpy(slot->address, answer->address, sizeof(slot->address));
    slot->port = answer->port;
    if (slot->probe->options.kind == PROBE_REDIS) { /* what it is asked once does not tell */
        memcpy(slot->system, answer->system, sizeof(slot->system));
    }
}

static void took_answer(void *userdata, const struct client_reply *reply,
                        const struct client_failure *failure) {
    struct probe_slot *slot = userdata;
    struct probe *probe = slot->probe;
    struct member_answer answer;
    struct client_failure unread = {.end = CLIENT_ALIVE, .reason = REASON_PROTOCOL};
    bool counts = slot->asked && !slot->closing;
    slot->asked = false;
    slot->n_open--;
    if (!counts || (failure != NULL && failure->connection)) {
        return; /* it was given up before, or its end is told */
    }
    if (failure == NULL) {
        int r = probe->options.kind == PROBE_POSTGRES
                    ? answer_read_postgres(reply->table, &answer, &unread.error)
                    : answer_read_redis(reply->tree, &slot->arena, &answer, &unread.error);
        failure = r < 0 ? &unread : NULL;
    }
    if (failure != NULL) {
        fail(probe, failure, true);
        return;
    }
    probe->attempt = false;
    note_server(slot, &answer);
    probe->events.answered(probe->events.userdata, &answer, &probe->identity,
                           now_of(probe) - slot->asked_usec);
}

/* text: of PostgreSQL; words: of Redis. */
struct probe_question {
    const char *text;
    struct str words[3];
    size_t n_words;
    struct arena *arena;
    void (*done)(void *userdata, const struct client_reply *reply,
                 const struct client_failure *failure);
};

static void submit(struct probe_slot *slot, const struct probe_question *question) {
    bool postgres = slot->probe->options.kind == PROBE_POSTGRES;
    slot->n_open++;
    client_submit(slot->client, &(struct client_request){
                                    .text = postgres ? question->text : NULL,
                                    .constant = true,
                                    .words = postgres ? NULL : question->words,
                                    .n_words = postgres ? 0 : question->n_words,
                                    .limits = {.max_bytes = MOST_BYTES},
                                    .arena = question->arena,
                                    .done = question->done,
                                    .userdata = slot,
                                });
}

/* The answer does not wait for what changes seldom, which is longer. */
static void ask(struct probe_slot *slot) {
    bool identity = !slot->knows_identity, facts = !slot->knows_facts;
    arena_reset(&slot->arena);
    slot->asked = slot->knows_identity = slot->knows_facts = true;
    slot->asked_usec = now_of(slot->probe);
    if (identity) {
        submit(slot, &(struct probe_question){identity_postgres_text,
                                              {str_of("INFO"), str_of("server")},
                                              2,
                                              &slot->arena,
                                              took_identity});
    }
    submit(slot, &(struct probe_question){answer_postgres_text(slot->hello.version),
                                          {str_of("INFO"), str_of("replication")},
                                          2,
                                          &slot->arena,
                                          took_answer});
    if (facts) {
        arena_reset(&slot->facts);
        submit(slot, &(struct probe_question){
                         facts_postgres_text,
                         {str_of("PUBSUB"), str_of("NUMSUB"), str_of("__sentinel__:hello")},
                         3,
                         &slot->facts,
                         took_facts});
    }
    client_flush(slot->client);
}

/* ---- connections ---- */

/* An attempt that waits for a connection has one. */
static void serve(struct probe_slot *slot) {
    struct probe *probe = slot->probe;
    struct probe_slot *other = other_of(slot);
    if (!probe->attempt) {
        begin(probe); /* it was silent until now: that is news */
    } else if (!slot->asked && !other->asked) {
        ask(slot);
    }
}

static void slot_ready(void *userdata, const struct client_hello *hello) {
    struct probe_slot *slot = userdata;
    struct probe *probe = slot->probe;
    if (hello->pooler) {
        struct client_failure failure = {.end = CLIENT_OURS, .reason = REASON_UNSUPPORTED};
        error_say(&failure.error, -EPROTO, "this is a pooler and not the server itself");
        probe->pooled = true;
        slot_close(slot);
        fail(probe, &failure, false);
        return;
    }
    probe->pooled = false;
    slot->hello = *hello;
    slot->was_ready = true;
    serve(slot);
}

static void slot_drained(void *userdata) {
    serve(userdata);
}

/* A kept connection that answers says more than a new one that is turned away, except that it is
 * turned away because its operator stops the server. */
static void renewal_failed(struct probe_slot *kept, const struct client_failure *failure) {
    struct probe *probe = kept->probe;
    if (failure->reason == REASON_STARTING) {
        slot_close(kept);
        probe->attempt = false;
        probe->events.stopping(probe->events.userdata);
    }
}

static void slot_ended(void *userdata, const struct client_failure *failure) {
    struct probe_slot *slot = userdata, *other = other_of(slot);
    struct probe *probe = slot->probe;
    const struct client_failure copy = *failure;
    bool kept = slot->was_ready;
    bool other_kept = other->client != NULL && other->was_ready;
    slot_close(slot);
    if (!kept && is_ready(other)) {
        renewal_failed(other, &copy);
        return;
    }
    if (kept || probe->attempt) {
        fail(probe, &copy, other_kept);
    }
    /* One that answers and hangs up each time must not turn into a loop. */
    uint64_t now = now_of(probe);
    if (kept &&
        (probe->hurried_usec == 0 || now - probe->hurried_usec >= probe->options.interval_usec)) {
        probe->hurried_usec = now;
        begin(probe);
    }
}

static void slot_open(struct probe_slot *slot) {
    struct probe *probe = slot->probe;
    const struct client_events events = {
        .ready = slot_ready, .drained = slot_drained, .ended = slot_ended, .userdata = slot};
    slot->opened_usec = now_of(probe);
    slot->client = probe->options.make_client(probe->options.make_userdata, &events);
    client_open(slot->client);
}

/* Of two that answer the newer one stays. */
static struct probe_slot *settle(struct probe *probe) {
    struct probe_slot *a = &probe->slots[0], *b = &probe->slots[1];
    if (is_ready(a) && is_ready(b)) {
        struct probe_slot *older = a->opened_usec <= b->opened_usec ? a : b;
        slot_close(older);
        return other_of(older);
    }
    return is_ready(a) ? a : is_ready(b) ? b : NULL;
}

static bool is_given_up(const struct probe_slot *slot, uint64_t now) {
    return slot->client != NULL && !slot->was_ready && now - slot->opened_usec >= CONNECT_USEC;
}

/* Beside the connection that serves. */
static void renew(struct probe_slot *serving) {
    struct probe *probe = serving->probe;
    struct probe_slot *spare = other_of(serving);
    uint64_t now = now_of(probe);
    uint64_t age = probe->options.renew_usec != 0 ? probe->options.renew_usec : RENEW_USEC;
    bool is_dead = spare->was_ready && !is_ready(spare) && now - serving->opened_usec >= age;
    if (is_given_up(spare, now) || is_dead) {
        slot_close(spare);
    }
    if (spare->client == NULL && now - serving->opened_usec >= age &&
        now - probe->renewed_usec >= CONNECT_USEC) {
        probe->renewed_usec = now;
        slot_open(spare);
    }
}

/* Nothing answers: one more is made when there is room, or in place of one that is never made. */
static void connect_one(struct probe *probe) {
    uint64_t now = now_of(probe);
    for (size_t i = 0; i < ARRAY_LEN(probe->slots); i++) {
        struct probe_slot *slot = &probe->slots[i];
        if (is_given_up(slot, now)) {
            slot_close(slot);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(probe->slots); i++) {
        if (probe->slots[i].client == NULL) {
            slot_open(&probe->slots[i]);
            return;
        }
    }
}

static void begin(struct probe *probe) {
    struct probe_slot *slot;
    if (probe->attempt) {
        return;
    }
    probe->attempt = true;
    probe->attempt_usec = now_of(probe);
    slot = settle(probe);
    if (slot == NULL) {
        connect_one(probe);
        return;
    }
    renew(slot);
    ask(slot);
}

/* ---- what the owner calls ---- */

static void abandon(struct probe *probe) {
    for (size_t i = 0; i < ARRAY_LEN(probe->slots); i++) {
        struct probe_slot *slot = &probe->slots[i];
        if (slot->asked) {
            slot->asked = false; /* what it is answered with now is our own word */
            client_abandon(slot->client, "no answer within the interval");
        }
    }
    probe->attempt = false;
}

static bool any_kept(const struct probe *probe) {
    return probe->slots[0].was_ready || probe->slots[1].was_ready;
}

void probe_tick(struct probe *probe) {
    /* A tick comes early by as much as the loop's timers are joined. */
    uint64_t least = probe->options.interval_usec * 9 / 10;
    if (probe->attempt && now_of(probe) - probe->attempt_usec < least) {
        return;
    }
    if (probe->attempt) {
        struct client_failure failure = {.end = CLIENT_SILENT, .reason = REASON_TIMEOUT};
        char text[32];
        error_say(&failure.error, -ETIMEDOUT, "no answer within %s",
                  duration_format(probe->options.interval_usec, text));
        abandon(probe);
        fail(probe, &failure, any_kept(probe));
    }
    begin(probe);
}

void probe_now(struct probe *probe) {
    begin(probe);
}

void probe_forget(struct probe *probe) {
    abandon(probe);
}

static bool is_wanted(const struct probe_slot *slot, const struct probe_wanted *wanted) {
    uint64_t least = FRESH_INTERVALS * slot->probe->options.interval_usec;
    return is_ready(slot) && slot->n_open == 0 && slot->answered_usec != 0 &&
           now_of(slot->probe) - slot->answered_usec <= least && slot->system[0] != '\0' &&
           strcmp(slot->system, wanted->system) == 0 &&
           strcmp(slot->address, wanted->address) == 0 && slot->port == wanted->port;
}

struct client *probe_give(struct probe *probe, const struct probe_wanted *wanted,
                          struct client_hello *ret_hello) {
    for (size_t i = 0; i < ARRAY_LEN(probe->slots); i++) {
        struct probe_slot *slot = &probe->slots[i];
        if (is_wanted(slot, wanted)) {
            struct client *client = take_ptr(slot->client);
            *ret_hello = slot->hello;
            slot_close(slot);
            return client;
        }
    }
    return NULL;
}

bool probe_is_pooled(const struct probe *probe) {
    return probe->pooled;
}

struct probe *probe_new(const struct probe_options *options, const struct probe_events *events) {
    struct probe *probe = mem_alloc(sizeof(*probe));
    probe->options = *options;
    probe->events = *events;
    probe->slots[0].probe = probe->slots[1].probe = probe;
    return probe;
}

struct probe *probe_free(struct probe *probe) {
    if (probe == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(probe->slots); i++) {
        slot_close(&probe->slots[i]);
        arena_deinit(&probe->slots[i].arena);
        arena_deinit(&probe->slots[i].facts);
    }
    free(probe);
    return NULL;
}
