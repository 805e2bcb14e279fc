/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/book.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pack.h"
#include "base/utc.h"

#define VERSION 1

enum record_kind { RECORD_DRAFT = 1, RECORD_EVENT = 2, RECORD_OUTCOME = 3, RECORD_TOTAL = 4 };

const char *const plan_mode_names[] = {
    [PLAN_OBSERVE] = "observe",
    [PLAN_MANUAL] = "manual",
    [PLAN_AUTOMATIC] = "automatic",
    [PLAN_SWITCHOVER] = "switchover",
};

static struct plan *plan_free(struct plan *plan) {
    free(plan->notes);
    arena_deinit(&plan->arena);
    free(plan);
    return NULL;
}

void book_deinit(struct book *book) {
    for (size_t i = 0; i < book->n_plans; i++) {
        plan_free(book->plans[i]);
    }
    for (size_t i = 0; i < book->n_totals; i++) {
        free(book->totals[i].cluster);
    }
    free(book->plans);
    free(book->totals);
    *book = (struct book){0};
}

/* ---- writing ---- */

/* In the order of the record. */
static struct str *const *texts_of(struct plan_draft *draft, struct str *out[9]) {
    out[0] = &draft->id;
    out[1] = &draft->cluster;
    out[2] = &draft->old_primary;
    out[3] = &draft->old_address;
    out[4] = &draft->new_primary;
    out[5] = &draft->new_address;
    out[6] = &draft->reason;
    out[7] = &draft->evidence;
    out[8] = &draft->position;
    return out;
}

enum { HAS_RATE = 1, HAS_AGE = 2 };

static struct str cut(struct str text) {
    text.len = text.len > BOOK_MOST_TEXT ? BOOK_MOST_TEXT : text.len;
    return text;
}

void book_draft(const struct plan_draft *draft, struct strbuf *out) {
    struct plan_draft copy = *draft;
    struct str *texts[9];
    pack_u64(out, VERSION);
    pack_u64(out, RECORD_DRAFT);
    texts_of(&copy, texts);
    for (size_t i = 0; i < 9; i++) {
        pack_str(out, cut(*texts[i]));
    }
    pack_u64(out, draft->timeline);
    pack_u64(out, draft->mode);
    pack_i64(out, draft->drafted_ms);
    pack_u64(out, (draft->loss.has_rate ? HAS_RATE : 0) | (draft->loss.has_age ? HAS_AGE : 0));
    pack_u64(out, draft->loss.bytes_per_second);
    pack_u64(out, draft->loss.age_ms);
}

void book_note(const struct plan *plan, const struct plan_note *note, struct strbuf *out) {
    pack_u64(out, VERSION);
    pack_u64(out, RECORD_EVENT);
    pack_str(out, plan->draft.id);
    pack_u64(out, note->step);
    pack_u64(out, note->event);
    pack_i64(out, note->t_ms);
    pack_str(out, cut(note->text));
}

enum step book_event(const struct plan *plan, enum step_event event, int64_t now_ms,
                     struct str text, struct strbuf *out) {
    book_note(plan, &(struct plan_note){plan->step, event, now_ms, text}, out);
    return step_next(plan->step, event);
}

void book_outcome(const struct plan *plan, const struct plan_outcome *outcome, struct strbuf *out) {
    pack_u64(out, VERSION);
    pack_u64(out, RECORD_OUTCOME);
    pack_str(out, plan->draft.id);
    pack_u64(out, outcome->recovery_ms);
    pack_u64(out, outcome->lost_bytes);
    pack_u64(out, outcome->lost_ms);
}

void book_total(const struct book_total *total, struct strbuf *out) {
    pack_u64(out, VERSION);
    pack_u64(out, RECORD_TOTAL);
    pack_str(out, str_of(total->cluster));
    pack_u64(out, STEPS);
    for (int i = 0; i < STEPS; i++) {
        pack_u64(out, total->gone[i]);
    }
}

void plan_name(const char *cluster, int64_t now_ms, char out[PLAN_ID_BYTES]) {
    char text[UTC_TEXT_BYTES];
    snprintf(out, PLAN_ID_BYTES, "%.80s-%.20s.%03u", cluster,
             utc_format(now_ms, "%Y%m%dT%H%M%S", text), (unsigned)(now_ms % 1000) % 1000U);
}

/* ---- reading ---- */

/* No name of a cluster, which totals hold as text. */
static bool has_zero(struct str text) {
    return text.len > 0 && memchr(text.data, '\0', text.len) != NULL;
}

struct str plan_words(const struct plan *plan) {
    struct str newest = {0};
    for (size_t i = plan->n_notes; i > 0; i--) {
        const struct plan_note *note = &plan->notes[i - 1];
        if (plan->step == STEP_FAILED && note->event == STEP_FAILURE && note->step != STEP_UNDO) {
            return note->text;
        }
        newest = newest.len > 0 ? newest : note->text;
    }
    return newest;
}

struct plan *book_find(const struct book *book, struct str id) {
    for (size_t i = book->n_plans; i > 0; i--) {
        if (str_equal(book->plans[i - 1]->draft.id, id)) {
            return book->plans[i - 1];
        }
    }
    return NULL;
}

static struct book_total *find_total(const struct book *book, struct str cluster) {
    for (size_t i = 0; i < book->n_totals; i++) {
        if (str_is(cluster, book->totals[i].cluster)) {
            return &book->totals[i];
        }
    }
    return NULL;
}

static void forget_oldest(struct book *book) {
    size_t left = book->n_plans;
    bool *keep = mem_array(book->n_plans, sizeof(*keep));
    for (size_t i = 0; i < book->n_plans; i++) {
        keep[i] = left <= BOOK_MOST_PLANS - BOOK_MOST_PLANS / 10 || book_needs(book, i);
        left -= !keep[i];
    }
    book_keep(book, keep);
    free(keep);
}

/* Records of before end without it. */
static void read_loss(struct unpacker *in, struct wal_loss *ret) {
    if (in->rest.len > 0) {
        uint64_t flags = unpack_u64(in);
        ret->has_rate = (flags & HAS_RATE) != 0;
        ret->has_age = (flags & HAS_AGE) != 0;
        ret->bytes_per_second = unpack_u64(in);
        ret->age_ms = unpack_u64(in);
    }
}

static int read_draft(struct book *book, struct unpacker *in, struct error *err) {
    struct plan_draft draft = {0};
    struct str *texts[9];
    texts_of(&draft, texts);
    for (size_t i = 0; i < 9; i++) {
        *texts[i] = unpack_str(in);
    }
    draft.timeline = (uint32_t)unpack_u64(in);
    uint64_t mode = unpack_u64(in);
    draft.drafted_ms = unpack_i64(in);
    read_loss(in, &draft.loss);
    if (in->bad || in->rest.len > 0 || mode >= PLAN_MODES || draft.id.len == 0 ||
        has_zero(draft.cluster)) {
        return error_say(err, -EINVAL, "a plan that cannot be read");
    }
    if (book_find(book, draft.id) != NULL) {
        return error_say(err, -EINVAL, "plan '%.*s' is there twice", (int)draft.id.len,
                         draft.id.data);
    }
    if (book->n_plans >= BOOK_MOST_PLANS) {
        forget_oldest(book);
    }
    struct plan *plan = mem_alloc(sizeof(*plan));
    plan->draft = draft;
    plan->draft.mode = (enum plan_mode)mode;
    texts_of(&plan->draft, texts);
    for (size_t i = 0; i < 9; i++) {
        *texts[i] = arena_dup(&plan->arena, *texts[i]);
    }
    book->plans = mem_grow(book->plans, book->n_plans, &book->capacity, sizeof(book->plans[0]));
    book->plans[book->n_plans++] = plan;
    return 0;
}

static int read_event(struct book *book, struct unpacker *in, struct error *err) {
    struct str id = unpack_str(in);
    uint64_t step = unpack_u64(in), event = unpack_u64(in);
    int64_t t_ms = unpack_i64(in);
    struct str text = unpack_str(in);
    if (in->bad || in->rest.len > 0 || step >= STEPS || event >= STEP_EVENTS) {
        return error_say(err, -EINVAL, "an event that cannot be read");
    }
    struct plan *plan = book_find(book, id);
    if (plan == NULL && event == STEP_ACKNOWLEDGED && step_is_end((enum step)step)) {
        return 0; /* it was forgotten while that was on its way */
    }
    if (plan == NULL) {
        return error_say(err, -EINVAL, "an event of plan '%.*s', which is not there", (int)id.len,
                         id.data);
    }
    if (plan->step != (enum step)step) {
        return error_say(err, -EINVAL, "plan '%.*s' stands at '%s', and an event is of '%s'",
                         (int)id.len, id.data, step_names[plan->step], step_names[step]);
    }
    plan->notes =
        mem_grow(plan->notes, plan->n_notes, &plan->notes_capacity, sizeof(plan->notes[0]));
    plan->notes[plan->n_notes++] =
        (struct plan_note){plan->step, (enum step_event)event, t_ms, arena_dup(&plan->arena, text)};
    plan->step = step_next(plan->step, (enum step_event)event);
    if (step_is_end(plan->step) && plan->ended_ms == 0) {
        plan->ended_ms = t_ms;
    }
    return 0;
}

static int read_outcome(struct book *book, struct unpacker *in, struct error *err) {
    struct str id = unpack_str(in);
    struct plan_outcome outcome;
    outcome.recovery_ms = unpack_u64(in);
    outcome.lost_bytes = unpack_u64(in);
    outcome.lost_ms = unpack_u64(in);
    struct plan *plan = book_find(book, id);
    if (in->bad || in->rest.len > 0 || plan == NULL) {
        return error_say(err, -EINVAL, "an outcome that cannot be read, or of no plan");
    }
    plan->outcome = outcome;
    plan->has_outcome = true;
    return 0;
}

static int read_total(struct book *book, struct unpacker *in, struct error *err) {
    uint64_t gone[STEPS];
    struct str cluster = unpack_str(in);
    bool same = unpack_u64(in) == STEPS;
    for (int i = 0; i < STEPS; i++) {
        gone[i] = unpack_u64(in);
    }
    if (in->bad || in->rest.len > 0 || !same || book->n_plans > 0 || has_zero(cluster) ||
        find_total(book, cluster) != NULL) {
        return error_say(err, -EINVAL, "a total that cannot be read, or is not in its place");
    }
    for (int i = 0; i < STEPS; i++) {
        book_add_gone(book, cluster, (enum step)i, gone[i]);
    }
    return 0;
}

int book_read(struct book *book, struct str record, struct error *err) {
    struct unpacker in = {record, false};
    uint64_t version = unpack_u64(&in), kind = unpack_u64(&in);
    if (in.bad || version != VERSION) {
        return error_say(err, -EINVAL, "a record of another version");
    }
    switch (kind) {
    case RECORD_DRAFT:
        return read_draft(book, &in, err);
    case RECORD_EVENT:
        return read_event(book, &in, err);
    case RECORD_OUTCOME:
        return read_outcome(book, &in, err);
    case RECORD_TOTAL:
        return read_total(book, &in, err);
    default:
        return error_say(err, -EINVAL, "a record of an unknown kind");
    }
}

/* ---- what is needed, and what is gone ---- */

bool book_needs(const struct book *book, size_t index) {
    const struct plan *plan = book->plans[index];
    if (!step_is_end(plan->step) || step_is_latched(plan->step)) {
        return true;
    }
    bool newest = true, done = plan_has_done(plan), measured = plan->has_outcome;
    bool promoted = plan_may_have_promoted(plan);
    for (size_t i = index + 1; i < book->n_plans && (newest || done || measured || promoted); i++) {
        const struct plan *later = book->plans[i];
        if (str_equal(later->draft.cluster, plan->draft.cluster)) {
            newest = false;
            done = done && !plan_has_done(later);
            measured = measured && !later->has_outcome;
            promoted = promoted && !plan_may_have_promoted(later);
        }
    }
    return newest || done || measured || promoted;
}

void book_add_gone(struct book *book, struct str cluster, enum step step, uint64_t count) {
    struct book_total *total = find_total(book, cluster);
    if (total == NULL) {
        book->totals =
            mem_grow(book->totals, book->n_totals, &book->totals_capacity, sizeof(book->totals[0]));
        total = &book->totals[book->n_totals++];
        *total = (struct book_total){.cluster = mem_strndup(cluster.data, cluster.len)};
    }
    total->gone[step] += count;
}

uint64_t book_gone(const struct book *book, struct str cluster, enum step step) {
    uint64_t gone = 0;
    for (size_t i = 0; i < book->n_totals; i++) {
        const struct book_total *total = &book->totals[i];
        bool concerns = total->cluster[0] == '\0' || str_is(cluster, total->cluster);
        gone += concerns ? total->gone[step] : 0;
    }
    return gone;
}

void book_keep(struct book *book, const bool *keep) {
    size_t n = 0;
    for (size_t i = 0; i < book->n_plans; i++) {
        struct plan *plan = book->plans[i];
        if (keep[i]) {
            book->plans[n++] = plan;
        } else {
            book_add_gone(book, plan->draft.cluster, plan->step, 1);
            plan_free(plan);
        }
    }
    book->n_plans = n;
}

/* ---- questions ---- */

struct plan *book_blocking(const struct book *book, struct str cluster) {
    for (size_t i = book->n_plans; i > 0; i--) {
        struct plan *plan = book->plans[i - 1];
        bool concerns = plan->draft.cluster.len == 0 || str_equal(plan->draft.cluster, cluster);
        if (concerns && (!step_is_end(plan->step) || step_is_latched(plan->step))) {
            return plan;
        }
    }
    return NULL;
}

bool plan_has_done(const struct plan *plan) {
    for (size_t i = 0; i < plan->n_notes; i++) {
        if (plan->notes[i].step == STEP_POST && plan->notes[i].event == STEP_SUCCEEDED) {
            return true;
        }
    }
    return false;
}

bool plan_may_have_promoted(const struct plan *plan) {
    for (size_t i = 0; i < plan->n_notes; i++) {
        if (plan->notes[i].step == STEP_PROMOTE) {
            return true;
        }
    }
    return plan->step == STEP_PROMOTE;
}
