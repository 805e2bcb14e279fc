/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/confirm.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/mem.h"

#define DEADLINE_USEC   ((uint64_t)60 * USEC_PER_SEC)
#define FIRST_QUESTIONS 20 /* so many in quick succession */
#define FIRST_WAIT_USEC ((uint64_t)5 * USEC_PER_MSEC)
#define MOST_WAIT_USEC  ((uint64_t)50 * USEC_PER_MSEC)
/* A question that is open as long is asked again over another connection. */
#define ANSWER_USEC ((uint64_t)2 * USEC_PER_SEC)
#define MOST_BYTES  ((size_t)256 * 1024)

struct confirm {
    struct confirm_options options;
    struct contact *contact;
    struct arena arena;
    struct loop_timer *deadline, *next; /* next: question, or end of the patience with one */
    uint64_t begun_usec, wait_usec;
    unsigned n_asked;
    bool asked, over;
    char last[320]; /* what the last answer lacked */
};

/* "FIRST 2 (...)", "ANY 1 (...)", "2 (...)" tell how many must answer, a plain list means one. Our
 * own session is read-only by its guards: what others get stands in reset_val. pg_walfile_name() of
 * NULL is NULL, in recovery it is an error. */
static const char statement[] =
    "SELECT s.recovering,"
    " pg_catalog.substr(pg_catalog.pg_walfile_name(s.written), 1, 8) AS timeline,"
    " pg_catalog.pg_wal_lsn_diff(s.written, '0/0') AS written,"
    " (SELECT reset_val FROM pg_catalog.pg_settings"
    " WHERE name OPERATOR(pg_catalog.=) 'default_transaction_read_only') AS read_only,"
    " CASE WHEN pg_catalog.current_setting('synchronous_commit')"
    " OPERATOR(pg_catalog.=) ANY (ARRAY['off', 'local'])"
    " OR pg_catalog.current_setting('synchronous_standby_names') OPERATOR(pg_catalog.=) ''"
    " THEN 0 ELSE COALESCE(pg_catalog.substring("
    "pg_catalog.current_setting('synchronous_standby_names'),"
    " '^\\s*(?:[a-zA-Z]+\\s*)?([0-9]+)\\s*\\('), '1')::pg_catalog.int8 END AS needed,"
    " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication"
    " WHERE sync_state OPERATOR(pg_catalog.=) ANY (ARRAY['sync', 'quorum'])) AS in_step"
    " FROM (SELECT pg_catalog.pg_is_in_recovery() AS recovering,"
    " CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_current_wal_lsn()"
    " END AS written) AS s";

static uint64_t now_of(const struct confirm *confirm) {
    return loop_now_usec(confirm->options.contact.loop);
}

/* The last that is done: it may be freed in here. */
static void conclude(struct confirm *confirm, const struct confirm_result *found) {
    struct confirm_result result = *found;
    if (confirm->over) {
        return;
    }
    confirm->over = true;
    loop_timer_stop(confirm->deadline);
    loop_timer_stop(confirm->next);
    result.took_usec = now_of(confirm) - confirm->begun_usec;
    confirm->options.ended(confirm->options.userdata, &result);
}

static void time_is_over(void *userdata) {
    struct confirm *confirm = userdata;
    char text[448], duration[32];
    bool connected = contact_client(confirm->contact) != NULL;
    snprintf(text, sizeof(text), "it takes no writes after %s: %s",
             duration_format(confirm->options.deadline_usec, duration),
             connected && confirm->last[0] != '\0' ? confirm->last
             : connected                           ? "it does not answer"
                                                   : contact_trouble(confirm->contact));
    conclude(confirm, &(struct confirm_result){.text = str_of(text)});
}

/* ---- answers ---- */

static struct str cell(const struct table *table, const char *name) {
    int column = table_column(table, name);
    return column >= 0 && table->n_rows == 1 ? table_cell(table, 0, (size_t)column)
                                             : (struct str){0};
}

static uint64_t number(struct str text) {
    uint64_t value;
    return text.data != NULL && str_to_uint64(text, &value) ? value : 0;
}

static uint32_t hexadecimal(struct str text) {
    char digits[9];
    snprintf(digits, sizeof(digits), "%.*s", (int)text.len, text.data != NULL ? text.data : "");
    return (uint32_t)strtoul(digits, NULL, 16);
}

/* Return: false and why, when it takes no writes yet. */
static bool read_postgres(const struct table *table, struct confirm_result *ret, const char **why) {
    if (!str_is(cell(table, "recovering"), "f") || cell(table, "written").data == NULL) {
        *why = "it is in recovery";
        return false;
    }
    if (!str_is(cell(table, "read_only"), "off")) {
        *why = "default_transaction_read_only is on";
        return false;
    }
    ret->timeline = hexadecimal(cell(table, "timeline"));
    ret->position = number(cell(table, "written"));
    ret->commits_wait = number(cell(table, "needed")) > number(cell(table, "in_step"));
    return true;
}

static bool read_redis(const struct tree *tree, struct confirm_result *ret, const char **why) {
    if (tree->type != TREE_LIST || tree->n_items < 2 || tree->items[0].type != TREE_TEXT) {
        *why = "its answer to ROLE is not understood";
        return false;
    }
    if (!str_is(tree->items[0].text, "master")) {
        *why = "it is a replica";
        return false;
    }
    ret->position = tree->items[1].integer > 0 ? (uint64_t)tree->items[1].integer : 0;
    return true;
}

static void succeed(struct confirm *confirm, struct confirm_result *result) {
    char text[192];
    if (confirm->options.contact.kind == CONTACT_REDIS) {
        snprintf(text, sizeof(text), "it is a master, at offset %" PRIu64, result->position);
    } else {
        snprintf(text, sizeof(text), "it takes writes on timeline %" PRIu32 " from %X/%X%s",
                 result->timeline, (unsigned)(result->position >> 32), (unsigned)result->position,
                 result->commits_wait ? "; commits wait for a standby: synchronous_standby_names "
                                        "asks for more than are connected"
                                      : "");
    }
    result->confirmed = true;
    result->text = str_of(text);
    conclude(confirm, result);
}

static void ask_later(struct confirm *confirm) {
    loop_timer_set(confirm->next, now_of(confirm) + confirm->wait_usec);
    if (++confirm->n_asked >= FIRST_QUESTIONS) {
        confirm->wait_usec =
            2 * confirm->wait_usec < MOST_WAIT_USEC ? 2 * confirm->wait_usec : MOST_WAIT_USEC;
    }
}

static void answered(void *userdata, const struct client_reply *reply,
                     const struct client_failure *failure) {
    struct confirm *confirm = userdata;
    struct confirm_result result = {0};
    const char *why = NULL;
    if (!confirm->asked || confirm->over) {
        return; /* it is asked again elsewhere */
    }
    confirm->asked = false;
    if (failure != NULL) {
        why = failure->error.text;
    } else if (confirm->options.contact.kind == CONTACT_REDIS
                   ? read_redis(reply->tree, &result, &why)
                   : read_postgres(reply->table, &result, &why)) {
        succeed(confirm, &result);
        return;
    }
    snprintf(confirm->last, sizeof(confirm->last), "%s", why);
    if (failure != NULL && failure->connection) {
        loop_timer_stop(confirm->next); /* the contact is made anew */
        return;
    }
    ask_later(confirm);
}

/* ---- questions ---- */

static void ask(struct confirm *confirm) {
    static const struct str words[] = {{"ROLE", 4}};
    struct client *client = contact_client(confirm->contact);
    bool redis = confirm->options.contact.kind == CONTACT_REDIS;
    if (client == NULL || confirm->over || confirm->asked) {
        return;
    }
    arena_reset(&confirm->arena);
    confirm->asked = true;
    loop_timer_set(confirm->next, now_of(confirm) + ANSWER_USEC);
    client_submit(client, &(struct client_request){
                              .text = redis ? NULL : statement,
                              .constant = !redis,
                              .words = redis ? words : NULL,
                              .n_words = redis ? ARRAY_LEN(words) : 0,
                              .limits = {.max_bytes = MOST_BYTES},
                              .arena = &confirm->arena,
                              .done = answered,
                              .userdata = confirm,
                          });
    client_flush(client);
}

static void fired(void *userdata) {
    struct confirm *confirm = userdata;
    if (confirm->asked) {
        confirm->asked = false;
        snprintf(confirm->last, sizeof(confirm->last), "it does not answer");
        contact_renew(confirm->contact, confirm->last);
        return;
    }
    ask(confirm);
}

static void contact_ready(void *userdata) {
    ask(userdata);
}

struct confirm *confirm_new(const struct confirm_options *options) {
    struct confirm *confirm = mem_alloc(sizeof(*confirm));
    const struct contact_events events = {.ready = contact_ready, .userdata = confirm};
    struct loop *loop = options->contact.loop;
    confirm->options = *options;
    if (options->deadline_usec == 0) {
        confirm->options.deadline_usec = DEADLINE_USEC;
    }
    confirm->begun_usec = loop_now_usec(loop);
    confirm->wait_usec = FIRST_WAIT_USEC;
    confirm->next = loop_timer_new(loop, fired, confirm);
    confirm->deadline = loop_timer_new(loop, time_is_over, confirm);
    loop_timer_set(confirm->deadline, confirm->begun_usec + confirm->options.deadline_usec);
    if (options->taken != NULL) {
        confirm->contact = options->taken;
        contact_set_events(confirm->contact, &events);
    } else {
        confirm->contact = contact_new(&options->contact, &events);
    }
    ask(confirm);
    return confirm;
}

struct confirm *confirm_free(struct confirm *confirm) {
    if (confirm == NULL) {
        return NULL;
    }
    confirm->over = true;
    contact_free(confirm->contact);
    loop_timer_free(confirm->next);
    loop_timer_free(confirm->deadline);
    arena_deinit(&confirm->arena);
    free(confirm);
    return NULL;
}
