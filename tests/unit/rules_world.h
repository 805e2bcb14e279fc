/* SPDX-License-Identifier: Apache-2.0 */

/* Rules over a real store, with a clock that the test turns and a list of what they told. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "promql/case_file.h"
#include "promql/label_space.h"
#include "promql/parser.h"
#include "rules/rules.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define T0     INT64_C(1700000000000)

struct told {
    enum alert_event_kind kind;
    enum alert_state state;
    uint64_t id, generation;
    int64_t active_ms, fired_ms, resolved_ms, valid_until_ms;
    double value;
    char summary[100], query[100], target[20];
};

struct world {
    struct test_store tests;
    struct rules *rules;
    int64_t now_ms;
    struct told told[100];
    size_t n_told;
    int changes; /* of the state */
};

/* What each look at the clock takes. */
static uint64_t world_look_usec;

static uint64_t world_now_usec(void) {
    static uint64_t now = 1000000;
    return now += world_look_usec;
}

static inline void copy_text(char *out, size_t size, struct str text) {
    snprintf(out, size, "%.*s", (int)text.len, text.data);
}

static void world_told(void *userdata, const struct alert_event *event) {
    struct world *world = userdata;
    const struct alert_view *alert = event->alert;
    assert_true(world->n_told < ARRAY_LEN(world->told));
    struct told *told = &world->told[world->n_told++];
    *told = (struct told){
        .kind = event->kind,
        .state = alert->state,
        .id = alert->id,
        .generation = event->generation,
        .active_ms = alert->active_ms,
        .fired_ms = alert->fired_ms,
        .resolved_ms = alert->resolved_ms,
        .valid_until_ms = alert->valid_until_ms,
        .value = alert->value,
    };
    copy_text(told->query, sizeof(told->query), alert->query);
    for (size_t i = 0; i < alert->n_annotations; i++) {
        copy_text(told->summary, sizeof(told->summary), alert->annotations[i].value);
    }
    for (size_t i = 0; i < alert->n_labels; i++) {
        if (str_is(alert->labels[i].name, "target")) {
            copy_text(told->target, sizeof(told->target), alert->labels[i].value);
        }
    }
}

static void world_changed(void *userdata) {
    ((struct world *)userdata)->changes++;
}

/* given: what is to be other than usual; may be NULL. */
static inline void world_init(struct world *world, const struct rules_options *given) {
    *world = (struct world){.now_ms = T0};
    test_store_init(&world->tests);
    struct rules_options options = given != NULL ? *given : (struct rules_options){0};
    options.store = world->tests.store;
    options.now_usec = world_now_usec;
    options.event = world_told;
    options.state_changed = world_changed;
    options.userdata = world;
    world->rules = rules_new(&options);
}

static inline void world_deinit(struct world *world) {
    rules_free(world->rules);
    test_store_deinit(&world->tests);
}

static inline struct rule_set *make_set_with_interval(const char *text, int64_t interval_ms) {
    const struct rule_options options = {.interval_ms = interval_ms};
    struct str name = str_of("r.yml"), content = str_of(text);
    struct error_list errors = {0};
    struct rule_set *set = rule_set_new(&name, &content, 1, &options, &errors);
    if (set == NULL) {
        print_error("%s\n", errors.errors[0].text);
    }
    assert_non_null(set);
    error_list_deinit(&errors);
    return set;
}

static inline struct rule_set *make_set(const char *text) {
    return make_set_with_interval(text, MINUTE);
}

static inline void world_load(struct world *world, const char *text) {
    rules_set(world->rules, make_set(text), world->now_ms);
}

static inline void append(struct world *world, const char *series, int64_t t_ms, double value) {
    struct arena arena = {0};
    struct label *labels;
    size_t n;
    assert_int_equal(case_parse_series(str_of(series), &arena, &labels, &n, NULL), 0);
    test_store_append(&world->tests, labels, n, t_ms, value);
    arena_deinit(&arena);
}

/* Runs everything that is due at world->now_ms. Return: when rules want to be called again. */
static inline int64_t world_run(struct world *world) {
    for (int i = 0; i < 10000; i++) {
        int64_t next_ms = rules_run(world->rules, world->now_ms);
        if (next_ms > world->now_ms) {
            return next_ms;
        }
    }
    fail_msg("the rules do not come to rest");
    return 0;
}

/* Goes on to the next slot and runs what is due. */
static inline void world_slot(struct world *world) {
    world->now_ms = world_run(world);
    world_run(world);
}

/* Goes on to a time, slot by slot. */
static inline void world_until(struct world *world, int64_t t_ms) {
    for (int64_t next_ms = world_run(world); next_ms <= t_ms; next_ms = world_run(world)) {
        world->now_ms = next_ms;
    }
    world->now_ms = t_ms;
    world_run(world);
}

/* How many series an expression gives now; *ret_value is the value of the last. */
static inline size_t ask(struct world *world, const char *expr, double *ret_value) {
    struct arena arena = {0};
    struct parsed parsed;
    struct eval_result result;
    struct eval_options options = {.start_ms = world->now_ms};
    assert_int_equal(promql_parse(str_of(expr), NULL, &arena, &parsed, NULL), 0);
    assert_int_equal(promql_eval(&parsed, world->tests.store, &options, &arena, &result, NULL), 0);
    size_t n = result.n_rows;
    if (n > 0 && ret_value != NULL) {
        *ret_value = result.rows[n - 1].values[0];
    }
    eval_result_deinit(&result);
    parsed_deinit(&parsed);
    arena_deinit(&arena);
    return n;
}

static inline void assert_series(struct world *world, const char *expr, size_t n) {
    size_t found = ask(world, expr, NULL);
    if (found != n) {
        print_error("%s: %zu\n", expr, found);
    }
    assert_int_equal(found, n);
}

static inline void assert_value(struct world *world, const char *expr, double wanted) {
    double value = -1;
    assert_int_equal(ask(world, expr, &value), 1);
    if (value != wanted) {
        print_error("%s: %g\n", expr, value);
    }
    assert_true(value == wanted);
}
