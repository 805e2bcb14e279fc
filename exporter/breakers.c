/* SPDX-License-Identifier: Apache-2.0 */

#include "breakers.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "breaker/breaker_metrics.h"
#include "circuits/circuit_hooks.h"
#include "circuits/circuit_publisher.h"
#include "circuits/pool_pressure.h"
#include "kept_state.h"
#include "promql/eval.h"
#include "sampler/service.h"

#define MOST_STATE_BYTES ((size_t)1024 * 1024)
#define MOST_SAMPLES     200000 /* of an expression, in the loop */
#define EVALUATION_USEC  (50 * USEC_PER_MSEC)
#define MOST_PUBLISHERS  16 /* connections */

/* The expression of one breaker. */
struct expression {
    struct breakers *breakers;
    char *name; /* of the breaker */
    struct arena arena;
    struct parsed parsed;
    uint64_t interval_usec;
    struct loop_timer *due;
    bool failing; /* as the log has it */
};

struct breakers {
    struct breakers_options options;
    struct circuits *circuits;
    struct circuit_hooks *hooks;
    struct tls_contexts *tls_contexts;
    struct circuit_publisher *publishers[MOST_PUBLISHERS];
    size_t n_publishers;
    struct expression **expressions;
    size_t n_expressions;
    struct loop_timer *elapsed; /* the next timeout of an open one */
    struct kept_state *state;
    bool applied;
};

static struct circuit_time time_of(const struct breakers *breakers) {
    struct loop *loop = breakers->options.loop;
    return (struct circuit_time){loop_now_usec(loop), loop_now_ms(loop)};
}

struct circuits *breakers_circuits(const struct breakers *breakers) {
    return breakers->circuits;
}

/* ---- the disk ---- */

static void save(void *userdata, struct strbuf *out) {
    const struct breakers *breakers = userdata;
    circuits_save(breakers->circuits, out);
}

static int load(void *userdata, struct str bytes, struct error *err) {
    struct breakers *breakers = userdata;
    return circuits_load(breakers->circuits, bytes, time_of(breakers), err);
}

static void log_restored(const struct breakers *breakers) {
    for (size_t i = 0; i < circuits_count(breakers->circuits); i++) {
        const struct kept_circuit *kept = circuits_at(breakers->circuits, i);
        if (kept->circuit.breaker.state != BREAKER_CLOSED) {
            log_warn("breaker '%s' is %s, as before the restart", kept->options.name,
                     breaker_state_names[kept->circuit.breaker.state]);
        }
    }
}

/* ---- changes ---- */

static void look_at_timeouts(struct breakers *breakers) {
    uint64_t next = circuits_tick(breakers->circuits, time_of(breakers));
    if (next != UINT64_MAX) {
        loop_timer_set(breakers->elapsed, next);
    }
}

static void timeouts_due(void *userdata) {
    look_at_timeouts(userdata);
}

static void log_change(const struct kept_circuit *kept, enum breaker_state from) {
    const struct breaker *breaker = &kept->circuit.breaker;
    const char *reason = circuit_reason_names[kept->circuit.reason];
    enum log_level level =
        circuit_sheds(breaker->state) && !circuit_sheds(from) ? LOG_LEVEL_WARN : LOG_LEVEL_INFO;
    bool told = breaker->state == BREAKER_OPEN;
    log_line(level, "breaker '%s' is %s, it was %s%s%s", kept->options.name,
             breaker_state_names[breaker->state], breaker_state_names[from], told ? ": " : "",
             told ? reason : "");
}

static void publish(struct breakers *breakers, const struct kept_circuit *kept) {
    for (size_t i = 0; i < breakers->n_publishers && kept->options.publish.target != NULL; i++) {
        if (strcmp(circuit_publisher_target(breakers->publishers[i]),
                   kept->options.publish.target) == 0) {
            circuit_publisher_changed(breakers->publishers[i]);
        }
    }
}

static void changed(void *userdata, struct kept_circuit *kept, enum breaker_state from) {
    struct breakers *breakers = userdata;
    const struct breaker *breaker = &kept->circuit.breaker;
    log_change(kept, from);
    if (circuit_sheds(from) != circuit_sheds(breaker->state)) {
        circuit_hooks_tell(breakers->hooks, kept, circuit_sheds(breaker->state), time_of(breakers));
    }
    if (breaker->state == BREAKER_OPEN) {
        loop_timer_set(breakers->elapsed, loop_now_usec(breakers->options.loop));
    }
    publish(breakers, kept);
    kept_state_changed(breakers->state);
}

void breakers_order(struct breakers *breakers, const struct web_breaker_order *order,
                    void (*done)(void *done_userdata, const struct web_change_result *result),
                    void *done_userdata) {
    struct kept_circuit *kept = circuits_find(breakers->circuits, order->name);
    if (kept == NULL) {
        done(done_userdata,
             &(struct web_change_result){.refused = true, .reason = "there is no such breaker"});
        return;
    }
    log_info("breaker '%s': %s (by uid %u, pid %d)", kept->options.name,
             breaker_event_names[order->event], order->uid, order->pid);
    circuits_order(breakers->circuits, kept, time_of(breakers), order->event);
    kept_state_changed_for(breakers->state, done, done_userdata);
}

/* ---- rounds ---- */

enum freshness {
    NOT_ASKED, /* in the newest round: what it said before is the newest there is */
    FAILED,
    FRESH,
};

static enum freshness freshness_of(const struct target_view *target, const char *collector) {
    for (size_t i = 0; i < sampler_target_collectors(target); i++) {
        const struct collector_view *view = sampler_target_collector(target, i);
        if (strcmp(view->collector->name, collector) == 0) {
            return !view->enabled                           ? FAILED
                   : view->last_ms != target->last_round_ms ? NOT_ASKED
                   : error_is_set(&view->failure.error)     ? FAILED
                                                            : FRESH;
        }
    }
    return FAILED;
}

static bool judges_pools(const struct kept_circuit *kept, const struct target_view *target) {
    const struct circuit_policy *policy = &kept->circuit.policy;
    return kept->options.target != NULL &&
           strcmp(kept->options.target, target->options->name) == 0 &&
           (policy->utilisation > 0 || policy->waiting > 0 || policy->shed_fraction > 0);
}

static void judge_pooler(struct breakers *breakers, const struct target_view *target) {
    struct pool_state *pools = NULL;
    size_t n = 0;
    for (size_t i = 0; i < circuits_count(breakers->circuits); i++) {
        struct kept_circuit *kept = circuits_at(breakers->circuits, i);
        if (!judges_pools(kept, target)) {
            continue;
        }
        if (pools == NULL) {
            n = pool_pressure_read(breakers->options.store, target->source, &pools);
        }
        struct circuit_pressure pressure =
            pool_pressure_of(pools, n, kept->circuit.policy.minimum_wait_usec);
        circuits_pressure(breakers->circuits, kept, time_of(breakers), &pressure);
    }
    free(pools);
}

/* Nothing opens and nothing closes, but what is not known sheds nothing either. */
static void judge_nothing(struct breakers *breakers, const struct target_view *target) {
    for (size_t i = 0; i < circuits_count(breakers->circuits); i++) {
        struct kept_circuit *kept = circuits_at(breakers->circuits, i);
        if (judges_pools(kept, target)) {
            circuits_pressure_unknown(kept);
        }
    }
}

static void judge_server(struct breakers *breakers, const struct target_view *target) {
    double percent;
    if (!service_pool_usage_percent(target->options->kind, &target->facts, &percent)) {
        judge_nothing(breakers, target);
        return;
    }
    const struct circuit_pressure pressure = {.utilisation = percent / 100};
    for (size_t i = 0; i < circuits_count(breakers->circuits); i++) {
        struct kept_circuit *kept = circuits_at(breakers->circuits, i);
        if (judges_pools(kept, target)) {
            circuits_pressure(breakers->circuits, kept, time_of(breakers), &pressure);
        }
    }
}

void breakers_round_ended(struct breakers *breakers, const struct target_view *target) {
    bool up = target->health == TARGET_UP && target->source != NULL;
    bool pooler = target->options->kind == KIND_PGBOUNCER;
    if (!pooler && target->options->kind != KIND_POSTGRES) {
        return;
    }
    enum freshness fresh = up ? freshness_of(target, pooler ? "pools" : "connections") : FAILED;
    if (fresh == FAILED) {
        judge_nothing(breakers, target);
    } else if (fresh == FRESH && pooler) {
        judge_pooler(breakers, target);
    } else if (fresh == FRESH) {
        judge_server(breakers, target);
    }
}

void breakers_add(const struct breakers *breakers, const struct target_view *target,
                  struct batch *batch) {
    struct circuit_time now = time_of(breakers);
    const char *name = target != NULL ? target->options->name : "";
    for (size_t i = 0; i < circuits_count(breakers->circuits); i++) {
        const struct kept_circuit *kept = circuits_at(breakers->circuits, i);
        const char *own = kept->options.target != NULL ? kept->options.target : "";
        if (strcmp(own, name) == 0) {
            circuit_metrics_add(kept->options.name, circuit_kind_names[kept->options.kind],
                                &kept->circuit, now.usec, now.ms, batch);
        }
    }
}

/* ---- expressions ---- */

static int parse(const char *text, struct arena *arena, struct parsed *ret, struct error *err) {
    int r = promql_parse(str_of(text), NULL, arena, ret, err);
    if (r == 0 && ret->root->type != VALUE_VECTOR && ret->root->type != VALUE_SCALAR) {
        r = error_say(err, -EINVAL, "it gives neither a vector nor a scalar");
        parsed_deinit(ret);
    }
    return r;
}

int breakers_check(const struct config *config, struct error *err) {
    for (size_t i = 0; i < config->n_breakers; i++) {
        const struct circuit_options *options = &config->breakers[i];
        struct arena arena = {0};
        struct parsed parsed;
        struct error why = {0};
        int r = options->expression != NULL ? parse(options->expression, &arena, &parsed, &why) : 0;
        if (options->expression != NULL && r == 0) {
            parsed_deinit(&parsed);
        }
        arena_deinit(&arena);
        if (r < 0) {
            char text[256];
            return error_say(err, r, "expression of breaker '%s': %s", options->name,
                             error_format(&why, text, sizeof(text)));
        }
    }
    return 0;
}

static bool result_holds(const struct eval_result *result) {
    if (result->type != VALUE_SCALAR) {
        return result->n_rows > 0;
    }
    double value = result->n_rows > 0 ? result->rows[0].values[0] : 0;
    return value != 0 && !isnan(value);
}

static void say_expression(struct expression *expression, const char *why) {
    if (why != NULL && !expression->failing) {
        log_error("breaker '%s': its expression cannot be evaluated and says nothing: %s",
                  expression->name, why);
    } else if (why == NULL && expression->failing) {
        log_info("breaker '%s': its expression can be evaluated again", expression->name);
    }
    expression->failing = why != NULL;
}

static void evaluate(void *userdata) {
    struct expression *expression = userdata;
    struct breakers *breakers = expression->breakers;
    struct circuit_time now = time_of(breakers);
    struct kept_circuit *kept = circuits_find(breakers->circuits, str_of(expression->name));
    struct arena arena = {0};
    struct eval_result result;
    struct error err = {0};
    const struct eval_options options = {
        .start_ms = now.ms,
        .max_samples = MOST_SAMPLES,
        .now_usec = loop_clock_usec,
        .deadline_usec = loop_clock_usec() + EVALUATION_USEC,
    };
    int r =
        promql_eval(&expression->parsed, breakers->options.store, &options, &arena, &result, &err);
    bool holds = r == 0 && result_holds(&result);
    eval_result_deinit(&result);
    arena_deinit(&arena);
    say_expression(expression, r != 0 ? err.text : NULL);
    loop_timer_set(expression->due, now.usec + expression->interval_usec);
    if (r == 0 && kept != NULL) {
        circuits_signal(breakers->circuits, kept, now, holds);
    }
}

static void drop_expressions(struct breakers *breakers) {
    for (size_t i = 0; i < breakers->n_expressions; i++) {
        struct expression *expression = breakers->expressions[i];
        loop_timer_free(expression->due);
        parsed_deinit(&expression->parsed);
        arena_deinit(&expression->arena);
        free(expression->name);
        free(expression);
    }
    free(breakers->expressions);
    breakers->expressions = NULL;
    breakers->n_expressions = 0;
}

static void take_expressions(struct breakers *breakers, const struct config *config) {
    drop_expressions(breakers);
    breakers->expressions = mem_array(config->n_breakers + 1, sizeof(struct expression *));
    for (size_t i = 0; i < config->n_breakers; i++) {
        const struct circuit_options *options = &config->breakers[i];
        if (options->expression == NULL) {
            continue;
        }
        struct expression *expression = mem_alloc(sizeof(*expression));
        if (parse(options->expression, &expression->arena, &expression->parsed, NULL) < 0) {
            arena_deinit(&expression->arena); /* it was checked */
            free(expression);
            continue;
        }
        expression->breakers = breakers;
        expression->name = mem_strdup(options->name);
        expression->interval_usec = options->interval_usec;
        expression->due = loop_timer_new(breakers->options.loop, evaluate, expression);
        loop_timer_set(expression->due,
                       loop_now_usec(breakers->options.loop) + options->interval_usec);
        breakers->expressions[breakers->n_expressions++] = expression;
    }
}

/* ---- publishing ---- */

static const struct target_options *find_redis(const struct config *config, const char *name) {
    for (size_t i = 0; i < config->n_targets; i++) {
        if (strcmp(config->targets[i].name, name) == 0 && config->targets[i].kind == KIND_REDIS) {
            return &config->targets[i];
        }
    }
    return NULL;
}

static bool is_published_at(const struct config *config, const char *target) {
    for (size_t i = 0; i < config->n_breakers; i++) {
        const char *one = config->breakers[i].publish.target;
        if (one != NULL && strcmp(one, target) == 0) {
            return true;
        }
    }
    return false;
}

static struct circuit_publisher *find_publisher(const struct breakers *breakers,
                                                const char *target) {
    for (size_t i = 0; i < breakers->n_publishers; i++) {
        if (strcmp(circuit_publisher_target(breakers->publishers[i]), target) == 0) {
            return breakers->publishers[i];
        }
    }
    return NULL;
}

static void drop_publishers(struct breakers *breakers, const struct config *config) {
    size_t kept = 0;
    for (size_t i = 0; i < breakers->n_publishers; i++) {
        struct circuit_publisher *publisher = breakers->publishers[i];
        if (config != NULL && is_published_at(config, circuit_publisher_target(publisher))) {
            breakers->publishers[kept++] = publisher;
        } else {
            circuit_publisher_free(publisher);
        }
    }
    breakers->n_publishers = kept;
}

static void add_publisher(struct breakers *breakers, const struct target_options *target) {
    if (breakers->n_publishers == MOST_PUBLISHERS) {
        log_error("breakers: they are published at %d targets at most, not at '%s'",
                  MOST_PUBLISHERS, target->name);
        return;
    }
    breakers->publishers[breakers->n_publishers++] =
        circuit_publisher_new(&(struct circuit_publisher_options){
            .loop = breakers->options.loop,
            .resolver = breakers->options.resolver,
            .tls_contexts = breakers->tls_contexts,
            .target = target->name,
            .redis = &target->redis,
            .circuits = breakers->circuits,
            .owner = breakers->options.owner,
        });
}

static void take_publishers(struct breakers *breakers, const struct config *config) {
    drop_publishers(breakers, config);
    for (size_t i = 0; i < config->n_breakers; i++) {
        const char *name = config->breakers[i].publish.target;
        const struct target_options *target = name != NULL ? find_redis(config, name) : NULL;
        if (target != NULL && find_publisher(breakers, name) == NULL) {
            add_publisher(breakers, target);
        }
    }
    for (size_t i = 0; i < breakers->n_publishers; i++) {
        const char *name = circuit_publisher_target(breakers->publishers[i]);
        circuit_publisher_configure(breakers->publishers[i], &find_redis(config, name)->redis);
    }
}

/* ---- life ---- */

void breakers_apply(struct breakers *breakers, const struct config *config) {
    struct circuit_time now = time_of(breakers);
    circuits_configure(breakers->circuits, config->breakers, config->n_breakers, now.usec, now.ms);
    if (!breakers->applied) {
        kept_state_load(breakers->state);
        log_restored(breakers);
        breakers->applied = true;
    } else {
        kept_state_changed(breakers->state);
    }
    take_expressions(breakers, config);
    take_publishers(breakers, config);
    look_at_timeouts(breakers);
}

struct breakers *breakers_new(const struct breakers_options *options) {
    struct breakers *breakers = mem_alloc(sizeof(*breakers));
    breakers->options = *options;
    breakers->circuits =
        circuits_new(&(struct circuits_events){.changed = changed, .userdata = breakers});
    breakers->hooks = circuit_hooks_new(options->loop);
    breakers->tls_contexts = tls_contexts_new(NULL, NULL);
    breakers->elapsed = loop_timer_new(options->loop, timeouts_due, breakers);
    breakers->state = kept_state_new(&(struct kept_state_options){
        .loop = options->loop,
        .folder = options->storage_path,
        .file = "breakers.state",
        .what = "breakers",
        .anew = "all breakers begin closed",
        .most_bytes = MOST_STATE_BYTES,
        .load = load,
        .save = save,
        .userdata = breakers,
    });
    return breakers;
}

struct breakers *breakers_free(struct breakers *breakers) {
    if (breakers == NULL) {
        return NULL;
    }
    drop_publishers(breakers, NULL);
    drop_expressions(breakers);
    circuit_hooks_free(breakers->hooks);
    loop_timer_free(breakers->elapsed);
    kept_state_free(breakers->state);
    tls_contexts_free(breakers->tls_contexts);
    circuits_free(breakers->circuits);
    free(breakers);
    return NULL;
}
