/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/journal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/durable.h"
#include "io/record_log.h"

/* A disk that could not be written is tried so often until it can. */
#define RETRY_USEC (2 * USEC_PER_SEC)

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
    bool failing;
    struct loop_timer *retry;
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
    if (failing) {
        loop_timer_set(journal->retry, loop_now_usec(journal->loop) + RETRY_USEC);
    }
}

static void tried(void *userdata, const struct error *err) {
    tell(userdata, err);
}

/* Nothing else may ever have to be written, and as long as it is not known whether it could be,
 * nothing is failed over. */
static void try_again(void *userdata) {
    struct journal *journal = userdata;
    if (journal->failing) {
        (void)record_log_try(journal->log, tried, journal);
    }
}

/* A plan of no cluster stands for what is lost: plans of which nobody knows now. */
static void stand_for_the_lost(void *userdata, struct plan *plan, const struct error *why) {
    struct journal *journal = userdata;
    (void)why;
    if (plan != NULL && plan->step == STEP_DRAFTED) {
        struct error err = {0};
        if (journal_event(journal, plan, STEP_FAILURE,
                          str_of("the journal was damaged: whether a failover is under way must be "
                                 "found out by people"),
                          NULL, &err) < 0) {
            tell(journal, &err);
        }
    }
}

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
    const struct journal_waiter waiter = {stand_for_the_lost, journal};
    plan_name("damaged-journal", loop_now_ms(journal->loop), id);
    return journal_draft(journal,
                         &(struct plan_draft){
                             .id = str_of(id),
                             .reason = str_of("damaged journal"),
                             .evidence = str_of(name),
                             .drafted_ms = loop_now_ms(journal->loop),
                         },
                         &waiter, why);
}

/* What a crash left under way; or the first of two records about a damaged journal. */
static void close_interrupted(struct journal *journal) {
    const struct book *book = &journal->book;
    for (size_t i = 0; i < book->n_plans; i++) {
        const struct plan *plan = book->plans[i];
        enum step_event event = plan->draft.cluster.len == 0 ? STEP_FAILURE : STEP_RESTARTED;
        struct error err = {0};
        if (step_is_end(plan->step)) {
            continue;
        }
        log_warn("failover '%.*s' was at step '%s' when the monitor ended", (int)plan->draft.id.len,
                 plan->draft.id.data, step_names[plan->step]);
        if (journal_event(journal, plan, event, str_of("the monitor was restarted"), NULL, &err) <
            0) {
            tell(journal, &err);
        }
    }
}

struct journal *journal_open(const struct journal_options *options) {
    struct journal *journal = mem_alloc(sizeof(*journal));
    struct error err = {0};
    journal->loop = options->loop;
    journal->retry = loop_timer_new(options->loop, try_again, journal);
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
    journal->log = record_log_free(journal->log);
    while (journal->entries != NULL) {
        entry_free(journal->entries);
    }
    book_deinit(&journal->book);
    free(journal);
    return NULL;
}

/* ---- views ---- */

const struct book *journal_book(const struct journal *journal) {
    return &journal->book;
}

bool journal_works(const struct journal *journal) {
    return !journal->failing;
}
