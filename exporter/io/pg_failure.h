/* SPDX-License-Identifier: Apache-2.0 */

/* What PostgreSQL's and libpq's complaints mean. Everything here is decided by SQLSTATE, and only
 * where there is none by the text of libpq and the C library, which are English because the process
 * never calls setlocale(); texts of the server are translated and decide nothing. */
#pragma once

#include <stdbool.h>

#include <libpq-fe.h>

#include "io/client.h"

/* The reason that an SQLSTATE stands for; "" and unknown ones are REASON_QUERY. */
enum client_reason pg_reason_of_sqlstate(const char *sqlstate);

/* Does the SQLSTATE say that bytes cannot be converted to UTF-8? */
bool pg_sqlstate_is_encoding(const char *sqlstate);

/* What a failed result means for its request: end is CLIENT_ALIVE. */
void pg_failure_from_result(const PGresult *result, struct client_failure *ret);

/* The same for a notice or error that was the server's last word on a kept connection which ended:
 * it is gone, and this is why. */
void pg_failure_from_last_word(const PGresult *result, struct client_failure *ret);

/* Is it one that says goodbye: FATAL, PANIC, or the warning before an immediate stop? */
bool pg_result_is_last_word(const PGresult *result);

/* How an attempt to connect failed, from the text of PQerrorMessage() under PQERRORS_VERBOSE, which
 * holds a part for each address that was tried. answered: a byte of a server was seen. */
void pg_failure_from_connect(const char *message, bool answered, struct client_failure *ret);

/* How a kept connection ended without a word, from the text of PQerrorMessage(). */
void pg_failure_from_broken(const char *message, struct client_failure *ret);
