/* SPDX-License-Identifier: Apache-2.0 */

/* The databases that a target's walk visits, and what is asked in each.
 *
 * Each database has a *part* of every collector that is asked in each database: a collector_run of
 * its own, with its own feed, schedule, back-off and end. What was found in one database therefore
 * stands or becomes stale whatever happens in the others. */
#pragma once

#include "sampler/round.h"

#define WALK_MOST_DATABASES 500

struct walk_database {
    char *name;
    struct collector_run *parts; /* one for each run of the target that is asked in each */
    size_t n_parts;
    bool own;       /* the connection that the DSN names is in it */
    bool listed;    /* by the newest list */
    bool sql_ascii; /* learned: conversion to UTF-8 fails here */
    bool barred;    /* the list says that we cannot get in now */
    bool hangs;     /* an attempt to connect was closed unanswered: its backend may be there yet */
    bool failing;   /* could not be visited; said so in the log */
    enum client_reason failing_reason;
    struct backoff backoff;
    uint64_t not_before_usec; /* backs off until then */
};

struct walk_databases {
    struct walk_database **list; /* sorted by name */
    size_t count, capacity;
    size_t *wants; /* of walk_databases_fit() */
    size_t wants_capacity;
    bool too_many, too_large; /* said so in the log */
};

/* Names all databases that one can be connected to: may_connect and has_room say whether we can
 * now, own whether we are in it. */
extern const char walk_databases_query[];

/* Makes the list be what the server has and the target's options select; says which of them cannot
 * be visited. What is no longer there ends, and its series become stale at t_ms. */
void walk_databases_take(struct walk_databases *databases, struct target *target,
                         const struct table *answer, int64_t t_ms);

/* The database was connected to; or why it was not, after which it is left alone for a while. Says
 * so in the log when that is new. */
void walk_database_works(const struct target *target, struct walk_database *database);
void walk_database_failed(const struct target *target, struct walk_database *database,
                          const struct client_failure *failure, uint64_t now_usec);

bool walk_databases_any_hangs(const struct walk_databases *databases);

/* Cuts what a part found to the share of its database, if all together are more than the store has
 * room for. Return: how many samples were left out. */
size_t walk_databases_fit(struct walk_databases *databases, struct target *target,
                          struct collector_run *part);

/* All of them end likewise. */
void walk_databases_forget(struct walk_databases *databases, int64_t t_ms);

/* The target's source ends, and all feeds with it. */
void walk_databases_detach(struct walk_databases *databases);

void walk_databases_deinit(struct walk_databases *databases);
