/* SPDX-License-Identifier: Apache-2.0 */

/* What came of checking credentials, so that the same ones are not hashed again at each request.
 * Pure: time is an argument.
 *
 * Neither passwords nor user names are kept, but SHA-256 of both, of the hash in the configuration
 * and of a random number that dies with the process: a dump of our memory gives nobody a password
 * to try on others, and who has another hash from now on is somebody else.
 *
 * Good credentials count until nobody has used them for a while. Bad ones have a place of their own
 * and soon end, so that guessing pushes nobody out who knows the password. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define AUTH_CACHE_GOOD      64
#define AUTH_CACHE_BAD       64
#define AUTH_CACHE_GOOD_USEC ((uint64_t)300 * 1000 * 1000) /* since the last use */
#define AUTH_CACHE_BAD_USEC  ((uint64_t)10 * 1000 * 1000)  /* since it was found */
#define AUTH_KEY_BYTES       32

struct auth_key {
    unsigned char bytes[AUTH_KEY_BYTES];
};

struct auth_entry {
    struct auth_key key;
    uint64_t since_usec; /* 0: free */
};

struct auth_cache {
    unsigned char salt[AUTH_KEY_BYTES];
    struct auth_entry good[AUTH_CACHE_GOOD], bad[AUTH_CACHE_BAD];
};

enum auth_known { AUTH_UNKNOWN, AUTH_GOOD, AUTH_BAD };

/* Return: 0, or negative errno without randomness. */
int auth_cache_init(struct auth_cache *cache);

void auth_cache_key(const struct auth_cache *cache, struct str user, struct str hash,
                    struct str password, struct auth_key *ret);

bool auth_key_equal(const struct auth_key *a, const struct auth_key *b);

/* A good one is used by that. now_usec must not be 0. */
enum auth_known auth_cache_get(struct auth_cache *cache, const struct auth_key *key,
                               uint64_t now_usec);

/* Takes the place of the one that is oldest. */
void auth_cache_put(struct auth_cache *cache, const struct auth_key *key, bool good,
                    uint64_t now_usec);
