/* SPDX-License-Identifier: Apache-2.0 */

/* Runs every case of every collector (tests/collectors/<collector>/<case>.test; see fixture.h), and
 * demands one for each. With DBVITALS_UPDATE_FIXTURES=1 the expectations are written anew, to be
 * read before they are believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/number.h"
#include "collectors/collector_list.h"
#include "fixture.h"
#include "sampler/shape.h"

#define DECLARE(name) extern const struct collector collector_##name;
COLLECTOR_LIST(DECLARE)

#define ENTRY(name) {#name, &collector_##name},
static const struct subject {
    const char *folder;
    const struct collector *collector;
} subjects[] = {COLLECTOR_LIST(ENTRY)};

static const char *const fact_names[] = {
    [FACT_ROLE] = "role",
    [FACT_VERSION] = "version",
    [FACT_SYSTEM_IDENTIFIER] = "system_identifier",
    [FACT_TIMELINE] = "timeline",
    [FACT_START_TIME_SECONDS] = "start_time_seconds",
    [FACT_WRITE_POSITION] = "write_position",
    [FACT_RECEIVE_POSITION] = "receive_position",
    [FACT_REPLAY_POSITION] = "replay_position",
    [FACT_REPLAY_AGE_MS] = "replay_age_ms",
    [FACT_RECEIVER_CONNECTED] = "receiver_connected",
    [FACT_MAX_CONNECTIONS] = "max_connections",
    [FACT_RESERVED_CONNECTIONS] = "reserved_connections",
    [FACT_CLIENT_BACKENDS] = "client_backends",
    [FACT_ACTIVE_CONNECTIONS] = "active_connections",
    [FACT_WAITING_CONNECTIONS] = "waiting_connections",
    [FACT_POOL_USAGE_PERMILLE] = "pool_usage_permille",
    [FACT_POOL_CONNECTIONS] = "pool_connections",
    [FACT_QUERIES] = "queries",
    [FACT_QUERY_TIME_USEC] = "query_time_usec",
    [FACT_EVICTED_KEYS] = "evicted_keys",
    [FACT_COMMANDS] = "commands",
    [FACT_CACHE_HITS] = "cache_hits",
    [FACT_CACHE_MISSES] = "cache_misses",
    [FACT_COMMITS] = "commits",
    [FACT_ROLLBACKS] = "rollbacks",
    [FACT_DATABASES] = "databases",
    [FACT_READ_ONLY] = "read_only",
    [FACT_PAUSED] = "paused",
    [FACT_CPU_BUSY_TICKS] = "cpu_busy_ticks",
    [FACT_CPU_TOTAL_TICKS] = "cpu_total_ticks",
};
_Static_assert(ARRAY_LEN(fact_names) == FACT_COUNT, "a fact has no name here");

struct test_case {
    const struct collector *collector;
    char *path; /* NULL: the folder has no case */
};

/* Families in name order, their samples as they came. */
static int compare_samples(const void *a, const void *b) {
    const struct batch_sample *left = *(const struct batch_sample *const *)a;
    const struct batch_sample *right = *(const struct batch_sample *const *)b;
    int order = strcmp(left->metric.name, right->metric.name);
    return order != 0 ? order : (left > right) - (left < right);
}

static void print_samples(const struct batch *batch, struct strbuf *out) {
    const struct batch_sample **list = mem_array(batch->n_samples, sizeof(*list));
    const char *family = "";
    for (size_t i = 0; i < batch->n_samples; i++) {
        list[i] = &batch->samples[i];
    }
    if (batch->n_samples > 0) {
        qsort(list, batch->n_samples, sizeof(*list), compare_samples);
    }
    for (size_t i = 0; i < batch->n_samples; i++) {
        const struct batch_sample *sample = list[i];
        char value[NUMBER_TEXT_SIZE];
        if (strcmp(family, sample->metric.name) != 0) {
            family = sample->metric.name;
            strbuf_printf(out, "# TYPE %s %s\n", family, metric_type_names[sample->metric.type]);
        }
        strbuf_add_text(out, sample->metric.name);
        strbuf_add_text(out, metric_suffix_names[sample->suffix]);
        if (sample->labels.len != 0) {
            strbuf_add_char(out, '{');
            strbuf_add_str(out, batch_labels_text(batch, sample->labels));
            strbuf_add_char(out, '}');
        }
        number_format(sample->value, value);
        strbuf_printf(out, " %s\n", value);
    }
    free(list);
}

static void print_rest(const struct batch *batch, const struct facts *facts, struct strbuf *out) {
    for (int fact = 0; fact < FACT_COUNT; fact++) {
        int64_t value;
        if (facts_get(facts, (enum fact)fact, &value)) {
            strbuf_printf(out, "fact %s %lld\n", fact_names[fact], (long long)value);
        }
    }
    if (batch->skipped_cells != 0) {
        strbuf_printf(out, "skipped %llu\n", (unsigned long long)batch->skipped_cells);
    }
}

static void refuse_duplicates(const struct batch *batch) {
    for (size_t i = 0; i < batch->n_samples; i++) {
        for (size_t k = 0; k < i; k++) {
            const struct batch_sample *a = &batch->samples[i], *b = &batch->samples[k];
            if (strcmp(a->metric.name, b->metric.name) == 0 && a->suffix == b->suffix &&
                str_equal(batch_labels_text(batch, a->labels),
                          batch_labels_text(batch, b->labels))) {
                fail_msg("%s{%.*s} is there twice", a->metric.name, (int)a->labels.len,
                         batch_labels_text(batch, a->labels).data);
            }
        }
    }
}

static void check_follow_ups(const struct collector *collector, struct fixture *fixture,
                             const struct answer *answer) {
    struct request_list *requests = arena_alloc(&fixture->arena, sizeof(*requests));
    struct error err = {0};
    if (collector->expand == NULL) {
        assert_int_equal(fixture->n_follow_ups, 0);
        return;
    }
    assert_int_equal(collector->expand(&fixture->context, answer, requests, &err), 0);
    assert_int_equal(requests->n_commands, fixture->n_follow_ups);
    for (size_t i = 0; i < requests->n_commands; i++) {
        struct strbuf command = {0};
        for (size_t word = 0; word < requests->commands[i].n_words; word++) {
            strbuf_add_text(&command, word > 0 ? " " : "");
            strbuf_add_str(&command, requests->commands[i].words[word]);
        }
        assert_true(str_equal(strbuf_view(&command), fixture->commands[i]));
        strbuf_deinit(&command);
    }
}

/* Decodes the case. Return: what is exposed, as the files have it. */
static void run(const struct collector *collector, struct fixture *fixture, struct strbuf *out) {
    const struct query *query = collector_query(collector, fixture->context.version);
    struct shape_cache cache = {0};
    struct answer answer = {0};
    struct batch batch = {0};
    struct error err = {0};
    assert_non_null(query);
    int r = shape_answer(query, &fixture->reply, &cache, &fixture->arena, &answer, &err);
    if (r == 0) {
        check_follow_ups(collector, fixture, &answer);
        answer.follow_ups = fixture->follow_ups;
        answer.n_follow_ups = fixture->n_follow_ups;
        r = collector_decode(collector, &fixture->context, &answer, &batch, &err);
    }
    if (r < 0) {
        strbuf_printf(out, "error %s\n", err.text);
    } else {
        refuse_duplicates(&batch);
        print_samples(&batch, out);
        print_rest(&batch, &fixture->facts, out);
    }
    batch_deinit(&batch);
}

static void write_expectation(const char *path, const struct fixture *fixture,
                              const struct strbuf *found) {
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fwrite(fixture->head.data, 1, fixture->head.len, file);
    fwrite(found->data, 1, found->len, file);
    assert_int_equal(fclose(file), 0);
}

/* Tells the first line that differs; the whole is too long to read. */
static void compare(struct str expected, struct str found) {
    for (unsigned line = 1; expected.len > 0 || found.len > 0; line++) {
        struct str left = str_cut(&expected, '\n'), right = str_cut(&found, '\n');
        if (!str_equal(left, right)) {
            fail_msg("line %u of the expectation is\n    %.*s\nbut there is\n    %.*s", line,
                     (int)left.len, left.len > 0 ? left.data : "", (int)right.len,
                     right.len > 0 ? right.data : "");
        }
    }
}

static void run_case(void **state) {
    const struct test_case *test = *state;
    struct fixture fixture;
    struct strbuf found = {0};
    struct error err = {0};
    if (test->path == NULL) {
        fail_msg("the collector has no case");
    }
    if (fixture_load(&fixture, test->path, test->collector, &err) < 0) {
        fail_msg("%s: %s", test->path, err.text);
    }
    run(test->collector, &fixture, &found);
    if (getenv("DBVITALS_UPDATE_FIXTURES") != NULL) {
        write_expectation(test->path, &fixture, &found);
    } else {
        compare(fixture.expect, strbuf_view(&found));
    }
    strbuf_deinit(&found);
    fixture_deinit(&fixture);
}

struct tests {
    struct CMUnitTest *list;
    size_t count, capacity;
};

static void add_test(struct tests *tests, const struct collector *collector, char *name,
                     char *path) {
    struct test_case *test = mem_alloc(sizeof(*test));
    *test = (struct test_case){collector, path};
    tests->list = mem_grow(tests->list, tests->count, &tests->capacity, sizeof(*tests->list));
    tests->list[tests->count++] =
        (struct CMUnitTest){.name = name, .test_func = run_case, .initial_state = test};
}

static int is_case(const struct dirent *entry) {
    size_t len = strlen(entry->d_name);
    return len > 5 && strcmp(entry->d_name + len - 5, ".test") == 0;
}

static void add_folder(struct tests *tests, const char *root, const struct subject *subject) {
    char *folder = mem_printf("%s/%s", root, subject->folder);
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_case, alphasort);
    for (int i = 0; i < count; i++) {
        add_test(tests, subject->collector,
                 mem_printf("%s/%s", subject->folder, entries[i]->d_name),
                 mem_printf("%s/%s", folder, entries[i]->d_name));
        free(entries[i]);
    }
    if (count <= 0) {
        add_test(tests, subject->collector, mem_strdup(subject->folder), NULL);
    }
    free(entries);
    free(folder);
}

static void free_tests(struct tests *tests) {
    for (size_t i = 0; i < tests->count; i++) {
        struct test_case *test = tests->list[i].initial_state;
        free(test->path);
        free(test);
    }
}

int main(int argc, char **argv) {
    struct tests tests = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: test_fixtures FOLDER\n");
        return 2;
    }
    for (size_t i = 0; i < ARRAY_LEN(subjects); i++) {
        add_folder(&tests, argv[1], &subjects[i]);
    }
    int failed = _cmocka_run_group_tests("fixtures", tests.list, tests.count, NULL, NULL);
    free_tests(&tests);
    for (size_t i = 0; i < tests.count; i++) {
        free((void *)(uintptr_t)tests.list[i].name);
    }
    free(tests.list);
    return failed;
}
