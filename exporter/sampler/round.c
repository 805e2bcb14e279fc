/* SPDX-License-Identifier: Apache-2.0 */

#include "sampler/round.h"

#include <errno.h>
#include <string.h>

#include "base/duration.h"
#include "sampler/app_page.h"
#include "sampler/private.h"
#include "sampler/target.h"

#define MOST_COMMAND_WORDS 16
/* A reply of Redis comes in one piece, and taking it apart holds the loop. A long INFO has 300 KiB,
 * one of 10000 databases 1 MiB. */
#define INFO_MOST_BYTES  ((size_t)2 * 1024 * 1024)
#define REDIS_MOST_BYTES ((size_t)4 * 1024 * 1024)

/* A follow-up command of a collector: which of its answers this is. */
struct follow_up {
    struct collector_run *run;
    size_t index;
};

static bool is_vital(const struct collector_run *run) {
    return (run->view.collector->flags & COLLECTOR_VITAL) != 0;
}

static double elapsed_seconds(const struct round *round) {
    return (double)(loop_clock_usec() - round->start_usec) / (double)USEC_PER_SEC;
}

static void run_failed(struct collector_run *run, const struct client_failure *failure) {
    struct round *round = &run->target->round;
    run->state = RUN_BAD;
    run->view.failure = *failure;
    run->view.seconds = elapsed_seconds(round);
    if (is_vital(run) && !error_is_set(&round->failure.error)) {
        round->failure = *failure;
    }
}

static void run_refused(struct collector_run *run, enum client_reason reason,
                        const struct error *err) {
    struct client_failure failure = {.end = CLIENT_ALIVE, .reason = reason, .error = *err};
    run_failed(run, &failure);
}

static void run_good(struct collector_run *run, const struct facts *facts) {
    struct target *target = run->target;
    int64_t version;
    run->state = RUN_GOOD;
    run->facts = *facts;
    run->skipped_cells += run->batch.skipped_cells;
    run->view.failure = (struct client_failure){0};
    run->view.samples = run->batch.n_samples;
    run->view.skipped_cells = run->skipped_cells;
    run->view.seconds = elapsed_seconds(&target->round);
    if (is_vital(run)) {
        target->round.vital_good = true;
        /* Redis tells its version only here; its collectors choose their commands by it. */
        if (facts_get(facts, FACT_VERSION, &version)) {
            target->view.version = (int)version;
        }
    }
}

static enum client_reason reason_of_decoding(int r) {
    return r == -E2BIG        ? REASON_TOO_LARGE
           : r == -EOPNOTSUPP ? REASON_UNSUPPORTED
           : r == -EACCES     ? REASON_PERMISSION
                              : REASON_PROTOCOL;
}

int collector_run_decode(struct collector_run *run, struct arena *arena, int64_t now_ms,
                         struct facts *ret_facts, struct error *err) {
    const struct target *target = run->target;
    int64_t role = ROLE_UNKNOWN;
    facts_get(&target->view.facts, FACT_ROLE, &role);
    struct sample_context context = {
        .version = target->view.version,
        .role = (enum server_role)role,
        .server = str_of(target->view.instance),
        .options = run->settings->options,
        .now_ms = now_ms,
        .known = &target->view.facts,
        .facts = ret_facts,
        .arena = arena,
        .many_databases = run->whole != NULL,
        .kept = &run->kept,
    };
    *ret_facts = (struct facts){0};
    batch_clear(&run->batch);
    return collector_decode(run->view.collector, &context, &run->answer, &run->batch, err);
}

static void run_decode(struct collector_run *run) {
    struct round *round = &run->target->round;
    struct error err = {0};
    struct facts facts;
    int r = collector_run_decode(run, &round->arena, round->start_ms, &facts, &err);
    if (r == -EREMOTEIO && run->follow_up_failure != NULL) {
        run_failed(run, run->follow_up_failure);
        return;
    }
    if (r < 0) {
        error_say(&err, r, "the answer could not be read");
        run_refused(run, reason_of_decoding(r), &err);
        return;
    }
    run_good(run, &facts);
}

static void follow_up_answered(void *userdata, const struct client_reply *reply,
                               const struct client_failure *failure) {
    struct follow_up *follow_up = userdata;
    struct collector_run *run = follow_up->run;
    struct target *target = run->target;
    struct tree *place = &run->follow_ups[follow_up->index];
    if (reply != NULL && reply->tree != NULL) {
        *place = *reply->tree;
    } else {
        struct str text = str_of(failure != NULL ? failure->error.text : "no answer");
        *place = (struct tree){TREE_ERROR, arena_dup(&target->round.arena, text), 0, NULL, 0};
    }
    if (failure != NULL && run->follow_up_failure == NULL) {
        struct client_failure *copy = arena_alloc(&target->round.arena, sizeof(*copy));
        *copy = *failure;
        run->follow_up_failure = copy;
    }
    /* An error is an answer; silence and the end of the connection are none. */
    bool none = failure != NULL && (failure->connection || failure->end == CLIENT_SILENT);
    if (none && run->state == RUN_EXPANDED) {
        run_failed(run, failure);
    }
    target->round.lost |= failure != NULL && failure->connection;
    target->round.open--;
    if (--run->open_follow_ups == 0 && run->state == RUN_EXPANDED && target->round.active) {
        run_decode(run);
    }
    if (target->round.open == 0) {
        target_round_done(target); /* does nothing once the round has ended */
    }
}

/* Asks for the follow-up commands of a collector. Return: how many. */
static size_t run_expand(struct collector_run *run) {
    struct target *target = run->target;
    struct round *round = &target->round;
    struct error err = {0};
    struct request_list *requests = arena_alloc(&round->arena, sizeof(*requests));
    struct sample_context context = {
        .version = target->view.version,
        .server = str_of(target->view.instance),
        .options = run->settings->options,
        .now_ms = round->start_ms,
        .known = &target->view.facts,
        .arena = &round->arena,
    };
    int r = run->view.collector->expand(&context, &run->answer, requests, &err);
    if (r < 0) {
        error_say(&err, r, "the answer could not be read");
        run_refused(run, REASON_PROTOCOL, &err);
        return 0;
    }
    size_t count = requests->n_commands;
    run->follow_ups = arena_array(&round->arena, count, sizeof(*run->follow_ups));
    run->answer.follow_ups = run->follow_ups;
    run->answer.n_follow_ups = count;
    run->open_follow_ups = count;
    run->follow_up_failure = NULL;
    run->state = RUN_EXPANDED;
    for (size_t i = 0; i < count; i++) {
        struct follow_up *follow_up = arena_alloc(&round->arena, sizeof(*follow_up));
        *follow_up = (struct follow_up){run, i};
        round->open++;
        client_submit(round->client, &(struct client_request){
                                         .words = requests->commands[i].words,
                                         .n_words = requests->commands[i].n_words,
                                         .limits = {.max_bytes = REDIS_MOST_BYTES},
                                         .arena = &round->arena,
                                         .done = follow_up_answered,
                                         .userdata = follow_up,
                                     });
    }
    return count;
}

/* One page of an application feeds all collectors. */
static int take_app_page(struct collector_run *run, struct question *question,
                         const struct client_reply *reply, struct error *err) {
    const struct target *target = run->target;
    struct shape_cache *cache = &question->cache;
    struct arena *arena = &run->target->round.arena;
    if (cache->app == NULL && cache->app_error == NULL) {
        struct error *why = arena_alloc(arena, sizeof(*why));
        (void)app_page_read(&target->options.app, str_of(target->options.name),
                            target->sampler->options.service_names, reply, arena, &cache->app, why);
        cache->app_error = cache->app == NULL ? why : NULL;
    }
    if (cache->app == NULL) {
        *err = *cache->app_error;
        return err->code;
    }
    bool caches = strcmp(run->query->record, "caches") == 0;
    run->answer.table = caches ? cache->app->caches : cache->app->breakers;
    return 0;
}

static void run_take_reply(struct collector_run *run, struct question *question,
                           const struct client_reply *reply) {
    struct round *round = &run->target->round;
    struct error err = {0};
    uint64_t limit = run->settings->timeout_usec;
    if (limit != 0 && loop_clock_usec() - question->asked_usec > limit) {
        char text[32];
        error_say(&err, -ETIMEDOUT, "the answer took longer than %s", duration_format(limit, text));
        run_refused(run, REASON_TIMEOUT, &err);
        return;
    }
    int r =
        run->target->options.kind == KIND_BREAKERS
            ? take_app_page(run, question, reply, &err)
            : shape_answer(run->query, reply, &question->cache, &round->arena, &run->answer, &err);
    if (r < 0) {
        run_refused(run, r == -E2BIG ? REASON_TOO_LARGE : REASON_PROTOCOL, &err);
        return;
    }
    if (run->view.collector->expand != NULL && run_expand(run) > 0) {
        return;
    }
    if (run->state == RUN_ASKED || run->state == RUN_EXPANDED) {
        run_decode(run);
    }
}

static void answered(void *userdata, const struct client_reply *reply,
                     const struct client_failure *failure) {
    struct question *question = userdata;
    struct target *target = question->target;
    struct round *round = &target->round;
    for (size_t i = 0; i < target->n_runs; i++) {
        struct collector_run *run = &target->runs[i];
        if (run->state != RUN_ASKED || strcmp(run->query->text, question->text) != 0) {
            continue;
        }
        if (failure != NULL) {
            run_failed(run, failure);
        } else {
            run_take_reply(run, question, reply);
        }
    }
    round->open--;
    if (!round->active) {
        return; /* the target is being closed or changed */
    }
    if (failure != NULL && failure->connection) {
        round->lost = true;
        if (!round->vital_good) {
            round->failure = *failure;
        }
    }
    if (round->probe && round->vital_good && !round->lost) {
        round->probe = false;
        round_ask(target);
        return;
    }
    if (round->open == 0) {
        target_round_done(target);
    } else if (!round->lost) {
        client_flush(round->client); /* follow-ups */
    }
}

static struct question *find_question(struct round *round, const char *text) {
    for (size_t i = 0; i < round->n_questions; i++) {
        if (strcmp(round->questions[i].text, text) == 0) {
            return &round->questions[i];
        }
    }
    return NULL;
}

static bool speaks_redis(const struct target *target) {
    return target->options.kind == KIND_REDIS || target->options.kind == KIND_SENTINEL;
}

/* 0: the client's default. */
static size_t most_bytes(const struct target *target, const struct query *query) {
    if (!speaks_redis(target)) {
        return 0;
    }
    bool info = query->shape == SHAPE_PAIRS || query->shape == SHAPE_RECORDS;
    return info ? INFO_MOST_BYTES : REDIS_MOST_BYTES;
}

static void ask(struct target *target, const struct query *query) {
    const char *text = query->text;
    struct round *round = &target->round;
    struct question *question = &round->questions[round->n_questions++];
    struct str words[MOST_COMMAND_WORDS];
    size_t n_words = 0;
    *question = (struct question){
        .target = target,
        .text = text,
        .asked_usec = loop_clock_usec(),
    };
    if (speaks_redis(target)) {
        struct str rest = str_of(text);
        while (rest.len > 0 && n_words < MOST_COMMAND_WORDS) {
            words[n_words++] = str_cut(&rest, ' ');
        }
    }
    round->open++;
    client_submit(round->client, &(struct client_request){
                                     .text = text,
                                     .constant = true,
                                     .words = words,
                                     .n_words = n_words,
                                     .limits = {.max_bytes = most_bytes(target, query)},
                                     .arena = &round->arena,
                                     .done = answered,
                                     .userdata = question,
                                 });
}

static void ask_for(struct collector_run *run) {
    struct round *round = &run->target->round;
    const struct question *asked = find_question(round, run->query->text);
    if (asked == NULL && round->n_questions == ROUND_MOST_QUESTIONS) {
        return;
    }
    run->state = RUN_ASKED;
    run->begun_usec = round->start_usec;
    run->view.last_ms = round->start_ms;
    run->answer = (struct answer){0};
    if (asked == NULL) {
        ask(run->target, run->query);
    }
}

static bool takes_part(const struct collector_run *run) {
    const struct round *round = &run->target->round;
    /* A tick may come a jitter early: what is nearly due is due. */
    uint64_t slack = run->target->options.interval_usec / 4;
    if (run->state != RUN_IDLE || !run->settings->enabled || run->way != WALK_NOT) {
        return false;
    }
    if (is_vital(run)) {
        return true;
    }
    return !round->probe && round->start_usec + slack >= run->next_due_usec;
}

void round_ask(struct target *target) {
    /* While probing the vital answer sends for the rest, and INFO that was asked already must be
     * asked again for the others: what was read of it has been decoded. */
    target->round.n_questions = 0;
    for (int late = 0; late <= 1; late++) {
        for (size_t i = 0; i < target->n_runs; i++) {
            struct collector_run *run = &target->runs[i];
            if ((int)run->timed_out != late || !takes_part(run)) {
                continue;
            }
            run->query = collector_query(run->view.collector, target->view.version);
            if (run->query != NULL) {
                ask_for(run);
            }
        }
    }
    if (target->round.open == 0) {
        target_round_done(target);
        return;
    }
    client_flush(target->round.client);
}
