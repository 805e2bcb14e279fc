/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/pool_switch.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/mem.h"

#define DEADLINE_USEC ((uint64_t)10 * USEC_PER_SEC)
#define MOST_BYTES    ((size_t)1024 * 1024)

enum pool_verb {
    VERB_RELOAD,
    VERB_DISABLE,
    VERB_KILL,
    VERB_PAUSE,
    VERB_RESUME,
    VERB_ENABLE,
    VERB_SHOW,
    VERB_TRY,
};

/* What keeps clients outside. */
enum pool_hold { HOLD_DISABLED = 1, HOLD_KILLED = 2 };

static const struct {
    const char *words;
    bool of_database;    /* its name comes behind */
    unsigned sets, ends; /* enum pool_hold */
} verbs[] = {
    [VERB_RELOAD] = {"RELOAD", false, 0, 0},
    [VERB_DISABLE] = {"DISABLE", true, HOLD_DISABLED, 0},
    [VERB_KILL] = {"KILL", true, HOLD_KILLED, 0},
    [VERB_PAUSE] = {"PAUSE", true, 0, 0},
    [VERB_RESUME] = {"RESUME", true, 0, HOLD_KILLED},
    [VERB_ENABLE] = {"ENABLE", true, 0, HOLD_DISABLED},
    [VERB_SHOW] = {"SHOW DATABASES", false, 0, 0},
    [VERB_TRY] = {"SET dbvitals_asks = '1'", false, 0, 0},
};

struct pool_command {
    enum pool_verb verb;
    size_t database; /* of verbs of a database */
};

/* What each kind does: once in front, for each database, once behind. */
static const struct pool_plan {
    bool reload, kill, pause, resume, show, try;
} plans[] = {
    [POOL_SWITCH_MOVE] = {.reload = true, .kill = true, .resume = true, .show = true},
    [POOL_SWITCH_PAUSE] = {.pause = true},
    [POOL_SWITCH_RESUME] = {.resume = true},
    [POOL_SWITCH_RELEASE] = {.reload = true, .resume = true, .show = true},
    [POOL_SWITCH_TRY] = {.try = true, .show = true},
};

struct pool_switch {
    struct pool_switch_options options; /* its databases are the copies below */
    char **databases;
    unsigned *held; /* of each: what of enum pool_hold may stand */
    bool *unknown;  /* said once is enough */
    struct pool_command *commands;
    size_t n_commands, at; /* at: the one that is under way */
    struct contact *contact;
    struct arena arena;
    struct loop_timer *deadline;
    struct loop_deferred *tell;
    bool over;
    struct strbuf trouble; /* what failed */
    struct strbuf places;  /* where the databases lead now */
};

/* ---- the end ---- */

static void conclude(struct pool_switch *pool) {
    if (pool->over) {
        return;
    }
    pool->over = true;
    loop_timer_stop(pool->deadline);
    contact_close(pool->contact);
    loop_deferred_arm(pool->tell);
}

static void add_trouble(struct pool_switch *pool, const char *what, const char *why) {
    strbuf_printf(&pool->trouble, "%s%s: %s", pool->trouble.len > 0 ? "; " : "", what, why);
}

static void tell(void *userdata) {
    static const char *const hold_words[] = {
        [HOLD_DISABLED] = "disabled and not enabled",
        [HOLD_KILLED] = "killed and not resumed",
        [HOLD_DISABLED | HOLD_KILLED] = "disabled and killed",
    };
    static const char *const done[] = {"switched", "paused", "resumed", "switched and resumed",
                                       "we may switch it"};
    struct pool_switch *pool = userdata;
    struct strbuf text = {0};
    bool succeeded = pool->trouble.len == 0;
    strbuf_add_text(&text, succeeded ? done[pool->options.kind] : pool->trouble.data);
    for (size_t i = 0; i < pool->options.n_databases; i++) {
        if (pool->held[i] != 0) {
            strbuf_printf(&text, "; '%s' may be %s", pool->databases[i], hold_words[pool->held[i]]);
        }
    }
    if (pool->places.len > 0) {
        strbuf_printf(&text, "; %s", pool->places.data);
    }
    pool->options.ended(pool->options.userdata, succeeded, strbuf_view(&text));
    strbuf_deinit(&text);
}

/* The command as it is sent: names are quoted, quotes in them doubled. */
static void write_command(const struct pool_switch *pool, struct strbuf *out) {
    const struct pool_command *command = &pool->commands[pool->at];
    strbuf_add_text(out, verbs[command->verb].words);
    if (!verbs[command->verb].of_database) {
        return;
    }
    strbuf_add_text(out, " \"");
    for (const char *c = pool->databases[command->database]; *c != '\0'; c++) {
        strbuf_add_text(out, *c == '"' ? "\"" : "");
        strbuf_add_char(out, *c);
    }
    strbuf_add_char(out, '"');
}

static void time_is_over(void *userdata) {
    struct pool_switch *pool = userdata;
    struct strbuf what = {0};
    char why[320], duration[32];
    bool connected = contact_client(pool->contact) != NULL;
    write_command(pool, &what);
    snprintf(why, sizeof(why), "no answer within %s%s%s",
             duration_format(pool->options.deadline_usec, duration), connected ? "" : ": ",
             connected ? "" : contact_trouble(pool->contact));
    add_trouble(pool, what.data, why);
    strbuf_deinit(&what);
    conclude(pool);
}

/* ---- answers ---- */

static void ask(struct pool_switch *pool);

static struct str cell(const struct table *table, size_t row, const char *name) {
    int column = table_column(table, name);
    struct str text = column >= 0 ? table_cell(table, row, (size_t)column) : (struct str){0};
    return text.data != NULL ? text : str_of("");
}

static void take_places(struct pool_switch *pool, const struct table *table) {
    for (size_t row = 0; row < table->n_rows; row++) {
        struct str name = cell(table, row, "name"), host = cell(table, row, "host"),
                   port = cell(table, row, "port");
        for (size_t i = 0; i < pool->options.n_databases; i++) {
            if (str_is(name, pool->databases[i])) {
                strbuf_printf(&pool->places, "%s'%s' leads to %.*s:%.*s",
                              pool->places.len > 0 ? ", " : "", pool->databases[i], (int)host.len,
                              host.data, (int)port.len, port.data);
            }
        }
    }
}

static void go_on(struct pool_switch *pool) {
    pool->at++;
    if (pool->at == pool->n_commands) {
        conclude(pool);
    } else {
        ask(pool);
    }
}

/* It always fails: there is no such setting. */
static void take_trial(struct pool_switch *pool, const char *text) {
    if (strstr(text, "admin access needed") != NULL) {
        add_trouble(pool, verbs[VERB_RELOAD].words, text);
    }
    go_on(pool);
}

static void take_failure(struct pool_switch *pool, const struct client_failure *failure) {
    const struct pool_command *command = &pool->commands[pool->at];
    const char *text = failure->error.text;
    struct strbuf what = {0};
    if (command->verb == VERB_TRY) {
        take_trial(pool, text);
        return;
    }
    bool harmless = command->verb == VERB_RESUME && strstr(text, "is not paused") != NULL;
    if (harmless || pool->unknown[command->database]) {
        pool->held[command->database] &= ~verbs[command->verb].ends;
        go_on(pool);
        return;
    }
    write_command(pool, &what);
    add_trouble(pool, what.data, text);
    strbuf_deinit(&what);
    if (command->verb == VERB_RELOAD || command->verb == VERB_PAUSE) {
        conclude(pool); /* what comes behind makes no sense without it */
        return;
    }
    if (strstr(text, "no such database") != NULL) {
        pool->unknown[command->database] = true;
        pool->held[command->database] = 0;
    }
    go_on(pool);
}

static void answered(void *userdata, const struct client_reply *reply,
                     const struct client_failure *failure) {
    struct pool_switch *pool = userdata;
    const struct pool_command *command = &pool->commands[pool->at];
    if (pool->over || (failure != NULL && failure->connection)) {
        return; /* told already, or sent again over the next connection */
    }
    if (failure != NULL) {
        take_failure(pool, failure);
        return;
    }
    pool->held[command->database] &= ~verbs[command->verb].ends;
    if (command->verb == VERB_SHOW) {
        take_places(pool, reply->table);
    }
    go_on(pool);
}

/* ---- questions ---- */

static void ask(struct pool_switch *pool) {
    struct client *client = contact_client(pool->contact);
    struct strbuf text = {0};
    if (client == NULL || pool->over) {
        return;
    }
    const struct pool_command *command = &pool->commands[pool->at];
    pool->held[command->database] |= verbs[command->verb].sets;
    write_command(pool, &text);
    client_submit(client, &(struct client_request){
                              .text = text.data,
                              .limits = {.max_bytes = MOST_BYTES},
                              .arena = &pool->arena,
                              .done = answered,
                              .userdata = pool,
                          });
    client_flush(client);
    strbuf_deinit(&text);
}

static void contact_ready(void *userdata) {
    ask(userdata);
}

/* ---- life ---- */

static void add_command(struct pool_switch *pool, bool wanted, enum pool_verb verb,
                        size_t database) {
    if (wanted) {
        pool->commands[pool->n_commands++] = (struct pool_command){verb, database};
    }
}

static void make_commands(struct pool_switch *pool) {
    const struct pool_plan *plan = &plans[pool->options.kind];
    pool->commands = mem_array(4 * pool->options.n_databases + 3, sizeof(*pool->commands));
    add_command(pool, plan->try, VERB_TRY, 0);
    add_command(pool, plan->reload, VERB_RELOAD, 0);
    for (size_t i = 0; i < pool->options.n_databases; i++) {
        add_command(pool, plan->kill, VERB_DISABLE, i);
        add_command(pool, plan->kill, VERB_KILL, i);
        add_command(pool, plan->pause, VERB_PAUSE, i);
        add_command(pool, plan->resume, VERB_RESUME, i);
        add_command(pool, plan->kill, VERB_ENABLE, i);
    }
    add_command(pool, plan->show, VERB_SHOW, 0);
}

struct pool_switch *pool_switch_new(const struct pool_switch_options *options) {
    struct pool_switch *pool = mem_alloc(sizeof(*pool));
    struct contact_options contact = options->contact;
    size_t n = options->n_databases;
    pool->options = *options;
    pool->options.deadline_usec =
        options->deadline_usec != 0 ? options->deadline_usec : DEADLINE_USEC;
    pool->databases = mem_array(n, sizeof(*pool->databases));
    for (size_t i = 0; i < n; i++) {
        pool->databases[i] = mem_strdup(options->databases[i]);
    }
    pool->options.databases = NULL;
    pool->held = mem_array(n, sizeof(*pool->held));
    pool->unknown = mem_array(n, sizeof(*pool->unknown));
    make_commands(pool);
    pool->tell = loop_deferred_new(contact.loop, tell, pool);
    pool->deadline = loop_timer_new(contact.loop, time_is_over, pool);
    loop_timer_set(pool->deadline, loop_now_usec(contact.loop) + pool->options.deadline_usec);
    contact.kind = CONTACT_PGBOUNCER;
    pool->contact =
        contact_new(&contact, &(struct contact_events){.ready = contact_ready, .userdata = pool});
    if (pool->n_commands == 0) {
        conclude(pool);
    }
    return pool;
}

struct pool_switch *pool_switch_free(struct pool_switch *pool) {
    if (pool == NULL) {
        return NULL;
    }
    pool->over = true;
    contact_free(pool->contact);
    loop_timer_free(pool->deadline);
    loop_deferred_free(pool->tell);
    for (size_t i = 0; i < pool->options.n_databases; i++) {
        free(pool->databases[i]);
    }
    free(pool->databases);
    free(pool->held);
    free(pool->unknown);
    free(pool->commands);
    arena_deinit(&pool->arena);
    strbuf_deinit(&pool->trouble);
    strbuf_deinit(&pool->places);
    free(pool);
    return NULL;
}
