/* SPDX-License-Identifier: Apache-2.0 */

/* The set of groups: taking over new ones, and whose turn it is. */
#include "rules/rules.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "rules/private.h"

#define DEFAULT_RESEND_MS    ((int64_t)60 * 1000)
#define DEFAULT_RETENTION_MS ((int64_t)15 * 60 * 1000)
/* News begin so many evaluations of a group a second at most. */
#define NEWS_LEAST_MS 200

const char *const rule_health_names[] = {
    [RULE_UNKNOWN] = "unknown",
    [RULE_OK] = "ok",
    [RULE_ERROR] = "err",
};

struct rules *rules_new(const struct rules_options *options) {
    struct rules *rules = mem_alloc(sizeof(*rules));
    rules->options = *options;
    rules->delivery.resend_delay_ms = DEFAULT_RESEND_MS;
    rules->history_ms = INT64_MAX;
    if (rules->options.resolved_retention_ms == 0) {
        rules->options.resolved_retention_ms = DEFAULT_RETENTION_MS;
    }
    return rules;
}

void rules_configure(struct rules *rules, const struct rules_delivery *delivery) {
    rules->delivery = *delivery;
    if (delivery->resend_delay_ms == 0) {
        rules->delivery.resend_delay_ms = DEFAULT_RESEND_MS;
    }
}

void rules_set_history(struct rules *rules, int64_t history_ms) {
    rules->history_ms = history_ms;
}

struct rules *rules_free(struct rules *rules) {
    if (rules != NULL) {
        for (size_t i = 0; i < rules->n_groups; i++) {
            group_free(rules->groups[i], GROUP_NO_TIME);
        }
        free(rules->groups);
        free(rules->recorded);
        rule_set_free(rules->set);
        arena_deinit(&rules->arena);
        free(rules);
    }
    return NULL;
}

/* ---- slots ---- */

/* Groups of one interval are spread over it by their names. */
static int64_t slot_at_or_before(const struct rule_group *group, int64_t t_ms) {
    struct strbuf name = {0};
    strbuf_add_str(&name, group->file);
    strbuf_add_char(&name, ';');
    strbuf_add_str(&name, group->name);
    int64_t offset = (int64_t)(hash_stable(strbuf_view(&name)) % (uint64_t)group->interval_ms);
    strbuf_deinit(&name);
    int64_t behind = (t_ms - offset) % group->interval_ms;
    return t_ms - (behind < 0 ? behind + group->interval_ms : behind);
}

static void begin(struct group_state *group, int64_t t_ms) {
    struct rules *rules = group->rules;
    group->running = true;
    group->at = 0;
    group->t_ms = t_ms;
    group->begin_usec = rules->options.now_usec();
}

/* When news that wait may begin an evaluation. */
static int64_t news_due_ms(const struct group_state *group) {
    int64_t due_ms = group->news_ms + NEWS_LEAST_MS;
    return due_ms > group->t_ms ? due_ms : group->t_ms + 1;
}

/* Begins an evaluation if the group's slot has come or news wait. */
static void begin_if_due(struct group_state *group, int64_t now_ms) {
    const int64_t interval = group->group->interval_ms;
    if (now_ms >= group->next_ms) {
        int64_t slot = slot_at_or_before(group->group, now_ms);
        group->missed += slot > group->next_ms ? (uint64_t)((slot - group->next_ms) / interval) : 0;
        group->next_ms = slot + interval;
        group->slot_ms = slot;
        if (slot > group->t_ms) {
            group->news = group->news && group->news_at_ms > slot;
            begin(group, slot);
        }
    } else if (group->news && now_ms >= news_due_ms(group)) {
        group->news = false;
        group->news_ms = now_ms;
        begin(group, now_ms > group->news_at_ms ? now_ms : group->news_at_ms);
    }
}

int64_t rules_run(struct rules *rules, int64_t now_ms) {
    int64_t next_ms = INT64_MAX;
    if (!rules->started) {
        return next_ms;
    }
    for (size_t i = 0; i < rules->n_groups; i++) {
        struct group_state *group = rules->groups[(rules->turn + i) % rules->n_groups];
        if (!group->running) {
            begin_if_due(group, now_ms);
        }
        if (group->running && group->ticket == 0) {
            rules->turn = (rules->turn + i + 1) % rules->n_groups;
            group_step(group, now_ms);
            return now_ms;
        }
        int64_t due_ms = group->next_ms;
        if (group->news && news_due_ms(group) < due_ms) {
            due_ms = news_due_ms(group);
        }
        if (!group->running && due_ms < next_ms) {
            next_ms = due_ms;
        }
    }
    return next_ms;
}

void rules_run_group(struct rules *rules, size_t group, int64_t t_ms) {
    struct group_state *state = rules->groups[group];
    begin(state, t_ms);
    while (state->running) {
        group_step(state, t_ms);
    }
}

void rules_start(struct rules *rules, int64_t now_ms) {
    rules->started = true;
    rules->start_ms = now_ms;
    for (size_t i = 0; i < rules->n_groups; i++) {
        struct group_state *group = rules->groups[i];
        group->next_ms = slot_at_or_before(group->group, now_ms) + group->group->interval_ms;
    }
}

const struct rule *rules_submitted(const struct rules *rules, uint64_t ticket) {
    for (size_t i = 0; ticket != 0 && i < rules->n_groups; i++) {
        const struct group_state *group = rules->groups[i];
        if (group->ticket == ticket) {
            return group->states[group->at].rule;
        }
    }
    return NULL;
}

void rules_evaluated(struct rules *rules, uint64_t ticket, const struct rule_sample *samples,
                     size_t n_samples, const struct rule_cost *cost, const struct error *err) {
    for (size_t i = 0; i < rules->n_groups; i++) {
        struct group_state *group = rules->groups[i];
        if (ticket == 0 || group->ticket != ticket) {
            continue;
        }
        struct rule_state *state = &group->states[group->at];
        group->ticket = 0;
        rule_cost_elsewhere(state, cost);
        if (err != NULL && error_is_set(err)) {
            rule_fail(group, state, err->text);
        } else {
            rule_take(group, state, samples, n_samples);
        }
        arena_reset(&rules->arena);
        return;
    }
    /* The group went away while it was being evaluated. */
}

/* ---- news ---- */

static int compare_names(const void *a, const void *b) {
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static void note_recorded(struct rules *rules) {
    free(rules->recorded);
    rules->recorded = mem_array(rules->set->n_rules + 1, sizeof(*rules->recorded));
    rules->n_recorded = 0;
    for (size_t i = 0; i < rules->set->n_groups; i++) {
        const struct rule_group *group = &rules->set->groups[i];
        for (size_t k = 0; k < group->n_rules; k++) {
            if (group->rules[k].kind == RULE_RECORD) {
                rules->recorded[rules->n_recorded++] = group->rules[k].name;
            }
        }
    }
    if (rules->n_recorded > 0) {
        qsort(rules->recorded, rules->n_recorded, sizeof(*rules->recorded), compare_names);
    }
}

static bool is_recorded(const struct rules *rules, struct str name) {
    return str_is(name, "ALERTS") || str_is(name, "ALERTS_FOR_STATE") ||
           bsearch(&name, rules->recorded, rules->n_recorded, sizeof(*rules->recorded),
                   compare_names) != NULL;
}

static bool may_read(const struct group_state *group, const char *target) {
    const struct rules_options *options = &group->rules->options;
    if (group->reads_anything || options->has_metric == NULL) {
        return true;
    }
    for (size_t i = 0; i < group->n_names; i++) {
        if (options->has_metric(options->userdata, target, group->names[i]) ||
            is_recorded(group->rules, group->names[i])) {
            return true;
        }
    }
    return false;
}

void rules_news(struct rules *rules, const char *target, int64_t now_ms) {
    for (size_t i = 0; i < rules->n_groups; i++) {
        struct group_state *group = rules->groups[i];
        if (group->group->query_offset_ms == 0 && may_read(group, target)) {
            group->news_at_ms =
                group->news && group->news_at_ms > now_ms ? group->news_at_ms : now_ms;
            group->news = true;
        }
    }
}

/* ---- reload ---- */

static struct group_state *find_group(const struct rules *rules, const struct rule_group *wanted,
                                      bool same) {
    for (size_t i = 0; i < rules->n_groups; i++) {
        struct group_state *group = rules->groups[i];
        if (group == NULL) {
            continue;
        }
        bool found = same ? group->group->identity == wanted->identity
                          : str_equal(group->group->file, wanted->file) &&
                                str_equal(group->group->name, wanted->name);
        if (found) {
            return group;
        }
    }
    return NULL;
}

static void forget(struct rules *rules, const struct group_state *group) {
    for (size_t i = 0; i < rules->n_groups; i++) {
        rules->groups[i] = rules->groups[i] == group ? NULL : rules->groups[i];
    }
}

void rules_set(struct rules *rules, struct rule_set *set, int64_t now_ms) {
    struct group_state **groups = mem_array(set->n_groups + 1, sizeof(struct group_state *));
    for (size_t i = 0; i < set->n_groups; i++) {
        groups[i] = find_group(rules, &set->groups[i], true);
        if (groups[i] != NULL) {
            forget(rules, groups[i]);
            group_rebase(groups[i], &set->groups[i]);
        }
    }
    for (size_t i = 0; i < set->n_groups; i++) {
        const struct rule_group *wanted = &set->groups[i];
        if (groups[i] == NULL) {
            groups[i] = group_new(rules, wanted, find_group(rules, wanted, false));
            groups[i]->next_ms = slot_at_or_before(wanted, now_ms) + wanted->interval_ms;
        }
    }
    for (size_t i = 0; i < rules->n_groups; i++) {
        group_free(rules->groups[i], now_ms);
    }
    free(rules->groups);
    rule_set_free(rules->set);
    rules->groups = groups;
    rules->n_groups = set->n_groups;
    rules->set = set;
    note_recorded(rules);
    rules->turn = 0;
}

/* ---- views ---- */

size_t rules_groups(const struct rules *rules) {
    return rules->n_groups;
}

struct group_view rules_group(const struct rules *rules, size_t group) {
    const struct group_state *state = rules->groups[group];
    return (struct group_view){
        .group = state->group,
        .last_ms = state->last_ms,
        .seconds = state->seconds,
        .iterations = state->iterations,
        .missed = state->missed,
        .evaluations = state->evaluations,
        .failures = state->failures,
        .samples = state->samples,
    };
}

struct rule_view rules_rule(const struct rules *rules, size_t group, size_t rule) {
    const struct rule_state *state = &rules->groups[group]->states[rule];
    return (struct rule_view){
        .rule = state->rule,
        .health = state->health,
        .error = state->error,
        .last_ms = state->last_ms,
        .seconds = state->seconds,
        .evaluations = state->evaluations,
        .failures = state->failures,
        .samples = state->samples,
        .state = alert_list_state(&state->alerts),
        .n_alerts = state->alerts.n,
    };
}

struct alert_view rules_alert(const struct rules *rules, size_t group, size_t rule, size_t alert) {
    return rules->groups[group]->states[rule].alerts.alerts[alert]->view;
}

struct alert_counts rules_count_alerts(const struct rules *rules) {
    struct alert_counts counts = {0};
    for (size_t i = 0; i < rules->n_groups; i++) {
        const struct group_state *group = rules->groups[i];
        for (size_t k = 0; k < group->group->n_rules; k++) {
            const struct alert_list *list = &group->states[k].alerts;
            for (size_t j = 0; j < list->n; j++) {
                counts.by_state[list->alerts[j]->view.state]++;
            }
        }
    }
    return counts;
}
