/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/shorter.h"

#include <stdlib.h>

#include "base/mem.h"

struct sink {
    void (*record)(void *userdata, struct str bytes);
    void *userdata;
    struct strbuf bytes; /* of the record that is made */
};

static void give(struct sink *sink) {
    sink->record(sink->userdata, strbuf_view(&sink->bytes));
    strbuf_clear(&sink->bytes);
}

static void write_plan(const struct plan *plan, struct sink *sink) {
    book_draft(&plan->draft, &sink->bytes);
    give(sink);
    for (size_t i = 0; i < plan->n_notes; i++) {
        book_note(plan, &plan->notes[i], &sink->bytes);
        give(sink);
    }
    if (plan->has_outcome) {
        book_outcome(plan, &plan->outcome, &sink->bytes);
        give(sink);
    }
}

/* ---- what is kept ---- */

static void count_record(void *userdata, struct str bytes) {
    uint64_t *sum = userdata;
    *sum += bytes.len;
}

static uint64_t *measure(const struct book *book) {
    uint64_t *bytes = mem_array(book->n_plans, sizeof(*bytes));
    struct sink sink = {.record = count_record};
    for (size_t i = 0; i < book->n_plans; i++) {
        sink.userdata = &bytes[i];
        write_plan(book->plans[i], &sink);
    }
    strbuf_deinit(&sink.bytes);
    return bytes;
}

void shorter_choose(const struct book *book, const struct shorter_limits *limits, bool *ret_keep) {
    uint64_t *bytes = measure(book), sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < book->n_plans; i++) {
        ret_keep[i] = book_needs(book, i);
        n += ret_keep[i];
        sum += ret_keep[i] ? bytes[i] : 0;
    }
    for (int observed = 0; observed < 2; observed++) {
        bool room = true; /* an older one that would fit leaves no gap behind it */
        for (size_t i = book->n_plans; i > 0 && room; i--) {
            bool observes = book->plans[i - 1]->draft.mode == PLAN_OBSERVE;
            if (ret_keep[i - 1] || observes != (observed == 1)) {
                continue;
            }
            room = n < limits->plans && sum + bytes[i - 1] <= limits->bytes;
            ret_keep[i - 1] = room;
            n += room;
            sum += room ? bytes[i - 1] : 0;
        }
    }
    free(bytes);
}

/* ---- writing ---- */

static void write_totals(const struct book *book, const bool *keep, struct sink *sink) {
    struct book after = {0};
    for (size_t i = 0; i < book->n_totals; i++) {
        for (int step = 0; step < STEPS; step++) {
            book_add_gone(&after, str_of(book->totals[i].cluster), (enum step)step,
                          book->totals[i].gone[step]);
        }
    }
    for (size_t i = 0; i < book->n_plans; i++) {
        if (!keep[i]) {
            book_add_gone(&after, book->plans[i]->draft.cluster, book->plans[i]->step, 1);
        }
    }
    for (size_t i = 0; i < after.n_totals; i++) {
        book_total(&after.totals[i], &sink->bytes);
        give(sink);
    }
    book_deinit(&after);
}

void shorter_write(const struct book *book, const bool *keep,
                   void (*record)(void *userdata, struct str bytes), void *userdata) {
    struct sink sink = {.record = record, .userdata = userdata};
    write_totals(book, keep, &sink);
    for (size_t i = 0; i < book->n_plans; i++) {
        if (keep[i]) {
            write_plan(book->plans[i], &sink);
        }
    }
    strbuf_deinit(&sink.bytes);
}
