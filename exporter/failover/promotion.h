/* SPDX-License-Identifier: Apache-2.0 */

/* Promotes one replica, once: `SELECT pg_promote(false)` or `REPLICAOF NO ONE`.
 *
 * The connection is made at once and kept without asking anything: it is meant to be there before
 * readers rush to the replica and take what connections it has left. It is made anew, once a second
 * at most, until the promotion is sent, and never after that.
 *
 * What is told at the end is exact:
 *   SUCCEEDED  the server said so: true, or OK. It leaves recovery a few milliseconds later.
 *   FAILED     it was certainly not done: nothing was sent, or the server answered with an error
 *              that it raises before it does anything, or with false.
 *   UNKNOWN    it may have been done: it was handed to a connection that was ready, and no answer
 *              tells what became of it.
 * Where no connection is to be had, because the server lets nobody in any more or does not answer
 * new ones, one that somebody else has kept serves (spare()): it becomes ours, and all that is said
 * here holds for it as well. It is asked for a quarter of a second after ours was begun, at once
 * when that has failed, and again every 10 ms until either is there.
 *
 * "Sent" begins when the request is submitted to a client in the state CLIENT_READY, whether or not
 * a byte has left this host: what lies in the buffer of a connection may still arrive. Before that
 * nothing can have been sent, because no request exists. There is one submit in this module, behind
 * a state that is left before it and never entered again; and the text is not declared constant,
 * because constant texts are prepared by the client, which runs them again when the statement turns
 * out to be gone. An error that can interrupt a backend at any point (SQLSTATE 57, 40, 25P, 08, 53,
 * 58030) may come after the function has done its work, and makes the end unknown.
 *
 * pg_promote() exists since version 12 and needs the right to execute it (it is not the public's);
 * it runs in a read-only transaction, as our sessions are. 10 and 11 are refused: nothing is sent.
 * A pooler is refused as well. Redis knows REPLICAOF since version 5. */
#pragma once

#include <stdint.h>

#include "base/str.h"
#include "failover/contact.h"

enum promotion_end { PROMOTION_SUCCEEDED, PROMOTION_FAILED, PROMOTION_UNKNOWN };
extern const char *const promotion_end_names[]; /* "succeeded", ... */

struct promotion_options {
    struct contact_options contact; /* of the replica: postgres or redis. pg and redis are copied */
    uint64_t deadline_usec;         /* from promotion_start() to the end; 0: 10 s */
    /* Gives a connection away that is certainly to the same server, in the same role: ready, with
     * nothing open on it. Return: NULL when there is none now. NULL: nobody has one. */
    struct client *(*spare)(void *userdata, struct client_hello *ret_hello);
    /* Asked when there is a connection, right before it is sent: much may have happened while that
     * was waited for. Return: why it must not be sent any more; or NULL. NULL: nobody objects. */
    const char *(*objection)(void *userdata);
    /* Once after promotion_start(), never inside it, never after promotion_free(); the promotion
     * may be freed in it. text is a sentence, borrowed. */
    void (*ended)(void *userdata, enum promotion_end end, struct str text);
    void *userdata;
};

struct promotion;

/* Opens the connection. */
struct promotion *promotion_new(const struct promotion_options *options);

/* When it may have been sent and has not ended, the end is unknown, and the owner must say so. */
struct promotion *promotion_free(struct promotion *promotion);
DEFINE_CLEANUP(struct promotion, promotion_free);

/* Sends it, now or as soon as there is a connection within the deadline. Later calls do nothing. */
void promotion_start(struct promotion *promotion);

/* Whether there is a connection over which it would go out now. */
bool promotion_is_ready(const struct promotion *promotion);

/* Whether it may have been sent. */
bool promotion_was_sent(const struct promotion *promotion);

/* The kept connection, for what comes next (confirm.h), after it has succeeded; else NULL. The
 * caller owns it and sets its events at once. */
struct contact *promotion_take_contact(struct promotion *promotion);
