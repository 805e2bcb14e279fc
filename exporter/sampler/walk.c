/* SPDX-License-Identifier: Apache-2.0 */

#include "sampler/walk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "sampler/private.h"
#include "sampler/walk_databases.h"

/* What may wait for the next commit: some 5 MB. */
#define MOST_PENDING_SAMPLES ((size_t)60000)
/* One part alone; no source has room for more. */
#define MOST_PART_SAMPLES ((size_t)100000)
/* A server needs a moment to end a connection that was closed; until then it counts. */
#define GAP_USEC ((uint64_t)50 * USEC_PER_MSEC)
/* SQLSTATEs of texts that are not what the database's encoding says, or have no place in ours. */
#define UNTRANSLATABLE "22021"
#define NOT_IN_OURS    "22P05"

enum walk_state {
    WALK_RESTS,    /* until the end of a round finds something due */
    WALK_WAITS,    /* between two visits or statements, for the end of a round */
    WALK_PAUSES,   /* between two visits, so that they are spread */
    WALK_CONNECTS, /* deadline: the round's timeout */
    WALK_ASKS,     /* deadline: the collector's timeout */
    WALK_DRAINS,   /* the statement has missed its deadline */
    WALK_HANGS,    /* the connection has, and is kept: closing it would leave a backend behind */
};

struct walk {
    struct target *target;
    enum walk_state state;
    struct loop_timer *timer; /* of the state */
    struct client *client;    /* or NULL */
    bool stopping;            /* while we close it: what it then answers counts for nothing */
    int version;              /* of the server, from its hello */

    uint64_t begin_usec, visit_usec; /* of the walk; of its newest visit */
    uint64_t closed_usec;            /* of the last connection */
    bool own;                        /* the connection is the one that the DSN names */
    struct walk_database *at;        /* that it is in; NULL: not known, or not to be visited */
    bool wants_list;
    struct client_failure list_failure; /* error not set: none */
    size_t next;                        /* index of the next database to visit */
    size_t visits;                      /* to other databases in this walk, for the pace */

    struct collector_run *run; /* that is being asked; NULL while asking: the list */
    uint64_t asked_usec;
    struct arena arena; /* of its answer */
    size_t pending;     /* samples that wait for the commit */

    struct walk_databases databases;
    bool completed;         /* once at least */
    uint64_t duration_usec; /* of the last one */
    size_t failed;          /* databases that could not be visited in it */
};

static void go_on(struct walk *walk);
static void visit_next(struct walk *walk);

static uint64_t now_of(const struct walk *walk) {
    return loop_now_usec(walk->target->sampler->loop);
}

static void set_timer(struct walk *walk, uint64_t wait_usec) {
    loop_timer_set(walk->timer, now_of(walk) + wait_usec);
}

static void close_connection(struct walk *walk) {
    struct client *client = walk->client;
    loop_timer_stop(walk->timer);
    walk->closed_usec = client != NULL ? now_of(walk) : walk->closed_usec;
    walk->client = NULL;
    walk->stopping = true;
    client_free(client);
    walk->stopping = false;
}

static void rest(struct walk *walk) {
    close_connection(walk);
    walk->state = WALK_RESTS;
    walk->at = NULL;
    arena_deinit(&walk->arena);
}

/* ---- what is due ---- */

static bool is_due(const struct walk *walk, const struct collector_run *run) {
    /* A walk may begin a jitter early, as a round does. */
    uint64_t slack = walk->target->options.interval_usec / 4;
    return run->settings->enabled && run->state == RUN_IDLE &&
           run->begun_usec != walk->begin_usec && walk->begin_usec + slack >= run->next_due_usec;
}

static bool any_is_due(const struct walk *walk, enum walk_way way) {
    const struct target *target = walk->target;
    for (size_t i = 0; i < target->n_runs; i++) {
        if (target->runs[i].way == way && is_due(walk, &target->runs[i])) {
            return true;
        }
    }
    return false;
}

static bool part_is_due(const struct walk *walk, const struct collector_run *part) {
    return is_due(walk, part->whole) && is_due(walk, part);
}

static bool is_to_be_visited(const struct walk *walk, const struct walk_database *database) {
    if (database->own || !database->listed || database->barred ||
        now_of(walk) < database->not_before_usec) {
        return false;
    }
    for (size_t i = 0; i < database->n_parts; i++) {
        if (part_is_due(walk, &database->parts[i])) {
            return true;
        }
    }
    return false;
}

/* What is asked next over this connection; those that timed out last time go last. */
static struct collector_run *next_run(const struct walk *walk) {
    struct target *target = walk->target;
    for (int late = 0; late <= 1; late++) {
        for (size_t i = 0; walk->own && i < target->n_runs; i++) {
            struct collector_run *run = &target->runs[i];
            if (run->way == WALK_ONCE && (int)run->timed_out == late && is_due(walk, run)) {
                return run;
            }
        }
        for (size_t i = 0; walk->at != NULL && i < walk->at->n_parts; i++) {
            struct collector_run *part = &walk->at->parts[i];
            if ((int)part->timed_out == late && part_is_due(walk, part)) {
                return part;
            }
        }
    }
    return NULL;
}

/* ---- the end of a walk ---- */

/* What the parts of a collector did, as the collector's own. */
static void sum_up(struct walk *walk, struct collector_run *whole) {
    struct collector_view *view = &whole->view;
    struct collector_run *part;
    struct walk_cursor cursor = {0};
    view->failure = (struct client_failure){0};
    view->seconds = 0;
    view->samples = 0;
    while ((part = walk_next_part(walk, &cursor)) != NULL) {
        if (part->whole != whole) {
            continue;
        }
        view->samples += part->view.samples;
        view->seconds += part->begun_usec == walk->begin_usec ? part->view.seconds : 0;
        if (error_is_set(&part->view.failure.error) && !error_is_set(&view->failure.error)) {
            view->failure = part->view.failure;
            view->failure.error = (struct error){0};
            error_say(&view->failure.error, part->view.failure.error.code, "database '%s': %s",
                      part->database, part->view.failure.error.text);
        }
    }
    view->skipped_cells = whole->skipped_cells;
}

/* The collectors that are asked in each database have had their turn; their own batches stay empty.
 * A failure that kept us from all databases is theirs. */
static void end_wholes(struct walk *walk, const struct client_failure *failure) {
    struct target *target = walk->target;
    for (size_t i = 0; i < target->n_runs; i++) {
        struct collector_run *whole = &target->runs[i];
        if (whole->way != WALK_EACH || !is_due(walk, whole)) {
            continue;
        }
        whole->view.last_ms = loop_now_ms(target->sampler->loop);
        if (failure != NULL) {
            whole->view.failure = *failure;
            whole->state = RUN_BAD;
        } else {
            sum_up(walk, whole);
            batch_clear(&whole->batch);
            whole->state = RUN_GOOD;
        }
        whole->begun_usec = walk->begin_usec;
    }
}

static void complete(struct walk *walk) {
    bool listed = any_is_due(walk, WALK_EACH) && !error_is_set(&walk->list_failure.error);
    end_wholes(walk, listed ? NULL : &walk->list_failure);
    if (listed) {
        walk->failed = 0;
        for (size_t i = 0; i < walk->databases.count; i++) {
            const struct walk_database *database = walk->databases.list[i];
            walk->failed += database->listed && database->failing;
        }
    }
    walk->completed = true;
    walk->duration_usec = loop_clock_usec() - walk->begin_usec;
    log_debug("target '%s': walk ends after %llu ms", walk->target->options.name,
              (unsigned long long)(walk->duration_usec / USEC_PER_MSEC));
    rest(walk);
}

/* ---- visits ---- */

/* The first connection failed: nothing can be asked. */
static void fail_due(struct walk *walk, const struct client_failure *failure) {
    struct target *target = walk->target;
    for (size_t i = 0; i < target->n_runs; i++) {
        struct collector_run *run = &target->runs[i];
        if (run->way == WALK_ONCE && is_due(walk, run)) {
            run->view.failure = *failure;
            run->view.last_ms = loop_now_ms(target->sampler->loop);
            run->begun_usec = walk->begin_usec;
            run->state = RUN_BAD;
        }
    }
    end_wholes(walk, failure);
}

/* No connection came about. */
static void not_connected(struct walk *walk, const struct client_failure *failure) {
    struct walk_database *database = walk->at;
    close_connection(walk);
    if (walk->own) {
        fail_due(walk, failure);
        rest(walk);
        return;
    }
    walk_database_failed(walk->target, database, failure, now_of(walk));
    visit_next(walk);
}

static void client_is_ready(void *userdata, const struct client_hello *hello);
static void client_has_drained(void *userdata);
static void client_has_ended(void *userdata, const struct client_failure *failure);

/* Connects to walk->at, or as the DSN says. */
static void connect_there(struct walk *walk) {
    struct target *target = walk->target;
    struct client_events events = {
        .ready = client_is_ready,
        .drained = client_has_drained,
        .ended = client_has_ended,
        .userdata = walk,
    };
    struct pg_options pg = target->options.pg;
    pg.guard_timeout_usec = target->options.timeout_usec;
    pg.statement_timeout_usec = walk_longest_timeout(&target->options);
    pg.database = walk->own ? NULL : walk->at->name;
    pg.sql_ascii = walk->own ? target->sql_ascii : walk->at->sql_ascii;
    walk->state = WALK_CONNECTS;
    walk->client = target_client_new(target, &pg, &events);
    target->connects++;
    set_timer(walk, target->options.timeout_usec);
    client_open(walk->client);
}

static void begin(struct walk *walk) {
    walk->own = true;
    walk->at = NULL;
    walk->next = 0;
    walk->visits = 0;
    walk->wants_list = any_is_due(walk, WALK_EACH);
    walk->list_failure = (struct client_failure){0};
    walk->visit_usec = walk->begin_usec;
    connect_there(walk);
}

/* The shortest interval of what is asked in each database now. */
static uint64_t shortest_interval(const struct walk *walk) {
    const struct target *target = walk->target;
    uint64_t shortest = UINT64_MAX;
    for (size_t i = 0; i < target->n_runs; i++) {
        if (target->runs[i].way == WALK_EACH && is_due(walk, &target->runs[i])) {
            uint64_t interval = walk_interval(&target->options, target->runs[i].settings);
            shortest = interval < shortest ? interval : shortest;
        }
    }
    return shortest;
}

/* Goes to the next database when its time has come. */
static void visit_next(struct walk *walk) {
    struct walk_databases *databases = &walk->databases;
    uint64_t now = now_of(walk);
    while (walk->next < databases->count && !is_to_be_visited(walk, databases->list[walk->next])) {
        walk->next++;
    }
    if (walk->next == databases->count || error_is_set(&walk->list_failure.error)) {
        complete(walk);
        return;
    }
    uint64_t at = walk->visit_usec + walk_pace(shortest_interval(walk), walk->visits);
    if (at < walk->closed_usec + GAP_USEC) {
        at = walk->closed_usec + GAP_USEC;
    }
    if (now < at) {
        walk->state = WALK_PAUSES;
        loop_timer_set(walk->timer, at);
    } else if (!target_may_walk(walk->target) || walk->pending >= MOST_PENDING_SAMPLES) {
        walk->state = WALK_WAITS;
    } else {
        walk->own = false;
        walk->at = databases->list[walk->next++];
        walk->visit_usec = now;
        connect_there(walk);
    }
}

static void take_list(struct walk *walk, const struct table *answer) {
    struct walk_databases *databases = &walk->databases;
    walk_databases_take(databases, walk->target, answer, walk->target->last_commit_ms + 1);
    for (size_t i = 0; i < databases->count; i++) {
        struct walk_database *database = databases->list[i];
        if (database->own && database->listed) {
            walk->at = database;
        }
        walk->visits += is_to_be_visited(walk, database);
    }
}

/* ---- statements ---- */

static void answered(void *userdata, const struct client_reply *reply,
                     const struct client_failure *failure);

static void submit(struct walk *walk, const char *text, uint64_t timeout_usec) {
    arena_reset(&walk->arena);
    walk->state = WALK_ASKS;
    walk->asked_usec = loop_clock_usec();
    set_timer(walk, timeout_usec);
    client_submit(walk->client, &(struct client_request){
                                    .text = text,
                                    .constant = true,
                                    .arena = &walk->arena,
                                    .done = answered,
                                    .userdata = walk,
                                });
    client_flush(walk->client);
}

static void ask(struct walk *walk, struct collector_run *run) {
    struct target *target = walk->target;
    run->begun_usec = walk->begin_usec;
    run->query = collector_query(run->view.collector, walk->version);
    if (run->query == NULL) { /* nothing for this version */
        run->next_due_usec = walk->begin_usec + walk_interval(&target->options, run->settings);
        go_on(walk);
        return;
    }
    run->answer = (struct answer){0};
    run->view.last_ms = loop_now_ms(target->sampler->loop);
    walk->run = run;
    submit(walk, run->query->text, walk_timeout(&target->options, run->settings));
}

/* Asks what is next over the connection that is ready, or ends the visit. */
static void go_on(struct walk *walk) {
    struct collector_run *run;
    loop_timer_stop(walk->timer);
    walk->run = NULL;
    if (walk->pending >= MOST_PENDING_SAMPLES) {
        walk->state = WALK_WAITS;
    } else if (walk->wants_list) {
        walk->wants_list = false;
        submit(walk, walk_databases_query, walk->target->options.timeout_usec);
    } else if ((run = next_run(walk)) != NULL) {
        ask(walk, run);
    } else {
        close_connection(walk);
        visit_next(walk);
    }
}

static void run_failed(struct walk *walk, struct collector_run *run,
                       const struct client_failure *failure) {
    run->state = RUN_BAD;
    run->view.failure = *failure;
    run->view.samples = 0;
    run->view.seconds = (double)(loop_clock_usec() - walk->asked_usec) / (double)USEC_PER_SEC;
}

static void run_answered(struct walk *walk, struct collector_run *run,
                         const struct client_reply *reply) {
    struct client_failure failure = {.end = CLIENT_ALIVE};
    struct shape_cache cache = {0};
    struct collector_run *whole = run->whole != NULL ? run->whole : run;
    run->batch.max_samples = MOST_PART_SAMPLES;
    int r = shape_answer(run->query, reply, &cache, &walk->arena, &run->answer, &failure.error);
    if (r == 0) {
        r = collector_run_decode(run, &walk->arena, run->view.last_ms, &run->facts, &failure.error);
    }
    if (r < 0) {
        failure.reason = r == -E2BIG ? REASON_TOO_LARGE : REASON_PROTOCOL;
        error_say(&failure.error, r, "the answer could not be read");
        run_failed(walk, run, &failure);
        return;
    }
    run->state = RUN_GOOD;
    run->view.failure = (struct client_failure){0};
    run->view.samples = run->batch.n_samples;
    run->view.seconds = (double)(loop_clock_usec() - walk->asked_usec) / (double)USEC_PER_SEC;
    whole->skipped_cells += run->batch.skipped_cells;
    run->view.skipped_cells = whole->skipped_cells;
    walk->pending += run->batch.n_samples;
}

/* A text of this database is no UTF-8: asked again over a connection that takes bytes as they are.
 * Return: whether it is. */
static bool connects_without_conversion(struct walk *walk, const struct client_failure *failure) {
    bool *sql_ascii = walk->own ? &walk->target->sql_ascii : &walk->at->sql_ascii;
    if (*sql_ascii || (strcmp(failure->sqlstate, UNTRANSLATABLE) != 0 &&
                       strcmp(failure->sqlstate, NOT_IN_OURS) != 0)) {
        return false;
    }
    *sql_ascii = true;
    if (walk->run != NULL) {
        walk->run->begun_usec = 0;
    } else {
        walk->wants_list = true;
    }
    close_connection(walk);
    connect_there(walk);
    return true;
}

static void answered(void *userdata, const struct client_reply *reply,
                     const struct client_failure *failure) {
    struct walk *walk = userdata;
    struct collector_run *run = walk->run;
    if (walk->stopping) {
        return;
    }
    log_scope_target(walk->target->options.name);
    if (failure != NULL && connects_without_conversion(walk, failure)) {
        log_scope_clear();
        return;
    }
    walk->run = NULL;
    if (run == NULL && failure != NULL) {
        walk->list_failure = *failure;
    } else if (run == NULL) {
        take_list(walk, reply->table);
    } else if (failure != NULL) {
        run_failed(walk, run, failure);
    } else {
        run_answered(walk, run, reply);
    }
    bool lost = failure != NULL && failure->connection; /* ended() follows */
    if (walk->state == WALK_ASKS && !lost) {
        go_on(walk);
    }
    log_scope_clear();
}

/* ---- events ---- */

static void client_is_ready(void *userdata, const struct client_hello *hello) {
    struct walk *walk = userdata;
    log_scope_target(walk->target->options.name);
    walk->version = hello->version;
    if (!walk->own) {
        walk_database_works(walk->target, walk->at);
    }
    go_on(walk);
    log_scope_clear();
}

static void client_has_drained(void *userdata) {
    struct walk *walk = userdata;
    log_scope_target(walk->target->options.name);
    go_on(walk);
    log_scope_clear();
}

static void client_has_ended(void *userdata, const struct client_failure *failure) {
    struct walk *walk = userdata;
    struct client_failure copy = *failure;
    enum walk_state state = walk->state;
    log_scope_target(walk->target->options.name);
    log_debug("target '%s': second connection ended: %s: %s", walk->target->options.name,
              client_reason_names[copy.reason], copy.error.text);
    if (state == WALK_CONNECTS || state == WALK_HANGS) {
        not_connected(walk, &copy);
    } else {
        close_connection(walk);
        visit_next(walk);
    }
    log_scope_clear();
}

/* One that is closed unanswered leaves a backend behind that may hang for long. One of them is
 * risked for the sake of the other databases; a second one is kept until it is answered. */
static void no_connection_in_time(struct walk *walk) {
    const struct target *target = walk->target;
    struct client_failure failure = {.end = CLIENT_SILENT, .reason = REASON_TIMEOUT};
    const char *stage = walk->client->stage;
    char timeout[32];
    error_say(&failure.error, -ETIMEDOUT, "no connection within %s%s%s",
              duration_format(target->options.timeout_usec, timeout),
              stage != NULL ? ", still waiting for " : "", stage != NULL ? stage : "");
    if (!walk->own && !walk_databases_any_hangs(&walk->databases)) {
        not_connected(walk, &failure);
        return;
    }
    log_warn("target '%s': the second connection: %s: nothing is asked there until it is answered",
             target->options.name, failure.error.text);
    if (walk->own) {
        fail_due(walk, &failure);
    } else {
        walk_database_failed(target, walk->at, &failure, now_of(walk));
    }
    walk->state = WALK_HANGS;
}

/* The server ends it by itself soon, because its statement_timeout is the longest one. */
static void no_answer_in_time(struct walk *walk) {
    const struct target_options *options = &walk->target->options;
    uint64_t limit =
        walk->run != NULL ? walk_timeout(options, walk->run->settings) : options->timeout_usec;
    char timeout[32], why[96];
    snprintf(why, sizeof(why), "no answer within %s", duration_format(limit, timeout));
    walk->state = WALK_DRAINS;
    set_timer(walk, walk_longest_timeout(options) + options->timeout_usec);
    client_abandon(walk->client, why);
}

static void timer_fired(void *userdata) {
    struct walk *walk = userdata;
    log_scope_target(walk->target->options.name);
    switch (walk->state) {
    case WALK_CONNECTS:
        no_connection_in_time(walk);
        break;
    case WALK_ASKS:
        no_answer_in_time(walk);
        break;
    case WALK_DRAINS:
        log_warn("target '%s': the server does not end a statement of the second connection: "
                 "nothing is asked there until it does",
                 walk->target->options.name);
        break;
    case WALK_PAUSES:
        visit_next(walk);
        break;
    case WALK_RESTS:
    case WALK_WAITS:
    case WALK_HANGS:
        break;
    }
    log_scope_clear();
}

/* ---- what the target calls ---- */

void walk_round_ended(struct walk *walk) {
    if (walk == NULL) {
        return;
    }
    if (!target_is_well(walk->target)) {
        walk_stop(walk);
    } else if (walk->state == WALK_WAITS && walk->client != NULL) {
        go_on(walk);
    } else if (walk->state == WALK_WAITS) {
        visit_next(walk);
    } else if (walk->state == WALK_RESTS && target_may_walk(walk->target) &&
               now_of(walk) >= walk->closed_usec + GAP_USEC) {
        walk->begin_usec = now_of(walk);
        if (any_is_due(walk, WALK_ONCE) || any_is_due(walk, WALK_EACH)) {
            begin(walk);
        }
    }
}

void walk_stop(struct walk *walk) {
    if (walk == NULL || walk->state == WALK_RESTS) {
        return;
    }
    walk->run = NULL;
    rest(walk);
}

bool walk_is_connected(const struct walk *walk) {
    return walk != NULL && walk->client != NULL;
}

void walk_change(struct walk *walk, bool other_databases, int64_t t_ms) {
    if (walk == NULL) {
        return;
    }
    walk_stop(walk);
    if (other_databases) {
        walk_databases_forget(&walk->databases, t_ms);
    }
    struct collector_run *part;
    struct walk_cursor cursor = {0};
    while ((part = walk_next_part(walk, &cursor)) != NULL) {
        part->view.enabled = part->settings->enabled;
        part->next_due_usec = 0;
    }
    for (size_t i = 0; i < walk->databases.count; i++) {
        walk->databases.list[i]->not_before_usec = 0;
    }
}

void walk_detach(struct walk *walk) {
    if (walk != NULL) {
        walk_databases_detach(&walk->databases);
    }
}

struct collector_run *walk_next_part(const struct walk *walk, struct walk_cursor *cursor) {
    while (walk != NULL && cursor->database < walk->databases.count) {
        const struct walk_database *database = walk->databases.list[cursor->database];
        if (cursor->part < database->n_parts) {
            return &database->parts[cursor->part++];
        }
        cursor->database++;
        cursor->part = 0;
    }
    return NULL;
}

size_t walk_fit(struct walk *walk, struct collector_run *part) {
    return walk_databases_fit(&walk->databases, walk->target, part);
}

void walk_committed(struct walk *walk) {
    if (walk != NULL) {
        walk->pending = 0;
    }
}

uint64_t walk_duration(const struct walk *walk) {
    return walk != NULL ? walk->duration_usec : 0;
}

struct walk_numbers walk_numbers(const struct walk *walk) {
    struct walk_numbers numbers = {0};
    if (walk != NULL) {
        numbers.known = walk->completed;
        numbers.databases = walk->databases.count;
        numbers.failed = walk->failed;
        numbers.visits = walk->target->options.databases.given;
    }
    return numbers;
}

struct walk *walk_new(struct target *target) {
    struct walk *walk = mem_alloc(sizeof(*walk));
    walk->target = target;
    walk->timer = loop_timer_new(target->sampler->loop, timer_fired, walk);
    return walk;
}

struct walk *walk_free(struct walk *walk) {
    if (walk == NULL) {
        return NULL;
    }
    walk_stop(walk);
    walk_databases_deinit(&walk->databases);
    loop_timer_free(walk->timer);
    arena_deinit(&walk->arena);
    free(walk);
    return NULL;
}
