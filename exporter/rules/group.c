/* SPDX-License-Identifier: Apache-2.0 */

/* A group's life: its source in the store, its rules, and what goes over to its next version. */
#include <stdlib.h>

#include "base/mem.h"
#include "rules/private.h"

/* ---- which metrics it reads ---- */

static void note_selector(struct group_state *group, const struct expr *selector,
                          size_t *capacity) {
    for (size_t i = 0; i < selector->selector.n_matchers; i++) {
        const struct matcher *matcher = &selector->selector.matchers[i];
        if (matcher->type == MATCH_EQUAL && str_is(matcher->name, "__name__")) {
            group->names = mem_grow(group->names, group->n_names, capacity, sizeof(*group->names));
            group->names[group->n_names++] = matcher->value;
            return;
        }
    }
    group->reads_anything = true;
}

static void note_names(struct group_state *group) {
    size_t capacity = 0;
    free(group->names);
    group->names = NULL;
    group->n_names = 0;
    group->reads_anything = false;
    for (size_t i = 0; i < group->group->n_rules; i++) {
        const struct expr *selector = group->group->rules[i].expr.selectors;
        for (; selector != NULL; selector = selector->selector.next) {
            note_selector(group, selector, &capacity);
        }
    }
}

/* ---- life ---- */

static uint64_t salt_of(const struct rule_group *group, const struct rule *rule) {
    struct strbuf text = {0};
    strbuf_add_str(&text, group->file);
    strbuf_add_char(&text, '\xff');
    strbuf_add_str(&text, group->name);
    strbuf_add_char(&text, '\xff');
    strbuf_add_str(&text, rule->name);
    uint64_t salt = hash_stable(strbuf_view(&text));
    strbuf_deinit(&text);
    return salt;
}

/* Rules are the same to their alerts and series when name and labels are; of several equal ones the
 * n-th follows the n-th. */
static bool is_same_rule(const struct rule *a, const struct rule *b) {
    if (a->kind != b->kind || !str_equal(a->name, b->name) || a->n_labels != b->n_labels) {
        return false;
    }
    for (size_t i = 0; i < a->n_labels; i++) {
        if (!str_equal(a->labels[i].name, b->labels[i].name) ||
            !str_equal(a->labels[i].text, b->labels[i].text)) {
            return false;
        }
    }
    return true;
}

/* The state of the same rule in the older version of the group, or NULL. */
static struct rule_state *find_old(struct group_state *old, const struct rule *rule) {
    for (size_t i = 0; old != NULL && i < old->group->n_rules; i++) {
        if (old->states[i].feed != NULL && is_same_rule(rule, old->states[i].rule)) {
            return &old->states[i];
        }
    }
    return NULL;
}

/* What they borrow from a rule comes from this one now. */
static void adopt_alerts(struct rule_state *state, bool changed) {
    for (size_t i = 0; i < state->alerts.n; i++) {
        struct alert *alert = state->alerts.alerts[i];
        alert->view.query = state->rule->query;
        alert->outdated |= changed;
    }
}

static void rule_init(struct group_state *group, size_t index, struct group_state *old) {
    struct rule_state *state = &group->states[index];
    state->rule = &group->group->rules[index];
    state->salt = salt_of(group->group, state->rule);
    struct rule_state *before = find_old(old, state->rule);
    if (before == NULL) {
        state->feed = store_feed_new(group->source, "rule");
        return;
    }
    state->feed = before->feed;
    state->alerts = before->alerts;
    state->evaluation = before->evaluation; /* that the alerts' marks are numbers of */
    adopt_alerts(state, true);
    before->feed = NULL;
    before->alerts = (struct alert_list){0};
}

static struct store_source *source_new(struct store *store, const struct rule_group *group) {
    struct strbuf name = {0};
    strbuf_add_str(&name, group->file);
    strbuf_add_char(&name, ';');
    strbuf_add_str(&name, group->name);
    struct store_source *source = store_source_new(
        store, &(struct source_labels){.target = strbuf_view(&name), .hidden = true});
    strbuf_deinit(&name);
    return source;
}

/* Counters go on, so that a reload hides no failure. */
static void take_numbers(struct group_state *state, const struct group_state *old) {
    state->last_ms = old->last_ms;
    state->seconds = old->seconds;
    state->iterations = old->iterations;
    state->missed = old->missed;
    state->evaluations = old->evaluations;
    state->failures = old->failures;
    state->samples = old->samples;
}

struct group_state *group_new(struct rules *rules, const struct rule_group *group,
                              struct group_state *old) {
    struct group_state *state = mem_alloc(sizeof(*state));
    state->rules = rules;
    state->group = group;
    state->t_ms = old != NULL ? old->t_ms : INT64_MIN;
    state->news_ms = INT64_MIN / 2;
    if (old != NULL) {
        state->news = old->news;
        state->news_at_ms = old->news_at_ms;
        take_numbers(state, old);
        state->source = old->source;
        old->source = NULL;
    } else {
        state->source = source_new(rules->options.store, group);
    }
    state->states = mem_array(group->n_rules + 1, sizeof(*state->states));
    for (size_t i = 0; i < group->n_rules; i++) {
        rule_init(state, i, old);
    }
    note_names(state);
    return state;
}

/* Alerts whose rule is no more are over, and who was told of them is told that. */
static void end_alerts(struct group_state *group, struct rule_state *state, int64_t t_ms) {
    const struct rules_options *options = &group->rules->options;
    for (size_t i = 0; i < state->alerts.n; i++) {
        struct alert *alert = state->alerts.alerts[i];
        if (alert->view.state != ALERT_FIRING) {
            continue;
        }
        alert->view.state = ALERT_INACTIVE;
        alert->view.resolved_ms = t_ms;
        alert->generation++;
        if (options->event != NULL) {
            options->event(options->userdata, &(struct alert_event){
                                                  .kind = ALERT_EVENT_RESOLVED,
                                                  .generation = alert->generation,
                                                  .alert = &alert->view,
                                              });
        }
    }
    if (state->alerts.n > 0 && options->state_changed != NULL) {
        options->state_changed(options->userdata);
    }
}

struct group_state *group_free(struct group_state *group, int64_t t_ms) {
    if (group == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < group->group->n_rules; i++) {
        struct rule_state *state = &group->states[i];
        if (t_ms != GROUP_NO_TIME) {
            end_alerts(group, state, t_ms);
        }
        alert_list_deinit(&state->alerts);
        batch_deinit(&state->batch);
        free(state->error);
        if (state->feed != NULL && group->source == NULL) {
            store_feed_free(state->feed, t_ms); /* the source lives on in the next version */
        }
    }
    if (group->source != NULL) {
        store_source_free(group->rules->options.store, group->source, t_ms);
    }
    free(group->states);
    free(group->names);
    free(group);
    return NULL;
}

void group_rebase(struct group_state *group, const struct rule_group *same) {
    group->group = same;
    for (size_t i = 0; i < same->n_rules; i++) {
        group->states[i].rule = &same->rules[i];
        adopt_alerts(&group->states[i], false);
    }
    note_names(group);
}
