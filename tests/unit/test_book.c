/* SPDX-License-Identifier: Apache-2.0 */

/* The book of failovers: what was written is read again, and what cannot have happened is refused.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "failover/book.h"

static struct book book;
static struct strbuf journal; /* of all records, to be read again */
static struct { size_t at, len; } records[8192];
static size_t n_records;

static int set_up(void **state) {
    book = (struct book){0};
    n_records = 0;
    strbuf_clear(&journal);
    return 0;
}

static int tear_down(void **state) {
    book_deinit(&book);
    strbuf_deinit(&journal);
    return 0;
}

/* As the owner does it: to the disk first, then into the book. */
static void keep(struct strbuf *record) {
    records[n_records].at = journal.len;
    records[n_records++].len = record->len;
    strbuf_add_str(&journal, strbuf_view(record));
    assert_int_equal(book_read(&book, strbuf_view(record), NULL), 0);
    strbuf_deinit(record);
}

static struct plan *draft(const char *id, const char *cluster) {
    struct strbuf record = {0};
    const struct plan_draft plan = {
        .id = str_of(id),
        .cluster = str_of(cluster),
        .old_primary = str_of("orders-1"),
        .old_address = str_of("10.0.0.1:5432"),
        .new_primary = str_of("orders-2"),
        .new_address = str_of("10.0.0.2:5432"),
        .reason = str_of("dead"),
        .evidence = str_of("orders-2: lost"),
        .position = str_of("0/3000148"),
        .timeline = 4,
        .loss = {.has_rate = true, .bytes_per_second = 1200},
        .mode = PLAN_AUTOMATIC,
        .drafted_ms = 1000,
    };
    book_draft(&plan, &record);
    keep(&record);
    return book_find(&book, str_of(id));
}

static enum step happen(struct plan *plan, enum step_event event, const char *text) {
    struct strbuf record = {0};
    enum step next = book_event(plan, event, 2000, str_of(text), &record);
    keep(&record);
    assert_int_equal(plan->step, next);
    return next;
}

static void read_again(void) {
    book_deinit(&book);
    for (size_t i = 0; i < n_records; i++) {
        struct error err = {0};
        struct str record = {journal.data + records[i].at, records[i].len};
        assert_int_equal(book_read(&book, record, &err), 0);
    }
}

static void a_plan_is_read_as_it_was_written(void **state) {
    struct plan *plan = draft("f1", "orders");
    assert_int_equal(happen(plan, STEP_GO, ""), STEP_PRE);
    happen(plan, STEP_SUCCEEDED, "");
    happen(plan, STEP_SUCCEEDED, "fenced\n");
    happen(plan, STEP_SUCCEEDED, "");
    assert_true(plan_may_have_promoted(plan));
    happen(plan, STEP_SUCCEEDED, "");
    happen(plan, STEP_SUCCEEDED, "");
    assert_int_equal(happen(plan, STEP_SUCCEEDED, ""), STEP_DONE);
    read_again();
    plan = book_find(&book, str_of("f1"));
    assert_non_null(plan);
    assert_int_equal(plan->step, STEP_DONE);
    assert_int_equal(plan->ended_ms, 2000);
    assert_int_equal(plan->n_notes, 7);
    assert_int_equal(plan->notes[2].step, STEP_FENCE);
    assert_true(str_is(plan->notes[2].text, "fenced\n"));
    assert_true(str_is(plan->draft.new_address, "10.0.0.2:5432"));
    assert_true(str_is(plan->draft.position, "0/3000148"));
    assert_int_equal(plan->draft.timeline, 4);
    assert_true(plan->draft.loss.has_rate);
    assert_int_equal(plan->draft.loss.bytes_per_second, 1200);
    assert_false(plan->draft.loss.has_age);
    assert_int_equal(plan->draft.mode, PLAN_AUTOMATIC);
}

static void a_plan_of_before_says_nothing_of_the_rate_of_wal(void **state) {
    const struct plan_draft plan = {
        .id = str_of("f1"), .timeline = 4, .loss = {.has_rate = true}, .drafted_ms = 1000};
    struct strbuf record = {0};
    book_draft(&plan, &record);
    record.len -= 3 * 8;
    assert_int_equal(book_read(&book, strbuf_view(&record), NULL), 0);
    const struct plan *read = book_find(&book, str_of("f1"));
    assert_int_equal(read->draft.drafted_ms, 1000);
    assert_false(read->draft.loss.has_rate);
    strbuf_deinit(&record);
}

static void what_is_not_acknowledged_blocks_its_cluster_alone(void **state) {
    struct plan *plan = draft("f1", "orders");
    assert_ptr_equal(book_blocking(&book, str_of("orders")), plan);
    assert_null(book_blocking(&book, str_of("other")));
    happen(plan, STEP_GO, "");
    happen(plan, STEP_FAILURE, "");
    happen(plan, STEP_SUCCEEDED, "");
    assert_int_equal(plan->step, STEP_FAILED);
    assert_ptr_equal(book_blocking(&book, str_of("orders")), plan);
    happen(plan, STEP_ACKNOWLEDGED, "by uid 0");
    assert_null(book_blocking(&book, str_of("orders")));
    plan = draft("f2", "orders");
    happen(plan, STEP_OBSERVE, "");
    assert_null(book_blocking(&book, str_of("orders"))); /* it has done nothing */
}

/* Killed after each record in turn: whatever was begun is never begun again. */
static void a_restart_at_any_record_repeats_nothing(void **state) {
    struct plan *plan = draft("f1", "orders");
    happen(plan, STEP_GO, "");
    for (int i = 0; i < 6; i++) {
        happen(plan, STEP_SUCCEEDED, "");
    }
    size_t all = n_records;
    for (n_records = 1; n_records <= all; n_records++) {
        read_again();
        struct strbuf record = {0};
        plan = book.plans[0];
        enum step before = plan->step;
        book_event(plan, STEP_RESTARTED, 3000, str_of(""), &record);
        assert_int_equal(book_read(&book, strbuf_view(&record), NULL), 0);
        strbuf_deinit(&record);
        if (n_records == all) {
            assert_int_equal(before, STEP_DONE);
            assert_int_equal(plan->step, STEP_DONE);
            break;
        }
        assert_int_equal(plan->step, before == STEP_DRAFTED ? STEP_WITHDRAWN : STEP_UNKNOWN);
        assert_int_equal(book_blocking(&book, str_of("orders")) != NULL, before != STEP_DRAFTED);
    }
}

static void what_cannot_have_happened_is_refused(void **state) {
    struct strbuf record = {0};
    struct error err = {0};
    struct plan *plan = draft("f1", "orders");
    struct str first = {journal.data, records[0].len};
    assert_int_equal(book_read(&book, first, &err), -EINVAL); /* twice */
    book_event(plan, STEP_GO, 1, str_of(""), &record);
    assert_int_equal(book_read(&book, strbuf_view(&record), &err), 0);
    assert_int_equal(book_read(&book, strbuf_view(&record), &err), -EINVAL); /* of a step before */
    struct plan other = {.draft = {.id = str_of("none")}};
    strbuf_clear(&record);
    book_event(&other, STEP_GO, 1, str_of(""), &record);
    assert_int_equal(book_read(&book, strbuf_view(&record), &err), -EINVAL);
    for (size_t length = 0; length < record.len; length++) {
        assert_int_equal(book_read(&book, (struct str){record.data, length}, &err), -EINVAL);
    }
    strbuf_deinit(&record);
    assert_int_equal(book.n_plans, 1);
}

static void the_oldest_that_nobody_needs_are_forgotten_and_counted(void **state) {
    char id[32];
    struct plan *plan = draft("latched", "orders");
    happen(plan, STEP_GO, "");
    plan = draft("only", "quiet");
    happen(plan, STEP_OBSERVE, "");
    for (int i = 0; i < BOOK_MOST_PLANS + 10; i++) {
        snprintf(id, sizeof(id), "f%d", i);
        plan = draft(id, "other");
        happen(plan, STEP_OBSERVE, "");
        happen(plan, STEP_ACKNOWLEDGED, "");
    }
    for (int reading = 0; reading < 2; reading++) {
        assert_in_range(book.n_plans, BOOK_MOST_PLANS * 9 / 10, BOOK_MOST_PLANS);
        assert_non_null(book_find(&book, str_of("latched")));
        assert_non_null(book_find(&book, str_of("only")));
        assert_null(book_find(&book, str_of("f0")));
        assert_non_null(book_find(&book, str_of(id)));
        assert_int_equal(book.n_plans - 2 + book_gone(&book, str_of("other"), STEP_CLOSED),
                         BOOK_MOST_PLANS + 10);
        assert_int_equal(book_gone(&book, str_of("orders"), STEP_CLOSED), 0);
        read_again();
    }
}

static void totals_are_read_as_they_were_written_and_once(void **state) {
    struct strbuf record = {0};
    struct error err = {0};
    char cluster[] = "orders";
    struct book_total total = {.cluster = cluster, .gone = {[STEP_CLOSED] = 3}};
    book_total(&total, &record);
    assert_int_equal(book_read(&book, strbuf_view(&record), &err), 0);
    assert_int_equal(book_gone(&book, str_of("orders"), STEP_CLOSED), 3);
    assert_int_equal(book_gone(&book, str_of("orders"), STEP_WITHDRAWN), 0);
    assert_int_equal(book_gone(&book, str_of("other"), STEP_CLOSED), 0);
    assert_int_equal(book_read(&book, strbuf_view(&record), &err), -EINVAL); /* twice */
    for (size_t length = 0; length < record.len; length++) {
        assert_int_equal(book_read(&book, (struct str){record.data, length}, &err), -EINVAL);
    }
    book_deinit(&book);
    draft("f1", "orders");
    assert_int_equal(book_read(&book, strbuf_view(&record), &err), -EINVAL); /* behind a plan */
    book_add_gone(&book, str_of(""), STEP_CLOSED, 2); /* of a damaged journal: it is everybody's */
    assert_int_equal(book_gone(&book, str_of("orders"), STEP_CLOSED), 2);
    strbuf_deinit(&record);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_plan_is_read_as_it_was_written),
        TEST(a_plan_of_before_says_nothing_of_the_rate_of_wal),
        TEST(what_is_not_acknowledged_blocks_its_cluster_alone),
        TEST(a_restart_at_any_record_repeats_nothing),
        TEST(what_cannot_have_happened_is_refused),
        TEST(the_oldest_that_nobody_needs_are_forgotten_and_counted),
        TEST(totals_are_read_as_they_were_written_and_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
