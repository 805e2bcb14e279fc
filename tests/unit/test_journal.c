/* SPDX-License-Identifier: Apache-2.0 */

/* The journal on a real disk: what a restart finds, what a damaged file leads to. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/log.h"
#include "failover/journal.h"

#define PATIENCE (20 * USEC_PER_SEC)

struct fixture {
    char folder[64], path[96];
    struct loop *loop;
    struct worker_pool *pool;
    struct journal *journal;
    size_t n_written;
};

static void written(void *userdata, struct plan *plan, const struct error *err) {
    struct fixture *f = userdata;
    assert_non_null(plan);
    assert_false(error_is_set(err));
    f->n_written++;
}

static void open_all(struct fixture *f) {
    f->pool = worker_pool_new(f->loop, &(struct worker_options){.max_running = 1});
    f->journal =
        journal_open(&(struct journal_options){.loop = f->loop, .pool = f->pool, .path = f->path});
    assert_non_null(f->journal);
}

static void close_all(struct fixture *f) {
    f->journal = journal_free(f->journal);
    f->pool = worker_pool_free(f->pool);
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    log_set_level(LOG_LEVEL_ERROR + 1);
    snprintf(f->folder, sizeof(f->folder), "/tmp/dbvitals-journal-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof(f->path), "%s/journal", f->folder);
    assert_int_equal(loop_new(&f->loop), 0);
    open_all(f);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    char aside[128];
    close_all(f);
    loop_free(f->loop);
    snprintf(aside, sizeof(aside), "%s.bad-1", f->path);
    (void)unlink(aside);
    (void)unlink(f->path);
    assert_int_equal(rmdir(f->folder), 0);
    free(f);
    return 0;
}

static void wait_for_writes(struct fixture *f, size_t n) {
    uint64_t deadline = loop_clock_usec() + PATIENCE;
    while (f->n_written < n && loop_clock_usec() < deadline) {
        (void)loop_run_once(f->loop, 50 * USEC_PER_MSEC);
    }
    assert_int_equal(f->n_written, n);
}

static struct plan *draft(struct fixture *f, const char *id) {
    const struct journal_waiter waiter = {written, f};
    size_t before = f->n_written;
    assert_int_equal(journal_draft(f->journal,
                                   &(struct plan_draft){.id = str_of(id),
                                                        .cluster = str_of("orders"),
                                                        .mode = PLAN_AUTOMATIC},
                                   &waiter, NULL),
                     0);
    assert_null(book_find(journal_book(f->journal), str_of(id))); /* not before it is on the disk */
    wait_for_writes(f, before + 1);
    return book_find(journal_book(f->journal), str_of(id));
}

static void a_restart_closes_what_was_under_way(void **state) {
    struct fixture *f = *state;
    const struct journal_waiter waiter = {written, f};
    struct plan *plan = draft(f, "p");
    assert_int_equal(journal_event(f->journal, plan, STEP_GO, str_of(""), &waiter, NULL), 0);
    wait_for_writes(f, 2);
    for (int life = 0; life < 2; life++) { /* once: the next life finds it closed */
        close_all(f);
        open_all(f);
        plan = book_find(journal_book(f->journal), str_of("p"));
        uint64_t deadline = loop_clock_usec() + PATIENCE;
        while (plan->step != STEP_UNKNOWN && loop_clock_usec() < deadline) {
            (void)loop_run_once(f->loop, 50 * USEC_PER_MSEC);
        }
        assert_int_equal(plan->step, STEP_UNKNOWN);
        assert_int_equal(plan->n_notes, 2);
    }
}

/* Files may grow no longer than this, as on a full disk. Return: the limit before. */
static rlim_t limit_files(rlim_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    return before;
}

static void run_until_it_works(struct fixture *f) {
    uint64_t deadline = loop_clock_usec() + PATIENCE;
    while (!journal_works(f->journal) && loop_clock_usec() < deadline) {
        (void)loop_run_once(f->loop, 50 * USEC_PER_MSEC);
    }
    assert_true(journal_works(f->journal));
}

/* Long enough for a write to fail. */
static void run_for_a_while(struct fixture *f) {
    uint64_t deadline = loop_clock_usec() + 500 * USEC_PER_MSEC;
    while (loop_clock_usec() < deadline) {
        (void)loop_run_once(f->loop, 50 * USEC_PER_MSEC);
    }
}

static void what_was_under_way_is_closed_when_the_disk_can_be_written_again(void **state) {
    struct fixture *f = *state;
    const struct journal_waiter waiter = {written, f};
    struct stat info;
    struct plan *plan = draft(f, "p");
    assert_int_equal(journal_event(f->journal, plan, STEP_GO, str_of(""), &waiter, NULL), 0);
    wait_for_writes(f, 2);
    close_all(f);
    assert_int_equal(stat(f->path, &info), 0);
    rlim_t before = limit_files((rlim_t)info.st_size);
    open_all(f);
    run_for_a_while(f);
    limit_files(before);
    plan = book_find(journal_book(f->journal), str_of("p"));
    assert_int_equal(plan->step, STEP_PRE);
    assert_false(journal_works(f->journal));
    run_until_it_works(f);
    assert_int_equal(plan->step, STEP_UNKNOWN);
    assert_int_equal(plan->n_notes, 2);
}

static void a_name_that_is_there_is_refused(void **state) {
    struct fixture *f = *state;
    struct error err = {0};
    const struct plan_draft again = {.id = str_of("p"), .cluster = str_of("orders")};
    draft(f, "p");
    assert_int_equal(journal_draft(f->journal, &again, NULL, &err), -EEXIST);
    assert_true(error_is_set(&err));
    close_all(f);
    open_all(f); /* which a second record of this name would have damaged */
    assert_int_equal(journal_book(f->journal)->n_plans, 1);
    assert_int_equal(journal_book(f->journal)->plans[0]->step, STEP_DRAFTED);
}

static void two_events_at_once_would_contradict_each_other(void **state) {
    struct fixture *f = *state;
    const struct journal_waiter waiter = {written, f};
    struct error err = {0};
    struct plan *plan = draft(f, "p");
    assert_int_equal(journal_event(f->journal, plan, STEP_GO, str_of(""), &waiter, NULL), 0);
    assert_int_equal(journal_event(f->journal, plan, STEP_GO, str_of(""), &waiter, &err), -EBUSY);
    assert_true(error_is_set(&err));
    wait_for_writes(f, 2);
    assert_int_equal(plan->step, STEP_PRE);
}

static void an_outcome_is_kept(void **state) {
    struct fixture *f = *state;
    const struct journal_waiter waiter = {written, f};
    struct plan *plan = draft(f, "p");
    assert_int_equal(
        journal_outcome(f->journal, plan, &(struct plan_outcome){1730, 4096, 400}, &waiter, NULL),
        0);
    wait_for_writes(f, 2);
    close_all(f);
    open_all(f);
    plan = book_find(journal_book(f->journal), str_of("p"));
    assert_true(plan->has_outcome);
    assert_int_equal(plan->outcome.recovery_ms, 1730);
    assert_int_equal(plan->outcome.lost_bytes, 4096);
    assert_int_equal(plan->outcome.lost_ms, 400);
}

static void refused(void *userdata, struct plan *plan, const struct error *err) {
    struct fixture *f = userdata;
    assert_null(plan);
    assert_true(error_is_set(err));
    f->n_written++;
}

static void a_disk_that_could_not_be_written_is_tried_until_it_can(void **state) {
    struct fixture *f = *state;
    const struct journal_waiter waiter = {refused, f};
    char away[96];
    snprintf(away, sizeof(away), "%s.away", f->folder);
    assert_int_equal(rename(f->folder, away), 0);
    assert_int_equal(journal_draft(f->journal,
                                   &(struct plan_draft){.id = str_of("x"),
                                                        .cluster = str_of("orders"),
                                                        .mode = PLAN_AUTOMATIC},
                                   &waiter, NULL),
                     0);
    wait_for_writes(f, 1);
    assert_false(journal_works(f->journal));
    assert_int_equal(rename(away, f->folder), 0);
    uint64_t deadline = loop_clock_usec() + PATIENCE;
    while (!journal_works(f->journal) && loop_clock_usec() < deadline) {
        (void)loop_run_once(f->loop, 50 * USEC_PER_MSEC);
    }
    assert_true(journal_works(f->journal));
    assert_int_equal(journal_book(f->journal)->n_plans, 0);
}

static void flip_a_byte(const char *path) {
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 20, SEEK_SET), 0);
    assert_int_not_equal(fputc('#', file), EOF);
    assert_int_equal(fclose(file), 0);
}

static void a_damaged_one_forbids_everything_until_people_say_otherwise(void **state) {
    struct fixture *f = *state;
    const struct journal_waiter waiter = {written, f};
    draft(f, "p");
    close_all(f);
    flip_a_byte(f->path);
    open_all(f);
    const struct book *book = journal_book(f->journal);
    uint64_t deadline = loop_clock_usec() + PATIENCE;
    while ((book->n_plans == 0 || book->plans[0]->step != STEP_FAILED) &&
           loop_clock_usec() < deadline) {
        (void)loop_run_once(f->loop, 50 * USEC_PER_MSEC);
    }
    for (int life = 0; life < 2; life++) {
        assert_int_equal(book->n_plans, 1);
        assert_int_equal(book->plans[0]->step, STEP_FAILED);
        assert_ptr_equal(book_blocking(book, str_of("any")), book->plans[0]);
        close_all(f);
        open_all(f);
        book = journal_book(f->journal);
    }
    assert_int_equal(
        journal_event(f->journal, book->plans[0], STEP_ACKNOWLEDGED, str_of(""), &waiter, NULL), 0);
    wait_for_writes(f, 2);
    assert_null(book_blocking(book, str_of("any")));
}

static void a_damaged_one_forbids_everything_also_on_a_full_disk(void **state) {
    struct fixture *f = *state;
    draft(f, "p");
    close_all(f);
    flip_a_byte(f->path);
    rlim_t before = limit_files(0);
    open_all(f);
    run_for_a_while(f);
    limit_files(before);
    const struct book *book = journal_book(f->journal);
    assert_int_equal(book->n_plans, 0);
    assert_false(journal_works(f->journal));
    run_until_it_works(f);
    assert_int_equal(book->n_plans, 1);
    assert_int_equal(book->plans[0]->step, STEP_FAILED);
    assert_ptr_equal(book_blocking(book, str_of("any")), book->plans[0]);
}

static void forgotten(void *userdata, struct plan *plan, const struct error *err) {
    struct fixture *f = userdata;
    assert_null(plan);
    assert_false(error_is_set(err)); /* it is acknowledged */
    f->n_written++;
}

/* What people acknowledge may be forgotten before that is on the disk: 1000 plans are kept. */
static void an_acknowledgement_of_a_forgotten_plan_is_no_damage(void **state) {
    struct fixture *f = *state;
    const struct plan gone = {.draft = {.id = str_of("gone")}, .step = STEP_WOULD_HAVE};
    const struct journal_waiter waiter = {forgotten, f};
    assert_int_equal(journal_event(f->journal, &gone, STEP_ACKNOWLEDGED, str_of(""), &waiter, NULL),
                     0);
    wait_for_writes(f, 1);
    draft(f, "p");
    close_all(f);
    open_all(f);
    assert_int_equal(journal_book(f->journal)->n_plans, 1);
    assert_non_null(book_find(journal_book(f->journal), str_of("p")));
}

static void observing_leaves_half_of_the_room(void **state) {
    struct fixture *f = *state;
    const struct journal_waiter waiter = {written, f};
    static char evidence[BOOK_MOST_TEXT];
    struct plan_draft entry = {.cluster = str_of("orders"), .mode = PLAN_OBSERVE};
    struct error err = {0};
    char id[32] = "";
    size_t n = 0;
    int r = 0;
    memset(evidence, 'x', sizeof(evidence));
    entry.evidence = (struct str){evidence, sizeof(evidence)};
    while (r == 0 && n < 1000) {
        snprintf(id, sizeof(id), "p%zu", n);
        entry.id = str_of(id);
        r = journal_draft(f->journal, &entry, &waiter, &err);
        n += r == 0;
        wait_for_writes(f, n);
    }
    assert_int_equal(r, -EFBIG);
    assert_in_range(n, 100, 200);
    assert_true(journal_works(f->journal));
    snprintf(id, sizeof(id), "another");
    entry.id = str_of(id);
    entry.mode = PLAN_AUTOMATIC;
    assert_int_equal(journal_draft(f->journal, &entry, &waiter, &err), 0);
    wait_for_writes(f, n + 1);
}

static void names_of_plans_tell_cluster_and_time(void **state) {
    char id[PLAN_ID_BYTES];
    plan_name("orders", 1795286400123, id);
    assert_string_equal(id, "orders-20261121T184000.123");
}

int main(void) {
    (void)signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_restart_closes_what_was_under_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            what_was_under_way_is_closed_when_the_disk_can_be_written_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_that_is_there_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_acknowledgement_of_a_forgotten_plan_is_no_damage, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_one_forbids_everything_also_on_a_full_disk,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(observing_leaves_half_of_the_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_events_at_once_would_contradict_each_other, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_outcome_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_disk_that_could_not_be_written_is_tried_until_it_can,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_one_forbids_everything_until_people_say_otherwise,
                                        set_up, tear_down),
        cmocka_unit_test(names_of_plans_tell_cluster_and_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
