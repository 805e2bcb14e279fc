/* SPDX-License-Identifier: Apache-2.0 */

/* The journal of failovers on the disk. While we only observe it gets two records an outage: what
 * would have been done, and that nothing was. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "failover/private_watch.h"

#define JOURNAL_FILE "failover.journal"

struct journal_reader {
    struct watch *watch;
    struct error err; /* of the first record that cannot be */
};

static void read_record(void *userdata, struct str bytes) {
    struct journal_reader *reader = userdata;
    if (!error_is_set(&reader->err)) {
        (void)book_read(&reader->watch->book, bytes, &reader->err);
    }
}

static void set_aside(const char *path, const struct error *why) {
    char name[PATH_MAX];
    struct error err = {0};
    if (durable_set_aside(path, name, &err) < 0) {
        log_error("failover journal '%s' is not used: %s; %s", path, why->text, err.text);
    } else {
        log_error("failover journal '%s' is damaged: %s; it is kept as '%s', and a new one begins",
                  path, why->text, name);
    }
}

static int open_once(struct watch *watch, const char *path, struct error *err) {
    struct journal_reader reader = {.watch = watch};
    const struct record_log_options options = {
        .loop = watch->options.loop, .pool = watch->disk, .path = path};
    int r = record_log_open(&options, read_record, &reader, &watch->journal, err);
    if (r == 0 && error_is_set(&reader.err)) {
        *err = reader.err;
        watch->journal = record_log_free(watch->journal);
        r = -EBADMSG;
    }
    return r;
}

/* ---- writing ---- */

static void forget(struct watch_entry *entry) {
    struct watch_entry **link = &entry->watch->entries;
    while (*link != entry) {
        link = &(*link)->next;
    }
    *link = entry->next;
    strbuf_deinit(&entry->record);
    free(entry->text);
    free(entry);
}

static void tell(struct watch *watch, const struct error *err) {
    bool failing = error_is_set(err);
    if (failing && !watch->journal_failing) {
        log_error("failover journal: %s", err->text);
    } else if (!failing && watch->journal_failing) {
        log_info("failover journal: it is written again");
    }
    watch->journal_failing = failing;
}

static void written(void *userdata, const struct error *err);

static void append(struct watch_entry *entry) {
    int r = record_log_append(entry->watch->journal, strbuf_view(&entry->record), written, entry);
    if (r < 0) {
        struct error err = {0};
        error_say(&err, r, "there is no room for another record");
        tell(entry->watch, &err);
        forget(entry);
    }
}

static void written(void *userdata, const struct error *err) {
    struct watch_entry *entry = userdata;
    struct watch *watch = entry->watch;
    const struct plan *plan;
    tell(watch, err);
    if (error_is_set(err) || book_read(&watch->book, strbuf_view(&entry->record), NULL) < 0 ||
        entry->observed || (plan = book_find(&watch->book, str_of(entry->id))) == NULL) {
        forget(entry);
        return;
    }
    strbuf_clear(&entry->record);
    entry->observed = true;
    book_event(plan, STEP_OBSERVE, loop_now_ms(watch->options.loop), str_of(entry->text),
               &entry->record);
    append(entry);
}

static struct watch_entry *entry_new(struct watch *watch) {
    struct watch_entry *entry = mem_alloc(sizeof(*entry));
    entry->watch = watch;
    entry->next = watch->entries;
    watch->entries = entry;
    return entry;
}

/* Records of a crash between the two of an outage. */
static void close_interrupted(struct watch *watch) {
    struct strbuf record = {0};
    struct plan *plan;
    while ((plan = book_interrupted(&watch->book, loop_now_ms(watch->options.loop), &record)) !=
           NULL) {
        struct watch_entry *entry = entry_new(watch);
        entry->observed = true; /* nothing follows it */
        entry->record = record;
        record = (struct strbuf){0};
        if (book_read(&watch->book, strbuf_view(&entry->record), NULL) < 0 ||
            record_log_append(watch->journal, strbuf_view(&entry->record), written, entry) < 0) {
            forget(entry);
            break;
        }
    }
    strbuf_deinit(&record);
}

void watch_journal_open(struct watch *watch) {
    struct error err = {0};
    if (watch->options.storage_path == NULL) {
        return;
    }
    CLEANUP(mem_freep)
    char *path = mem_printf("%s/" JOURNAL_FILE, watch->options.storage_path);
    int r = open_once(watch, path, &err);
    if (r == -EBADMSG) {
        book_deinit(&watch->book);
        watch->book = (struct book){0};
        set_aside(path, &err);
        err = (struct error){0};
        r = open_once(watch, path, &err);
    }
    if (r < 0) {
        log_error("failover journal '%s' cannot be used: %s", path, err.text);
        watch->journal = record_log_free(watch->journal);
        return;
    }
    close_interrupted(watch);
}

void watch_journal_close(struct watch *watch) {
    watch->journal = record_log_free(watch->journal);
    while (watch->entries != NULL) {
        forget(watch->entries);
    }
    book_deinit(&watch->book);
}

/* ---- what would have been done ---- */

static void name_plan(const struct watched *watched, int64_t now_ms, char *out, size_t size) {
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm parts;
    char text[32];
    (void)gmtime_r(&seconds, &parts);
    (void)strftime(text, sizeof(text), "%Y%m%dT%H%M%S", &parts);
    snprintf(out, size, "%s-%s.%03d", watched->options.cluster, text, (int)(now_ms % 1000));
}

/* What stands against it, or nothing. */
static void add_obstacles(const struct cluster *cluster, struct strbuf *out) {
    for (size_t i = 0; i < READY_REASONS; i++) {
        if (!cluster->ready[i]) {
            strbuf_printf(out, "%s%s", out->len > 0 ? ", " : "", ready_reason_names[i]);
        }
    }
}

/* "would have promoted 'b'", or why not. */
static char *describe(const struct cluster *cluster, const char *candidate) {
    struct strbuf text = {0}, obstacles = {0};
    add_obstacles(cluster, &obstacles);
    if (obstacles.len > 0) {
        strbuf_printf(&text, "would have done nothing: not ready (%s)", obstacles.data);
    } else if (verdict_consequences[cluster->verdict] == MAY_FAIL_OVER_FENCED) {
        strbuf_printf(&text, "would have promoted '%s' only behind a fence", candidate);
    } else {
        strbuf_printf(&text, "would have promoted '%s'", candidate);
    }
    strbuf_deinit(&obstacles);
    return strbuf_take(&text);
}

void watch_would_have(struct watch *watch, const struct watched *watched) {
    const struct cluster *cluster = &watched->cluster;
    const struct cluster_member *old = &cluster->members[cluster->primary];
    const struct watched_member *next =
        cluster->candidate != NO_CANDIDATE ? &watched->members[cluster->candidate] : NULL;
    int64_t now_ms = loop_now_ms(watch->options.loop);
    char position[32];
    CLEANUP(mem_freep)
    char *text = describe(cluster, next != NULL ? next->name : "");
    struct strbuf evidence = {0};
    cluster_words(cluster, loop_now_usec(watch->options.loop), &evidence);
    log_warn("cluster '%s': the primary '%s' is %s; observing: %s", watched->options.cluster,
             old->name, verdict_names[cluster->verdict], text);
    if (watch->journal != NULL) {
        struct watch_entry *entry = entry_new(watch);
        name_plan(watched, now_ms, entry->id, sizeof(entry->id));
        entry->text = mem_strdup(text);
        book_draft(
            &(struct plan_draft){
                .id = str_of(entry->id),
                .cluster = str_of(watched->options.cluster),
                .old_primary = str_of(old->name),
                .old_address = str_of(watched->members[cluster->primary].instance),
                .new_primary = str_of(next != NULL ? next->name : ""),
                .new_address = str_of(next != NULL ? next->instance : ""),
                .reason = str_of(verdict_names[cluster->verdict]),
                .evidence = strbuf_view(&evidence),
                .position = str_of(cluster_position(cluster, old->answer.position, position)),
                .timeline = old->timeline,
                .mode = PLAN_OBSERVE,
                .drafted_ms = now_ms,
            },
            &entry->record);
        append(entry);
    }
    strbuf_deinit(&evidence);
}
