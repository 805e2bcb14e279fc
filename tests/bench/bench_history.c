/* SPDX-License-Identifier: Apache-2.0 */

/* What keeping the past costs: nanoseconds for each sample of a round without and with history,
 * also while a forked child is alive (each page that is written is copied then); nanoseconds for
 * each sample read; bytes for each sample kept, for an hour of rounds every 5 s.
 *
 * usage: bench_history                  on made-up series, 1000 and 10000 of them
 *        bench_history --forks          what forking costs beside how much history
 *        bench_history --replay FILE    on series that tests/bench/history has seen */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/history.h"
#include "store/store.h"

#define HOUR_ROUNDS 720
#define ROUND_MS    5000
#define MANY_BYTES  ((size_t)1024 * 1024 * 1024)
#define TIMES       21

static double now_nsec(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare(const void *a, const void *b) {
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static double median(double *values, size_t n) {
    qsort(values, n, sizeof(*values), compare);
    return values[n / 2];
}

static void print_bytes(const char *when, const struct store *store, size_t rounds) {
    const struct history_numbers numbers = store_history_numbers(store);
    const double samples = (double)(store_numbers(store).series * rounds);
    printf("  %-26s%9.3f bytes/sample in blocks with heads, %.3f with writers, times and slack\n",
           when, (double)numbers.blocks * 128 / samples, (double)numbers.bytes / samples);
}

/* Return: nanoseconds for each sample. */
static double read_all(const struct store *store, int64_t from_ms) {
    struct selection all = {0};
    struct sample_buffer samples = {0};
    size_t n = 0;
    store_select(store, NULL, 0, &all);
    const double start = now_nsec();
    for (size_t i = 0; i < all.n_series; i++) {
        n += series_read(all.series[i], from_ms, INT64_MAX, &samples);
    }
    const double nsec = now_nsec() - start;
    selection_deinit(&all);
    sample_buffer_deinit(&samples);
    return n > 0 ? nsec / (double)n : 0;
}

static void print_reads(const struct store *store, int64_t now_ms) {
    double hour[TIMES], minutes[TIMES];
    for (int i = 0; i < TIMES; i++) {
        hour[i] = read_all(store, INT64_MIN);
        minutes[i] = read_all(store, now_ms - 5 * 60 * 1000);
    }
    printf("  read, all                 %9.1f ns/sample\n", median(hour, TIMES));
    printf("  read, last 5 minutes      %9.1f ns/sample\n", median(minutes, TIMES));
}

/* --- Made-up series --- */

struct site {
    size_t n_series;
    struct store *store;
    struct store_source *source;
    struct store_feed *feed;
    struct batch batch;
    uint64_t random;
    int64_t t_ms;
};

static uint64_t pick(struct site *site, uint64_t below) {
    site->random = site->random * 6364136223846793005u + 1442695040888963407u;
    return (site->random >> 33) % below;
}

static void set_up(struct site *site, int64_t retention_ms) {
    site->store = store_new(&(struct store_options){0});
    store_set_history(site->store, retention_ms, MANY_BYTES);
    site->source = store_source_new(site->store, &(struct source_labels){.target = str_of("t")});
    site->feed = store_feed_new(site->source, "bench");
    for (size_t i = 0; i < site->n_series; i++) {
        static char names[100][32];
        char relation[40];
        snprintf(names[i % 100], sizeof(names[0]), "pg_stat_family_%zu_total", i % 100);
        snprintf(relation, sizeof(relation), "relation_%zu", i / 100);
        struct label label = {str_of("relname"), str_of(relation)};
        struct batch_metric metric = {names[i % 100], "Help.", METRIC_COUNTER, true};
        batch_add(&site->batch, metric, batch_add_labels(&site->batch, &label, 1),
                  (double)i * 1000);
    }
}

static void tear_down(struct site *site) {
    batch_deinit(&site->batch);
    store_free(site->store);
}

/* Of ten series seven stand still, two count and one is a gauge with decimal places: about as in
 * the sandbox. */
static void change_some(struct site *site) {
    for (size_t i = 0; i < site->n_series; i++) {
        double *value = &site->batch.samples[i].value;
        if (i % 10 == 7 || i % 10 == 8) {
            *value += (double)pick(site, i % 10 == 7 ? 4 : 2000);
        } else if (i % 10 == 9) {
            *value = (double)pick(site, 30000) / 1000;
        }
    }
}

static void change_all(struct site *site) {
    for (size_t i = 0; i < site->n_series; i++) {
        site->batch.samples[i].value += i % 8 == 0 ? 0.7 : (double)(3 + i % 5);
    }
}

static void change_none(struct site *site) {
}

/* Return: nanoseconds for each sample. */
static double commit_round(struct site *site, void (*change)(struct site *)) {
    change(site);
    site->t_ms += ROUND_MS;
    const double start = now_nsec();
    store_feed_commit(site->feed, &site->batch, site->t_ms);
    return (now_nsec() - start) / (double)site->n_series;
}

/* The same while a child of this moment is alive. */
static double commit_beside_child(struct site *site, void (*change)(struct site *)) {
    int ends[2];
    if (pipe(ends) < 0) {
        return 0;
    }
    change(site);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    const double nsec = commit_round(site, change_none);
    close(ends[0]);
    close(ends[1]);
    if (child > 0) {
        waitpid(child, NULL, 0);
    }
    return nsec;
}

static void print_commits(const char *what, struct site *site, void (*change)(struct site *)) {
    double alone[TIMES], beside[TIMES];
    for (int i = 0; i < 30; i++) {
        commit_round(site, change);
    }
    for (int i = 0; i < TIMES; i++) {
        alone[i] = commit_round(site, change);
    }
    for (int i = 0; i < TIMES; i++) {
        beside[i] = commit_beside_child(site, change);
    }
    printf("  %-26s%9.1f ns/sample, %.1f beside a child\n", what, median(alone, TIMES),
           median(beside, TIMES));
}

static void bench(size_t n_series, int64_t retention_ms) {
    struct site site = {.n_series = n_series, .random = 42};
    set_up(&site, retention_ms);
    printf("%zu series, %s history\n", n_series, retention_ms > 0 ? "with" : "without");
    printf("  first round               %9.1f ns/sample\n", commit_round(&site, change_none));
    print_commits("nothing changes", &site, change_none);
    print_commits("some change", &site, change_some);
    print_commits("all change", &site, change_all);
    if (retention_ms > 0) {
        tear_down(&site);
        site = (struct site){.n_series = n_series, .random = 42};
        set_up(&site, retention_ms);
        for (int i = 0; i < HOUR_ROUNDS; i++) {
            commit_round(&site, change_some);
        }
        print_bytes("after an hour", site.store, HOUR_ROUNDS);
        print_reads(site.store, site.t_ms);
    }
    tear_down(&site);
}

/* --- Forks --- */

/* Values that compress badly fill a history soon. */
static void change_wildly(struct site *site) {
    for (size_t i = 0; i < site->n_series; i++) {
        site->batch.samples[i].value = (double)pick(site, UINT64_C(1) << 30) / 7;
    }
}

/* Return: milliseconds of the parent for a child that ends at once. */
static double fork_once(void) {
    const double start = now_nsec();
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    const double nsec = now_nsec() - start;
    if (child > 0) {
        waitpid(child, NULL, 0);
    }
    return nsec / 1e6;
}

static void bench_forks(size_t most_bytes) {
    struct site site = {.n_series = 10000, .random = 42};
    double times[TIMES], beside[TIMES];
    set_up(&site, INT64_C(1000) * HOUR_ROUNDS * ROUND_MS);
    while (most_bytes > 0 && store_history_numbers(site.store).bytes < most_bytes) {
        commit_round(&site, change_wildly);
    }
    for (int i = 0; i < TIMES; i++) {
        times[i] = fork_once();
    }
    for (int i = 0; i < TIMES; i++) {
        beside[i] = commit_beside_child(&site, change_wildly);
    }
    const double middle = median(times, TIMES); /* sorts */
    printf("fork with %4zu MiB of history %6.2f ms, worst %5.2f; a round beside a child %6.1f "
           "ns/sample\n",
           most_bytes >> 20, middle, times[TIMES - 1], median(beside, TIMES));
    tear_down(&site);
}

/* --- Series that were seen --- */

struct replay {
    struct store *store;
    struct store_feed *feed;
    struct batch batch;
    int64_t t_ms;
    size_t rounds;
};

static void end_round(struct replay *replay) {
    if (replay->batch.n_samples > 0) {
        replay->t_ms += ROUND_MS;
        store_feed_commit(replay->feed, &replay->batch, replay->t_ms);
        replay->rounds++;
    }
    batch_clear(&replay->batch);
}

/* A line of a page; all of its labels are taken for one. */
static void add_line(struct replay *replay, struct str line) {
    size_t cut = line.len;
    while (cut > 0 && line.data[cut - 1] != ' ') {
        cut--;
    }
    double value;
    if (cut == 0 || !str_to_double((struct str){line.data + cut, line.len - cut}, &value)) {
        return;
    }
    struct str labels = {line.data, cut - 1};
    const struct str name = str_cut(&labels, '{');
    const struct label label = {str_of("labels"), labels};
    const struct batch_metric metric = {batch_keep_name(&replay->batch, name), "", METRIC_UNTYPED,
                                        false};
    batch_add(&replay->batch, metric, batch_add_labels(&replay->batch, &label, 1), value);
}

static int replay_once(struct replay *replay, const char *path) {
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    if (file == NULL) {
        perror(path);
        return 1;
    }
    while ((len = getline(&line, &size, file)) > 0) {
        struct str text = {line, (size_t)len - (line[len - 1] == '\n')};
        if (str_starts_with(text, "@ ")) {
            end_round(replay);
        } else {
            add_line(replay, text);
        }
    }
    end_round(replay);
    free(line);
    fclose(file);
    return 0;
}

static int replay_file(const char *path) {
    struct replay replay = {.batch.max_label_bytes = SIZE_MAX};
    replay.store = store_new(&(struct store_options){0});
    store_set_history(replay.store, (int64_t)1000 * HOUR_ROUNDS * ROUND_MS, MANY_BYTES);
    replay.feed = store_feed_new(
        store_source_new(replay.store, &(struct source_labels){.target = str_of("t")}), "replay");
    int r = replay_once(&replay, path);
    if (r == 0) {
        printf("%zu series, %zu rounds\n", store_numbers(replay.store).series, replay.rounds);
        print_bytes("as they were seen", replay.store, replay.rounds);
        while (r == 0 && replay.rounds > 0 && replay.rounds < HOUR_ROUNDS) {
            r = replay_once(&replay, path);
        }
        printf("the same again and again, %zu rounds\n", replay.rounds);
        print_bytes("in an hour", replay.store, replay.rounds);
        print_reads(replay.store, replay.t_ms);
    }
    batch_deinit(&replay.batch);
    store_free(replay.store);
    return r;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--replay") == 0) {
        return replay_file(argv[2]);
    }
    if (argc == 2 && strcmp(argv[1], "--forks") == 0) {
        for (size_t mib = 0; mib <= 256; mib = mib == 0 ? 16 : mib * 4) {
            bench_forks(mib << 20);
        }
        return 0;
    }
    for (size_t n = 1000; n <= 10000; n *= 10) {
        bench(n, 0);
        bench(n, (int64_t)HOUR_ROUNDS * ROUND_MS);
    }
    return 0;
}
