/* SPDX-License-Identifier: Apache-2.0 */

/* One round of a target: which collectors take part, what was asked, and what has been answered. */
#pragma once

#include "base/arena.h"
#include "base/backoff.h"
#include "collectors/collector.h"
#include "io/client.h"
#include "sampler/sampler.h"
#include "sampler/shape.h"
#include "sampler/walk_plan.h"

struct target;

enum run_state { RUN_IDLE, RUN_ASKED, RUN_EXPANDED, RUN_GOOD, RUN_BAD };

/* A collector of a target. The batch holds what it found in this round until the commit. */
struct collector_run {
    struct collector_view view; /* first, so that a view is its run */
    struct target *target;
    const struct collector_settings *settings; /* borrowed from the target's options */
    enum walk_way way;                         /* in the rounds, or by the walk */
    struct collector_run
        *whole;              /* of the part in one database (sampler/walk_databases.h); or NULL */
    const char *database;    /* of a part: borrowed */
    size_t wanted;           /* of a part: what it found, before it was cut to its share */
    struct store_feed *feed; /* NULL while the target has no source */
    struct batch batch;
    struct facts facts;  /* of its last good answer */
    struct strbuf kept;  /* the collector's own */
    uint64_t begun_usec; /* the round or walk in which it was asked last */
    uint64_t next_due_usec;
    struct backoff backoff; /* after time-outs */
    bool timed_out;         /* last time: goes last */
    bool failing;           /* said so in the log */
    bool dropping;          /* the same of samples that are left out */
    enum client_reason failing_reason;
    uint64_t last_good_usec; /* start of the round; 0: its values do not stand */
    uint64_t errors[REASON_COUNT];
    uint64_t skipped_cells;

    /* of the round; what the walk has found stays until the next commit */
    enum run_state state;
    const struct query *query;
    struct answer answer;
    struct tree *follow_ups;
    size_t open_follow_ups;
    const struct client_failure
        *follow_up_failure; /* the first one, in the round's arena; or NULL */
};

/* One query text that is sent once, whoever wants its answer. */
struct question {
    struct target *target;
    const char *text;
    struct shape_cache cache;
    uint64_t asked_usec;
};

#define ROUND_MOST_QUESTIONS TARGET_MOST_COLLECTORS

struct round {
    bool active;
    bool connecting;  /* waits for a connection */
    bool reconnected; /* its connection was lost once and made again */
    bool probe;       /* the breaker is open: only the vital query, until it succeeds */
    bool lost;        /* the connection ended after the vital answer */
    bool vital_good;
    bool out_of_time; /* the deadline has passed: the rest was abandoned */
    char id[17];
    int64_t start_ms; /* the time of its samples */
    uint64_t start_usec, deadline_usec;
    struct client *client; /* that serves it; borrowed from a slot */
    struct question questions[ROUND_MOST_QUESTIONS];
    size_t n_questions;
    size_t open;                   /* requests without an answer */
    struct client_failure failure; /* why it is bad */
    struct arena arena;
};

/* Decodes run->answer into run->batch. Return: 0, or what collector_decode() says. */
int collector_run_decode(struct collector_run *run, struct arena *arena, int64_t now_ms,
                         struct facts *ret_facts, struct error *err);

/* Sends the questions of all due collectors (only the vital one's while probing). */
void round_ask(struct target *target);
