/* SPDX-License-Identifier: Apache-2.0 */

/* What a round and a scrape cost the store, for a small site (3 targets with 1000 series) and a
 * large fleet (500 targets with 400 series): nanoseconds for each sample of an unchanged and of a
 * fully changed round, microseconds for rendering pages, and bytes for each series. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "store/exposition.h"
#include "store/store.h"

#define SERIES_A_FAMILY 4
#define READ_CHUNK      ((size_t)64 * 1024)

struct site {
    size_t n_targets, n_series; /* series of each target */
    struct store *store;
    struct store_source **sources;
    struct store_feed **feeds;
    struct batch *batches;
    char (*names)[64];
    int64_t t_ms;
};

static double now_nsec(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Shapes as of statistics by database and relation: names of 30 to 40 bytes, two labels. */
static void fill(struct site *site, struct batch *batch) {
    for (size_t i = 0; i < site->n_series; i++) {
        char database[24];
        snprintf(database, sizeof(database), "customers_%zu", i % SERIES_A_FAMILY);
        struct label labels[] = {{str_of("datid"), str_of("16384")},
                                 {str_of("datname"), str_of(database)}};
        struct batch_metric metric = {site->names[i / SERIES_A_FAMILY],
                                      "Number of things that this family counts.", METRIC_COUNTER,
                                      true};
        batch_add(batch, metric, batch_add_labels(batch, labels, 2), (double)i * 1000);
    }
}

static void set_up(struct site *site) {
    site->store = store_new(&(struct store_options){0});
    site->sources = mem_array(site->n_targets, sizeof(struct store_source *));
    site->feeds = mem_array(site->n_targets, sizeof(struct store_feed *));
    site->batches = mem_array(site->n_targets, sizeof(*site->batches));
    site->names = mem_array(site->n_series / SERIES_A_FAMILY + 1, sizeof(site->names[0]));
    for (size_t i = 0; i <= site->n_series / SERIES_A_FAMILY; i++) {
        snprintf(site->names[i], sizeof(site->names[i]), "pg_stat_database_family_%zu_total", i);
    }
    for (size_t i = 0; i < site->n_targets; i++) {
        char target[32];
        snprintf(target, sizeof(target), "orders-%zu", i);
        site->sources[i] = store_source_new(
            site->store, &(struct source_labels){str_of(target), str_of("orders"),
                                                 str_of("10.0.0.1:5432"), str_of("postgres")});
        site->feeds[i] = store_feed_new(site->sources[i], "bench");
        fill(site, &site->batches[i]);
    }
}

static void tear_down(struct site *site) {
    for (size_t i = 0; i < site->n_targets; i++) {
        batch_deinit(&site->batches[i]);
    }
    store_free(site->store);
    free(site->sources);
    free(site->feeds);
    free(site->batches);
    free(site->names);
}

/* One round of all targets, in which one of so many families changes; 0: none.
 * Return: nanoseconds for each sample, the batches' making excluded. */
static double commit_round(struct site *site, size_t one_of) {
    for (size_t i = 0; one_of != 0 && i < site->n_targets; i++) {
        for (size_t k = 0; k < site->n_series; k++) {
            if (k / SERIES_A_FAMILY % one_of != 0) {
                continue;
            }
            site->batches[i].samples[k].value += k % 8 == 0 ? 0.7 : 3; /* most are whole */
        }
    }
    site->t_ms += 5000;
    double start = now_nsec();
    for (size_t i = 0; i < site->n_targets; i++) {
        store_feed_commit(site->feeds[i], &site->batches[i], site->t_ms);
        store_publish(site->sources[i]);
    }
    return (now_nsec() - start) / (double)(site->n_targets * site->n_series);
}

static int compare(const void *a, const void *b) {
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static double median(double *values, size_t n) {
    qsort(values, n, sizeof(*values), compare);
    return values[n / 2];
}

#define ROUNDS 21

static void bench_commit(struct site *site) {
    double same[ROUNDS], changed[ROUNDS];
    double first = commit_round(site, 0);
    for (int i = 0; i < ROUNDS; i++) {
        same[i] = commit_round(site, 0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        changed[i] = commit_round(site, 1);
    }
    printf("  commit, first round       %9.1f ns/sample\n", first);
    printf("  commit, nothing changed   %9.1f ns/sample\n", median(same, ROUNDS));
    printf("  commit, all changed       %9.1f ns/sample\n", median(changed, ROUNDS));
}

/* Return: microseconds of one page. */
static double read_page(struct site *site, bool own, bool gzip) {
    struct exposition_page page;
    double start = now_nsec();
    if (own) {
        exposition_source(site->sources[0], gzip, 0, &page);
    } else {
        exposition_joined(site->store, gzip, 0, &page);
    }
    double usec = (now_nsec() - start) / 1e3;
    buffer_unref(page.body);
    return usec;
}

static double read_in_chunks(struct site *site, bool gzip) {
    char etag[48], *chunk = mem_alloc(READ_CHUNK);
    double start = now_nsec();
    struct exposition_reader *reader = exposition_reader_new(site->store, gzip, 0, etag);
    while (exposition_reader_read(reader, chunk, READ_CHUNK) > 0) {}
    exposition_reader_free(reader);
    free(chunk);
    return (now_nsec() - start) / 1e3;
}

static void bench_pages(struct site *site) {
    double own[ROUNDS], render[ROUNDS], join[ROUNDS], gzip[ROUNDS], reader[ROUNDS];
    double partly[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        commit_round(site, 1);
        own[i] = read_page(site, true, false);
        double start = now_nsec();
        exposition_joined_size(site->store, 0);
        render[i] = (now_nsec() - start) / 1e3;
        join[i] = read_page(site, false, false);
        reader[i] = read_in_chunks(site, false);
        gzip[i] = read_in_chunks(site, true);
        commit_round(site, 8);
        start = now_nsec();
        exposition_joined_size(site->store, 0);
        partly[i] = (now_nsec() - start) / 1e3;
    }
    printf("  own page of one target    %9.1f us\n", median(own, ROUNDS));
    printf("  blocks, all changed       %9.1f us\n", median(render, ROUNDS));
    printf("  blocks, an eighth changed %9.1f us\n", median(partly, ROUNDS));
    printf("  joined from blocks        %9.1f us\n", median(join, ROUNDS));
    printf("  joined again              %9.1f us\n", read_page(site, false, false));
    printf("  joined by the reader      %9.1f us\n", median(reader, ROUNDS));
    printf("  the same with gzip        %9.1f us\n", median(gzip, ROUNDS));
}

static void bench(size_t n_targets, size_t n_series) {
    struct site site = {.n_targets = n_targets, .n_series = n_series};
    set_up(&site);
    printf("%zu targets with %zu series\n", n_targets, n_series);
    bench_commit(&site);
    bench_pages(&site);
    printf("  memory                    %9.1f bytes/series, pages %zu bytes, joined %zu bytes\n",
           (double)store_numbers(site.store).bytes / (double)(n_targets * n_series),
           exposition_bytes(site.store), exposition_joined_size(site.store, 0));
    tear_down(&site);
}

int main(void) {
    bench(3, 1000);
    bench(500, 400);
    return 0;
}
