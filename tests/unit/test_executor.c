/* SPDX-License-Identifier: Apache-2.0 */

/* The walk of a plan through its steps over a real journal in a folder of its own, with crashes at
 * any moment: nothing begins before it is written, nothing begins twice, a full disk stops it. */

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
#include "failover/executor.h"

#define PATIENCE (20 * USEC_PER_SEC)

struct fixture {
    char folder[64], path[96];
    struct loop *loop;
    struct worker_pool *pool;
    struct journal *journal;
    struct executor *executor;
    enum step entered[64]; /* in their order, over all lives */
    size_t n_entered;
    bool refused;
    enum step fails_at; /* STEPS: nowhere */
    bool waits;         /* steps are not ended by themselves */
};

static void entered(void *userdata, const struct plan *plan) {
    struct fixture *f = userdata;
    assert_true(f->n_entered < 64);
    f->entered[f->n_entered++] = plan->step;
    if (!step_is_end(plan->step) && !f->waits && plan->step != STEP_WAITING) {
        executor_event(f->executor, plan->step == f->fails_at ? STEP_FAILURE : STEP_SUCCEEDED,
                       str_of("it ended"));
    }
}

static void refused(void *userdata, const struct error *why) {
    struct fixture *f = userdata;
    assert_true(error_is_set(why));
    f->refused = true;
}

static void open_all(struct fixture *f) {
    const struct executor_sink sink = {entered, refused, f};
    f->pool = worker_pool_new(f->loop, &(struct worker_options){.max_running = 1});
    f->journal =
        journal_open(&(struct journal_options){.loop = f->loop, .pool = f->pool, .path = f->path});
    assert_non_null(f->journal);
    f->executor = executor_new(f->loop, f->journal, &sink);
}

static void close_all(struct fixture *f) {
    f->executor = executor_free(f->executor);
    f->journal = journal_free(f->journal);
    f->pool = worker_pool_free(f->pool);
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    log_set_level(LOG_LEVEL_ERROR + 1);
    snprintf(f->folder, sizeof(f->folder), "/tmp/dbvitals-executor-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof(f->path), "%s/journal", f->folder);
    assert_int_equal(loop_new(&f->loop), 0);
    f->fails_at = STEPS;
    open_all(f);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    close_all(f);
    loop_free(f->loop);
    (void)unlink(f->path);
    (void)rmdir(f->folder);
    free(f);
    return 0;
}

static struct plan_draft draft_of(const struct fixture *f, const char *id) {
    return (struct plan_draft){
        .id = str_of(id),
        .cluster = str_of("orders"),
        .old_primary = str_of("a"),
        .new_primary = str_of("b"),
        .mode = PLAN_AUTOMATIC,
        .drafted_ms = loop_now_ms(f->loop),
    };
}

static void start(struct fixture *f, const char *id, enum step_event first) {
    const struct plan_draft draft = draft_of(f, id);
    executor_start(f->executor, &draft, first, "because");
}

static void settle(struct fixture *f) {
    uint64_t deadline = loop_clock_usec() + PATIENCE;
    while (executor_is_busy(f->executor) && loop_clock_usec() < deadline) {
        (void)loop_run_once(f->loop, 50 * USEC_PER_MSEC);
    }
    assert_false(executor_is_busy(f->executor));
}

static void wait_for(struct fixture *f, enum step step) {
    uint64_t deadline = loop_clock_usec() + PATIENCE;
    while ((f->n_entered == 0 || f->entered[f->n_entered - 1] != step) &&
           loop_clock_usec() < deadline) {
        (void)loop_run_once(f->loop, 50 * USEC_PER_MSEC);
    }
    assert_int_equal(f->entered[f->n_entered - 1], step);
}

static void expect_steps(const struct fixture *f, const enum step *steps, size_t n) {
    assert_int_equal(f->n_entered, n);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(step_names[f->entered[i]], step_names[steps[i]]);
    }
}

static struct plan *plan_of(const struct fixture *f, const char *id) {
    return book_find(journal_book(f->journal), str_of(id));
}

static void a_plan_goes_through_its_steps_to_the_end(void **state) {
    static const enum step steps[] = {STEP_PRE,     STEP_FENCE, STEP_LOOK, STEP_PROMOTE,
                                      STEP_CONFIRM, STEP_POST,  STEP_DONE};
    struct fixture *f = *state;
    start(f, "p", STEP_GO);
    assert_null(executor_plan(f->executor));
    assert_int_equal(f->n_entered, 0); /* not before it is written */
    settle(f);
    expect_steps(f, steps, 7);
    assert_int_equal(plan_of(f, "p")->n_notes, 7);
}

static void what_fails_is_undone_and_stays(void **state) {
    static const enum step steps[] = {STEP_PRE, STEP_FENCE, STEP_UNDO, STEP_FAILED};
    struct fixture *f = *state;
    f->fails_at = STEP_FENCE;
    start(f, "p", STEP_GO);
    settle(f);
    expect_steps(f, steps, 4);
    assert_ptr_equal(book_blocking(journal_book(f->journal), str_of("orders")), plan_of(f, "p"));
    close_all(f);
    open_all(f);
    assert_int_equal(plan_of(f, "p")->step, STEP_FAILED);
}

static void one_that_asks_waits_for_its_answer(void **state) {
    static const enum step steps[] = {STEP_WAITING, STEP_WITHDRAWN};
    struct fixture *f = *state;
    start(f, "p", STEP_ASK);
    wait_for(f, STEP_WAITING);
    executor_event(f->executor, STEP_RETURNED, str_of("it is back"));
    settle(f);
    expect_steps(f, steps, 2);
    assert_null(book_blocking(journal_book(f->journal), str_of("orders")));
}

static void a_return_while_a_record_is_written_counts_in_the_next_step(void **state) {
    static const enum step steps[] = {STEP_PRE, STEP_UNDO, STEP_FAILED};
    struct fixture *f = *state;
    f->waits = true;
    start(f, "p", STEP_GO);
    wait_for(f, STEP_PRE);
    f->waits = false;
    executor_event(f->executor, STEP_RETURNED, str_of("it is back"));
    executor_event(f->executor, STEP_SUCCEEDED, str_of("too late")); /* of `pre`, not of `undo` */
    settle(f);
    expect_steps(f, steps, 3);
}

static void a_return_at_the_last_look_keeps_the_promotion_from_beginning(void **state) {
    struct fixture *f = *state;
    f->waits = true;
    start(f, "p", STEP_GO);
    wait_for(f, STEP_PRE);
    executor_event(f->executor, STEP_SUCCEEDED, str_of(""));
    wait_for(f, STEP_FENCE);
    executor_event(f->executor, STEP_SUCCEEDED, str_of(""));
    executor_event(f->executor, STEP_RETURNED, str_of("it is back"));
    f->waits = false;
    settle(f);
    assert_int_equal(f->entered[f->n_entered - 1], STEP_FAILED);
    for (size_t i = 0; i < f->n_entered; i++) {
        assert_int_not_equal(f->entered[i], STEP_PROMOTE);
        assert_int_not_equal(f->entered[i], STEP_LOOK); /* written, but not begun */
    }
}

struct asked {
    unsigned calls;
    int code;
};

static void asked_written(void *userdata, const struct error *err) {
    struct asked *asked = userdata;
    asked->calls++;
    asked->code = err != NULL ? err->code : 0;
}

static int approve(struct fixture *f, struct asked *asked) {
    const struct executor_waiter waiter = {asked_written, asked};
    struct error err = {0};
    int r = executor_ask(f->executor, STEP_GO, str_of("approved"), &waiter, &err);
    assert_int_equal(r, err.code);
    return r;
}

static void wait_until_told(struct fixture *f, const struct asked *asked) {
    uint64_t deadline = loop_clock_usec() + PATIENCE;
    while (asked->calls == 0 && loop_clock_usec() < deadline) {
        (void)loop_run_once(f->loop, 50 * USEC_PER_MSEC);
    }
    assert_int_equal(asked->calls, 1);
}

static void an_approval_is_told_when_it_is_written(void **state) {
    struct fixture *f = *state;
    struct asked asked = {0};
    start(f, "p", STEP_ASK);
    assert_int_equal(approve(f, &asked), -EBUSY); /* it is not written yet that it waits */
    wait_for(f, STEP_WAITING);
    assert_int_equal(approve(f, &asked), 0);
    assert_int_equal(asked.calls, 0);
    assert_int_equal(approve(f, &asked), -EBUSY);
    wait_until_told(f, &asked);
    assert_int_equal(asked.code, 0);
    assert_true(plan_of(f, "p")->step >= STEP_PRE);
    settle(f);
    assert_int_equal(approve(f, &asked), -EPERM);
    assert_int_equal(f->entered[f->n_entered - 1], STEP_DONE);
}

/* Puts the journal where nobody can write to it, or back. */
static void hide_journal(struct fixture *f, bool hide) {
    char away[128];
    snprintf(away, sizeof(away), "%s.away", f->path);
    if (hide) {
        assert_int_equal(rename(f->path, away), 0);
        assert_int_equal(mkdir(f->path, 0700), 0);
    } else {
        assert_int_equal(rmdir(f->path), 0);
        assert_int_equal(rename(away, f->path), 0);
    }
}

static void an_approval_that_cannot_be_written_is_none(void **state) {
    struct fixture *f = *state;
    struct asked asked = {0}, again = {0};
    start(f, "p", STEP_ASK);
    wait_for(f, STEP_WAITING);
    hide_journal(f, true);
    assert_int_equal(approve(f, &asked), 0);
    wait_until_told(f, &asked);
    assert_int_equal(asked.code, -EIO);
    assert_int_equal(plan_of(f, "p")->step, STEP_WAITING);
    hide_journal(f, false);
    assert_int_equal(approve(f, &again), 0);
    wait_until_told(f, &again);
    assert_int_equal(again.code, 0);
    settle(f);
    assert_int_equal(asked.calls, 1);
    assert_int_equal(f->entered[f->n_entered - 1], STEP_DONE);
}

static void a_return_counts_also_when_the_approval_before_it_was_not_written(void **state) {
    static const enum step steps[] = {STEP_WAITING, STEP_WITHDRAWN};
    struct fixture *f = *state;
    struct asked asked = {0};
    start(f, "p", STEP_ASK);
    wait_for(f, STEP_WAITING);
    hide_journal(f, true);
    assert_int_equal(approve(f, &asked), 0);
    executor_event(f->executor, STEP_RETURNED, str_of("it is back"));
    wait_until_told(f, &asked);
    assert_int_equal(asked.code, -EIO);
    hide_journal(f, false);
    settle(f);
    expect_steps(f, steps, 2);
}

/* No room on the disk is what a file of another's is like: a folder. */
static void without_a_journal_nothing_is_begun(void **state) {
    struct fixture *f = *state;
    assert_int_equal(mkdir(f->path, 0700), 0);
    start(f, "p", STEP_GO);
    settle(f);
    assert_true(f->refused);
    assert_int_equal(f->n_entered, 0);
    assert_false(journal_works(f->journal));
    assert_int_equal(rmdir(f->path), 0);
}

/* From now on files have room for a new journal with this draft, and for nothing behind it. */
static void limit_room(const struct fixture *f, struct rlimit *ret_before) {
    const struct plan_draft draft = draft_of(f, "p");
    struct strbuf record = {0};
    book_draft(&draft, &record);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, ret_before), 0);
    const struct rlimit limit = {record.len + 24, ret_before->rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    strbuf_deinit(&record);
}

static void what_could_not_begin_is_withdrawn(void **state) {
    static const enum step steps[] = {STEP_WITHDRAWN};
    struct fixture *f = *state;
    struct rlimit before;
    limit_room(f, &before);
    start(f, "p", STEP_GO);
    uint64_t deadline = loop_clock_usec() + PATIENCE;
    while (journal_works(f->journal) && loop_clock_usec() < deadline) {
        (void)loop_run_once(f->loop, 50 * USEC_PER_MSEC);
    }
    assert_int_equal(plan_of(f, "p")->step, STEP_DRAFTED);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    settle(f);
    expect_steps(f, steps, 1);
    assert_true(executor_could_not_begin(plan_of(f, "p")));
    assert_null(book_blocking(journal_book(f->journal), str_of("orders")));
}

static void plans_that_could_not_begin_come_ever_more_seldom(void **state) {
    (void)state;
    assert_int_equal(executor_pause_usec(0), 0);
    assert_int_equal(executor_pause_usec(1), 0);
    assert_int_equal(executor_pause_usec(2), 10 * USEC_PER_SEC);
    assert_int_equal(executor_pause_usec(3), 20 * USEC_PER_SEC);
    assert_int_equal(executor_pause_usec(8), 640 * USEC_PER_SEC);
    assert_int_equal(executor_pause_usec(1000), 640 * USEC_PER_SEC);
}

static size_t count_of(const struct fixture *f, enum step step) {
    size_t n = 0;
    for (size_t i = 0; i < f->n_entered; i++) {
        n += f->entered[i] == step;
    }
    return n;
}

/* Whatever the moment of the crash, no step begins twice, no promotion is begun in another life,
 * and the plan is at an end afterwards. */
static void a_crash_at_any_moment_repeats_nothing(void **state) {
    struct fixture *f = *state;
    for (unsigned turns = 0; turns < 60; turns++) {
        char id[32];
        snprintf(id, sizeof(id), "p%u", turns);
        f->n_entered = 0;
        start(f, id, STEP_GO);
        for (unsigned i = 0; i < turns; i++) {
            (void)loop_run_once(f->loop, 5 * USEC_PER_MSEC);
        }
        bool over = !executor_is_busy(f->executor);
        size_t before = f->n_entered;
        close_all(f);
        open_all(f);
        uint64_t deadline = loop_clock_usec() + PATIENCE;
        struct plan *plan = plan_of(f, id);
        while (plan != NULL && !step_is_end(plan->step) && loop_clock_usec() < deadline) {
            (void)loop_run_once(f->loop, 50 * USEC_PER_MSEC);
        }
        assert_int_equal(f->n_entered, before); /* nothing went on by itself */
        assert_true(plan == NULL ? before == 0 : step_is_end(plan->step));
        assert_true(!over || (plan != NULL && plan->step == STEP_DONE));
        for (int step = 0; step < STEPS; step++) {
            assert_true(count_of(f, (enum step)step) <= 1);
        }
        assert_true(count_of(f, STEP_PROMOTE) == 0 || plan_may_have_promoted(plan));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_plan_goes_through_its_steps_to_the_end, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_fails_is_undone_and_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_asks_waits_for_its_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_return_while_a_record_is_written_counts_in_the_next_step,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_return_at_the_last_look_keeps_the_promotion_from_beginning, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_approval_is_told_when_it_is_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_approval_that_cannot_be_written_is_none, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            a_return_counts_also_when_the_approval_before_it_was_not_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_journal_nothing_is_begun, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_could_not_begin_is_withdrawn, set_up, tear_down),
        cmocka_unit_test(plans_that_could_not_begin_come_ever_more_seldom),
        cmocka_unit_test_setup_teardown(a_crash_at_any_moment_repeats_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
