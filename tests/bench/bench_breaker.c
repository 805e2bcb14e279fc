/* SPDX-License-Identifier: Apache-2.0 */

/* What breakers cost: nanoseconds for a question, a report and a sample of a pool, alone and found
 * by name among five hundred, and a whole question over HTTP. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/duration.h"
#include "base/mem.h"
#include "circuits/circuits.h"
#include "circuits/pool_pressure.h"
#include "tests/support/web_fixture.h"

#define TIMES      5000000
#define HTTP_TIMES 100000
#define T0         ((uint64_t)1000000 * USEC_PER_SEC)

static double now_nsec(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static unsigned passed; /* so that nothing is left out */

static void ask(struct circuit *circuit, uint64_t now) {
    passed += circuit_allow(circuit, now);
}

static void ask_shedding(struct circuit *circuit, uint64_t now) {
    circuit->shed_reason = CIRCUIT_UTILISATION;
    passed += circuit_allow(circuit, now);
}

static void succeed(struct circuit *circuit, uint64_t now) {
    circuit_call(circuit, now, false, 1000, 0.5);
}

static void fail(struct circuit *circuit, uint64_t now) {
    circuit_call(circuit, now, true, 1000, 0.5);
}

static void fail_some(struct circuit *circuit, uint64_t now) {
    circuit_call(circuit, now, now % 4 == 0, 1000, 0.5);
}

static void sample(struct circuit *circuit, uint64_t now) {
    const struct circuit_pressure pressure = {.utilisation = 0.5, .waiting = 1};
    circuit_pressure(circuit, now, &pressure, 0.5);
}

static void sample_shedding(struct circuit *circuit, uint64_t now) {
    const struct circuit_pressure pressure = {.utilisation = 0.8, .waiting = 1};
    circuit_pressure(circuit, now, &pressure, 0.5);
}

/* A call a microsecond, so that the window moves on. */
static void measure(const char *what, enum breaker_event order,
                    void (*one)(struct circuit *circuit, uint64_t now)) {
    struct circuit_policy policy = circuit_policy_default;
    struct circuit circuit;
    policy.shed_fraction = 0.25;
    circuit_init(&circuit, &policy, T0);
    if (order != BREAKER_EVENT_COUNT) {
        circuit_order(&circuit, order, T0);
    } else if (one == ask) {
        circuit_reopen(&circuit, T0, CIRCUIT_WAITING, 0.5);
        circuit_tick(&circuit, T0 + 60 * USEC_PER_SEC);
    }
    double begin = now_nsec();
    for (uint64_t i = 0; i < TIMES; i++) {
        one(&circuit, T0 + 60 * USEC_PER_SEC + i);
    }
    printf("%-44s %7.1f ns\n", what, (now_nsec() - begin) / TIMES);
}

static void changed(void *userdata, struct kept_circuit *kept, enum breaker_state from) {
}

static struct circuits *many(struct circuit_options *list) {
    struct circuits *circuits = circuits_new(&(struct circuits_events){.changed = changed});
    for (size_t i = 0; i < CIRCUITS_MOST; i++) {
        list[i].name = mem_printf("orders-pool-%zu", i);
        list[i].policy = circuit_policy_default;
    }
    circuits_configure(circuits, list, CIRCUITS_MOST, T0, 0);
    return circuits;
}

static void free_many(struct circuits *circuits, struct circuit_options *list) {
    for (size_t i = 0; i < CIRCUITS_MOST; i++) {
        free(list[i].name);
    }
    free(list);
    circuits_free(circuits);
}

static void measure_named(void) {
    struct circuit_options *list = mem_array(CIRCUITS_MOST, sizeof(*list));
    struct circuits *circuits = many(list);
    double begin = now_nsec();
    for (size_t i = 0; i < TIMES; i++) {
        const struct circuit_time now = {T0 + i, 0};
        struct kept_circuit *kept = circuits_find(circuits, str_of(list[i % CIRCUITS_MOST].name));
        passed += circuits_allow(circuits, kept, now);
    }
    printf("%-44s %7.1f ns\n", "a question by name, one of 500", (now_nsec() - begin) / TIMES);
    free_many(circuits, list);
}

/* ---- over HTTP ---- */

/* One question and its answer on a connection that stays open. Return: its status; 0: none. */
static int ask_over_http(struct web_client *client, struct str request) {
    static const char end[] = "\r\n\r\n{\"name\"";
    strbuf_clear(&client->received);
    web_client_send(client, request.data, request.len);
    while (!client->closed) {
        web_client_turn(client);
        const char *body = client->received.len > 0 ? strstr(client->received.data, end) : NULL;
        if (body != NULL && strstr(body, "}\n") != NULL) {
            return atoi(client->received.data + strlen("HTTP/1.1 "));
        }
    }
    return 0;
}

static int by_size(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Client and server take turns in one thread, so this is what both and the kernel cost, and an
 * upper bound of what the server does. */
static void measure_http(void) {
    static double times[HTTP_TIMES];
    struct circuit_options *list = mem_array(CIRCUITS_MOST, sizeof(*list));
    struct circuits *circuits = many(list);
    void *state = NULL;
    struct web_client client;
    struct str request = str_of("GET /api/v1/breakers/orders-pool-7 HTTP/1.1\r\nHost: x\r\n\r\n");
    if (web_fixture_set_up(&state) != 0) {
        exit(1);
    }
    struct web_fixture *f = state;
    f->sources.circuits = circuits;
    web_fixture_start(f);
    web_client_open(&client, f->loop, web_address(f->web));
    for (size_t i = 0; i < HTTP_TIMES; i++) {
        double begin = now_nsec();
        if (ask_over_http(&client, request) != 200) {
            printf("a question over HTTP was not answered\n");
            exit(1);
        }
        times[i] = now_nsec() - begin;
    }
    qsort(times, HTTP_TIMES, sizeof(times[0]), by_size);
    printf("%-44s %7.1f us (median), %.1f us (99 %%)\n",
           "a whole GET of one of 500, client included", times[HTTP_TIMES / 2] / 1e3,
           times[HTTP_TIMES / 100 * 99] / 1e3);
    web_client_close(&client);
    web_fixture_tear_down(&state);
    free_many(circuits, list);
}

/* ---- pools ---- */

static void add(struct batch *batch, const char *metric, const char *name1, const char *value1,
                const char *name2, const char *value2, double value) {
    const struct label labels[] = {{str_of(name1), str_of(value1)},
                                   {str_of(name2), str_of(value2)}};
    const struct batch_metric what = {metric, "Help.", METRIC_GAUGE, true};
    batch_add(batch, what, batch_add_labels(batch, labels, 2), value);
}

static void measure_pools(size_t n) {
    static const char *const metrics[] = {"pgbouncer_pools_server_active_connections",
                                          "pgbouncer_pools_client_waiting_connections",
                                          "pgbouncer_pools_client_maxwait_seconds"};
    struct store *store = store_new(&(struct store_options){0});
    struct store_source *source =
        store_source_new(store, &(struct source_labels){.target = str_of("pool")});
    struct store_feed *feed = store_feed_new(source, "pools");
    struct batch batch = {0};
    for (size_t i = 0; i < n; i++) {
        char database[32];
        snprintf(database, sizeof(database), "customer_%zu", i);
        for (size_t k = 0; k < 3; k++) {
            add(&batch, metrics[k], "database", database, "user", "app", 1);
        }
        add(&batch, "pgbouncer_databases_pool_size", "name", database, "host", "h", 20);
    }
    store_feed_commit(feed, &batch, 1000);
    store_publish(source);
    const unsigned rounds = 200;
    double begin = now_nsec();
    for (unsigned i = 0; i < rounds; i++) {
        struct pool_state *pools;
        size_t found = pool_pressure_read(store, source, &pools);
        passed += pool_pressure_of(pools, found, 0).waiting;
        free(pools);
    }
    printf("reading and judging %4zu pools %14s %7.1f us\n", n, "",
           (now_nsec() - begin) / rounds / 1e3);
    batch_deinit(&batch);
    store_free(store);
}

int main(void) {
    measure("a question, closed", BREAKER_LIFT, ask);
    measure("a question, half open", BREAKER_EVENT_COUNT, ask);
    measure("a question, forced open", BREAKER_FORCE_OPEN, ask);
    measure("a question, shedding", BREAKER_LIFT, ask_shedding);
    measure("a report of a success", BREAKER_LIFT, succeed);
    measure("a report of a failure, forced closed", BREAKER_FORCE_CLOSED, fail);
    measure("a report, one of four a failure", BREAKER_LIFT, fail_some);
    measure("a sample of a pool", BREAKER_LIFT, sample);
    measure("a sample of a pool, shedding", BREAKER_LIFT, sample_shedding);
    measure_named();
    measure_http();
    measure_pools(10);
    measure_pools(1000);
    return passed == 0;
}
