/* SPDX-License-Identifier: Apache-2.0 */

#include "scrape_series.h"

#include <fnmatch.h>
#include <stdlib.h>

#include "base/mem.h"
#include "self.h"
#include "thresholds.h"
#include "watching.h"

enum { UP, DURATION, SAMPLES, SAMPLES_AFTER, ADDED };

static const struct batch_metric metrics[] = {
    [UP] = {"up", "", METRIC_GAUGE, true},
    [DURATION] = {"scrape_duration_seconds", "", METRIC_GAUGE, true},
    [SAMPLES] = {"scrape_samples_scraped", "", METRIC_GAUGE, true},
    [SAMPLES_AFTER] = {"scrape_samples_post_metric_relabeling", "", METRIC_GAUGE, true},
    [ADDED] = {"scrape_series_added", "", METRIC_GAUGE, true},
};

struct scrape_target {
    char *name;
    struct store_source *source;
    struct store_feed *feed;
    size_t n_series; /* of the last round */
};

struct scrape_series {
    struct store *store;
    struct scrape_target *targets;
    size_t n_targets, capacity;
    struct batch batch;
};

struct scrape_series *scrape_series_new(struct store *store) {
    struct scrape_series *scrapes = mem_alloc(sizeof(*scrapes));
    scrapes->store = store;
    return scrapes;
}

struct scrape_series *scrape_series_free(struct scrape_series *scrapes) {
    if (scrapes != NULL) {
        for (size_t i = 0; i < scrapes->n_targets; i++) {
            free(scrapes->targets[i].name);
        }
        free(scrapes->targets);
        batch_deinit(&scrapes->batch);
        free(scrapes);
    }
    return NULL;
}

static struct scrape_target *find(struct scrape_series *scrapes, const char *name) {
    for (size_t i = 0; i < scrapes->n_targets; i++) {
        if (strcmp(scrapes->targets[i].name, name) == 0) {
            return &scrapes->targets[i];
        }
    }
    scrapes->targets = mem_grow(scrapes->targets, scrapes->n_targets, &scrapes->capacity,
                                sizeof(*scrapes->targets));
    struct scrape_target *target = &scrapes->targets[scrapes->n_targets++];
    char *source = mem_printf("scrape;%s", name);
    *target = (struct scrape_target){
        .name = mem_strdup(name),
        .source = store_source_new(
            scrapes->store, &(struct source_labels){.target = str_of(source), .hidden = true}),
    };
    target->feed = store_feed_new(target->source, "scrape");
    free(source);
    return target;
}

static size_t add_label(struct label *labels, size_t n, const char *name, const char *value) {
    if (value == NULL || value[0] == '\0') {
        return n;
    }
    labels[n] = (struct label){str_of(name), str_of(value)};
    return n + 1;
}

static void commit(struct scrape_series *scrapes, struct scrape_target *target,
                   const struct label *labels, size_t n, size_t series, double seconds,
                   int64_t t_ms) {
    batch_clear(&scrapes->batch);
    struct batch_labels own = batch_add_labels(&scrapes->batch, labels, n);
    size_t added = series > target->n_series ? series - target->n_series : 0;
    batch_add(&scrapes->batch, metrics[UP], own, 1);
    batch_add(&scrapes->batch, metrics[DURATION], own, seconds);
    batch_add(&scrapes->batch, metrics[SAMPLES], own, (double)series);
    batch_add(&scrapes->batch, metrics[SAMPLES_AFTER], own, (double)series);
    batch_add(&scrapes->batch, metrics[ADDED], own, (double)added);
    target->n_series = series;
    store_feed_commit(target->feed, &scrapes->batch, t_ms);
    store_publish(target->source);
}

void scrape_series_add(struct scrape_series *scrapes, const struct target_view *view) {
    const struct target_options *options = view->options;
    struct label labels[TARGET_MOST_LABELS + 4];
    size_t n = 0;
    if (view->source == NULL) {
        return;
    }
    struct scrape_target *target = find(scrapes, options->name);
    size_t series = store_source_series(view->source);
    n = add_label(labels, n, "instance", view->instance);
    n = add_label(labels, n, "job",
                  options->job != NULL ? options->job : target_kind_names[options->kind]);
    n = add_label(labels, n, "target", options->name);
    n = add_label(labels, n, "cluster", options->cluster);
    for (size_t i = 0; i < options->n_labels; i++) {
        n = add_label(labels, n, options->labels[i].name, options->labels[i].value);
    }
    commit(scrapes, target, labels, n, series, view->last_round_seconds, view->last_round_ms);
}

void scrape_series_add_self(struct scrape_series *scrapes, const struct store_source *self,
                            const char *instance, double seconds, int64_t t_ms) {
    const struct label labels[] = {
        {str_of("instance"), str_of(instance)},
        {str_of("job"), str_of(TARGET_SELF)},
        {str_of("target"), str_of(TARGET_SELF)},
    };
    commit(scrapes, find(scrapes, TARGET_SELF), labels, ARRAY_LEN(labels),
           store_source_series(self), seconds, t_ms);
}

void scrape_series_apply(struct scrape_series *scrapes, const struct target_options *targets,
                         size_t count, int64_t t_ms) {
    size_t kept = 0;
    for (size_t i = 0; i < scrapes->n_targets; i++) {
        bool found = strcmp(scrapes->targets[i].name, TARGET_SELF) == 0;
        for (size_t k = 0; !found && k < count; k++) {
            found = strcmp(scrapes->targets[i].name, targets[k].name) == 0;
        }
        if (found) {
            scrapes->targets[kept++] = scrapes->targets[i];
        } else {
            store_source_free(scrapes->store, scrapes->targets[i].source, t_ms);
            free(scrapes->targets[i].name);
        }
    }
    scrapes->n_targets = kept;
}

/* A name may be a pattern: pg_settings_*. */
static bool columns_have(const struct column *columns, const char *name) {
    for (size_t i = 0; columns != NULL && columns[i].kind != COLUMN_END; i++) {
        const struct column *column = &columns[i];
        bool is_metric = column->kind != LABEL && column->kind != NAME && column->kind != FACT;
        if (is_metric && column->metric != NULL && fnmatch(column->metric, name, 0) == 0) {
            return true;
        }
    }
    return false;
}

static bool table_has(const struct collector *table, const char *name) {
    return columns_have(table->columns, name) || columns_have(table->also, name);
}

bool metric_is_builtin(struct str text) {
    CLEANUP(mem_freep)
    char *name = mem_strndup(text.data, text.len);
    bool found = table_has(&self_metrics_table, name) ||
                 table_has(&threshold_metrics_table, name) ||
                 table_has(&watching_metrics_table, name);
    for (size_t i = 0; !found && i < ARRAY_LEN(metrics); i++) {
        found = strcmp(name, metrics[i].name) == 0;
    }
    for (size_t i = 0; !found && collector_list[i] != NULL; i++) {
        found = table_has(collector_list[i], name);
    }
    for (size_t i = 0; !found && sampler_metric_tables[i] != NULL; i++) {
        found = table_has(sampler_metric_tables[i], name);
    }
    return found;
}
