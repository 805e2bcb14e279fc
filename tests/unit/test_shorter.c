/* SPDX-License-Identifier: Apache-2.0 */

/* What a shorter journal keeps: a table of cases, then thousands of random plans of which
 * everything that anybody asks for is the same before and after. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"
#include "failover/shorter.h"

#define N_CLUSTERS 5
#define N_PLANS    4000

static const char *const clusters[N_CLUSTERS] = {"orders", "users", "cache", "quiet", ""};
static struct book book, after;
static unsigned n_made;

static int set_up(void **state) {
    n_made = 0;
    return 0;
}

static int tear_down(void **state) {
    book_deinit(&book);
    book_deinit(&after);
    return 0;
}

static void keep_record(void *userdata, struct str record) {
    struct error err = {0};
    assert_int_equal(book_read(userdata, record, &err), 0);
}

static void happen(const char *id, enum step_event event, const char *text) {
    struct strbuf record = {0};
    book_event(book_find(&book, str_of(id)), event, 1000 + n_made, str_of(text), &record);
    keep_record(&book, strbuf_view(&record));
    strbuf_deinit(&record);
}

static void come_to(const char *id, uint64_t lost_bytes) {
    struct strbuf record = {0};
    book_outcome(book_find(&book, str_of(id)), &(struct plan_outcome){1500, lost_bytes, 40},
                 &record);
    keep_record(&book, strbuf_view(&record));
    strbuf_deinit(&record);
}

static void draft(const char *id, const char *cluster, enum plan_mode mode, size_t bytes) {
    struct strbuf record = {0};
    char *evidence = mem_alloc(bytes + 1);
    memset(evidence, 'e', bytes);
    n_made++;
    book_draft(&(struct plan_draft){.id = str_of(id),
                                    .cluster = str_of(cluster),
                                    .old_primary = str_of("a"),
                                    .new_primary = str_of("b"),
                                    .evidence = {evidence, bytes},
                                    .position = str_of("0/3000148"),
                                    .timeline = n_made,
                                    .mode = mode,
                                    .drafted_ms = n_made},
               &record);
    keep_record(&book, strbuf_view(&record));
    strbuf_deinit(&record);
    free(evidence);
}

/* A plan goes the way that the letters say: o(bserve), g(o), a(sk), s(ucceeded), f(ailure),
 * r(eturned), l(ost), R(estarted), k (acknowledged), + (an outcome). */
static void walk(const char *id, const char *way) {
    static const struct {
        char letter;
        enum step_event event;
    } events[] = {
        {'o', STEP_OBSERVE},   {'g', STEP_GO},        {'a', STEP_ASK},
        {'s', STEP_SUCCEEDED}, {'f', STEP_FAILURE},   {'r', STEP_RETURNED},
        {'l', STEP_LOST},      {'R', STEP_RESTARTED}, {'k', STEP_ACKNOWLEDGED},
    };
    for (; *way != '\0'; way++) {
        if (*way == '+') {
            come_to(id, n_made);
        }
        for (size_t i = 0; i < ARRAY_LEN(events); i++) {
            if (events[i].letter == *way) {
                happen(id, events[i].event, "text");
            }
        }
    }
}

static bool *shorten(size_t plans, uint64_t bytes) {
    const struct shorter_limits limits = {plans, bytes};
    bool *keep = mem_array(book.n_plans, sizeof(*keep));
    shorter_choose(&book, &limits, keep);
    book_deinit(&after);
    shorter_write(&book, keep, keep_record, &after);
    return keep;
}

/* ---- cases ---- */

/* Through all steps: pre, fence, look, promote, confirm, the outcome, post. */
#define DONE "gsssss+ss"

struct case_plan {
    const char *cluster, *way;
    enum plan_mode mode;
};

static const struct shorter_case {
    const char *name;
    struct case_plan plans[8]; /* 'a', 'b', ... */
    size_t most_plans;
    const char *kept;
} cases[] = {
    {"the newest stay", {{"x", "o"}, {"x", "o"}, {"x", "o"}, {"x", "o"}}, 2, "cd"},
    {"the newest of each cluster stays, however old",
     {{"x", "o"}, {"y", "o"}, {"z", "ok"}, {"y", "o"}, {"y", "o"}},
     0,
     "ace"},
    {"what is not over stays",
     {{"x", "a", PLAN_MANUAL}, {"x", "", PLAN_AUTOMATIC}, {"x", "gs", PLAN_AUTOMATIC}, {"x", "o"}},
     0,
     "abcd"},
    {"what is not acknowledged stays",
     {{"x", DONE, PLAN_AUTOMATIC},
      {"x", "gfs", PLAN_AUTOMATIC},
      {"x", "gR", PLAN_AUTOMATIC},
      {"x", "af", PLAN_MANUAL},
      {"x", "o"}},
     0,
     "abcde"},
    {"what was withdrawn, or observed, or acknowledged may go",
     {{"x", "ar", PLAN_MANUAL}, {"x", "o"}, {"x", "ok"}, {"x", "gfsk", PLAN_AUTOMATIC}, {"x", "o"}},
     0,
     "e"},
    {"the last failover that went well stays with its outcome, the one before goes",
     {{"x", DONE "k", PLAN_AUTOMATIC}, {"x", DONE "k", PLAN_AUTOMATIC}, {"x", "o"}, {"x", "o"}},
     0,
     "bd"},
    {"the last that may have promoted stays beside the last that went well",
     {{"x", DONE "k", PLAN_AUTOMATIC}, {"x", "gssslk", PLAN_AUTOMATIC}, {"x", "o"}},
     0,
     "abc"},
    {"the last outcome stays beside them",
     {{"x", "gsssss+Rk", PLAN_AUTOMATIC}, {"x", "gssslk", PLAN_AUTOMATIC}, {"x", "o"}},
     0,
     "abc"},
    {"what only observed goes before what was done, though it is newer",
     {{"x", "gfsk", PLAN_AUTOMATIC}, {"x", "ar", PLAN_MANUAL}, {"x", "o"}, {"x", "o"}, {"x", "o"}},
     3,
     "abe"},
    {"of what was done the oldest goes first",
     {{"x", "gfsk", PLAN_AUTOMATIC}, {"x", "ar", PLAN_MANUAL}, {"x", "o"}, {"x", "o"}},
     2,
     "bd"},
    {"a damaged journal's plan forbids everything until it is acknowledged",
     {{"", "f"}, {"x", "o"}, {"", "fk"}, {"", "fk"}},
     0,
     "abd"},
    {"with room for all nothing goes", {{"x", "o"}, {"x", "o"}, {"x", "o"}}, 3, "abc"},
};

static void the_table_of_cases_holds(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct shorter_case *it = &cases[i];
        char kept[16] = "";
        size_t n = 0;
        for (size_t j = 0; j < ARRAY_LEN(it->plans) && it->plans[j].cluster != NULL; j++) {
            const char id[2] = {(char)('a' + j)};
            draft(id, it->plans[j].cluster, it->plans[j].mode, 10);
            walk(id, it->plans[j].way);
        }
        free(shorten(it->most_plans, 1 << 20));
        for (size_t j = 0; j < after.n_plans; j++) {
            kept[n++] = after.plans[j]->draft.id.data[0];
        }
        if (strcmp(kept, it->kept) != 0) {
            print_error("case '%s':\n", it->name);
        }
        assert_string_equal(kept, it->kept);
        book_deinit(&book);
    }
}

static void bytes_are_limited_as_plans_are_and_leave_no_gaps(void **state) {
    static const size_t sizes[] = {100, 100, 4000, 100, 100};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        const char id[2] = {(char)('a' + i)};
        draft(id, "x", PLAN_OBSERVE, sizes[i]);
        walk(id, "o");
    }
    free(shorten(100, 2000));
    assert_int_equal(after.n_plans, 2); /* what is before the long one does not outlive it */
    assert_non_null(book_find(&after, str_of("d")));
    assert_non_null(book_find(&after, str_of("e")));
    assert_int_equal(book_gone(&after, str_of("x"), STEP_WOULD_HAVE), 3);
}

/* ---- a model: what is asked of a book ---- */

static void assert_same_text(struct str a, struct str b) {
    assert_true(str_equal(a, b));
}

static void assert_same_plan(const struct plan *a, const struct plan *b) {
    assert_same_text(a->draft.id, b->draft.id);
    assert_same_text(a->draft.cluster, b->draft.cluster);
    assert_same_text(a->draft.old_primary, b->draft.old_primary);
    assert_same_text(a->draft.old_address, b->draft.old_address);
    assert_same_text(a->draft.new_primary, b->draft.new_primary);
    assert_same_text(a->draft.new_address, b->draft.new_address);
    assert_same_text(a->draft.reason, b->draft.reason);
    assert_same_text(a->draft.evidence, b->draft.evidence);
    assert_same_text(a->draft.position, b->draft.position);
    assert_int_equal(a->draft.timeline, b->draft.timeline);
    assert_int_equal(a->draft.mode, b->draft.mode);
    assert_int_equal(a->draft.drafted_ms, b->draft.drafted_ms);
    assert_int_equal(a->step, b->step);
    assert_int_equal(a->ended_ms, b->ended_ms);
    assert_int_equal(a->has_outcome, b->has_outcome);
    assert_memory_equal(&a->outcome, &b->outcome, sizeof(a->outcome));
    assert_int_equal(a->n_notes, b->n_notes);
    for (size_t i = 0; i < a->n_notes; i++) {
        assert_int_equal(a->notes[i].step, b->notes[i].step);
        assert_int_equal(a->notes[i].event, b->notes[i].event);
        assert_int_equal(a->notes[i].t_ms, b->notes[i].t_ms);
        assert_same_text(a->notes[i].text, b->notes[i].text);
    }
}

/* The newest plan of a cluster for which it holds, by its name; or nothing. */
static struct str newest(const struct book *of, const char *cluster,
                         bool (*holds)(const struct plan *plan)) {
    for (size_t i = of->n_plans; i > 0; i--) {
        const struct plan *plan = of->plans[i - 1];
        if (str_is(plan->draft.cluster, cluster) && holds(plan)) {
            return plan->draft.id;
        }
    }
    return (struct str){0};
}

static bool any(const struct plan *plan) {
    return plan != NULL;
}

static bool has_outcome(const struct plan *plan) {
    return plan->has_outcome;
}

static bool is_bad(const struct plan *plan) {
    return plan->step == STEP_FAILED || plan->step == STEP_UNKNOWN;
}

static uint64_t count(const struct book *of, const char *cluster, enum step step) {
    uint64_t n = book_gone(of, str_of(cluster), step);
    for (size_t i = 0; i < of->n_plans; i++) {
        const struct plan *plan = of->plans[i];
        bool concerns = plan->draft.cluster.len == 0 || str_is(plan->draft.cluster, cluster);
        n += concerns && plan->step == step;
    }
    return n;
}

static void assert_same_answers(const struct book *a, const struct book *b) {
    static bool (*const questions[])(const struct plan *) = {
        any, plan_has_done, plan_may_have_promoted, has_outcome, is_bad,
    };
    for (size_t i = 0; i < N_CLUSTERS; i++) {
        const struct plan *one = book_blocking(a, str_of(clusters[i]));
        const struct plan *other = book_blocking(b, str_of(clusters[i]));
        assert_int_equal(one != NULL, other != NULL);
        if (one != NULL) {
            assert_same_text(one->draft.id, other->draft.id);
        }
        for (size_t j = 0; j < ARRAY_LEN(questions); j++) {
            assert_same_text(newest(a, clusters[i], questions[j]),
                             newest(b, clusters[i], questions[j]));
        }
        for (int step = 0; step < STEPS; step++) {
            assert_int_equal(count(a, clusters[i], (enum step)step),
                             count(b, clusters[i], (enum step)step));
        }
    }
}

static void assert_same_book(const struct book *a, const struct book *b) {
    assert_int_equal(a->n_plans, b->n_plans);
    for (size_t i = 0; i < a->n_plans; i++) {
        assert_same_plan(a->plans[i], b->plans[i]);
    }
    assert_same_answers(a, b);
}

static uint64_t seed = 1;

static unsigned pick(unsigned below) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % below;
}

static void make_random_plan(void) {
    static const char *const ways[] = {"o",      "o",    "o",  "ok",        "ar",      "ark",
                                       "gfs",    "gfsk", "gR", "gRk",       DONE,      DONE "k",
                                       "gssslk", "",     "a",  "gsssss+Rk", "gsssss+", "af"};
    char id[32];
    unsigned way = pick(ARRAY_LEN(ways));
    snprintf(id, sizeof(id), "p%u", n_made);
    draft(id, clusters[pick(pick(3) == 0 ? N_CLUSTERS : 3)],
          ways[way][0] == 'o' ? PLAN_OBSERVE : (enum plan_mode)(1 + pick(PLAN_MODES - 1)),
          pick(400));
    walk(id, ways[way]);
    if (pick(4) == 0) { /* somebody acknowledges an old one */
        const struct plan *plan = book.plans[pick((unsigned)book.n_plans)];
        if (step_is_end(plan->step)) {
            snprintf(id, sizeof(id), "%.*s", (int)plan->draft.id.len, plan->draft.id.data);
            happen(id, STEP_ACKNOWLEDGED, "by somebody");
        }
    }
    if (pick(3) == 0) { /* and what a restart finds under way is closed */
        for (size_t i = 0; i < book.n_plans; i++) {
            if (!step_is_end(book.plans[i]->step)) {
                snprintf(id, sizeof(id), "%.*s", (int)book.plans[i]->draft.id.len,
                         book.plans[i]->draft.id.data);
                happen(id, STEP_RESTARTED, "");
            }
        }
    }
}

/* The book goes on as the shortened one, so that totals add up over many of them. */
static void every_answer_is_the_same_after_thousands_of_plans(void **state) {
    uint64_t made = 0, told = 0;
    size_t shortened = 0;
    while (made < N_PLANS) {
        make_random_plan();
        made++;
        if (pick(100) == 0) {
            bool *keep = shorten(pick(60), pick(30000));
            assert_same_answers(&book, &after);
            for (size_t i = 0; i < book.n_plans; i++) {
                const struct plan *kept = book_find(&after, book.plans[i]->draft.id);
                assert_int_equal(kept != NULL, keep[i]);
                if (kept != NULL) {
                    assert_same_plan(book.plans[i], kept);
                }
            }
            book_keep(&book, keep);
            assert_same_book(&book, &after);
            free(keep);
            shortened++;
        }
    }
    for (size_t i = 0; i < N_CLUSTERS - 1; i++) {
        for (int step = 0; step < STEPS; step++) {
            told += count(&book, clusters[i], (enum step)step) - count(&book, "", (enum step)step);
        }
    }
    for (int step = 0; step < STEPS; step++) {
        told += count(&book, "", (enum step)step);
    }
    assert_int_equal(told, made);
    assert_true(shortened > 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_table_of_cases_holds),
        TEST(bytes_are_limited_as_plans_are_and_leave_no_gaps),
        TEST(every_answer_is_the_same_after_thousands_of_plans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
