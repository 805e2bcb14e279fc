/* SPDX-License-Identifier: Apache-2.0 */

/* A group's life: its source in the store, its rules, and what goes over to its next version. */
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/pack.h"
#include "rules/private.h"

/* ---- which metrics it reads ---- */

static void note_selector(struct group_state *group, const struct expr *selector,
                          size_t *capacity) {
    struct str name;
    if (!expr_metric_name(selector, &name)) {
        group->reads_anything = true;
        return;
    }
    group->names = mem_grow(group->names, group->n_names, capacity, sizeof(*group->names));
    group->names[group->n_names++] = name;
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

/* ---- which rule is which ---- */

void rule_pack_labels(const struct rule *rule, struct strbuf *out) {
    for (size_t i = 0; i < rule->n_labels; i++) {
        pack_str(out, rule->labels[i].name);
        pack_str(out, rule->labels[i].text);
    }
}

uint64_t rule_identity(enum rule_kind kind, struct str name, struct str labels) {
    struct strbuf text = {0};
    pack_u64(&text, (uint64_t)kind);
    pack_str(&text, name);
    pack_str(&text, labels);
    uint64_t identity = hash_stable(strbuf_view(&text));
    strbuf_deinit(&text);
    return identity;
}

static int compare_keys(const struct rule_state *a, const struct rule_state *b) {
    if (a->identity != b->identity) {
        return a->identity < b->identity ? -1 : 1;
    }
    return (a->place > b->place) - (a->place < b->place);
}

static int compare_states(const void *a, const void *b) {
    return compare_keys(*(struct rule_state *const *)a, *(struct rule_state *const *)b);
}

/* Rules are the same to their alerts and series when name and labels are; of several equal ones the
 * n-th follows the n-th. There may be thousands, so nobody compares each with each. */
static void identify_rules(struct group_state *group) {
    size_t n = group->group->n_rules;
    struct strbuf labels = {0};
    group->sorted = mem_array(n + 1, sizeof(struct rule_state *));
    for (size_t i = 0; i < n; i++) {
        struct rule_state *state = &group->states[i];
        const struct rule *rule = &group->group->rules[i];
        strbuf_clear(&labels);
        rule_pack_labels(rule, &labels);
        state->identity = rule_identity(rule->kind, rule->name, strbuf_view(&labels));
        state->place = i; /* for the order */
        group->sorted[i] = state;
    }
    strbuf_deinit(&labels);
    if (n > 0) {
        qsort(group->sorted, n, sizeof(struct rule_state *), compare_states);
    }
    for (size_t i = 0; i < n; i++) {
        bool again = i > 0 && group->sorted[i]->identity == group->sorted[i - 1]->identity;
        group->sorted[i]->place = again ? group->sorted[i - 1]->place + 1 : 0;
    }
}

struct rule_state *group_find_rule(const struct group_state *group, uint64_t identity,
                                   uint64_t place, struct str name) {
    const struct rule_state wanted = {.identity = identity, .place = place};
    const struct rule_state *key = &wanted;
    struct rule_state **found = bsearch(&key, group->sorted, group->group->n_rules,
                                        sizeof(struct rule_state *), compare_states);
    return found != NULL && str_equal((*found)->rule->name, name) ? *found : NULL;
}

/* The state of the same rule in the older version of the group, or NULL. */
static struct rule_state *find_old(struct group_state *old, const struct rule_state *state) {
    return old != NULL ? group_find_rule(old, state->identity, state->place, state->rule->name)
                       : NULL;
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
    struct rule_state *before = find_old(old, state);
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
    identify_rules(state);
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
    free(group->sorted);
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
