/* SPDX-License-Identifier: Apache-2.0 */

/* The records of the failover journal, as on the disk but for their checksums: the first two bytes
 * say how much a shorter journal keeps, then each record follows its length (two bytes). Whatever
 * is believed can be shortened, and what is written then is read again as the same. */
#include "base/mem.h"
#include "failover/shorter.h"
#include "fuzz.h"

static void read_again(void *userdata, struct str record) {
    must(book_read(userdata, record, NULL) == 0);
}

static void must_be_same(const struct plan *a, const struct plan *b) {
    must(str_equal(a->draft.id, b->draft.id) && str_equal(a->draft.cluster, b->draft.cluster));
    must(str_equal(a->draft.evidence, b->draft.evidence));
    must(a->step == b->step && a->ended_ms == b->ended_ms && a->n_notes == b->n_notes);
    must(a->has_outcome == b->has_outcome && a->outcome.lost_bytes == b->outcome.lost_bytes);
    must(plan_has_done(a) == plan_has_done(b));
    must(plan_may_have_promoted(a) == plan_may_have_promoted(b));
}

static void must_agree(const struct book *a, const struct book *b) {
    must(a->n_plans == b->n_plans);
    for (size_t i = 0; i < a->n_plans; i++) {
        struct str cluster = a->plans[i]->draft.cluster;
        must_be_same(a->plans[i], b->plans[i]);
        must((book_blocking(a, cluster) != NULL) == (book_blocking(b, cluster) != NULL));
        for (int step = 0; step < STEPS; step++) {
            must(book_gone(a, cluster, (enum step)step) == book_gone(b, cluster, (enum step)step));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str input = fuzz_input(data, size);
    struct book book = {0}, again = {0};
    struct shorter_limits limits = {.plans = fuzz_take_byte(&input)};
    limits.bytes = (uint64_t)fuzz_take_byte(&input) * 16;
    while (input.len > 0) {
        size_t len = fuzz_take_byte(&input);
        len |= (size_t)fuzz_take_byte(&input) << 8;
        len = len > input.len ? input.len : len;
        (void)book_read(&book, (struct str){input.data, len}, NULL);
        input = (struct str){input.data + len, input.len - len};
    }
    bool *keep = mem_array(book.n_plans, sizeof(*keep));
    shorter_choose(&book, &limits, keep);
    shorter_write(&book, keep, read_again, &again);
    book_keep(&book, keep);
    must_agree(&book, &again);
    book_deinit(&book);
    book_deinit(&again);
    free(keep);
    return 0;
}
