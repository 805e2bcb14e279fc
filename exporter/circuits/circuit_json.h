/* SPDX-License-Identifier: Apache-2.0 */

/* Breakers as JSON: for those who ask, for hooks, and for Redis, where other monitors read it.
 * Times are seconds since 1970, durations seconds. */
#pragma once

#include "base/json.h"
#include "circuits/circuits.h"

#define CIRCUIT_MOST_VALUE_BYTES 4096 /* of a key in Redis */

/* The members of an object: name, state, reason, since, retry_after, who says so, and what it is
 * about. */
void circuit_json_write(struct json_writer *json, const struct kept_circuit *kept,
                        struct circuit_time now);

/* The value of the key in Redis: the own word, and whose it is. */
void circuit_json_publish(const struct kept_circuit *kept, const char *owner,
                          struct circuit_time now, struct strbuf *out);

/* A change of the own word, for those who listen: the same with the breaker's name, and "closed"
 * when nobody is kept back any more. */
void circuit_json_announce(const struct kept_circuit *kept, const char *owner,
                           struct circuit_time now, struct strbuf *out);

/* Reads such a value; until_usec and since_ms are the caller's to set, a since in the value counts.
 * Return: false when it is none. */
bool circuit_json_parse(struct str value, struct circuit_foreign *ret);
