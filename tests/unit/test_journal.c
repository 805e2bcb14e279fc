/* SPDX-License-Identifier: Apache-2.0 */

/* The journal on a real disk: what a restart finds, what a damaged file leads to. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static void names_of_plans_tell_cluster_and_time(void **state) {
    char id[PLAN_ID_BYTES];
    plan_name("orders", 1795286400123, id);
    assert_string_equal(id, "orders-20261121T184000.123");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_restart_closes_what_was_under_way, set_up, tear_down),
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
