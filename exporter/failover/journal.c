/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/journal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/durable.h"
#include "io/record_log.h"

/* A disk that could not be written is tried so often until it can. */
#define RETRY_USEC (2 * USEC_PER_SEC)
/* One that could not be shortened, or not by much, is tried again so often. */
#define SHORTEN_AGAIN_USEC (60 * USEC_PER_SEC)
/* What would have been done, in a cluster that flaps, leaves the other half to what is done; and a
 * plan is begun only where all that may happen to it has room. */
#define MOST_OBSERVED_BYTES (RECORD_LOG_MOST_BYTES / 2)
#define MOST_DRAFTED_BYTES  (RECORD_LOG_MOST_BYTES - (size_t)2 * 1024 * 1024)

static const struct journal_room usual_room = {
    .shorten_above = JOURNAL_SHORTEN_ABOVE,
    .least_gain = JOURNAL_LEAST_GAIN,
    .kept = {JOURNAL_KEPT_PLANS, JOURNAL_KEPT_BYTES},
};

/* A record on its way to the disk. */
struct entry {
    struct entry *next;
    struct journal *journal;
    struct strbuf record;
    char id[PLAN_ID_BYTES];
    bool is_event;
    struct journal_waiter waiter;
};

struct journal {
    struct loop *loop;
    struct record_log *log;
    struct book book;
    struct entry *entries;
    /* Plans whose interruption the opening found, until that is on the disk. */
    char (*owed)[PLAN_ID_BYTES];
    size_t n_owed, owed_capacity;
    char *lost; /* where a damaged file was put; NULL: there was none */
    bool failing;
    struct loop_timer *retry;
    struct journal_room room;
    bool *keep; /* of the book's plans, while a shorter file is written; NULL: it is not */
    bool shortening_failed;
    uint64_t shorten_at_usec; /* not before */
    struct loop_timer *shorten_again;
};

/* ---- opening ---- */

struct reading {
    struct book *book;
    struct error err; /* of the first record that cannot be */
};

static void read_record(void *userdata, struct str bytes) {
    struct reading *reading = userdata;
    if (!error_is_set(&reading->err)) {
        (void)book_read(reading->book, bytes, &reading->err);
    }
}

static int read_all(struct journal *journal, const struct journal_options *options,
                    struct error *err) {
    struct reading reading = {.book = &journal->book};
    const struct record_log_options log = {
        .loop = options->loop, .pool = options->pool, .path = options->path};
    int r = record_log_open(&log, read_record, &reading, &journal->log, err);
    if (r == 0 && error_is_set(&reading.err)) {
        *err = reading.err;
        journal->log = record_log_free(journal->log);
        r = -EBADMSG;
    }
    return r;
}

static void tell(struct journal *journal, const struct error *err) {
    bool failing = error_is_set(err);
    if (failing && !journal->failing) {
        log_error("failover journal: %s", err->text);
    } else if (!failing && journal->failing) {
        log_info("failover journal: it is written again");
    }
    journal->failing = failing;
    if (failing || journal->n_owed > 0) {
        loop_timer_set(journal->retry, loop_now_usec(journal->loop) + RETRY_USEC);
    }
}

static void tried(void *userdata, const struct error *err) {
    tell(userdata, err);
}

static void pay(struct journal *journal);
static void shorten(struct journal *journal);

/* Nothing else may ever have to be written, and as long as it is not known whether it could be,
 * nothing is failed over. */
static void try_again(void *userdata) {
    struct journal *journal = userdata;
    if (!journal->failing) {
        pay(journal);
    } else if (record_log_try(journal->log, tried, journal) == -EFBIG) {
        shorten(journal);
        loop_timer_set(journal->retry, loop_now_usec(journal->loop) + RETRY_USEC);
    }
}

/* ---- what the opening has to write ---- */

static bool is_on_its_way(const struct journal *journal, struct str id) {
    for (const struct entry *entry = journal->entries; entry != NULL; entry = entry->next) {
        if (str_is(id, entry->id)) {
            return true;
        }
    }
    return false;
}

static void owe(struct journal *journal, struct str id) {
    journal->owed =
        mem_grow(journal->owed, journal->n_owed, &journal->owed_capacity, sizeof(*journal->owed));
    snprintf(journal->owed[journal->n_owed++], PLAN_ID_BYTES, "%.*s", (int)id.len, id.data);
}

static void paid(void *userdata, struct plan *plan, const struct error *why) {
    (void)why; /* it is told, and tried again */
    if (plan != NULL) {
        pay(userdata);
    }
}

/* A plan of no cluster stands for what is lost: plans of which nobody knows now. */
static int stand_for_the_lost(struct journal *journal, const char *id, struct error *err) {
    const struct journal_waiter waiter = {paid, journal};
    return journal_draft(journal,
                         &(struct plan_draft){
                             .id = str_of(id),
                             .reason = str_of("damaged journal"),
                             .evidence = str_of(journal->lost),
                             .drafted_ms = loop_now_ms(journal->loop),
                         },
                         &waiter, err);
}

static int close_one(struct journal *journal, const struct plan *plan, struct error *err) {
    const struct journal_waiter waiter = {paid, journal};
    if (plan->draft.cluster.len > 0) {
        return journal_event(journal, plan, STEP_RESTARTED, str_of("the monitor was restarted"),
                             &waiter, err);
    }
    return journal_event(journal, plan, STEP_FAILURE,
                         str_of("the journal was damaged: whether a failover is under way must be "
                                "found out by people"),
                         &waiter, err);
}

/* Writes what is owed, again and again until it is on the disk: without it a second failover could
 * follow one of which nobody knows what it has done. */
static void pay(struct journal *journal) {
    size_t n = 0;
    for (size_t i = 0; i < journal->n_owed; i++) {
        const struct plan *plan = book_find(&journal->book, str_of(journal->owed[i]));
        if (plan == NULL || !step_is_end(plan->step)) {
            memmove(journal->owed[n++], journal->owed[i], PLAN_ID_BYTES); /* maybe onto itself */
        }
    }
    journal->n_owed = n;
    shorten(journal);
    for (size_t i = 0; i < n; i++) {
        const char *id = journal->owed[i];
        const struct plan *plan = book_find(&journal->book, str_of(id));
        struct error err = {0};
        if (!is_on_its_way(journal, str_of(id)) &&
            (plan != NULL ? close_one(journal, plan, &err)
                          : stand_for_the_lost(journal, id, &err)) < 0) {
            tell(journal, &err);
        }
    }
}

/* ---- when it has grown ---- */

struct shortening {
    struct strbuf contents;
    struct book again; /* what whoever reads them has */
    struct error err;
};

static void add_record(void *userdata, struct str bytes) {
    struct shortening *shortening = userdata;
    record_log_add(&shortening->contents, bytes);
    (void)book_read(&shortening->again, bytes,
                    error_is_set(&shortening->err) ? NULL : &shortening->err);
}

static bool is_quiet(const struct journal *journal) {
    const struct book *book = &journal->book;
    bool quiet = journal->entries == NULL && journal->n_owed == 0 && journal->keep == NULL &&
                 !record_log_busy(journal->log);
    for (size_t i = 0; i < book->n_plans && quiet; i++) {
        quiet = step_is_end(book->plans[i]->step);
    }
    return quiet;
}

static bool is_full(const struct journal *journal) {
    return record_log_bytes(journal->log) > MOST_DRAFTED_BYTES;
}

static void shorten_later(struct journal *journal) {
    journal->shorten_at_usec = loop_now_usec(journal->loop) + SHORTEN_AGAIN_USEC;
    loop_timer_set(journal->shorten_again, journal->shorten_at_usec);
}

static void tell_shortening(struct journal *journal, const struct error *err) {
    bool failed = error_is_set(err);
    if (failed && !journal->shortening_failed) {
        log_error("failover journal: it could not be shortened, and goes on as it is: %s",
                  err->text);
    }
    journal->shortening_failed = failed;
}

/* Nothing was appended since the shorter file was made, so the book is the one of then. */
static void shortened(void *userdata, const struct error *err) {
    struct journal *journal = userdata;
    size_t before = journal->book.n_plans;
    if (err->code == -EINPROGRESS) {
        tell(journal, err);
        return;
    }
    tell_shortening(journal, err);
    if (error_is_set(err)) {
        shorten_later(journal);
        (void)record_log_try(journal->log, tried, journal); /* does the disk take nothing at all? */
    } else {
        book_keep(&journal->book, journal->keep);
        log_info("failover journal: shortened to %llu bytes, %zu of %zu plans are kept",
                 (unsigned long long)record_log_bytes(journal->log), journal->book.n_plans, before);
        tell(journal, err);
    }
    free(journal->keep);
    journal->keep = NULL;
}

/* Return: bytes that a file with these records would have less, or 0 with *err when it would not
 * tell the same. */
static uint64_t make_shorter(const struct journal *journal, bool *keep, struct shortening *out) {
    uint64_t bytes = record_log_bytes(journal->log);
    size_t n = 0;
    shorter_choose(&journal->book, &journal->room.kept, keep);
    for (size_t i = 0; i < journal->book.n_plans; i++) {
        n += keep[i];
    }
    shorter_write(&journal->book, keep, add_record, out);
    if (!error_is_set(&out->err) && out->again.n_plans != n) {
        error_say(&out->err, -EBADMSG, "it would not tell of all that is kept");
    }
    return out->contents.len < bytes && !error_is_set(&out->err) ? bytes - out->contents.len : 0;
}

static void shorten(struct journal *journal) {
    if (record_log_bytes(journal->log) <= journal->room.shorten_above ||
        loop_now_usec(journal->loop) < journal->shorten_at_usec || !is_quiet(journal)) {
        return;
    }
    struct shortening shortening = {0};
    bool *keep = mem_array(journal->book.n_plans, sizeof(*keep));
    uint64_t gain = make_shorter(journal, keep, &shortening);
    bool worth = gain > 0 && (gain >= journal->room.least_gain || is_full(journal));
    if (worth && record_log_replace(journal->log, &shortening.contents, shortened, journal) == 0) {
        journal->keep = keep;
        keep = NULL;
    } else {
        shorten_later(journal);
    }
    if (error_is_set(&shortening.err)) {
        tell_shortening(journal, &shortening.err);
    }
    strbuf_deinit(&shortening.contents);
    book_deinit(&shortening.again);
    free(keep);
}

static void shorten_again(void *userdata) {
    shorten(userdata);
}

/* ---- a damaged one ---- */

static int set_aside(struct journal *journal, const struct journal_options *options,
                     struct error *why) {
    char name[PATH_MAX], id[PLAN_ID_BYTES];
    struct error err = {0};
    if (durable_set_aside(options->path, name, &err) < 0) {
        log_error("failover journal '%s' is not used: %s; %s", options->path, why->text, err.text);
        return -EBADMSG;
    }
    log_error("failover journal '%s' is damaged: %s; it is kept as '%s', and a new one begins. "
              "Nothing is failed over until that is acknowledged (dbvitals failover ack)",
              options->path, why->text, name);
    book_deinit(&journal->book);
    *why = (struct error){0};
    int r = read_all(journal, options, why);
    if (r < 0) {
        return r;
    }
    journal->lost = mem_strdup(name);
    plan_name("damaged-journal", loop_now_ms(journal->loop), id);
    owe(journal, str_of(id));
    pay(journal);
    return 0;
}

/* What a crash left under way; or the first of two records about a damaged journal. */
static void close_interrupted(struct journal *journal) {
    const struct book *book = &journal->book;
    for (size_t i = 0; i < book->n_plans; i++) {
        const struct plan *plan = book->plans[i];
        if (!step_is_end(plan->step)) {
            log_warn("failover '%.*s' was at step '%s' when the monitor ended",
                     (int)plan->draft.id.len, plan->draft.id.data, step_names[plan->step]);
            owe(journal, plan->draft.id);
        }
    }
    pay(journal);
}

struct journal *journal_open(const struct journal_options *options) {
    struct journal *journal = mem_alloc(sizeof(*journal));
    struct error err = {0};
    journal->loop = options->loop;
    journal->retry = loop_timer_new(options->loop, try_again, journal);
    journal->shorten_again = loop_timer_new(options->loop, shorten_again, journal);
    journal->room = options->room != NULL ? *options->room : usual_room;
    int r = read_all(journal, options, &err);
    if (r == -EBADMSG) {
        r = set_aside(journal, options, &err);
    } else if (r == 0) {
        close_interrupted(journal);
    }
    if (r < 0) {
        log_error("failover journal '%s' cannot be used: %s", options->path, err.text);
        return journal_free(journal);
    }
    return journal;
}

/* ---- writing ---- */

static void entry_free(struct entry *entry) {
    struct entry **link = &entry->journal->entries;
    while (*link != entry) {
        link = &(*link)->next;
    }
    *link = entry->next;
    strbuf_deinit(&entry->record);
    free(entry);
}

static struct entry *entry_new(struct journal *journal, struct str id,
                               const struct journal_waiter *waiter) {
    struct entry *entry = mem_alloc(sizeof(*entry));
    entry->journal = journal;
    snprintf(entry->id, sizeof(entry->id), "%.*s", (int)id.len, id.data);
    entry->waiter = waiter != NULL ? *waiter : (struct journal_waiter){0};
    entry->next = journal->entries;
    journal->entries = entry;
    return entry;
}

static void written(void *userdata, const struct error *why) {
    struct entry *entry = userdata;
    struct journal *journal = entry->journal;
    struct journal_waiter waiter = entry->waiter;
    struct plan *plan = NULL;
    struct error err = *why;
    tell(journal, &err);
    if (!error_is_set(&err) && book_read(&journal->book, strbuf_view(&entry->record), &err) == 0) {
        plan = book_find(&journal->book, str_of(entry->id));
    }
    entry_free(entry);
    shorten(journal);
    if (waiter.written != NULL) {
        waiter.written(waiter.userdata, plan, &err);
    }
}

static int append(struct entry *entry, struct error *err) {
    int r = record_log_append(entry->journal->log, strbuf_view(&entry->record), written, entry);
    if (r < 0) {
        error_say(err, r, "there is no room for another record");
        tell(entry->journal, err);
        entry_free(entry);
    }
    return r;
}

int journal_draft(struct journal *journal, const struct plan_draft *draft,
                  const struct journal_waiter *waiter, struct error *err) {
    uint64_t most = draft->mode == PLAN_OBSERVE ? MOST_OBSERVED_BYTES : MOST_DRAFTED_BYTES;
    if (record_log_bytes(journal->log) > most) {
        return error_say(err, -EFBIG,
                         "the journal is too full for another plan, and could not be shortened");
    }
    if (book_find(&journal->book, draft->id) != NULL || is_on_its_way(journal, draft->id)) {
        return error_say(err, -EEXIST, "there is a plan of this name: the clock was set back");
    }
    struct entry *entry = entry_new(journal, draft->id, waiter);
    book_draft(draft, &entry->record);
    return append(entry, err);
}

int journal_event(struct journal *journal, const struct plan *plan, enum step_event event,
                  struct str text, const struct journal_waiter *waiter, struct error *err) {
    for (const struct entry *other = journal->entries; other != NULL; other = other->next) {
        if (other->is_event && str_is(plan->draft.id, other->id)) {
            return error_say(err, -EBUSY, "something else that happened is being written");
        }
    }
    struct entry *entry = entry_new(journal, plan->draft.id, waiter);
    entry->is_event = true;
    book_event(plan, event, loop_now_ms(journal->loop), text, &entry->record);
    return append(entry, err);
}

int journal_outcome(struct journal *journal, const struct plan *plan,
                    const struct plan_outcome *outcome, const struct journal_waiter *waiter,
                    struct error *err) {
    struct entry *entry = entry_new(journal, plan->draft.id, waiter);
    book_outcome(plan, outcome, &entry->record);
    return append(entry, err);
}

void journal_forget(struct journal *journal, const void *userdata) {
    for (struct entry *entry = journal != NULL ? journal->entries : NULL; entry != NULL;
         entry = entry->next) {
        if (entry->waiter.userdata == userdata) {
            entry->waiter = (struct journal_waiter){0};
        }
    }
}

struct journal *journal_free(struct journal *journal) {
    if (journal == NULL) {
        return NULL;
    }
    loop_timer_free(journal->retry);
    loop_timer_free(journal->shorten_again);
    journal->log = record_log_free(journal->log);
    while (journal->entries != NULL) {
        entry_free(journal->entries);
    }
    book_deinit(&journal->book);
    free(journal->keep);
    free(journal->owed);
    free(journal->lost);
    free(journal);
    return NULL;
}

/* ---- views ---- */

const struct book *journal_book(const struct journal *journal) {
    return &journal->book;
}

bool journal_works(const struct journal *journal) {
    return !journal->failing && journal->n_owed == 0 && !is_full(journal);
}
