/* SPDX-License-Identifier: Apache-2.0 */

#include "thresholds.h"

#include <errno.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/durable.h"
#include "rules/parameter_use.h"

#define STATE_FILE       "parameters.state"
#define MOST_STATE_BYTES ((size_t)4 * 1024 * 1024)
#define AGAIN_USEC       (10 * USEC_PER_SEC) /* after a write that failed */

/* Somebody who waits until a change is on the disk. */
struct waiter {
    void (*done)(void *userdata, const struct web_parameter_result *result);
    void *userdata;
    unsigned writes; /* that have to end; the last of them has the change */
};

struct thresholds {
    struct loop *loop;
    struct parameters *parameters;
    const struct rule_set *rules; /* of the last thresholds_apply() */
    struct worker_pool *disk;
    struct durable_file *state; /* NULL: not kept */
    char *state_path;
    struct loop_timer *again;
    struct waiter *waiters;
    size_t n_waiters, waiters_capacity;
    bool unwritten; /* what is in force is not on the disk */
};

/* ---- samples ---- */

enum { THRESHOLD };

static const struct column rows[] = {
    [THRESHOLD] = {NULL, GAUGE, PARAMETER_METRIC,
                   "Parameters of rules in force for the target; the unit is that of the name.",
                   .group = 1},
    {NULL, LABEL, "name", .group = 1},
    {0},
};

const struct collector threshold_metrics_table = {
    .name = "thresholds",
    .help = "What rules compare with, as configured and changed at run time.",
    .also = rows,
};

void thresholds_add(const struct thresholds *thresholds, const struct target_view *target,
                    struct batch *batch) {
    const struct parameters *parameters = thresholds->parameters;
    const char *type = target_kind_names[target->options->kind];
    for (size_t i = 0; i < parameters_names(parameters); i++) {
        struct parameter_name name = parameters_name(parameters, i);
        const struct label label = {str_of("name"), str_of(name.name)};
        double value;
        if ((name.row == NULL || parameter_fits(name.row, type)) &&
            parameters_get(parameters, label.value, target->options->name, &value)) {
            batch_add(batch, column_metric(&rows[THRESHOLD]), batch_add_labels(batch, &label, 1),
                      value);
        }
    }
}

/* ---- configuration ---- */

static void warn_if_misspelt(const struct parameter_setting *setting,
                             const struct rule_set *rules) {
    struct str name = str_of(setting->name);
    const char *meant = parameter_find(name) == NULL ? parameter_suggest(name) : NULL;
    if (meant != NULL && !rule_set_reads_parameter(rules, name)) {
        log_warn("parameter '%s'%s%s%s: no rule reads it (did you mean '%s'?)", setting->name,
                 setting->target != NULL ? " of target '" : "",
                 setting->target != NULL ? setting->target : "", setting->target != NULL ? "'" : "",
                 meant);
    }
}

void thresholds_apply(struct thresholds *thresholds, const struct config *config,
                      const struct rule_set *rules) {
    thresholds->rules = rules;
    parameters_configure(thresholds->parameters, config->parameters, config->n_parameters);
    for (size_t i = 0; i < config->n_parameters; i++) {
        warn_if_misspelt(&config->parameters[i], rules);
    }
}

const struct parameters *thresholds_parameters(const struct thresholds *thresholds) {
    return thresholds->parameters;
}

/* ---- the disk ---- */

static void answer(const struct waiter *waiter, const char *reason) {
    waiter->done(waiter->userdata,
                 &(struct web_parameter_result){.persistent = reason == NULL, .reason = reason});
}

/* Answering may add a waiter: those whose write has ended leave the list first. */
static void answer_waiters(struct thresholds *thresholds, const char *reason) {
    struct waiter *ready = mem_array(thresholds->n_waiters + 1, sizeof(*ready));
    size_t n_ready = 0, kept = 0;
    for (size_t i = 0; i < thresholds->n_waiters; i++) {
        struct waiter waiter = thresholds->waiters[i];
        if (--waiter.writes == 0) {
            ready[n_ready++] = waiter;
        } else {
            thresholds->waiters[kept++] = waiter;
        }
    }
    thresholds->n_waiters = kept;
    for (size_t i = 0; i < n_ready; i++) {
        answer(&ready[i], reason);
    }
    free(ready);
}

static void write_state(struct thresholds *thresholds) {
    struct strbuf state = {0};
    parameters_save(thresholds->parameters, &state);
    thresholds->unwritten = true;
    durable_file_write(thresholds->state, &state);
}

static void state_written(void *userdata, const struct error *err) {
    struct thresholds *thresholds = userdata;
    if (error_is_set(err)) {
        log_error("parameters: %s; it is tried again", err->text);
        loop_timer_set(thresholds->again, loop_now_usec(thresholds->loop) + AGAIN_USEC);
    } else if (!durable_file_busy(thresholds->state)) {
        thresholds->unwritten = false;
    }
    answer_waiters(thresholds, error_is_set(err) ? err->text : NULL);
}

static void write_again(void *userdata) {
    struct thresholds *thresholds = userdata;
    if (thresholds->unwritten && !durable_file_busy(thresholds->state)) {
        write_state(thresholds);
    }
}

static void load_state(struct thresholds *thresholds) {
    struct strbuf state = {0};
    struct error err = {0};
    int r = durable_read_now(thresholds->state_path, MOST_STATE_BYTES, &state, &err);
    if (r == 0) {
        r = parameters_load(thresholds->parameters, strbuf_view(&state), &err);
    }
    if (r < 0 && r != -ENOENT) {
        durable_distrust(thresholds->state_path, "parameters", "are", &err,
                         "those of the configuration are in force");
    }
    strbuf_deinit(&state);
}

/* ---- changes ---- */

static void format_value(const struct thresholds *thresholds, struct str name, const char *target,
                         struct strbuf *out) {
    double value;
    if (parameters_get(thresholds->parameters, name, target, &value)) {
        parameter_format(name, value, out);
    } else {
        strbuf_add_text(out, "nothing");
    }
}

static void log_change(const struct web_parameter_change *asked, const char *target,
                       const struct strbuf *before, const struct strbuf *after) {
    const struct parameter_change *change = &asked->change;
    CLEANUP(mem_freep)
    char *who = asked->user != NULL ? mem_printf("user '%s'", asked->user)
                                    : mem_printf("uid %u, pid %d", asked->uid, asked->pid);
    log_info("parameter '%.*s'%s%s%s is %s %s, it was %s (by %s)", (int)change->name.len,
             change->name.data, target != NULL ? " of target '" : "", target != NULL ? target : "",
             target != NULL ? "'" : "", change->reset ? "reset to" : "now", after->data,
             before->data, who);
}

bool thresholds_know(const struct thresholds *thresholds, struct str name) {
    for (size_t i = 0; i < parameters_names(thresholds->parameters); i++) {
        if (str_is(name, parameters_name(thresholds->parameters, i).name)) {
            return true;
        }
    }
    return parameter_is_name(name) && thresholds->rules != NULL &&
           rule_set_reads_parameter(thresholds->rules, name);
}

/* Return: 0, or negative errno with a sentence when nothing has changed. */
static int make_change(struct thresholds *thresholds, const struct web_parameter_change *asked,
                       struct error *err) {
    const struct parameter_change *change = &asked->change;
    CLEANUP(mem_freep)
    char *target =
        change->target.len > 0 ? mem_strndup(change->target.data, change->target.len) : NULL;
    struct strbuf before = {0}, after = {0};
    format_value(thresholds, change->name, target, &before);
    int r = parameters_change(thresholds->parameters, change, loop_now_ms(thresholds->loop), err);
    if (r == 0) {
        format_value(thresholds, change->name, target, &after);
        log_change(asked, target, &before, &after);
    }
    strbuf_deinit(&before);
    strbuf_deinit(&after);
    return r;
}

void thresholds_change(struct thresholds *thresholds, const struct web_parameter_change *change,
                       void (*done)(void *done_userdata, const struct web_parameter_result *result),
                       void *done_userdata) {
    struct error err = {0};
    struct waiter waiter = {done, done_userdata, 1};
    if (make_change(thresholds, change, &err) < 0) {
        done(done_userdata, &(struct web_parameter_result){.refused = true, .reason = err.text});
        return;
    }
    if (thresholds->state == NULL) {
        answer(&waiter, "the daemon runs without a storage folder");
        return;
    }
    /* One that is under way does not have it. */
    waiter.writes = durable_file_busy(thresholds->state) ? 2 : 1;
    thresholds->waiters = mem_grow(thresholds->waiters, thresholds->n_waiters,
                                   &thresholds->waiters_capacity, sizeof(*thresholds->waiters));
    thresholds->waiters[thresholds->n_waiters++] = waiter;
    write_state(thresholds);
}

/* ---- life ---- */

struct thresholds *thresholds_new(struct loop *loop, const char *storage_path) {
    struct thresholds *thresholds = mem_alloc(sizeof(*thresholds));
    thresholds->loop = loop;
    thresholds->parameters = parameters_new();
    if (storage_path != NULL) {
        thresholds->state_path = mem_printf("%s/%s", storage_path, STATE_FILE);
        load_state(thresholds);
        thresholds->again = loop_timer_new(loop, write_again, thresholds);
        thresholds->disk = worker_pool_new(loop, &(struct worker_options){.max_running = 1});
        thresholds->state = durable_file_new(&(struct durable_options){
            .loop = loop,
            .pool = thresholds->disk,
            .path = thresholds->state_path,
            .written = state_written,
            .userdata = thresholds,
        });
    }
    return thresholds;
}

/* The worker has ended by now, so that nobody else writes. */
static void write_last(struct thresholds *thresholds) {
    struct strbuf state = {0};
    struct error err = {0};
    parameters_save(thresholds->parameters, &state);
    if (durable_write_now(thresholds->state_path, strbuf_view(&state), &err) < 0) {
        log_error("parameters: %s", err.text);
    }
    for (size_t i = 0; i < thresholds->n_waiters; i++) {
        answer(&thresholds->waiters[i], error_is_set(&err) ? err.text : NULL);
    }
    strbuf_deinit(&state);
}

struct thresholds *thresholds_free(struct thresholds *thresholds) {
    if (thresholds == NULL) {
        return NULL;
    }
    loop_timer_free(thresholds->again);
    durable_file_free(thresholds->state);
    worker_pool_free(thresholds->disk);
    if (thresholds->unwritten) {
        write_last(thresholds);
    }
    parameters_free(thresholds->parameters);
    free(thresholds->state_path);
    free(thresholds->waiters);
    free(thresholds);
    return NULL;
}
