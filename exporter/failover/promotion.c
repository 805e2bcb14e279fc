/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/promotion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/mem.h"

#define DEADLINE_USEC ((uint64_t)10 * USEC_PER_SEC)
#define MOST_BYTES    ((size_t)64 * 1024)
#define FIRST_VERSION 120000 /* with pg_promote() */
/* A connection that is being made as long may never come. */
#define STUCK_USEC ((uint64_t)250 * USEC_PER_MSEC)
#define SPARE_USEC ((uint64_t)10 * USEC_PER_MSEC)

const char *const promotion_end_names[] = {"succeeded", "failed", "unknown"};

/* Left only downwards, and each at most once. */
enum promotion_state {
    PROMOTION_WAITING, /* for promotion_start() */
    PROMOTION_STARTED, /* nothing was sent: no connection is ready */
    PROMOTION_SENT,    /* may have arrived */
    PROMOTION_OVER,    /* the end is known, and is told in the next turn of the loop */
};

struct promotion {
    struct promotion_options options;
    enum promotion_state state;
    bool sent;
    struct contact *contact;
    struct arena arena, settings_arena; /* of the answers */
    struct loop_timer *deadline;
    struct loop_timer *spare; /* when somebody else's connection is looked for */
    bool is_spare;            /* ours is one */
    char trouble[256];        /* then: why no other was made */
    struct loop_deferred *tell;
    uint64_t started_usec;
    enum promotion_end end;
    char text[800];
};

static bool is_redis(const struct promotion *promotion) {
    return promotion->options.contact.kind == CONTACT_REDIS;
}

static const char *command_of(const struct promotion *promotion) {
    return is_redis(promotion) ? "REPLICAOF NO ONE" : "pg_promote()";
}

/* ---- the end ---- */

static void conclude(struct promotion *promotion, enum promotion_end end, const char *before,
                     const char *text) {
    if (promotion->state == PROMOTION_OVER) {
        return;
    }
    promotion->state = PROMOTION_OVER;
    promotion->end = end;
    snprintf(promotion->text, sizeof(promotion->text), "%s%s", before, text);
    if (promotion->is_spare) {
        size_t len = strlen(promotion->text);
        snprintf(promotion->text + len, sizeof(promotion->text) - len,
                 "; over the connection of the probe, for no other was made: %s",
                 promotion->trouble);
    }
    loop_timer_stop(promotion->deadline);
    loop_timer_stop(promotion->spare);
    loop_deferred_arm(promotion->tell);
    if (end != PROMOTION_SUCCEEDED) {
        contact_close(promotion->contact); /* not made anew, and nobody waits for it */
    }
}

static void tell(void *userdata) {
    struct promotion *promotion = userdata;
    promotion->options.ended(promotion->options.userdata, promotion->end, str_of(promotion->text));
}

static void time_is_over(void *userdata) {
    struct promotion *promotion = userdata;
    char before[160], duration[32];
    duration_format(promotion->options.deadline_usec, duration);
    if (promotion->state == PROMOTION_SENT) {
        snprintf(before, sizeof(before), "%s was sent, and no answer came within ",
                 command_of(promotion));
        conclude(promotion, PROMOTION_UNKNOWN, before, duration);
    } else {
        snprintf(before, sizeof(before),
                 "nothing was sent, there was no connection within %s: ", duration);
        conclude(promotion, PROMOTION_FAILED, before, contact_trouble(promotion->contact));
    }
}

/* ---- the answer ---- */

/* Errors that a backend may raise wherever it is, also behind the function's last line: of an
 * operator or a shutdown, of recovery that wants something, of a timeout, of want of memory. And
 * those of a file that was made and could not be closed: the postmaster would look for it whenever
 * it is told anything. */
static bool interrupts(const char *sqlstate) {
    static const char *const beginnings[] = {"57", "40", "25P", "08", "53", "58030"};
    for (size_t i = 0; i < ARRAY_LEN(beginnings); i++) {
        if (str_starts_with(str_of(sqlstate), beginnings[i])) {
            return true;
        }
    }
    return false;
}

/* Only an error of the server's own has a state; what the client says about an answer has none. */
static bool is_refusal(const struct promotion *promotion, const struct client_failure *failure) {
    return !failure->connection && failure->end == CLIENT_ALIVE && failure->sqlstate[0] != '\0' &&
           (is_redis(promotion) || !interrupts(failure->sqlstate));
}

static void take_failure(struct promotion *promotion, const struct client_failure *failure) {
    char before[96];
    bool refused = is_refusal(promotion, failure);
    snprintf(before, sizeof(before),
             refused ? "%s failed: " : "%s was sent, its end is unknown: ", command_of(promotion));
    conclude(promotion, refused ? PROMOTION_FAILED : PROMOTION_UNKNOWN, before,
             failure->error.text);
}

static void take_table(struct promotion *promotion, const struct table *table) {
    struct str value = {0};
    if (table->n_rows == 1 && table->n_columns == 1) {
        value = table_cell(table, 0, 0);
    }
    if (str_is(value, "t")) {
        conclude(promotion, PROMOTION_SUCCEEDED, "", "pg_promote() returned true");
    } else if (str_is(value, "f")) {
        conclude(promotion, PROMOTION_FAILED, "",
                 "pg_promote() returned false: the postmaster could not be told");
    } else {
        conclude(promotion, PROMOTION_UNKNOWN, "", "pg_promote() answered with no truth value");
    }
}

static void answered(void *userdata, const struct client_reply *reply,
                     const struct client_failure *failure) {
    struct promotion *promotion = userdata;
    if (promotion->state != PROMOTION_SENT) {
        return; /* its time was over before */
    }
    if (failure != NULL) {
        take_failure(promotion, failure);
    } else if (!is_redis(promotion)) {
        take_table(promotion, reply->table);
    } else if (reply->tree->type == TREE_TEXT && str_is(reply->tree->text, "OK")) {
        conclude(promotion, PROMOTION_SUCCEEDED, "", "REPLICAOF NO ONE: OK");
    } else {
        conclude(promotion, PROMOTION_UNKNOWN, "", "REPLICAOF NO ONE was not answered with OK");
    }
}

/* ---- sending ---- */

/* Return: why it cannot be sent there, or NULL. */
static const char *unfitness(const struct promotion *promotion) {
    const struct client_hello *hello = contact_hello(promotion->contact);
    if (is_redis(promotion)) {
        return NULL;
    }
    if (hello->pooler) {
        return "nothing was sent: this is a pooler and not the server itself";
    }
    if (hello->version < FIRST_VERSION) {
        return "nothing was sent: before version 12 PostgreSQL cannot be promoted by a statement, "
               "a promote hook is needed";
    }
    return NULL;
}

/* The only place where a promotion is submitted. */
static void send_promotion(struct promotion *promotion, struct client *client) {
    static const struct str words[] = {{"REPLICAOF", 9}, {"NO", 2}, {"ONE", 3}};
    bool redis = is_redis(promotion);
    promotion->state = PROMOTION_SENT;
    promotion->sent = true;
    client_submit(client, &(struct client_request){
                              .text = redis ? NULL : "SELECT pg_catalog.pg_promote(false)",
                              .words = redis ? words : NULL,
                              .n_words = redis ? ARRAY_LEN(words) : 0,
                              .limits = {.max_bytes = MOST_BYTES},
                              .arena = &promotion->arena,
                              .done = answered,
                              .userdata = promotion,
                          });
    client_flush(client);
}

static void send_if_ready(struct promotion *promotion) {
    struct client *client = contact_client(promotion->contact);
    const char *why_not;
    if (client == NULL || promotion->state != PROMOTION_STARTED) {
        return;
    }
    why_not = unfitness(promotion);
    if (why_not == NULL && promotion->options.objection != NULL) {
        why_not = promotion->options.objection(promotion->options.userdata);
    }
    if (why_not != NULL) {
        conclude(promotion, PROMOTION_FAILED, "", why_not);
        return;
    }
    send_promotion(promotion, client);
}

static void contact_ready(void *userdata) {
    send_if_ready(userdata);
}

/* ---- somebody else's connection ---- */

static void settings_answered(void *userdata, const struct client_reply *reply,
                              const struct client_failure *failure) {
    (void)userdata, (void)reply, (void)failure; /* without them it is sent all the same */
}

/* A probe's session has a probe's time limit; and what a contact would have had: no text of ours
 * needs a conversion, and none may fail in place of an answer. */
static void settle(struct promotion *promotion, struct client *client) {
    char text[160];
    snprintf(text, sizeof(text),
             "SELECT pg_catalog.set_config('statement_timeout', '%llu', false),"
             " pg_catalog.set_config('client_encoding', 'SQL_ASCII', false)",
             (unsigned long long)(2 * promotion->options.deadline_usec / USEC_PER_MSEC));
    client_submit(client, &(struct client_request){
                              .text = text,
                              .limits = {.max_bytes = MOST_BYTES},
                              .arena = &promotion->settings_arena,
                              .done = settings_answered,
                          });
}

static void look_for_spare(void *userdata) {
    struct promotion *promotion = userdata;
    struct client_hello hello = {0};
    struct client *client = NULL;
    if (promotion->state != PROMOTION_STARTED) {
        return;
    }
    if (contact_is_stuck(promotion->contact, STUCK_USEC)) {
        client = promotion->options.spare(promotion->options.userdata, &hello);
    }
    if (client == NULL) {
        loop_timer_set(promotion->spare,
                       loop_now_usec(promotion->options.contact.loop) + SPARE_USEC);
        return;
    }
    promotion->is_spare = true;
    snprintf(promotion->trouble, sizeof(promotion->trouble), "%s",
             contact_trouble(promotion->contact));
    contact_adopt(promotion->contact, client, &hello);
    if (!is_redis(promotion)) {
        settle(promotion, client);
    }
    send_if_ready(promotion);
}

/* ---- what the owner calls ---- */

void promotion_start(struct promotion *promotion) {
    if (promotion->state != PROMOTION_WAITING) {
        return;
    }
    promotion->state = PROMOTION_STARTED;
    loop_timer_set(promotion->deadline, loop_now_usec(promotion->options.contact.loop) +
                                            promotion->options.deadline_usec);
    send_if_ready(promotion);
    if (promotion->options.spare != NULL) {
        look_for_spare(promotion);
    }
}

bool promotion_is_ready(const struct promotion *promotion) {
    return promotion->contact != NULL && contact_client(promotion->contact) != NULL &&
           unfitness(promotion) == NULL;
}

bool promotion_was_sent(const struct promotion *promotion) {
    return promotion->sent;
}

struct contact *promotion_take_contact(struct promotion *promotion) {
    bool succeeded = promotion->state == PROMOTION_OVER && promotion->end == PROMOTION_SUCCEEDED;
    return succeeded ? take_ptr(promotion->contact) : NULL;
}

struct promotion *promotion_new(const struct promotion_options *options) {
    struct promotion *promotion = mem_alloc(sizeof(*promotion));
    struct contact_options contact = options->contact;
    promotion->options = *options;
    if (options->deadline_usec == 0) {
        promotion->options.deadline_usec = DEADLINE_USEC;
    }
    promotion->deadline = loop_timer_new(contact.loop, time_is_over, promotion);
    promotion->spare = loop_timer_new(contact.loop, look_for_spare, promotion);
    promotion->tell = loop_deferred_new(contact.loop, tell, promotion);
    /* Our own deadline comes first: a statement that times out would leave the end unknown. */
    contact.statement_usec = promotion->options.deadline_usec * 2;
    promotion->contact = contact_new(
        &contact, &(struct contact_events){.ready = contact_ready, .userdata = promotion});
    return promotion;
}

struct promotion *promotion_free(struct promotion *promotion) {
    if (promotion == NULL) {
        return NULL;
    }
    promotion->state = PROMOTION_OVER; /* what is open is answered now, and no longer told */
    contact_free(promotion->contact);
    loop_timer_free(promotion->deadline);
    loop_timer_free(promotion->spare);
    loop_deferred_free(promotion->tell);
    arena_deinit(&promotion->arena);
    arena_deinit(&promotion->settings_arena);
    free(promotion);
    return NULL;
}
