/* SPDX-License-Identifier: Apache-2.0 */

/* One request of a PostgreSQL or PgBouncer client on its way: the rows that came so far, and the
 * promise that it is answered exactly once. Clients keep theirs in a list, in the order of
 * submission. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "base/table.h"
#include "io/client.h"

/* What the server may still send of a reply that is thrown away, before its connection is closed;
 * also what may come without one complete row. */
#define PG_MOST_SKIPPED_BYTES ((uint64_t)64 * 1024 * 1024)

/* A row above its limit that is larger than this costs the connection. */
#define PG_MOST_ROW_BYTES ((uint64_t)4 * 1024 * 1024)

/* Why a request waits for the next turn of the loop to be answered with a failure. */
enum pg_doom {
    PG_DOOM_NONE,
    PG_DOOM_ABANDONED, /* the owner's deadline has passed */
    PG_DOOM_REFUSED,   /* it was submitted while the client was not ready */
};

struct pg_request {
    struct pg_request *previous, *next;
    struct client_request request; /* text is ours when it is not constant */
    struct table_builder builder;
    enum pg_doom doom;
    bool answered;
    bool sent;                      /* freed only when the server's answer is complete */
    bool retry;                     /* pg_client: runs once more when its sync has come */
    uint8_t how;                    /* pg_client: enum pg_how */
    struct pg_statement *statement; /* pg_client: NULL when it is not prepared */
    uint64_t skipped_bytes;         /* of rows that came after it was answered */
};

struct pg_request_list {
    struct pg_request *first, *last;
};

/* Copies what must be kept, fills in the default limits and appends. */
struct pg_request *pg_request_new(struct pg_request_list *list,
                                  const struct client_request *request);

/* Removes it from its list; it must have been answered. NULL is fine. Return: NULL. */
struct pg_request *pg_request_free(struct pg_request_list *list, struct pg_request *request);

/* Adds the rows of a result; with scratch, bytes that are not UTF-8 are replaced.
 * Return: 0, -E2BIG, or -EPROTO. */
int pg_request_rows(struct pg_request *request, const PGresult *result, struct strbuf *scratch,
                    struct error *err);

/* Answers with the rows, or with a failure; once, later calls do nothing. The client may be gone
 * afterwards. */
void pg_request_answer(struct pg_request *request);
void pg_request_fail(struct pg_request *request, const struct client_failure *failure);

/* The failure of a doomed request; why is the owner's word for PG_DOOM_ABANDONED. */
void pg_request_doom_failure(const struct pg_request *request, const char *why,
                             struct client_failure *ret);
