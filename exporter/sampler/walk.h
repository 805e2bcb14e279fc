/* SPDX-License-Identifier: Apache-2.0 */

/* A PostgreSQL target's second connection: for collectors that take longer than a round's
 * statements may, and for those that must be asked in each database.
 *
 * Walk. The end of a good round begins one when something is due. It connects as the DSN says, asks
 * for the list of databases if any is to be visited, then what is due there; then it visits one
 * database after another, each with a connection of its own, spread over a tenth of the interval.
 * One statement at a time, each under its own deadline. After a time-out the connection drains
 * before it is asked again. At the end it is closed.
 *
 * Connections. There is one at most, beside the target's main one, and never a third: while the
 * target is down, while its main connection is silent, or when the other slot is needed, it is
 * closed at once; what had no answer is asked again by the next walk. A database that neither lets
 * us in nor refuses by the deadline may leave a backend behind that hangs (somebody holds a
 * catalog): that is risked once, and a second such connection is kept until it is answered.
 *
 * Samples. What a walk finds is committed by the target's next round, with that round's time. */
#pragma once

#include "sampler/round.h"

struct walk;

struct walk *walk_new(struct target *target);

/* Closes the connection. The target's source must have ended (walk_detach). NULL is fine, here and
 * below. Return: NULL. */
struct walk *walk_free(struct walk *walk);

/* After each round and its commit: begins a walk, goes on with one that waits, or ends one that
 * may go on no longer. */
void walk_round_ended(struct walk *walk);

/* Closes the connection; what has been found already counts. */
void walk_stop(struct walk *walk);
bool walk_is_connected(const struct walk *walk);

/* The target's options have changed, and which runs are the walk's with them. other_databases:
 * those that are known are not what is wanted now. t_ms: when their series end. */
void walk_change(struct walk *walk, bool other_databases, int64_t t_ms);

/* The source of the target ends. */
void walk_detach(struct walk *walk);

/* The parts of all databases, for the commit; begins with a zeroed cursor. Return: NULL behind the
 * last. */
struct walk_cursor {
    size_t database, part;
};
struct collector_run *walk_next_part(const struct walk *walk, struct walk_cursor *cursor);

/* Cuts what a part found to what its database may have. Return: how many samples were left out. */
size_t walk_fit(struct walk *walk, struct collector_run *part);

/* All parts have been committed. */
void walk_committed(struct walk *walk);

/* Of the last walk that came to its end, in microseconds; 0: none yet. */
uint64_t walk_duration(const struct walk *walk);

struct walk_numbers {
    bool known;               /* a walk has come to its end */
    size_t databases, failed; /* that it was to visit; that it could not */
    bool visits;              /* is there any to visit? */
};
struct walk_numbers walk_numbers(const struct walk *walk);
