/* SPDX-License-Identifier: Apache-2.0 */

/* Basic authentication: every request names a user and a password that the configuration has a
 * bcrypt hash of. What is not known from before is hashed in a worker, one after another, while the
 * client waits; the loop never hashes.
 *
 * Nothing tells a wrong name from a wrong password: for an unknown user somebody else's hash is
 * computed. Guessing costs one processor at most: few wait for a check, fewer of one address, and
 * others get 503. */
#pragma once

#include "io/loop.h"
#include "web/request.h"
#include "web/security_options.h"

struct auth;

/* Return: 0 or negative errno with a sentence. */
int auth_new(struct loop *loop, struct auth **ret, struct error *err);
/* Answers those who wait. Return: NULL. */
struct auth *auth_free(struct auth *auth);

/* Copies them. None: everybody is let in. */
void auth_set_users(struct auth *auth, const struct web_user *users, size_t n_users);

/* Whether there is such a user. */
bool auth_has_user(const struct auth *auth, const char *name);

/* Return: true when the request may go on, whose user is then known; else as server_options.admit.
 */
bool auth_admit(struct auth *auth, struct web_request *request, struct web_answer *ret);

struct auth_numbers {
    uint64_t refused; /* requests without or with wrong credentials */
    uint64_t busy;    /* that could not be checked */
    uint64_t hashed;
};
struct auth_numbers auth_numbers(const struct auth *auth);
