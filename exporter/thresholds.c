/* SPDX-License-Identifier: Apache-2.0 */

#include "thresholds.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "kept_state.h"
#include "rules/parameter_use.h"

#define MOST_STATE_BYTES ((size_t)4 * 1024 * 1024)

struct thresholds {
    struct loop *loop;
    struct parameters *parameters;
    const struct rule_set *rules; /* of the last thresholds_apply() */
    struct kept_state *state;
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

static void save(void *userdata, struct strbuf *out) {
    const struct thresholds *thresholds = userdata;
    parameters_save(thresholds->parameters, out);
}

static int load(void *userdata, struct str bytes, struct error *err) {
    struct thresholds *thresholds = userdata;
    return parameters_load(thresholds->parameters, bytes, err);
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
                       void (*done)(void *done_userdata, const struct web_change_result *result),
                       void *done_userdata) {
    struct error err = {0};
    if (make_change(thresholds, change, &err) < 0) {
        done(done_userdata, &(struct web_change_result){.refused = true, .reason = err.text});
        return;
    }
    kept_state_changed_for(thresholds->state, done, done_userdata);
}

/* ---- life ---- */

struct thresholds *thresholds_new(struct loop *loop, const char *storage_path) {
    struct thresholds *thresholds = mem_alloc(sizeof(*thresholds));
    thresholds->loop = loop;
    thresholds->parameters = parameters_new();
    thresholds->state = kept_state_new(&(struct kept_state_options){
        .loop = loop,
        .folder = storage_path,
        .file = "parameters.state",
        .what = "parameters",
        .anew = "those of the configuration are in force",
        .most_bytes = MOST_STATE_BYTES,
        .load = load,
        .save = save,
        .userdata = thresholds,
    });
    kept_state_load(thresholds->state);
    return thresholds;
}

struct thresholds *thresholds_free(struct thresholds *thresholds) {
    if (thresholds == NULL) {
        return NULL;
    }
    kept_state_free(thresholds->state);
    parameters_free(thresholds->parameters);
    free(thresholds);
    return NULL;
}
