/* SPDX-License-Identifier: Apache-2.0 */

#include "sampler/target.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "io/host_client.h"
#include "io/http_client.h"
#include "io/pg_client.h"
#include "io/pgbouncer_client.h"
#include "io/redis_keys.h"
#include "sampler/private.h"
#include "sampler/walk.h"

/* A round that news start comes so long after the last one at least. While news go on the wait
 * doubles up to an interval: a server that answers once and hangs up must not turn into a loop. */
#define KICK_LEAST_USEC       ((uint64_t)200 * USEC_PER_MSEC)
#define COLLECTOR_BACKOFF_MAX ((uint64_t)5 * 60 * USEC_PER_SEC)
#define SAMPLING_FAILURES     5
/* When a connection cannot be renewed, the next attempt comes after this share of its age. */
#define RENEWAL_SHARE  30
#define RENEWAL_JITTER 0.15
/* The server has texts that are no UTF-8: the next connection asks for bytes as they are. */
#define SQLSTATE_UNTRANSLATABLE "22021"

static void connect_slot(struct target *target, unsigned index);
static void round_lost_connection(struct target *target, const struct client_failure *failure);

static void scope_enter(const struct target *target) {
    log_scope_set("round_id", target->round.id);
    log_scope_target(target->options.name);
}

static struct target_slot *main_slot(struct target *target) {
    return &target->slots[target->main_slot];
}

static struct target_slot *spare_slot(struct target *target) {
    return &target->slots[1 - target->main_slot];
}

static struct target_slot *other_slot(struct target_slot *slot) {
    return &slot->target->slots[slot == &slot->target->slots[0] ? 1 : 0];
}

static uint64_t connection_age(const struct target *target) {
    uint64_t age = target->sampler->options.connection_age_usec;
    return age != 0 ? age : CONNECTION_MOST_AGE_USEC;
}

static void slot_close(struct target_slot *slot) {
    struct client *client = slot->client;
    slot->client = NULL;
    client_free(client);
}

static void set_tick(struct target *target, uint64_t at_usec) {
    target->tick_usec = at_usec;
    loop_timer_set(target->tick, at_usec);
}

/* A round outside the schedule: from the next turn of the loop, or a while later when news come
 * too fast. */
static void kick(struct target *target) {
    uint64_t now = loop_now_usec(target->sampler->loop);
    uint64_t interval = target->options.interval_usec;
    uint64_t most = interval > KICK_LEAST_USEC ? interval : KICK_LEAST_USEC;
    uint64_t wait = target->kick_wait_usec;
    if (now - target->last_news_usec > 2 * most) {
        wait = 0; /* it has been quiet */
    }
    uint64_t allowed = target->last_begin_usec + wait;
    uint64_t longer = wait == 0 ? KICK_LEAST_USEC : 2 * wait;
    target->kick_wait_usec = longer < most ? longer : most;
    target->last_news_usec = now;
    if (now >= allowed) {
        loop_deferred_arm(target->kick);
    } else if (allowed < target->tick_usec) {
        set_tick(target, allowed);
    }
}

/* ---- rounds ---- */

static void round_finish(struct target *target);

/* What the walk has found stays until the commit. */
static void runs_are_idle(struct target *target) {
    for (size_t i = 0; i < target->n_runs; i++) {
        if (target->runs[i].way == WALK_NOT) {
            target->runs[i].state = RUN_IDLE;
        }
    }
}

static void round_fail(struct target *target, const struct client_failure *failure) {
    target->round.failure = *failure;
    target->round.vital_good = false;
    round_finish(target);
}

/* The slot's connection is ready: it serves the round. */
static void round_serve(struct target *target, struct target_slot *slot) {
    struct round *round = &target->round;
    target->main_slot = (unsigned)(slot - target->slots);
    target->view.version = slot->version != 0 ? slot->version : target->view.version;
    target->view.pooler = slot->pooler;
    round->connecting = false;
    round->failure = (struct client_failure){0};
    round->client = slot->client;
    round_ask(target);
}

static bool is_ready(const struct target_slot *slot) {
    return slot->client != NULL && slot->client->state == CLIENT_READY;
}

/* Of two connections that answer the newer one stays: the other is old. One that serves a round is
 * left alone until the next one. */
static void settle_main(struct target *target) {
    struct target_slot *slot = main_slot(target), *spare = spare_slot(target);
    bool serves = slot->client != NULL && target->round.client == slot->client;
    if (!is_ready(spare) || serves) {
        return;
    }
    if (is_ready(slot) && slot->client->opened_usec > spare->client->opened_usec) {
        slot_close(spare);
        return;
    }
    if (is_ready(slot)) {
        slot_close(slot);
    }
    target->main_slot = 1 - target->main_slot;
}

bool target_is_well(struct target *target) {
    return target->view.health == TARGET_UP && is_ready(main_slot(target));
}

/* A renewal goes first: it may wait for the walk's connection to be closed. */
bool target_may_walk(struct target *target) {
    return target_is_well(target) && spare_slot(target)->client == NULL &&
           loop_now_usec(target->sampler->loop) < main_slot(target)->renew_usec;
}

/* The new connection is made beside the old one, which serves on until the new one answers: when
 * the server has no connection left, the one that we have must not be given away. */
static void renew(struct target *target) {
    struct target_slot *slot = main_slot(target);
    uint64_t now = target->round.start_usec;
    if (now >= slot->renew_usec && spare_slot(target)->client == NULL &&
        !walk_is_connected(target->walk)) {
        slot->renew_usec = now + connection_age(target) / RENEWAL_SHARE;
        connect_slot(target, 1 - target->main_slot);
    }
}

/* Takes the connection that is there, or makes one, or waits for those that are silent. */
static void round_connect(struct target *target) {
    struct round *round = &target->round;
    settle_main(target);
    struct target_slot *slot = main_slot(target);
    if (is_ready(slot)) {
        renew(target);
        round_serve(target, slot);
        return;
    }
    round->connecting = true;
    if (slot->client == NULL) {
        connect_slot(target, target->main_slot);
    } else if (spare_slot(target)->client == NULL) {
        connect_slot(target, 1 - target->main_slot);
    }
}

static void round_begin(struct target *target) {
    struct sampler *sampler = target->sampler;
    struct round *round = &target->round;
    uint64_t now = loop_now_usec(sampler->loop);
    enum breaker_answer answer = breaker_allow(&target->breaker, now);
    if (answer == BREAKER_REJECT) {
        return;
    }
    struct arena arena = round->arena;
    arena_reset(&arena);
    *round = (struct round){.active = true, .arena = arena, .start_usec = now};
    target->last_begin_usec = now;
    round->probe = answer == BREAKER_TRY;
    round->deadline_usec = now + target->options.timeout_usec;
    /* Samples of a series need increasing times, whatever the wall clock does. */
    round->start_ms = loop_now_ms(sampler->loop);
    if (round->start_ms <= target->last_commit_ms) {
        round->start_ms = target->last_commit_ms + 1;
    }
    snprintf(round->id, sizeof(round->id), "%016llx", (unsigned long long)random_u64());
    runs_are_idle(target);
    scope_enter(target);
    log_debug("target '%s': round begins", target->options.name);
    loop_timer_set(target->deadline, round->deadline_usec);
    round_connect(target);
    log_scope_clear();
}

static void schedule_tick(struct target *target) {
    uint64_t now = loop_now_usec(target->sampler->loop);
    set_tick(target, schedule_next(&target->schedule, now));
}

static void ticked(void *userdata) {
    struct target *target = userdata;
    schedule_tick(target);
    if (target->round.active) {
        target->view.skipped_ticks++;
        return;
    }
    round_begin(target);
}

static void kicked(void *userdata) {
    struct target *target = userdata;
    if (!target->round.active) {
        round_begin(target);
    }
}

/* What keeps us waiting for a connection, if that is known; else NULL. */
static const char *connecting_stage(const struct target *target) {
    const char *stage = NULL;
    for (size_t i = 0; i < ARRAY_LEN(target->slots); i++) {
        const struct client *client = target->slots[i].client;
        if (client != NULL && client->state == CLIENT_CONNECTING && client->stage != NULL) {
            stage = client->stage;
        }
    }
    return stage;
}

static void deadline_passed(void *userdata) {
    struct target *target = userdata;
    struct round *round = &target->round;
    struct client_failure lost;
    char timeout[32];
    char why[96];
    if (!round->active) {
        return;
    }
    scope_enter(target);
    duration_format(target->options.timeout_usec, timeout);
    round->out_of_time = true;
    if (round->connecting) {
        struct client_failure failure = {.end = CLIENT_SILENT, .reason = REASON_TIMEOUT};
        const char *stage = connecting_stage(target);
        error_say(&failure.error, -ETIMEDOUT, "no connection within %s%s%s", timeout,
                  stage != NULL ? ", still waiting for " : "", stage != NULL ? stage : "");
        for (size_t i = 0; i < ARRAY_LEN(target->slots); i++) {
            struct client *client = target->slots[i].client;
            if (client != NULL && client->state == CLIENT_CONNECTING) {
                client_abandon(client, failure.error.text);
            }
        }
        /* A refusal of the other connection says more than the silence of this one. */
        struct client_failure told = round->failure;
        round_fail(target, error_is_set(&told.error) ? &told : &failure);
    } else if (round->lost) {
        /* Its end would have been told by now: the round must not wait for it for ever. */
        lost = round->failure;
        slot_close(main_slot(target));
        round_lost_connection(target, &lost);
    } else if (round->client != NULL) {
        snprintf(why, sizeof(why), "no answer within %s", timeout);
        client_abandon(round->client, why);
    }
    log_scope_clear();
}

/* ---- health ---- */

static void log_down(struct target *target, const struct client_failure *failure, bool was_down) {
    log_warn("target '%s': %s: %s: %s", target->options.name, was_down ? "still down" : "went down",
             client_reason_names[failure->reason], failure->error.text);
}

static void log_up(struct target *target, bool was_down, int64_t down_ms) {
    if (was_down) {
        char text[32];
        duration_format((uint64_t)(down_ms > 0 ? down_ms : 0) * USEC_PER_MSEC, text);
        log_info("target '%s': is up again after %s", target->options.name, text);
    } else {
        log_info("target '%s': is up (%s %s)", target->options.name,
                 target_kind_names[target->options.kind], target->view.instance);
    }
}

/* A guessed target that was never there is no news. */
static bool is_worth_a_line(const struct target *target) {
    return !target->options.guessed || target->view.last_success_ms != 0;
}

static void health_set(struct target *target, bool good) {
    struct target_view *view = &target->view;
    const struct round *round = &target->round;
    enum target_health was = view->health;
    enum client_reason old_reason = view->last_failure.reason;
    view->rounds++;
    view->failed_rounds += good ? 0 : 1;
    view->window = view->window << 1 | (good ? 1 : 0);
    view->n_window += view->n_window < TARGET_HEALTH_WINDOW ? 1 : 0;
    view->last_round_ms = round->start_ms;
    view->last_round_usec = round->start_usec;
    view->health = good ? TARGET_UP : TARGET_DOWN;
    if (view->health != was) {
        int64_t since = view->health_since_ms;
        view->health_since_ms = round->start_ms;
        if (good) {
            log_up(target, was == TARGET_DOWN, round->start_ms - since);
        } else if (is_worth_a_line(target)) {
            log_down(target, &round->failure, false);
        }
    } else if (!good && old_reason != round->failure.reason && is_worth_a_line(target)) {
        log_down(target, &round->failure, true);
    }
    if (good) {
        view->last_success_ms = round->start_ms;
        view->last_failure = (struct client_failure){0};
    } else {
        view->last_failure = round->failure;
        target->errors[round->failure.reason]++;
    }
}

static void breaker_judge(struct target *target, bool good) {
    uint64_t now = loop_now_usec(target->sampler->loop);
    bool changed = good ? breaker_success(&target->breaker, now)
                        : breaker_failure(&target->breaker, now, random_unit());
    if (changed && is_worth_a_line(target)) {
        log_info("target '%s': sampling breaker is now %s", target->options.name,
                 breaker_state_names[target->breaker.state]);
    }
}

/* Ends the round: judges it, commits it, and makes room for the next one. */
static void round_finish(struct target *target) {
    struct round *round = &target->round;
    bool good = round->vital_good;
    uint64_t now = loop_clock_usec();
    loop_timer_stop(target->deadline);
    target->view.last_round_seconds = (double)(now - round->start_usec) / (double)USEC_PER_SEC;
    target->view.all_rounds_seconds += target->view.last_round_seconds;
    if (!good && !error_is_set(&round->failure.error)) {
        round->failure.reason = REASON_PROTOCOL;
        round->failure.end = CLIENT_ALIVE;
        error_say(&round->failure.error, -EPROTO, "the server answered none of our questions");
    }
    breaker_judge(target, good);
    health_set(target, good);
    target_commit(target);
    round->active = false;
    round->client = NULL;
    if (round->open == 0) {
        arena_reset(&round->arena); /* nothing on its way writes there */
    }
    walk_round_ended(target->walk);
    if (target->sampler->options.round_ended != NULL) {
        target->sampler->options.round_ended(target->sampler->options.userdata, &target->view);
    }
}

void target_round_done(struct target *target) {
    struct round *round = &target->round;
    if (!round->active || round->connecting) {
        return;
    }
    if (round->lost) {
        return; /* ended() follows and decides */
    }
    scope_enter(target);
    round_finish(target);
    log_scope_clear();
}

/* ---- connections ---- */

/* A connection that was awaited, or had been silent, answers. */
static void slot_is_alive(struct target_slot *slot) {
    struct target *target = slot->target;
    scope_enter(target);
    if (target->round.active && target->round.connecting) {
        round_serve(target, slot);
    } else {
        bool is_news = !target->round.active && !is_ready(other_slot(slot));
        settle_main(target);
        if (is_news) {
            kick(target);
        }
    }
    log_scope_clear();
}

static void client_is_ready(void *userdata, const struct client_hello *hello) {
    struct target_slot *slot = userdata;
    slot->version = hello->version;
    slot->pooler = hello->pooler;
    slot->target->connect_seconds = (double)hello->connect_usec / (double)USEC_PER_SEC;
    slot_is_alive(slot);
}

static void client_has_drained(void *userdata) {
    slot_is_alive(userdata);
}

/* The connection of a running round is gone. */
static void round_lost_connection(struct target *target, const struct client_failure *failure) {
    struct round *round = &target->round;
    if (round->vital_good) {
        round_finish(target); /* what arrived stands; the reconnect tells more */
        kick(target);
        return;
    }
    if (round->reconnected || round->out_of_time) {
        round_fail(target, failure);
        return;
    }
    round->reconnected = true;
    round->lost = false;
    round->client = NULL;
    round->failure = (struct client_failure){0};
    runs_are_idle(target);
    round_connect(target);
}

static void client_has_ended(void *userdata, const struct client_failure *failure) {
    struct target_slot *slot = userdata;
    struct target *target = slot->target;
    struct round *round = &target->round;
    struct client_failure copy = *failure;
    bool served = round->active && round->client == slot->client;
    bool is_main = slot == main_slot(target);
    slot_close(slot);
    scope_enter(target);
    target->sql_ascii |= strcmp(copy.sqlstate, SQLSTATE_UNTRANSLATABLE) == 0;
    log_debug("target '%s': connection ended: %s: %s", target->options.name,
              client_reason_names[copy.reason], copy.error.text);
    if (served) {
        round_lost_connection(target, &copy);
    } else if (round->active && round->connecting) {
        round->failure = copy;
        if (other_slot(slot)->client == NULL) {
            round_fail(target, &copy);
        }
    } else if (!round->active && is_main && target->view.health == TARGET_UP) {
        kick(target);
    }
    log_scope_clear();
}

/* An application tells of its breakers on a page, or keeps them in a Redis. */
static struct client *app_client_new(struct target *target, const struct client_events *events) {
    struct sampler *sampler = target->sampler;
    const struct app_options *app = &target->options.app;
    if (app->format == APP_REDIS) {
        const struct redis_keys_options keys = {
            .keys = app->keys,
            .n_keys = app->n_keys,
            .pattern = app->pattern,
            .fields = app_breaker_field_names,
            .n_fields = APP_BREAKER_FIELDS,
        };
        return redis_keys_new(sampler->loop, sampler->resolver, sampler->tls_contexts,
                              &target->options.redis, &keys, events);
    }
    if (sampler->transfers == NULL) {
        sampler->transfers = transfers_new(sampler->loop, sampler->resolver);
        if (sampler->transfers == NULL) {
            abort(); /* out of memory, as in base/mem.h */
        }
    }
    return http_client_new(sampler->loop, sampler->transfers, &app->http,
                           target->options.timeout_usec, events);
}

struct client *target_client_new(struct target *target, const struct pg_options *pg,
                                 const struct client_events *events) {
    struct sampler *sampler = target->sampler;
    if (sampler->options.make_client != NULL) {
        struct target_options options = target->options;
        options.pg = *pg;
        return sampler->options.make_client(sampler->options.userdata, &options, events);
    }
    switch (target->options.kind) {
    case KIND_POSTGRES:
        return pg_client_new(sampler->loop, sampler->resolver, pg, events);
    case KIND_PGBOUNCER:
        return pgbouncer_client_new(sampler->loop, sampler->resolver, pg, events);
    case KIND_REDIS:
    case KIND_SENTINEL:
        return redis_client_new(sampler->loop, sampler->resolver, sampler->tls_contexts,
                                &target->options.redis, events);
    case KIND_HOST:
        if (sampler->host_probe == NULL) {
            sampler->host_probe = host_probe_new(sampler->loop, NULL);
        }
        return host_client_new(sampler->loop, sampler->host_probe, &target->options.host,
                               target->options.timeout_usec, events);
    case KIND_BREAKERS:
        return app_client_new(target, events);
    case KIND_COUNT:
        break;
    }
    abort();
}

static void connect_slot(struct target *target, unsigned index) {
    struct target_slot *slot = &target->slots[index];
    uint64_t now = loop_now_usec(target->sampler->loop);
    struct client_events events = {
        .ready = client_is_ready,
        .drained = client_has_drained,
        .ended = client_has_ended,
        .userdata = slot,
    };
    struct pg_options pg = target->options.pg;
    pg.guard_timeout_usec = target->options.timeout_usec;
    pg.sql_ascii = target->sql_ascii;
    if (other_slot(slot)->client != NULL) {
        walk_stop(target->walk); /* its place is needed */
    }
    slot->client = target_client_new(target, &pg, &events);
    slot->renew_usec =
        now + (uint64_t)((double)connection_age(target) * (1 + RENEWAL_JITTER * random_unit()));
    target->connects++;
    client_open(slot->client);
}

/* ---- life ---- */

/* Stops the round and closes the connections; open requests are answered on the way. */
static void close_connections(struct target *target) {
    target->round.active = false;
    target->round.connecting = false;
    target->round.client = NULL;
    loop_timer_stop(target->deadline);
    walk_stop(target->walk);
    for (size_t i = 0; i < ARRAY_LEN(target->slots); i++) {
        slot_close(&target->slots[i]);
    }
    summary_forget(&target->traffic);
    target->main_slot = 0;
    target->view.version = 0;
    target->sql_ascii = false;
}

static void runs_free(struct target *target) {
    for (size_t i = 0; i < target->n_runs; i++) {
        batch_deinit(&target->runs[i].batch);
        strbuf_deinit(&target->runs[i].kept);
    }
    free(target->runs);
    target->runs = NULL;
    target->n_runs = 0;
}

static void runs_new(struct target *target) {
    size_t n = 0, n_runs = 0;
    for (; n < TARGET_MOST_COLLECTORS && collector_list[n] != NULL; n++) {
        n_runs += collector_list[n]->kind == target->options.kind;
    }
    target->runs = mem_array(n_runs, sizeof(*target->runs));
    for (size_t i = 0; i < n; i++) {
        if (collector_list[i]->kind != target->options.kind) {
            continue;
        }
        struct collector_run *run = &target->runs[target->n_runs++];
        *run = (struct collector_run){
            .view = {.collector = collector_list[i],
                     .enabled = target->options.collectors[i].enabled},
            .target = target,
            .settings = &target->options.collectors[i],
            .backoff = {.first_usec = target->options.interval_usec,
                        .max_usec = COLLECTOR_BACKOFF_MAX,
                        .jitter = 0.1},
        };
    }
}

/* Says of each run where it is asked; what it showed from elsewhere ends. */
static void runs_assign(struct target *target, int64_t t_ms) {
    for (size_t i = 0; i < target->n_runs; i++) {
        struct collector_run *run = &target->runs[i];
        enum walk_way way = walk_way_of(&target->options, run->view.collector, run->settings);
        if (way == run->way) {
            continue;
        }
        run->way = way;
        run->state = RUN_IDLE;
        run->facts = (struct facts){0};
        run->last_good_usec = 0;
        if (run->feed != NULL) {
            store_feed_end(run->feed, t_ms);
        }
    }
}

static void set_phase(struct target *target) {
    const char *key = target->in_step ? "" : target->options.name;
    schedule_init(&target->schedule, str_of(key), target->options.interval_usec);
}

static void options_take(struct target *target, const struct target_options *options) {
    target_options_deinit(&target->options);
    target_options_copy(options, &target->options);
    target->view.options = &target->options;
    target_options_instance(&target->options, target->view.instance, sizeof(target->view.instance));
    set_phase(target);
}

void target_set_in_step(struct target *target, bool in_step) {
    target->in_step = in_step;
    set_phase(target); /* from the next tick but one */
}

void target_attach(struct target *target) {
    struct label extra[TARGET_MOST_LABELS];
    const struct target_options *options = &target->options;
    if (target->view.source != NULL) {
        return;
    }
    for (size_t i = 0; i < options->n_labels; i++) {
        extra[i] =
            (struct label){str_of(options->labels[i].name), str_of(options->labels[i].value)};
    }
    struct source_labels labels = {
        .target = str_of(options->name),
        .cluster = str_of(options->cluster != NULL ? options->cluster : ""),
        .instance = str_of(target->view.instance),
        .job = str_of(options->job != NULL ? options->job : target_kind_names[options->kind]),
        .extra = extra,
        .n_extra = options->n_labels,
    };
    target->view.source = store_source_new(target->sampler->store, &labels);
    target->self_feed = store_feed_new(target->view.source, "target");
    store_feed_set_vital(target->self_feed);
    for (size_t i = 0; i < target->n_runs; i++) {
        target->runs[i].feed =
            store_feed_new(target->view.source, target->runs[i].view.collector->name);
    }
}

void target_detach(struct target *target, int64_t now_ms) {
    if (target->view.source == NULL) {
        return;
    }
    if (now_ms <= target->last_commit_ms) {
        now_ms = target->last_commit_ms + 1;
    }
    store_source_free(target->sampler->store, target->view.source, now_ms);
    walk_detach(target->walk);
    target->view.source = NULL;
    target->self_feed = NULL;
    for (size_t i = 0; i < target->n_runs; i++) {
        target->runs[i].feed = NULL;
    }
}

struct target *target_new(struct sampler *sampler, const struct target_options *options,
                          size_t index) {
    struct target *target = mem_alloc(sizeof(*target));
    uint64_t now = loop_now_usec(sampler->loop);
    target->sampler = sampler;
    target->connect_seconds = (double)NAN;
    target->view.lag_seconds = target->view.lag_bytes = (double)NAN;
    target->view.breaker = &target->breaker;
    target->view.traffic = &target->traffic;
    target->slots[0].target = target->slots[1].target = target;
    options_take(target, options);
    runs_new(target);
    runs_assign(target, 0);
    if (options->kind == KIND_POSTGRES) {
        target->walk = walk_new(target);
    }
    breaker_init(&target->breaker,
                 &(struct breaker_options){
                     .consecutive_failures = SAMPLING_FAILURES,
                     .successes = 1,
                     .timeout_usec = options->interval_usec,
                     .max_timeout_usec = options->interval_usec,
                     .probe_while_open = true,
                 },
                 now);
    target->view.health_since_ms = loop_now_ms(sampler->loop);
    target->tick = loop_timer_new(sampler->loop, ticked, target);
    target->deadline = loop_timer_new(sampler->loop, deadline_passed, target);
    target->kick = loop_deferred_new(sampler->loop, kicked, target);
    set_tick(target, schedule_first(&target->schedule, now, index));
    if (!options->guessed) {
        target_attach(target);
    }
    return target;
}

struct target *target_free(struct target *target, int64_t now_ms) {
    if (target == NULL) {
        return NULL;
    }
    close_connections(target);
    target_detach(target, now_ms);
    loop_timer_free(target->tick);
    loop_timer_free(target->deadline);
    loop_deferred_free(target->kick);
    walk_free(target->walk);
    runs_free(target);
    arena_deinit(&target->round.arena);
    target_options_deinit(&target->options);
    free(target);
    return NULL;
}

void target_change(struct target *target, const struct target_options *options,
                   unsigned difference) {
    char instance[sizeof(target->view.instance)];
    bool attached = target->view.source != NULL;
    bool other_databases = (difference & TARGET_CONNECTION) != 0 ||
                           !database_options_equal(&options->databases, &target->options.databases);
    if (difference & TARGET_CONNECTION) {
        close_connections(target);
        target->view.standing = (struct standing){0}; /* it may be another server */
    }
    target_options_instance(options, instance, sizeof(instance));
    if ((difference & TARGET_LABELS) != 0 || strcmp(instance, target->view.instance) != 0) {
        target_detach(target, loop_now_ms(target->sampler->loop));
    }
    if (options->timeout_usec != target->options.timeout_usec) {
        /* The limits that the sessions were given follow from it. */
        target->slots[0].renew_usec = target->slots[1].renew_usec = 0;
    }
    options_take(target, options);
    for (size_t i = 0; i < target->n_runs; i++) {
        struct collector_run *run = &target->runs[i];
        run->view.enabled = run->settings->enabled;
        run->next_due_usec = 0;
    }
    runs_assign(target, target->last_commit_ms + 1);
    walk_change(target->walk, other_databases, target->last_commit_ms + 1);
    if (attached || !options->guessed) {
        target_attach(target);
    }
    schedule_tick(target);
    if (difference & TARGET_CONNECTION) {
        target->last_news_usec = 0; /* somebody wants to see it now */
        kick(target);
    }
}

void target_sample_now(struct target *target) {
    loop_deferred_arm(target->kick);
}
