/* SPDX-License-Identifier: Apache-2.0 */

/* One evaluation of one rule: here while it is cheap, elsewhere when it is not. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/mem.h"
#include "promql/label_space.h"
#include "rules/private.h"

/* In the loop: what an evaluation may read and take. */
#define LOOP_MOST_SAMPLES   200000
#define LOOP_DEADLINE_USEC  50000
#define LOOP_EXPENSIVE_USEC 5000
/* Back into the loop comes what took half of that at most so many times in a row. */
#define CHEAP_TIMES 3

static struct eval_options options_of(const struct group_state *group, bool in_loop) {
    const struct rules_options *options = &group->rules->options;
    struct eval_options eval = {
        .start_ms = group->t_ms - group->group->query_offset_ms,
        .subquery_step_ms = group->rules->set->interval_ms,
        .now_usec = options->now_usec,
    };
    if (in_loop) {
        eval.max_samples = LOOP_MOST_SAMPLES;
        eval.deadline_usec = options->now_usec() + LOOP_DEADLINE_USEC;
    }
    return eval;
}

size_t rules_samples_of(const struct eval_result *result, struct arena *arena,
                        struct rule_sample **ret) {
    struct rule_sample *samples = arena_array(arena, result->n_rows + 1, sizeof(*samples));
    for (size_t i = 0; i < result->n_rows; i++) {
        const struct label_set *set = result->rows[i].labels;
        struct label *labels = arena_array(arena, set->n_pairs + 1, sizeof(*labels));
        for (size_t k = 0; k < set->n_pairs; k++) {
            labels[k].name = label_space_text(result->space, set->pairs[k].name);
            labels[k].value = label_space_text(result->space, set->pairs[k].value);
        }
        samples[i] = (struct rule_sample){labels, set->n_pairs, result->rows[i].values[0]};
    }
    *ret = samples;
    return result->n_rows;
}

bool template_queries_are_late(const struct rules *rules) {
    return rules->texts_until_usec != 0 && rules->options.now_usec() >= rules->texts_until_usec;
}

int template_query(void *userdata, struct str expr, int64_t t_ms, struct arena *arena,
                   struct template_sample **ret, size_t *ret_count, struct error *err) {
    struct rules *rules = userdata;
    struct parsed parsed;
    struct eval_result result;
    struct rule_sample *samples;
    struct eval_options options = {
        .start_ms = t_ms,
        .subquery_step_ms = rules->set->interval_ms,
        .max_samples = LOOP_MOST_SAMPLES,
        .now_usec = rules->options.now_usec,
        .deadline_usec = rules->texts_until_usec,
    };
    if (template_queries_are_late(rules)) {
        return error_say(err, -ETIME, "the queries of the rule's templates take too long");
    }
    int r = promql_parse(expr, NULL, arena, &parsed, err);
    if (r < 0) {
        return r;
    }
    r = promql_eval(&parsed, rules->options.store, &options, arena, &result, err);
    if (r == 0 && result.type != VALUE_VECTOR && result.type != VALUE_SCALAR) {
        r = error_say(err, -EINVAL, "query result is not a vector or scalar");
    }
    if (r == 0) {
        *ret_count = rules_samples_of(&result, arena, &samples);
        *ret = arena_array(arena, *ret_count + 1, sizeof(**ret));
        for (size_t i = 0; i < *ret_count; i++) {
            (*ret)[i] =
                (struct template_sample){samples[i].labels, samples[i].n_labels, samples[i].value};
        }
    }
    eval_result_deinit(&result);
    parsed_deinit(&parsed);
    return r == 0 ? 0 : -EINVAL;
}

/* ---- the end of a rule ---- */

static uint64_t samples_of(const struct group_state *group) {
    uint64_t sum = 0;
    for (size_t i = 0; i < group->group->n_rules; i++) {
        sum += group->states[i].health == RULE_OK ? group->states[i].samples : 0;
    }
    return sum;
}

static void rule_done(struct group_state *group, struct rule_state *state, enum rule_health health,
                      const char *why) {
    uint64_t now = group->rules->options.now_usec();
    free(state->error);
    state->error = why != NULL ? mem_strdup(why) : NULL;
    state->health = health;
    state->last_ms = group->t_ms;
    state->seconds = (double)(now - group->rule_begin_usec) / 1e6;
    state->evaluations++;
    state->failures += health == RULE_ERROR;
    group->evaluations++;
    group->failures += health == RULE_ERROR;
    group->at++;
    if (group->at == group->group->n_rules) {
        group->running = false;
        group->iterations++;
        group->last_ms = group->t_ms;
        group->samples = samples_of(group);
        group->seconds = (double)(now - group->begin_usec) / 1e6;
    }
}

void rule_take(struct group_state *group, struct rule_state *state,
               const struct rule_sample *samples, size_t n_samples) {
    struct rules *rules = group->rules;
    struct error err = {0};
    rules->texts_until_usec =
        rules->options.submit != NULL ? rules->options.now_usec() + LOOP_DEADLINE_USEC : 0;
    int r = state->rule->kind == RULE_RECORD
                ? record_samples(group, state, samples, n_samples, &err)
                : alert_samples(group, state, samples, n_samples, &err);
    store_publish(group->source);
    state->samples = n_samples;
    rule_done(group, state, r < 0 ? RULE_ERROR : RULE_OK, r < 0 ? err.text : NULL);
}

void rule_fail(struct group_state *group, struct rule_state *state, const char *why) {
    rule_done(group, state, RULE_ERROR, why);
}

/* ---- its beginning ---- */

static void submit(struct group_state *group, struct rule_state *state) {
    struct rules *rules = group->rules;
    group->ticket = ++rules->tickets;
    rules->options.submit(rules->options.userdata, state->rule,
                          group->t_ms - group->group->query_offset_ms, group->ticket);
}

void rule_cost_elsewhere(struct rule_state *state, const struct rule_cost *cost) {
    const bool cheap = cost != NULL && cost->samples <= LOOP_MOST_SAMPLES / 2 &&
                       cost->usec <= LOOP_EXPENSIVE_USEC / 2;
    state->n_cheap = cheap ? state->n_cheap + 1 : 0;
    if (state->n_cheap == CHEAP_TIMES) {
        state->n_cheap = 0;
        state->expensive = false;
    }
}

/* Return: false when it is too much for the loop. */
static bool evaluate_here(struct group_state *group, struct rule_state *state) {
    struct rules *rules = group->rules;
    struct eval_options options = options_of(group, rules->options.submit != NULL);
    struct eval_result result;
    struct rule_sample *samples;
    struct error err = {0};
    int r = promql_eval(&state->rule->expr, rules->options.store, &options, &rules->arena, &result,
                        &err);
    bool too_much = (r == EVAL_E_TOO_MANY || r == EVAL_E_TIMEOUT) && rules->options.submit != NULL;
    uint64_t used = rules->options.now_usec() - group->rule_begin_usec;
    state->expensive = rules->options.submit != NULL && (too_much || used > LOOP_EXPENSIVE_USEC);
    if (r == 0 && result.type != VALUE_VECTOR && result.type != VALUE_SCALAR) {
        rule_fail(group, state, "rule result is not a vector or scalar");
    } else if (r == 0) {
        size_t n = rules_samples_of(&result, &rules->arena, &samples);
        rule_take(group, state, samples, n);
    } else if (!too_much) {
        rule_fail(group, state, result.message != NULL ? result.message : err.text);
    }
    eval_result_deinit(&result);
    arena_reset(&rules->arena);
    return !too_much;
}

/* What it cannot see would be taken for what is not there. */
static void refuse(struct group_state *group, struct rule_state *state) {
    char needed[32], kept[32], text[160];
    snprintf(text, sizeof(text),
             "not evaluated: it looks back %s, but history is kept for %s (history.max_retention)",
             duration_format((uint64_t)rule_needs_ms(state->rule) * USEC_PER_MSEC, needed),
             duration_format((uint64_t)group->rules->history_ms * USEC_PER_MSEC, kept));
    rule_fail(group, state, text);
}

void group_step(struct group_state *group, int64_t now_ms) {
    struct rule_state *state = &group->states[group->at];
    group->rule_begin_usec = group->rules->options.now_usec();
    if (group->group->n_rules == 0) {
        group->running = false;
        return;
    }
    if (rule_needs_ms(state->rule) > group->rules->history_ms) {
        refuse(group, state);
        return;
    }
    if (state->expensive || !evaluate_here(group, state)) {
        submit(group, state);
    }
}
