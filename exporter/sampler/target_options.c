/* SPDX-License-Identifier: Apache-2.0 */

/* Target options as values: defaults from the collectors' tables, copies, and what differs. */
#include "sampler/target_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/mem.h"
#include "base/str.h"

static bool text_equal(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static char *text_copy(const char *text) {
    return text != NULL ? mem_strdup(text) : NULL;
}

static bool kind_is_pg(enum target_kind kind) {
    return kind == KIND_POSTGRES || kind == KIND_PGBOUNCER;
}

static size_t count_options(const struct collector *collector) {
    size_t count = 0;
    while (collector->options != NULL && count < COLLECTOR_MOST_OPTIONS &&
           collector->options[count].name != NULL) {
        count++;
    }
    return count;
}

/* The collector at an index of collector_list, or NULL behind the last that has a place here. */
static const struct collector *collector_at(size_t index) {
    return index < TARGET_MOST_COLLECTORS ? collector_list[index] : NULL;
}

/* A fallback that does not parse leaves 0: the test of the collectors' tables finds it. */
static struct option_value fallback_value(const struct option *option) {
    struct option_value value = {0};
    const char *fallback = option->fallback != NULL ? option->fallback : "";
    switch (option->type) {
    case OPTION_BOOL:
        value.number = strcmp(fallback, "true") == 0;
        break;
    case OPTION_UNSIGNED:
        str_to_uint64(str_of(fallback), &value.number);
        break;
    case OPTION_DURATION:
        duration_parse(str_of(fallback), &value.number, NULL);
        break;
    case OPTION_TEXT:
        value.text = mem_strdup(fallback);
        break;
    }
    return value;
}

void target_options_init(struct target_options *options, enum target_kind kind) {
    *options = (struct target_options){
        .kind = kind,
        .interval_usec = TARGET_DEFAULT_INTERVAL_USEC,
        .timeout_usec = TARGET_DEFAULT_TIMEOUT_USEC,
        .required = true,
        .failover_priority = TARGET_DEFAULT_PRIORITY,
    };
    options->pg.guard_timeout_usec = options->timeout_usec;
    options->redis.sentinel = kind == KIND_SENTINEL;

    const struct collector *collector;
    for (size_t i = 0; (collector = collector_at(i)) != NULL; i++) {
        struct collector_settings *settings = &options->collectors[i];
        if (collector->kind != kind) {
            continue;
        }
        settings->enabled = (collector->flags & COLLECTOR_OFF) == 0;
        settings->interval_usec = collector->interval_usec;
        for (size_t o = 0; o < count_options(collector); o++) {
            settings->options[o] = fallback_value(&collector->options[o]);
        }
    }
}

void target_options_deinit(struct target_options *options) {
    free(options->name);
    free(options->cluster);
    free(options->job);
    for (size_t i = 0; i < options->n_labels; i++) {
        free(options->labels[i].name);
        free(options->labels[i].value);
    }
    for (size_t i = 0; i < TARGET_MOST_COLLECTORS; i++) {
        for (size_t o = 0; o < COLLECTOR_MOST_OPTIONS; o++) {
            /* Ours in spite of the const, which is for collectors. */
            free((void *)(uintptr_t)options->collectors[i].options[o].text);
        }
    }
    database_options_deinit(&options->databases);
    pg_options_deinit(&options->pg);
    redis_options_deinit(&options->redis);
    host_options_deinit(&options->host);
    app_options_deinit(&options->app);
    *options = (struct target_options){0};
}

void target_options_copy(const struct target_options *from, struct target_options *ret) {
    struct target_options copy = *from;
    copy.name = text_copy(from->name);
    copy.cluster = text_copy(from->cluster);
    copy.job = text_copy(from->job);
    database_options_copy(&from->databases, &copy.databases);
    copy.pg = (struct pg_options){0};
    copy.redis = (struct redis_options){0};
    copy.host = (struct host_options){0};
    copy.app = (struct app_options){0};
    if (kind_is_pg(from->kind)) {
        pg_options_copy(&from->pg, &copy.pg);
    } else if (from->kind == KIND_HOST) {
        host_options_copy(&from->host, &copy.host);
    } else {
        redis_options_copy(&from->redis, &copy.redis);
    }
    if (from->kind == KIND_BREAKERS) {
        app_options_copy(&from->app, &copy.app);
    }
    for (size_t i = 0; i < from->n_labels; i++) {
        copy.labels[i].name = text_copy(from->labels[i].name);
        copy.labels[i].value = text_copy(from->labels[i].value);
    }
    for (size_t i = 0; i < TARGET_MOST_COLLECTORS; i++) {
        for (size_t o = 0; o < COLLECTOR_MOST_OPTIONS; o++) {
            copy.collectors[i].options[o].text = text_copy(from->collectors[i].options[o].text);
        }
    }
    *ret = copy;
}

void target_options_instance(const struct target_options *options, char *out, size_t size) {
    if (kind_is_pg(options->kind)) {
        pg_options_instance(&options->pg, out, size);
    } else if (options->kind == KIND_HOST) {
        host_options_instance(out, size);
    } else if (options->kind == KIND_BREAKERS && options->app.format != APP_REDIS) {
        http_options_instance(&options->app.http, out, size);
    } else {
        redis_options_instance(&options->redis, out, size);
    }
}

static bool same_connection(const struct target_options *a, const struct target_options *b) {
    if (a->kind != b->kind) {
        return false;
    }
    if (a->kind == KIND_HOST) {
        return host_options_equal(&a->host, &b->host);
    }
    if (a->kind == KIND_BREAKERS && !app_options_equal(&a->app, &b->app)) {
        return false;
    }
    return kind_is_pg(a->kind) ? pg_options_equal(&a->pg, &b->pg)
                               : redis_options_equal(&a->redis, &b->redis);
}

static bool same_labels(const struct target_options *a, const struct target_options *b) {
    if (!text_equal(a->cluster, b->cluster) || !text_equal(a->job, b->job) ||
        a->n_labels != b->n_labels) {
        return false;
    }
    for (size_t i = 0; i < a->n_labels; i++) {
        if (!text_equal(a->labels[i].name, b->labels[i].name) ||
            !text_equal(a->labels[i].value, b->labels[i].value)) {
            return false;
        }
    }
    return true;
}

static bool same_settings(const struct collector_settings *a, const struct collector_settings *b) {
    for (size_t o = 0; o < COLLECTOR_MOST_OPTIONS; o++) {
        if (a->options[o].number != b->options[o].number ||
            !text_equal(a->options[o].text, b->options[o].text)) {
            return false;
        }
    }
    return a->enabled == b->enabled && a->interval_usec == b->interval_usec &&
           a->timeout_usec == b->timeout_usec;
}

static bool same_schedule(const struct target_options *a, const struct target_options *b) {
    if (a->interval_usec != b->interval_usec || a->timeout_usec != b->timeout_usec ||
        a->required != b->required || a->guessed != b->guessed ||
        !database_options_equal(&a->databases, &b->databases)) {
        return false;
    }
    for (size_t i = 0; i < TARGET_MOST_COLLECTORS; i++) {
        if (!same_settings(&a->collectors[i], &b->collectors[i])) {
            return false;
        }
    }
    return true;
}

unsigned target_options_compare(const struct target_options *a, const struct target_options *b) {
    unsigned difference = 0;
    if (!same_connection(a, b)) {
        difference |= TARGET_CONNECTION;
    }
    if (!same_labels(a, b)) {
        difference |= TARGET_LABELS;
    }
    if (!same_schedule(a, b)) {
        difference |= TARGET_SCHEDULE;
    }
    return difference;
}
