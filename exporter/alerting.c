/* SPDX-License-Identifier: Apache-2.0 */

#include "alerting.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "actions/notifier.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pack.h"
#include "io/durable.h"
#include "rules/parameter_use.h"
#include "scrape_series.h"
#include "store/history.h"

#define STATE_FILE         "alerts.state"
#define MOST_STATE_BYTES   ((size_t)64 * 1024 * 1024)
#define SOON_USEC          USEC_PER_SEC        /* a change is on the disk after it */
#define ALIVE_USEC         (10 * USEC_PER_SEC) /* how often the file says that we live */
#define EVALUATION_USEC    (30 * USEC_PER_SEC) /* of an expensive rule */
#define WORKERS            2
#define QUEUE_USEC         (5 * 60 * USEC_PER_SEC) /* one that always times out stops no others */
#define MOST_ANSWER_BYTES  ((size_t)64 * 1024 * 1024)
#define LEAST_SAMPLE_BYTES 16

struct alerting {
    struct alerting_options options;
    struct rules *rules;
    struct loop_timer *next, *save;
    struct worker_pool *workers, *disk;
    struct durable_file *state; /* NULL: not kept */
    char *state_path;
    uint64_t alive_usec; /* of the last write */
    bool changed, started;
    bool state_failing; /* as the log has it */
    struct scrape_series *scrapes;
    struct notifier *notifier;
    struct label labels[TARGET_MOST_LABELS]; /* external ones, borrowed from the configuration */
    int64_t subquery_step_ms;                /* of the set that is evaluated */
};

/* An evaluation on its way. */
struct question {
    struct alerting *alerting;
    int64_t subquery_step_ms;
    int64_t t_ms;
    uint64_t ticket;
};

/* ---- expensive rules ---- */

static void pack_samples(const struct rule_sample *samples, size_t n, struct strbuf *out) {
    pack_u64(out, n);
    for (size_t i = 0; i < n; i++) {
        pack_double(out, samples[i].value);
        pack_u64(out, samples[i].n_labels);
        for (size_t k = 0; k < samples[i].n_labels; k++) {
            pack_str(out, samples[i].labels[k].name);
            pack_str(out, samples[i].labels[k].value);
        }
    }
}

/* In the child. A reload while the question waited for its turn has freed the rule that was asked
 * for; the ticket finds what it has become. */
static int evaluate(const void *input, int fd) {
    const struct question *question = input;
    const struct alerting *alerting = question->alerting;
    const struct rule *rule = rules_submitted(alerting->rules, question->ticket);
    struct arena arena = {0};
    struct eval_result result;
    struct rule_sample *samples;
    struct error err = {0};
    struct strbuf out = {0};
    struct eval_options options = {
        .start_ms = question->t_ms,
        .subquery_step_ms = question->subquery_step_ms,
    };
    if (rule == NULL) {
        return 0;
    }
    const uint64_t begin_usec = loop_cpu_usec();
    int r = promql_eval(&rule->expr, alerting->options.store, &options, &arena, &result, &err);
    if (r != 0) {
        const char *why = result.message != NULL ? result.message : err.text;
        worker_write(fd, why, strlen(why));
        return 1;
    }
    pack_u64(&out, result.n_samples);
    pack_u64(&out, loop_cpu_usec() - begin_usec);
    pack_samples(samples, rules_samples_of(&result, &arena, &samples), &out);
    return worker_write(fd, out.data, out.len) < 0 ? 2 : 0;
}

static size_t unpack_answer(struct str answer, struct arena *arena, struct rule_cost *ret_cost,
                            struct rule_sample **ret) {
    struct unpacker in = {answer, false};
    ret_cost->samples = unpack_u64(&in);
    ret_cost->usec = unpack_u64(&in);
    size_t n = unpack_count(&in, LEAST_SAMPLE_BYTES);
    struct rule_sample *samples = arena_array(arena, n + 1, sizeof(*samples));
    for (size_t i = 0; i < n && !in.bad; i++) {
        samples[i].value = unpack_double(&in);
        size_t n_labels = unpack_count(&in, LEAST_SAMPLE_BYTES);
        struct label *labels = arena_array(arena, n_labels + 1, sizeof(*labels));
        for (size_t k = 0; k < n_labels; k++) {
            labels[k].name = unpack_str(&in);
            labels[k].value = unpack_str(&in);
        }
        samples[i].labels = labels;
        samples[i].n_labels = n_labels;
    }
    *ret = samples;
    return in.bad ? 0 : n;
}

static void run_soon(struct alerting *alerting);

static void evaluated(void *userdata, const struct worker_result *result) {
    struct question *question = userdata;
    struct alerting *alerting = question->alerting;
    struct arena arena = {0};
    struct rule_sample *samples = NULL;
    struct rule_cost cost;
    struct error err = {0};
    size_t n = 0;
    uint64_t ticket = question->ticket;
    free(question);
    if (result->status == WORKER_CANCELED) {
        return;
    }
    if (result->status == WORKER_OK) {
        n = unpack_answer(result->answer, &arena, &cost, &samples);
    } else if (result->status == WORKER_FAILED && result->code == 1) {
        error_say(&err, -EINVAL, "%.*s", (int)result->answer.len, result->answer.data);
    } else {
        error_say(&err, -EIO, "%s",
                  result->status == WORKER_TIMEOUT    ? "query timed out in expression evaluation"
                  : result->status == WORKER_TOO_LONG ? "the result is too large"
                  : result->status == WORKER_BUSY     ? "too many rules are being evaluated"
                                                      : "the evaluation ended early: it needs more "
                                                        "memory than it may have");
    }
    rules_evaluated(alerting->rules, ticket, samples, n, result->status == WORKER_OK ? &cost : NULL,
                    error_is_set(&err) ? &err : NULL);
    arena_deinit(&arena);
    run_soon(alerting);
}

static void submit(void *userdata, const struct rule *rule, int64_t t_ms, uint64_t ticket) {
    struct alerting *alerting = userdata;
    struct question *question = mem_alloc(sizeof(*question));
    *question = (struct question){
        .alerting = alerting,
        .subquery_step_ms = alerting->subquery_step_ms,
        .t_ms = t_ms,
        .ticket = ticket,
    };
    worker_submit(alerting->workers, &(struct worker_request){
                                         .work = evaluate,
                                         .input = question,
                                         .run_usec = EVALUATION_USEC,
                                         .done = evaluated,
                                         .userdata = question,
                                     });
}

/* ---- state ---- */

/* Once, not at each of the attempts that follow: they come every second. */
static void tell_state(struct alerting *alerting, const struct error *err) {
    bool failing = error_is_set(err);
    if (failing && !alerting->state_failing) {
        log_error("alert state: %s; it is tried again", err->text);
    } else if (!failing && alerting->state_failing) {
        log_info("alert state: it is written again");
    }
    alerting->state_failing = failing;
}

static void write_state(struct alerting *alerting) {
    struct strbuf state = {0};
    if (alerting->state == NULL || !alerting->started) {
        return;
    }
    rules_save(alerting->rules, loop_now_ms(alerting->options.loop), &state);
    if (state.len > MOST_STATE_BYTES) {
        struct error err = {0};
        error_say(&err, -EFBIG, "it has more than %zu MiB, which nobody would read again",
                  MOST_STATE_BYTES >> 20);
        tell_state(alerting, &err);
        strbuf_deinit(&state);
    } else {
        durable_file_write(alerting->state, &state);
    }
    alerting->changed = false;
    alerting->alive_usec = loop_now_usec(alerting->options.loop);
}

static void save_due(void *userdata) {
    struct alerting *alerting = userdata;
    uint64_t now = loop_now_usec(alerting->options.loop);
    if (alerting->changed || now - alerting->alive_usec >= ALIVE_USEC) {
        write_state(alerting);
    }
    loop_timer_set(alerting->save, now + SOON_USEC);
}

static void state_changed(void *userdata) {
    struct alerting *alerting = userdata;
    alerting->changed = true;
}

static void state_written(void *userdata, const struct error *err) {
    tell_state(userdata, err);
}

static void load_state(struct alerting *alerting) {
    struct strbuf state = {0};
    struct error err = {0};
    if (alerting->state == NULL) {
        return;
    }
    int r = durable_read_now(alerting->state_path, MOST_STATE_BYTES, &state, &err);
    if (r == 0) {
        r = rules_load(alerting->rules, strbuf_view(&state), loop_now_ms(alerting->options.loop),
                       &err);
    }
    if (r < 0 && r != -ENOENT) {
        durable_distrust(alerting->state_path, "alert state", "is", &err, "alerts begin anew");
    }
    if (r == 0) {
        struct alert_counts counts = rules_count_alerts(alerting->rules);
        log_info("alerts go on where they were before the restart: %zu fire, %zu are pending",
                 counts.by_state[ALERT_FIRING], counts.by_state[ALERT_PENDING]);
    }
    strbuf_deinit(&state);
}

/* ---- events ---- */

static void log_event(const struct alert_event *event) {
    const struct alert_view *alert = event->alert;
    struct strbuf labels = {0};
    struct str name = str_of("");
    for (size_t i = 0; i < alert->n_labels; i++) {
        if (str_is(alert->labels[i].name, "alertname")) {
            name = alert->labels[i].value;
            continue;
        }
        strbuf_printf(&labels, "%s%.*s='%.*s'", labels.len > 0 ? ", " : "",
                      (int)alert->labels[i].name.len, alert->labels[i].name.data,
                      (int)alert->labels[i].value.len, alert->labels[i].value.data);
    }
    if (event->kind == ALERT_EVENT_FIRING) {
        log_warn("alert '%.*s' fires: %s", (int)name.len, name.data,
                 labels.data != NULL ? labels.data : "");
    } else if (event->kind == ALERT_EVENT_RESOLVED) {
        log_info("alert '%.*s' is over: %s", (int)name.len, name.data,
                 labels.data != NULL ? labels.data : "");
    }
    strbuf_deinit(&labels);
}

static void rules_event(void *userdata, const struct alert_event *event) {
    struct alerting *alerting = userdata;
    log_event(event);
    notifier_event(alerting->notifier, event);
}

/* Every target has thresholds, and a target's news never changes them. */
static bool has_metric(void *userdata, const char *target, struct str metric) {
    const struct alerting *alerting = userdata;
    return !str_is(metric, PARAMETER_METRIC) &&
           store_has_metric(alerting->options.store, target, metric);
}

/* ---- the clock ---- */

/* One rule a turn of the loop: what else is due comes between two of them. */
static void run(void *userdata) {
    struct alerting *alerting = userdata;
    int64_t now_ms = loop_now_ms(alerting->options.loop);
    int64_t next_ms = rules_run(alerting->rules, now_ms);
    if (next_ms == INT64_MAX) {
        return;
    }
    uint64_t wait = next_ms > now_ms ? (uint64_t)(next_ms - now_ms) * USEC_PER_MSEC : 0;
    loop_timer_set(alerting->next, loop_now_usec(alerting->options.loop) + wait);
}

static void run_soon(struct alerting *alerting) {
    loop_timer_set(alerting->next, loop_now_usec(alerting->options.loop));
}

void alerting_round_ended(struct alerting *alerting, const struct target_view *target, bool ready) {
    int64_t now_ms = loop_now_ms(alerting->options.loop);
    scrape_series_add(alerting->scrapes, target);
    if (!alerting->started && ready) {
        load_state(alerting);
        alerting->started = true;
        rules_start(alerting->rules, now_ms);
        run_soon(alerting);
    }
    /* A target that went down or came back is news; a round as any other is not. */
    if (alerting->started && target->health_since_ms == target->last_round_ms) {
        rules_news(alerting->rules, target->options->name, now_ms);
        run_soon(alerting);
    }
}

void alerting_news(struct alerting *alerting, const char *target) {
    if (alerting->started) {
        rules_news(alerting->rules, target, loop_now_ms(alerting->options.loop));
        run_soon(alerting);
    }
}

void alerting_self_made(struct alerting *alerting, const struct store_source *self,
                        const char *instance, double seconds, int64_t t_ms) {
    scrape_series_add_self(alerting->scrapes, self, instance, seconds, t_ms);
}

/* ---- life ---- */

struct rule_set *alerting_read_rules(const struct config *config, struct error_list *errors) {
    struct str *names = mem_array(config->n_rule_files + 1, sizeof(*names));
    struct str *texts = mem_array(config->n_rule_files + 1, sizeof(*texts));
    for (size_t i = 0; i < config->n_rule_files; i++) {
        names[i] = str_of(config->rule_files[i].path);
        texts[i] = (struct str){config->rule_files[i].text, config->rule_files[i].length};
    }
    struct rule_options options = {
        .interval_ms = (int64_t)(config->rules_interval_usec / USEC_PER_MSEC),
        .is_reserved = metric_is_builtin,
    };
    struct rule_set *set = rule_set_new(names, texts, config->n_rule_files, &options, errors);
    free(names);
    free(texts);
    return set;
}

struct rule_set *alerting_prepare(const struct config *config, struct error *err) {
    struct error_list errors = {0};
    struct rule_set *set = alerting_read_rules(config, &errors);
    for (size_t i = 0; i < errors.n; i++) {
        char text[512];
        log_error("rules: %s", error_format(&errors.errors[i], text, sizeof(text)));
        error_say(err, -EINVAL, "%s", text);
    }
    if (errors.more > 0) {
        log_error("rules: and %zu more mistakes", errors.more);
    }
    error_list_deinit(&errors);
    if (set != NULL && config->n_rule_files == 0 && config->n_rule_patterns > 0) {
        log_info("rules: no file matches '%s'%s: there are no alerts", config->rule_patterns[0],
                 config->n_rule_patterns > 1 ? " or the other patterns of rules.files" : "");
    } else if (set != NULL && config->n_rule_files > 0) {
        log_info("rules: %zu in %zu groups, of %zu files", set->n_rules, set->n_groups,
                 config->n_rule_files);
    }
    return set;
}

static void apply_delivery(struct alerting *alerting, const struct config *config) {
    for (size_t i = 0; i < config->n_labels; i++) {
        alerting->labels[i] =
            (struct label){str_of(config->labels[i].name), str_of(config->labels[i].value)};
    }
    rules_configure(
        alerting->rules,
        &(struct rules_delivery){
            .resend_delay_ms = (int64_t)(config->notify.resend_delay_usec / USEC_PER_MSEC),
            .external_labels = alerting->labels,
            .n_external_labels = config->n_labels,
        });
    notifier_apply(alerting->notifier, &config->notify, alerting->labels, config->n_labels);
}

void alerting_apply_secrets(struct alerting *alerting, const struct config *config) {
    apply_delivery(alerting, config);
}

/* How much of the past the rules of a set need, up to the most that may be kept. Most look back
 * less than is kept anyway, and a few much further, at few metrics. */
struct reach {
    int64_t most_ms;   /* 0: none is kept */
    int64_t all_ms;    /* of all metrics */
    int64_t named_ms;  /* of these */
    struct str *names; /* borrowed from the set */
    size_t n_names, capacity;
};

static void note_reach(struct reach *reach, const struct rule *rule) {
    if (rule->reach_ms <= reach->all_ms || rule->reach_ms > reach->most_ms) {
        return;
    }
    reach->named_ms = rule->reach_ms > reach->named_ms ? rule->reach_ms : reach->named_ms;
    const struct expr *selector = rule->expr.selectors;
    for (; selector != NULL; selector = selector->selector.next) {
        struct str name;
        if (!expr_metric_name(selector, &name)) {
            reach->all_ms = rule->reach_ms;
            return;
        }
        reach->names =
            mem_grow(reach->names, reach->n_names, &reach->capacity, sizeof(*reach->names));
        reach->names[reach->n_names++] = name;
    }
}

/* Keeps as much as the rules need. Return: how far back rules may look. */
static int64_t keep_past(struct store *store, const struct rule_set *set,
                         const struct config *config) {
    struct reach reach = {
        .all_ms = (int64_t)(config->history_usec / USEC_PER_MSEC),
        .most_ms =
            config->history_usec > 0 ? (int64_t)(config->history_max_usec / USEC_PER_MSEC) : 0,
    };
    for (size_t i = 0; i < set->n_groups; i++) {
        for (size_t k = 0; k < set->groups[i].n_rules; k++) {
            note_reach(&reach, &set->groups[i].rules[k]);
        }
    }
    store_set_history(store, reach.all_ms, config->history_bytes);
    store_keep_longer(store, reach.names, reach.n_names, reach.named_ms);
    free(reach.names);
    return reach.named_ms > reach.all_ms ? reach.named_ms : reach.all_ms;
}

static void warn_beyond(const struct rule_set *set, int64_t history_ms) {
    const struct rule *first = NULL;
    size_t n = 0;
    for (size_t i = 0; i < set->n_groups; i++) {
        for (size_t k = 0; k < set->groups[i].n_rules; k++) {
            const struct rule *rule = &set->groups[i].rules[k];
            if (rule_needs_ms(rule) > history_ms) {
                first = n++ == 0 ? rule : first;
            }
        }
    }
    if (n > 0) {
        log_warn("rules: %zu of %zu look back further than history is kept and are not evaluated, "
                 "first '%.*s'; history.max_retention says how much may be kept",
                 n, set->n_rules, (int)first->name.len, first->name.data);
    }
}

void alerting_apply(struct alerting *alerting, struct rule_set *set, const struct config *config) {
    const int64_t kept_ms = keep_past(alerting->options.store, set, config);
    rules_set_history(alerting->rules, kept_ms);
    warn_beyond(set, kept_ms);
    scrape_series_apply(alerting->scrapes, config->targets, config->n_targets,
                        loop_now_ms(alerting->options.loop));
    apply_delivery(alerting, config);
    alerting->subquery_step_ms = set->interval_ms;
    rules_set(alerting->rules, set, loop_now_ms(alerting->options.loop));
    run_soon(alerting);
}

const char *alerting_alertmanager(const struct alerting *alerting, size_t index) {
    return notifier_alertmanager(alerting->notifier, index);
}

void alerting_collect(const struct alerting *alerting, struct batch *batch) {
    notifier_collect(alerting->notifier, batch);
}

const struct rules *alerting_rules(const struct alerting *alerting) {
    return alerting->rules;
}

struct alerting *alerting_new(const struct alerting_options *options) {
    struct alerting *alerting = mem_alloc(sizeof(*alerting));
    alerting->options = *options;
    alerting->workers = worker_pool_new(options->loop, &(struct worker_options){
                                                           .max_running = WORKERS,
                                                           .max_queued = RULES_MOST_GROUPS,
                                                           .queue_wait_usec = QUEUE_USEC,
                                                           .max_answer_bytes = MOST_ANSWER_BYTES,
                                                       });
    alerting->disk = worker_pool_new(options->loop, &(struct worker_options){.max_running = 1});
    alerting->rules = rules_new(&(struct rules_options){
        .store = options->store,
        .external_url = str_of(options->external_url != NULL ? options->external_url : ""),
        .now_usec = loop_clock_usec,
        .event = rules_event,
        .has_metric = has_metric,
        .state_changed = state_changed,
        .submit = submit,
        .userdata = alerting,
    });
    alerting->notifier = notifier_new(&(struct notifier_parts){
        .loop = options->loop,
        .resolver = options->resolver,
        .external_url = str_of(options->external_url != NULL ? options->external_url : ""),
        .storage_path = options->storage_path,
    });
    alerting->scrapes = scrape_series_new(options->store);
    alerting->next = loop_timer_new(options->loop, run, alerting);
    alerting->save = loop_timer_new(options->loop, save_due, alerting);
    if (options->storage_path != NULL) {
        alerting->state_path = mem_printf("%s/%s", options->storage_path, STATE_FILE);
        alerting->state = durable_file_new(&(struct durable_options){
            .loop = options->loop,
            .pool = alerting->disk,
            .path = alerting->state_path,
            .written = state_written,
            .userdata = alerting,
        });
        loop_timer_set(alerting->save, loop_now_usec(options->loop) + SOON_USEC);
    }
    return alerting;
}

struct alerting *alerting_free(struct alerting *alerting) {
    if (alerting == NULL) {
        return NULL;
    }
    struct strbuf state = {0};
    struct error err = {0};
    /* First: what a worker writes must not come after this, or between it. */
    durable_file_free(alerting->state);
    worker_pool_free(alerting->disk);
    if (alerting->state_path != NULL && alerting->started) {
        rules_save(alerting->rules, loop_now_ms(alerting->options.loop), &state);
        if (durable_write_now(alerting->state_path, strbuf_view(&state), &err) < 0) {
            log_error("alert state: %s", err.text);
        }
        strbuf_deinit(&state);
    }
    loop_timer_free(alerting->next);
    loop_timer_free(alerting->save);
    worker_pool_free(alerting->workers);
    rules_free(alerting->rules);
    notifier_free(alerting->notifier);
    scrape_series_free(alerting->scrapes);
    free(alerting->state_path);
    free(alerting);
    return NULL;
}
