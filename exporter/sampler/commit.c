/* SPDX-License-Identifier: Apache-2.0 */

/* The end of a round: what it found goes into the store in one piece, together with what the walk
 * has found since the last one; what was not found becomes stale, and facts follow their samples.
 */

#include <math.h>
#include <stdio.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/random.h"
#include "sampler/private.h"
#include "sampler/walk.h"

/* What a server refuses on principle it refuses again: a question now and then is enough, and does
 * not fill its log and its counters of errors, on which people alert. */
#define REFUSED_WAIT_USEC (60 * USEC_PER_SEC)

#define PLACE_SIZE 300

/* " in database 'x'" of a part, else nothing. */
static const char *place_of(const struct collector_run *run, char *out, size_t size) {
    out[0] = '\0';
    if (run->database != NULL) {
        snprintf(out, size, " in database '%s'", run->database);
    }
    return out;
}

static void log_failing(struct collector_run *run) {
    const struct target *target = run->target;
    const struct client_failure *failure = &run->view.failure;
    char place[PLACE_SIZE];
    if (run->failing && run->failing_reason == failure->reason) {
        return;
    }
    log_warn("target '%s': collector '%s' %s%s: %s: %s", target->options.name,
             run->view.collector->name, run->failing ? "still fails" : "fails",
             place_of(run, place, sizeof(place)), client_reason_names[failure->reason],
             failure->error.text);
    run->failing = true;
    run->failing_reason = failure->reason;
}

static void log_working(struct collector_run *run) {
    char place[PLACE_SIZE];
    if (run->failing) {
        log_info("target '%s': collector '%s' works again%s", run->target->options.name,
                 run->view.collector->name, place_of(run, place, sizeof(place)));
        run->failing = false;
    }
}

static void log_dropping(struct collector_run *run, uint64_t dropped) {
    const struct target *target = run->target;
    if (dropped > 0 && !run->dropping) {
        log_warn("target '%s': %llu samples of collector '%s' are left out, above the limit of a "
                 "target",
                 target->options.name, (unsigned long long)dropped, run->view.collector->name);
    }
    run->dropping = dropped > 0;
}

static void run_succeeded(struct collector_run *run, int64_t t_ms) {
    struct target *target = run->target;
    if (run->whole != NULL) {
        target->dropped_samples += walk_fit(target->walk, run);
    }
    struct store_commit_result result = store_feed_commit(run->feed, &run->batch, t_ms);
    target->duplicate_samples += result.duplicates;
    uint64_t dropped = result.over_limit + run->batch.dropped_samples;
    target->dropped_samples += dropped;
    log_dropping(run, dropped);
    batch_deinit(&run->batch); /* until the next answer; there may be thousands of them */
    run->last_good_usec = target->round.start_usec;
    run->timed_out = false;
    backoff_reset(&run->backoff);
    run->next_due_usec = run->begun_usec + run->settings->interval_usec;
    log_working(run);
}

static void run_did_fail(struct collector_run *run, int64_t t_ms) {
    struct collector_run *whole = run->whole != NULL ? run->whole : run;
    uint64_t wait = run->settings->interval_usec;
    store_feed_end(run->feed, t_ms);
    run->facts = (struct facts){0};
    run->last_good_usec = 0;
    whole->errors[run->view.failure.reason]++;
    run->timed_out = run->view.failure.reason == REASON_TIMEOUT;
    if (run->timed_out) {
        uint64_t back_off = backoff_next(&run->backoff, random_unit());
        wait = wait > back_off ? wait : back_off;
    } else if (run->view.failure.reason == REASON_PERMISSION ||
               run->view.failure.reason == REASON_UNSUPPORTED) {
        wait = wait > REFUSED_WAIT_USEC ? wait : REFUSED_WAIT_USEC;
    }
    run->next_due_usec = run->begun_usec + wait;
    log_failing(run);
}

/* Not due, backed off, switched off, or nothing for this version: the last values stand until they
 * are two of the collector's intervals old. Nothing of a walk comes more often than walks do. */
static void run_was_idle(struct collector_run *run, int64_t t_ms) {
    uint64_t interval = walk_interval(&run->target->options, run->settings);
    if (run->way != WALK_NOT && walk_duration(run->target->walk) > interval) {
        interval = walk_duration(run->target->walk);
    }
    uint64_t age_usec = run->target->round.start_usec - run->last_good_usec;
    if (run->settings->enabled && run->last_good_usec != 0 && age_usec <= 2 * interval) {
        store_feed_repeat(run->feed, t_ms);
        return;
    }
    store_feed_end(run->feed, t_ms);
    run->facts = (struct facts){0};
    run->last_good_usec = 0;
}

/* Return: whether it failed when it was asked last. */
static bool commit_run(struct collector_run *run, int64_t t_ms) {
    switch (run->state) {
    case RUN_GOOD:
        run_succeeded(run, t_ms);
        break;
    case RUN_IDLE:
        run_was_idle(run, t_ms);
        break;
    case RUN_BAD:
    case RUN_ASKED:
    case RUN_EXPANDED:
        run_did_fail(run, t_ms);
        return true;
    }
    return run->view.enabled && error_is_set(&run->view.failure.error);
}

static void commit_parts(struct target *target, int64_t t_ms) {
    struct collector_run *part;
    struct walk_cursor cursor = {0};
    while ((part = walk_next_part(target->walk, &cursor)) != NULL) {
        if (part->feed == NULL) {
            part->feed = store_feed_new(target->view.source, part->view.collector->name);
        }
        commit_run(part, t_ms);
        part->state = RUN_IDLE;
        batch_deinit(&part->batch);
    }
    walk_committed(target->walk);
}

static void commit_good(struct target *target, int64_t t_ms) {
    target->view.failed_collectors = 0;
    for (size_t i = 0; i < target->n_runs; i++) {
        target->view.failed_collectors += commit_run(&target->runs[i], t_ms) ? 1 : 0;
    }
    commit_parts(target, t_ms);
}

/* Nothing of a server that is down is true any more; all is asked anew when it returns. */
static void run_is_down(struct collector_run *run, int64_t t_ms) {
    if (run->feed != NULL) {
        store_feed_end(run->feed, t_ms);
    }
    run->facts = (struct facts){0};
    run->last_good_usec = 0;
    run->next_due_usec = 0;
}

static void commit_bad(struct target *target, int64_t t_ms) {
    struct collector_run *part;
    struct walk_cursor cursor = {0};
    for (size_t i = 0; i < target->n_runs; i++) {
        run_is_down(&target->runs[i], t_ms);
    }
    while ((part = walk_next_part(target->walk, &cursor)) != NULL) {
        run_is_down(part, t_ms);
        part->state = RUN_IDLE;
        batch_deinit(&part->batch);
    }
    walk_committed(target->walk);
}

static void add_facts(const struct facts *found, struct facts *facts) {
    for (int fact = 0; fact < FACT_COUNT; fact++) {
        int64_t value;
        if (facts_get(found, (enum fact)fact, &value)) {
            facts_set(facts, (enum fact)fact, value);
        }
    }
}

static void gather_facts(struct target *target, bool good) {
    struct facts *facts = &target->view.facts, fresh = {0};
    *facts = (struct facts){0};
    for (size_t i = 0; i < target->n_runs; i++) {
        const struct collector_run *run = &target->runs[i];
        add_facts(&run->facts, facts);
        if (run->state == RUN_GOOD) {
            add_facts(&run->facts, &fresh);
        }
    }
    if (good) {
        summary_note(&target->traffic, target->options.kind, target->round.start_usec, &fresh,
                     facts);
    } else {
        summary_forget(&target->traffic);
    }
}

/* What the walk found has been committed: it may ask again. */
static void free_walked_runs(struct target *target) {
    for (size_t i = 0; i < target->n_runs; i++) {
        if (target->runs[i].way != WALK_NOT) {
            target->runs[i].state = RUN_IDLE;
        }
    }
}

/* A primary leaves its position behind, so that replicas can be measured against it, also after it
 * is gone. */
static void remember_position(struct target *target, int64_t t_ms) {
    const struct facts *facts = &target->view.facts;
    struct cluster_position *cluster = sampler_cluster(target->sampler, target->options.cluster);
    int64_t role = 0, position = 0, identifier = 0;
    facts_get(facts, FACT_SYSTEM_IDENTIFIER, &identifier);
    if (cluster != NULL && facts_get(facts, FACT_ROLE, &role) && role == ROLE_PRIMARY &&
        facts_get(facts, FACT_WRITE_POSITION, &position)) {
        cluster->position = position;
        cluster->system_identifier = identifier;
        cluster->seen_ms = t_ms;
    }
}

static void commit_self(struct target *target, int64_t t_ms) {
    const struct sampler_options *options = &target->sampler->options;
    struct batch batch = {0};
    target_metrics_add(target, &batch);
    if (options->add_samples != NULL) {
        options->add_samples(options->userdata, &target->view, &batch);
    }
    store_feed_commit(target->self_feed, &batch, t_ms);
    batch_deinit(&batch);
}

/* A replica's distance from the position that its cluster's primary left behind. */
static double bytes_to_replay(const struct target *target) {
    const struct facts *facts = &target->view.facts;
    const struct cluster_position *cluster =
        sampler_cluster(target->sampler, target->options.cluster);
    int64_t role = ROLE_UNKNOWN, replayed, identifier = 0;
    facts_get(facts, FACT_ROLE, &role);
    facts_get(facts, FACT_SYSTEM_IDENTIFIER, &identifier);
    if (cluster == NULL || cluster->seen_ms == 0 || role != ROLE_REPLICA ||
        cluster->system_identifier != identifier ||
        !facts_get(facts, FACT_REPLAY_POSITION, &replayed)) {
        return (double)NAN;
    }
    int64_t behind = fact_distance(cluster->position, replayed);
    return behind > 0 ? (double)behind : 0;
}

static void measure_lag(struct target *target) {
    struct target_view *view = &target->view;
    int64_t now_ms = (int64_t)(target->round.start_usec / USEC_PER_MSEC);
    if (!lag_update(&target->lag, &view->facts, now_ms, &view->lag_seconds)) {
        view->lag_seconds = (double)NAN;
    }
    view->lag_bytes = bytes_to_replay(target);
}

void target_commit(struct target *target) {
    bool good = target->round.vital_good;
    int64_t t_ms = target->round.start_ms;
    if (good) {
        target_attach(target);
    }
    if (target->view.source == NULL) {
        return; /* guessed, and has never answered */
    }
    if (good) {
        commit_good(target, t_ms);
    } else {
        /* News may end what was committed a moment ago: later than the newest sample, always. */
        commit_bad(target, t_ms);
    }
    gather_facts(target, good);
    free_walked_runs(target);
    remember_position(target, t_ms);
    measure_lag(target);
    if (good) {
        standing_update(&target->view.standing, &target->view.facts,
                        target->view.last_round_seconds, target->round.start_usec);
    }
    commit_self(target, t_ms);
    target->last_commit_ms = t_ms;
    store_publish(target->view.source);
}
