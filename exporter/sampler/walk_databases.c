/* SPDX-License-Identifier: Apache-2.0 */

#include "sampler/walk_databases.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "sampler/private.h"

#define NAME_MOST 255 /* bytes; PostgreSQL's own limit is 63 unless it was compiled otherwise */

/* Of the series that a source may have: what all databases may have together, and above which they
 * get no more as long as others hold more than their share. The rest is for the rounds. */
#define SERIES_SHARE(most) ((most) / 10 * 8)
#define SERIES_LEVEL(most) ((most) / 20 * 19)

/* A database that does not let us in is tried again after so long, and then less and less often. */
#define FIRST_RETRY_USEC   (30 * USEC_PER_SEC)
#define LONGEST_RETRY_USEC (30 * 60 * USEC_PER_SEC)
/* ... and one that did not even refuse, so long at least. */
#define SILENT_RETRY_USEC (5 * 60 * USEC_PER_SEC)

/* datconnlimit is -2 while a database is half dropped. We leave the last place of a limited one to
 * others. */
const char walk_databases_query[] =
    "SELECT d.datname, d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database() AS own,"
    " pg_catalog.has_database_privilege(d.oid, 'CONNECT') AS may_connect,"
    " d.datconnlimit OPERATOR(pg_catalog.<) 0"
    " OR pg_catalog.current_setting('is_superuser') OPERATOR(pg_catalog.=) 'on'"
    " OR pg_catalog.pg_stat_get_db_numbackends(d.oid) OPERATOR(pg_catalog.<)"
    " (d.datconnlimit OPERATOR(pg_catalog.-) 1) AS has_room"
    " FROM pg_catalog.pg_database AS d"
    " WHERE d.datallowconn AND d.datconnlimit OPERATOR(pg_catalog.<>) (-2)"
    " ORDER BY d.datname LIMIT 10000";

static struct collector_run part_of(struct collector_run *whole, const char *database) {
    return (struct collector_run){
        .view = {.collector = whole->view.collector, .enabled = whole->view.enabled},
        .target = whole->target,
        .settings = whole->settings,
        .way = whole->way,
        .whole = whole,
        .database = database,
        .backoff = whole->backoff,
    };
}

static size_t count_each(const struct target *target) {
    size_t count = 0;
    for (size_t i = 0; i < target->n_runs; i++) {
        count += target->runs[i].way == WALK_EACH;
    }
    return count;
}

static struct walk_database *database_new(struct target *target, const char *name) {
    struct walk_database *database = mem_alloc(sizeof(*database));
    database->name = mem_strdup(name);
    database->backoff = (struct backoff){
        .first_usec = FIRST_RETRY_USEC, .max_usec = LONGEST_RETRY_USEC, .jitter = 0.1};
    database->parts = mem_array(count_each(target), sizeof(*database->parts));
    for (size_t i = 0; i < target->n_runs; i++) {
        if (target->runs[i].way == WALK_EACH) {
            struct collector_run *part = &database->parts[database->n_parts++];
            *part = part_of(&target->runs[i], database->name);
            backoff_reset(&part->backoff);
        }
    }
    return database;
}

static void database_free(struct walk_database *database, int64_t t_ms) {
    for (size_t i = 0; i < database->n_parts; i++) {
        struct collector_run *part = &database->parts[i];
        if (part->feed != NULL) {
            store_feed_free(part->feed, t_ms);
        }
        batch_deinit(&part->batch);
    }
    free(database->parts);
    free(database->name);
    free(database);
}

/* ---- whether they can be visited ---- */

void walk_database_works(const struct target *target, struct walk_database *database) {
    if (database->failing) {
        log_info("target '%s': database '%s' can be visited again", target->options.name,
                 database->name);
    }
    database->failing = database->hangs = false;
    database->not_before_usec = 0;
    backoff_reset(&database->backoff);
}

static void say_failed(const struct target *target, struct walk_database *database,
                       const struct client_failure *failure) {
    if (!database->failing || database->failing_reason != failure->reason) {
        log_warn("target '%s': database '%s' %s be visited: %s: %s", target->options.name,
                 database->name, database->failing ? "still cannot" : "cannot",
                 client_reason_names[failure->reason], failure->error.text);
    }
    database->failing = true;
    database->failing_reason = failure->reason;
}

void walk_database_failed(const struct target *target, struct walk_database *database,
                          const struct client_failure *failure, uint64_t now_usec) {
    uint64_t wait = backoff_next(&database->backoff, random_unit());
    say_failed(target, database, failure);
    database->hangs = failure->end == CLIENT_SILENT;
    if (database->hangs && wait < SILENT_RETRY_USEC) {
        wait = SILENT_RETRY_USEC;
    }
    database->not_before_usec = now_usec + wait;
}

bool walk_databases_any_hangs(const struct walk_databases *databases) {
    for (size_t i = 0; i < databases->count; i++) {
        if (databases->list[i]->hangs) {
            return true;
        }
    }
    return false;
}

static bool is_true(const struct table *table, size_t row, int column) {
    return str_is(table_cell(table, row, (size_t)column), "t");
}

/* What the list alone says: nothing is tried that the server would only refuse and write down. */
static void judge(const struct target *target, struct walk_database *database, bool may_connect,
                  bool has_room) {
    struct client_failure failure = {.end = CLIENT_ALIVE};
    database->barred = !may_connect || !has_room;
    if (!database->barred) {
        return;
    }
    if (!may_connect) {
        failure.reason = REASON_PERMISSION;
        error_say(&failure.error, -EACCES,
                  "the role has no CONNECT right there: grant it, or leave the database out");
    } else {
        failure.reason = REASON_CONNECTIONS;
        error_say(&failure.error, -EUSERS, "its connection limit leaves no place for us");
    }
    say_failed(target, database, &failure);
}

/* ---- the list ---- */

struct list_columns {
    int name, own, may_connect, has_room;
};

static void say_too_many(struct walk_databases *databases, const struct target *target) {
    if (!databases->too_many) {
        log_warn("target '%s': more than %d databases are to be visited: the rest is left out",
                 target->options.name, WALK_MOST_DATABASES);
    }
    databases->too_many = true;
}

static int by_name(const void *a, const void *b) {
    const struct walk_database *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

/* Among the first ones, which are sorted. */
static struct walk_database *find(const struct walk_databases *databases, size_t n_known,
                                  char *name) {
    const struct walk_database wanted = {.name = name}, *key = &wanted;
    struct walk_database **found =
        n_known != 0 ? bsearch(&key, databases->list, n_known, sizeof(key), by_name) : NULL;
    return found != NULL ? *found : NULL;
}

static void take_row(struct walk_databases *databases, size_t n_known, struct target *target,
                     const struct table *answer, size_t row, const struct list_columns *columns) {
    struct str cell = table_cell(answer, row, (size_t)columns->name);
    if (cell.len == 0 || cell.len > NAME_MOST) {
        return;
    }
    CLEANUP(mem_freep)
    char *name = mem_strndup(cell.data, cell.len);
    if (!database_options_select(&target->options.databases, name)) {
        return;
    }
    struct walk_database *database = find(databases, n_known, name);
    if (database == NULL) {
        if (databases->count == WALK_MOST_DATABASES) {
            say_too_many(databases, target);
            return;
        }
        databases->list = mem_grow(databases->list, databases->count, &databases->capacity,
                                   sizeof(struct walk_database *));
        database = databases->list[databases->count++] = database_new(target, name);
    }
    database->listed = true;
    database->own = is_true(answer, row, columns->own);
    if (!database->own) {
        judge(target, database, is_true(answer, row, columns->may_connect),
              is_true(answer, row, columns->has_room));
    }
}

static void drop_gone(struct walk_databases *databases, int64_t t_ms) {
    size_t kept = 0;
    for (size_t i = 0; i < databases->count; i++) {
        if (databases->list[i]->listed) {
            databases->list[kept++] = databases->list[i];
        } else {
            database_free(databases->list[i], t_ms);
        }
    }
    databases->count = kept;
}

void walk_databases_take(struct walk_databases *databases, struct target *target,
                         const struct table *answer, int64_t t_ms) {
    const struct list_columns columns = {
        .name = table_column(answer, "datname"),
        .own = table_column(answer, "own"),
        .may_connect = table_column(answer, "may_connect"),
        .has_room = table_column(answer, "has_room"),
    };
    const size_t n_known = databases->count;
    bool complete =
        columns.name >= 0 && columns.own >= 0 && columns.may_connect >= 0 && columns.has_room >= 0;
    for (size_t i = 0; i < databases->count; i++) {
        databases->list[i]->listed = false;
    }
    for (size_t row = 0; complete && row < answer->n_rows; row++) {
        take_row(databases, n_known, target, answer, row, &columns);
    }
    if (databases->count != 0) {
        qsort(databases->list, databases->count, sizeof(struct walk_database *), by_name);
    }
    drop_gone(databases, t_ms);
}

/* ---- room for series ---- */

static size_t wanted_by(const struct walk_database *database) {
    size_t sum = 0;
    for (size_t i = 0; i < database->n_parts; i++) {
        sum += database->parts[i].wanted;
    }
    return sum;
}

static void say_too_large(struct walk_databases *databases, const struct target *target,
                          size_t most) {
    if (!databases->too_large) {
        log_warn("target '%s': its databases have more series than there is room for (%zu): of "
                 "each only the largest tables are shown; 'databases' and 'limit' can be narrower",
                 target->options.name, most);
    }
    databases->too_large = true;
}

size_t walk_databases_fit(struct walk_databases *databases, struct target *target,
                          struct collector_run *part) {
    const size_t most = store_most_series(target->sampler->store);
    const size_t level = SERIES_LEVEL(most);
    const size_t live = store_source_series(target->view.source);
    size_t of_its_database = 0;
    part->wanted = part->batch.n_samples;
    if (databases->count > databases->wants_capacity) {
        databases->wants = mem_resize(databases->wants, databases->count, sizeof(size_t));
        databases->wants_capacity = databases->count;
    }
    for (size_t i = 0; i < databases->count; i++) {
        databases->wants[i] = wanted_by(databases->list[i]);
        if (databases->list[i]->name == part->database) {
            of_its_database = databases->wants[i];
        }
    }
    size_t share = walk_share(databases->wants, databases->count, SERIES_SHARE(most));
    size_t allowed = part->wanted;
    if (of_its_database > share) {
        allowed = part->wanted * share / of_its_database;
    }
    /* Others may still hold more than their share, until they are asked again. */
    size_t room = store_feed_series(part->feed) + (live < level ? level - live : 0);
    allowed = allowed < room ? allowed : room;
    size_t left_out = part->wanted - (allowed < part->wanted ? allowed : part->wanted);
    if (left_out > 0) {
        say_too_large(databases, target, SERIES_SHARE(most));
        part->batch.n_samples = part->wanted - left_out;
    }
    return left_out;
}

/* ---- ends ---- */

void walk_databases_forget(struct walk_databases *databases, int64_t t_ms) {
    for (size_t i = 0; i < databases->count; i++) {
        database_free(databases->list[i], t_ms);
    }
    databases->count = 0;
    databases->too_many = databases->too_large = false;
}

void walk_databases_detach(struct walk_databases *databases) {
    for (size_t i = 0; i < databases->count; i++) {
        for (size_t k = 0; k < databases->list[i]->n_parts; k++) {
            databases->list[i]->parts[k].feed = NULL;
        }
    }
}

void walk_databases_deinit(struct walk_databases *databases) {
    walk_databases_detach(databases);
    walk_databases_forget(databases, 0);
    free(databases->list);
    free(databases->wants);
    *databases = (struct walk_databases){0};
}
