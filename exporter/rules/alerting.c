/* SPDX-License-Identifier: Apache-2.0 */

/* Alerting rules: samples become alerts, alerts become ALERTS and events. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "rules/private.h"

/* A firing alert ends at its receivers by itself when it was not sent again for so many rounds. */
#define VALID_ROUNDS      4
#define MOST_ALERT_LABELS (2 * RULES_MOST_LABELS)

/* The parts of one sample on its way to an alert; texts lie in the arena of the evaluation. */
struct found_alert {
    struct label labels[MOST_ALERT_LABELS];
    size_t n_labels;
    const struct rule_sample *sample;
    struct alert *alert;
};

static int compare_labels(const void *a, const void *b) {
    return str_compare(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static struct template_data template_data(const struct group_state *group,
                                          const struct rule_sample *sample) {
    const struct rules_delivery *delivery = &group->rules->delivery;
    return (struct template_data){
        .labels = sample->labels,
        .n_labels = sample->n_labels,
        .value = sample->value,
        .external_labels = delivery->external_labels,
        .n_external_labels = delivery->n_external_labels,
        .external_url = group->rules->options.external_url,
        .t_ms = group->t_ms,
        .query = template_query,
        .userdata = group->rules,
    };
}

/* A text of the rule for a sample; what cannot be expanded says so in the text itself. */
static struct str expand(struct group_state *group, const struct rule_text *text,
                         const struct rule_sample *sample) {
    struct arena *arena = &group->rules->arena;
    if (text->template == NULL) {
        return text->text;
    }
    struct str constant = template_constant(text->template);
    if (constant.data != NULL) {
        return constant;
    }
    struct strbuf out = {0};
    struct template_data data = template_data(group, sample);
    template_expand(text->template, &data, &out, NULL);
    struct str result = arena_dup(arena, strbuf_view(&out));
    strbuf_deinit(&out);
    return result;
}

/* Puts a label over one of the same name; an empty value takes it away. */
static void set_label(struct found_alert *found, struct label label) {
    size_t i = 0;
    while (i < found->n_labels && !str_equal(found->labels[i].name, label.name)) {
        i++;
    }
    if (label.value.len == 0) {
        if (i < found->n_labels) {
            found->labels[i] = found->labels[--found->n_labels];
        }
    } else if (i < MOST_ALERT_LABELS) {
        found->labels[i] = label;
        found->n_labels += i == found->n_labels;
    }
}

static void make_labels(struct group_state *group, const struct rule *rule,
                        const struct rule_sample *sample, struct found_alert *ret) {
    ret->sample = sample;
    ret->n_labels = 0;
    for (size_t i = 0; i < sample->n_labels; i++) {
        if (!str_is(sample->labels[i].name, "__name__")) {
            set_label(ret, sample->labels[i]);
        }
    }
    for (size_t i = 0; i < rule->n_labels; i++) {
        set_label(ret,
                  (struct label){rule->labels[i].name, expand(group, &rule->labels[i], sample)});
    }
    set_label(ret, (struct label){str_of("alertname"), rule->name});
    qsort(ret->labels, ret->n_labels, sizeof(ret->labels[0]), compare_labels);
}

static void make_annotations(struct group_state *group, const struct rule *rule,
                             const struct rule_sample *sample, struct alert *alert) {
    struct label annotations[RULES_MOST_LABELS];
    for (size_t i = 0; i < rule->n_annotations; i++) {
        annotations[i] =
            (struct label){rule->annotations[i].name, expand(group, &rule->annotations[i], sample)};
    }
    alert_set_annotations(alert, annotations, rule->n_annotations);
}

static bool is_volatile(const struct rule *rule) {
    for (size_t i = 0; i < rule->n_annotations; i++) {
        if (rule->annotations[i].template != NULL &&
            template_is_volatile(rule->annotations[i].template)) {
            return true;
        }
    }
    return false;
}

/* ---- what is told ---- */

static bool wants_sending(const struct alert *alert, int64_t t_ms, int64_t resend_ms) {
    const struct alert_view *view = &alert->view;
    if (view->state == ALERT_PENDING || (view->state == ALERT_INACTIVE && view->resolved_ms == 0)) {
        return false;
    }
    return view->resolved_ms > alert->sent_ms || t_ms - alert->sent_ms > resend_ms ||
           alert->sent_ms == 0;
}

static void tell(struct group_state *group, struct alert *alert) {
    const struct rules_options *options = &group->rules->options;
    int64_t resend_ms = group->rules->delivery.resend_delay_ms;
    bool fires = alert->action == ALERT_FIRE || alert->action == ALERT_BEGIN_FIRE;
    bool ends = alert->action == ALERT_RESOLVE;
    if (!fires && !ends && !wants_sending(alert, group->t_ms, resend_ms)) {
        return;
    }
    int64_t round_ms =
        group->group->interval_ms > resend_ms ? group->group->interval_ms : resend_ms;
    alert->sent_ms = group->t_ms;
    alert->view.valid_until_ms = group->t_ms + VALID_ROUNDS * round_ms;
    if (options->event != NULL) {
        options->event(options->userdata, &(struct alert_event){
                                              .kind = fires  ? ALERT_EVENT_FIRING
                                                      : ends ? ALERT_EVENT_RESOLVED
                                                             : ALERT_EVENT_AGAIN,
                                              .generation = alert->generation,
                                              .alert = &alert->view,
                                          });
    }
}

static void note_change(struct group_state *group, enum alert_action action) {
    const struct rules_options *options = &group->rules->options;
    if (action != ALERT_STAY && options->state_changed != NULL) {
        options->state_changed(options->userdata);
    }
}

/* ---- one evaluation ---- */

/* History is empty after a restart: until it holds what the rule looks at, absence means nothing.
 */
static bool may_be_unseen(const struct group_state *group, const struct rule *rule,
                          const struct alert *alert) {
    int64_t window_ms =
        rule->window_ms > group->group->interval_ms ? rule->window_ms : group->group->interval_ms;
    return alert->view.restored && group->t_ms - group->rules->start_ms < window_ms;
}

static void step_all(struct group_state *group, struct rule_state *state) {
    for (size_t i = 0; i < state->alerts.n; i++) {
        struct alert *alert = state->alerts.alerts[i];
        bool holds = alert->seen == state->evaluation;
        if (!holds && may_be_unseen(group, state->rule, alert)) {
            alert->action = ALERT_STAY;
            continue;
        }
        alert->action = alert_step(alert, holds, state->rule, group->t_ms);
        note_change(group, alert->action);
    }
}

/* Only when the rule has not failed after all. */
static void tell_all(struct group_state *group, struct rule_state *state) {
    for (size_t i = 0; i < state->alerts.n; i++) {
        tell(group, state->alerts.alerts[i]);
    }
}

static void add_series(struct rule_state *state, const struct alert *alert) {
    struct label labels[MOST_ALERT_LABELS + 1];
    const struct alert_view *view = &alert->view;
    size_t n = view->n_labels;
    memcpy(labels, view->labels, n * sizeof(labels[0]));
    batch_add(&state->batch, (struct batch_metric){"ALERTS_FOR_STATE", "", METRIC_UNTYPED, true},
              batch_add_labels(&state->batch, labels, n), (double)view->active_ms / 1000.0);
    labels[n] = (struct label){str_of("alertstate"), str_of(alert_state_names[view->state])};
    batch_add(&state->batch, (struct batch_metric){"ALERTS", "", METRIC_UNTYPED, true},
              batch_add_labels(&state->batch, labels, n + 1), 1.0);
}

static void commit_series(struct group_state *group, struct rule_state *state) {
    batch_clear(&state->batch);
    for (size_t i = 0; i < state->alerts.n; i++) {
        if (state->alerts.alerts[i]->view.state != ALERT_INACTIVE) {
            add_series(state, state->alerts.alerts[i]);
        }
    }
    store_feed_commit(state->feed, &state->batch, group->t_ms - group->group->query_offset_ms);
}

/* Every alert that is pending or fires goes without a word, as Prometheus does it. */
static void drop_all(struct rule_state *state) {
    alert_list_deinit(&state->alerts);
}

static void take_sample(struct group_state *group, struct rule_state *state,
                        struct found_alert *found) {
    const struct rule *rule = state->rule;
    struct alert *alert = found->alert;
    bool fresh = alert == NULL;
    if (fresh) {
        alert = alert_list_add(&state->alerts, state->salt, found->labels, found->n_labels);
    }
    bool changed = fresh || memcmp(&alert->view.value, &found->sample->value, sizeof(double)) != 0;
    bool wanted = changed || alert->outdated || is_volatile(rule);
    /* Old texts are better than those that would say that there was no time. */
    if (wanted && (fresh || !is_volatile(rule) || !template_queries_are_late(group->rules))) {
        make_annotations(group, rule, found->sample, alert);
        alert->outdated = false;
    }
    alert->view.value = found->sample->value;
    alert->view.query = rule->query;
    alert->seen = state->evaluation;
}

/* Finds duplicates before anything is changed. */
static int find_alerts(struct group_state *group, struct rule_state *state,
                       const struct rule_sample *samples, size_t n_samples,
                       struct found_alert *found, struct error *err) {
    struct alert_list seen = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && i < n_samples; i++) {
        make_labels(group, state->rule, &samples[i], &found[i]);
        if (alert_list_find(&seen, found[i].labels, found[i].n_labels) != NULL) {
            r = error_say(err, -EINVAL,
                          "vector contains metrics with the same labelset after applying alert "
                          "labels");
        } else {
            alert_list_add(&seen, 0, found[i].labels, found[i].n_labels);
            found[i].alert = alert_list_find(&state->alerts, found[i].labels, found[i].n_labels);
        }
    }
    alert_list_deinit(&seen);
    return r;
}

int alert_samples(struct group_state *group, struct rule_state *state,
                  const struct rule_sample *samples, size_t n_samples, struct error *err) {
    struct found_alert *found = mem_array(n_samples + 1, sizeof(*found));
    int r = find_alerts(group, state, samples, n_samples, found, err);
    if (r == 0) {
        state->evaluation++;
        for (size_t i = 0; i < n_samples; i++) {
            take_sample(group, state, &found[i]);
        }
        step_all(group, state);
        alert_list_sweep(&state->alerts, group->t_ms, group->rules->options.resolved_retention_ms);
        size_t active = alert_list_active(&state->alerts);
        if (group->group->limit > 0 && active > group->group->limit) {
            drop_all(state);
            r = error_say(err, -E2BIG, "exceeded limit of %llu with %zu alerts",
                          (unsigned long long)group->group->limit, active);
        }
        tell_all(group, state);
        commit_series(group, state);
    }
    free(found);
    return r;
}
