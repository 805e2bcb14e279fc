/* SPDX-License-Identifier: Apache-2.0 */

/* What a round of rules costs in the PromQL evaluator alone: milliseconds of the processor for 1000
 * expressions over 100 names of 100 series, an hour of samples every 5 s: 500 comparisons, 300
 * rates over 5 minutes, 150 comparisons with a threshold by group_left, 50 aggregations. About 1 in
 * 100 series is beyond its bound. Then the same with ten times the series.
 *
 * usage: bench_promql [SERIES OF A NAME] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "promql/eval.h"
#include "promql/parser.h"
#include "store/history.h"
#include "store/store.h"

#define N_NAMES    100
#define N_SERVERS  10
#define ROUNDS     720
#define ROUND_MS   5000
#define MANY_BYTES ((size_t)4 * 1024 * 1024 * 1024)
#define TIMES      7

/* The number of the name is the only argument of a format. */
static const struct kind {
    const char *what, *format;
    size_t count;
} kinds[] = {
    {"comparisons", "family_%d_total > 99e6", 500},
    {"rates", "rate(family_%d_total[5m]) > 20.1", 300},
    {"thresholds",
     "family_%1$d_total > on (server) group_left () max by (server) "
     "(family_%1$d_total) * 0.99",
     150},
    {"aggregations", "sum by (server) (family_%d_total)", 50},
};

struct prepared {
    struct arena arena;
    struct parsed parsed;
};

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b) {
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

/* ---- the series ---- */

static void add_series(struct batch *batch, size_t name, size_t number) {
    static char names[N_NAMES][32];
    char server[32], relation[32];
    snprintf(names[name], sizeof(names[name]), "family_%zu_total", name);
    snprintf(server, sizeof(server), "server-%zu", number % N_SERVERS);
    snprintf(relation, sizeof(relation), "relation_%zu", number / N_SERVERS);
    struct label labels[] = {{str_of("relname"), str_of(relation)},
                             {str_of("server"), str_of(server)}};
    batch_add(batch, (struct batch_metric){names[name], "Help.", METRIC_COUNTER, true},
              batch_add_labels(batch, labels, 2), (double)(number % 100) * 1e6);
}

/* Return: the time of the last round. */
static int64_t fill(struct store *store, size_t n_series) {
    struct batch batch = {0};
    struct store_source *source =
        store_source_new(store, &(struct source_labels){.target = str_of("t")});
    struct store_feed *feed = store_feed_new(source, "bench");
    for (size_t name = 0; name < N_NAMES; name++) {
        for (size_t number = 0; number < n_series; number++) {
            add_series(&batch, name, number);
        }
    }
    for (int64_t round = 1; round <= ROUNDS; round++) {
        for (size_t i = 0; i < batch.n_samples; i++) {
            /* Whole numbers, as most counters are; the steps differ from round to round. */
            batch.samples[i].value += (double)(i % 100 + (i + (size_t)round * 7) % 5);
        }
        store_feed_commit(feed, &batch, round * ROUND_MS);
    }
    batch_deinit(&batch);
    return (int64_t)ROUNDS * ROUND_MS;
}

/* ---- the rules ---- */

static struct prepared *prepare(const struct kind *kind) {
    struct prepared *list = mem_array(kind->count, sizeof(*list));
    for (size_t i = 0; i < kind->count; i++) {
        char text[256];
        struct error err = {0};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof(text), kind->format, (int)(i % N_NAMES));
#pragma GCC diagnostic pop
        if (promql_parse(str_of(text), NULL, &list[i].arena, &list[i].parsed, &err) < 0) {
            fprintf(stderr, "%s: %s\n", text, err.text);
            exit(1);
        }
    }
    return list;
}

static void dispose(struct prepared *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        parsed_deinit(&list[i].parsed);
        arena_deinit(&list[i].arena);
    }
    free(list);
}

/* Return: how many elements all of the rules gave. */
static size_t run(const struct prepared *list, size_t n, const struct store *store, int64_t t_ms,
                  struct arena *arena) {
    size_t rows = 0;
    for (size_t i = 0; i < n; i++) {
        struct eval_options options = {.start_ms = t_ms};
        struct eval_result result;
        if (promql_eval(&list[i].parsed, store, &options, arena, &result, NULL) == 0) {
            rows += result.n_rows;
        }
        eval_result_deinit(&result);
        arena_reset(arena);
    }
    return rows;
}

static void bench(size_t n_series) {
    struct store *store =
        store_new(&(struct store_options){.max_series_per_source = N_NAMES * n_series});
    struct arena arena = {0};
    double all = 0;
    store_set_history(store, (int64_t)ROUNDS * ROUND_MS, MANY_BYTES);
    int64_t t_ms = fill(store, n_series);
    printf("%zu series\n", N_NAMES * n_series);
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct prepared *list = prepare(&kinds[k]);
        double times[TIMES];
        size_t rows = 0;
        for (int i = 0; i < TIMES; i++) {
            double start = now_ms();
            rows = run(list, kinds[k].count, store, t_ms, &arena);
            times[i] = now_ms() - start;
        }
        qsort(times, TIMES, sizeof(times[0]), compare);
        printf("  %4zu %-14s%9.2f ms, %zu elements\n", kinds[k].count, kinds[k].what,
               times[TIMES / 2], rows);
        all += times[TIMES / 2];
        dispose(list, kinds[k].count);
    }
    printf("  a round            %9.2f ms\n", all);
    arena_deinit(&arena);
    store_free(store);
}

int main(int argc, char **argv) {
    if (argc == 2) {
        bench((size_t)strtoul(argv[1], NULL, 10));
        return 0;
    }
    bench(100);
    bench(1000);
    return 0;
}
