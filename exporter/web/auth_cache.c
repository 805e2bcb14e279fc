/* SPDX-License-Identifier: Apache-2.0 */

#include "web/auth_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "base/pack.h"

int auth_cache_init(struct auth_cache *cache) {
    *cache = (struct auth_cache){0};
    return getrandom(cache->salt, sizeof(cache->salt), 0) == (ssize_t)sizeof(cache->salt) ? 0
                                                                                          : -EIO;
}

void auth_cache_key(const struct auth_cache *cache, struct str user, struct str hash,
                    struct str password, struct auth_key *ret) {
    struct strbuf text = {0};
    /* In one piece, so that nothing of it is left behind where the buffer grew. */
    strbuf_reserve(&text, sizeof(cache->salt) + user.len + hash.len + password.len + 64);
    strbuf_add(&text, cache->salt, sizeof(cache->salt));
    pack_str(&text, user);
    pack_str(&text, hash);
    pack_str(&text, password);
    int r = gnutls_hash_fast(GNUTLS_DIG_SHA256, text.data, text.len, ret->bytes);
    strbuf_deinit_secret(&text);
    /* Cannot be, and must not make all credentials the same. */
    if (r < 0 && getrandom(ret->bytes, sizeof(ret->bytes), 0) != (ssize_t)sizeof(ret->bytes)) {
        abort();
    }
}

bool auth_key_equal(const struct auth_key *a, const struct auth_key *b) {
    return gnutls_memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static struct auth_entry *find(struct auth_entry *entries, size_t count, const struct auth_key *key,
                               uint64_t oldest_usec) {
    for (size_t i = 0; i < count; i++) {
        if (entries[i].since_usec > oldest_usec && auth_key_equal(&entries[i].key, key)) {
            return &entries[i];
        }
    }
    return NULL;
}

static uint64_t before(uint64_t now_usec, uint64_t usec) {
    return now_usec > usec ? now_usec - usec : 0;
}

enum auth_known auth_cache_get(struct auth_cache *cache, const struct auth_key *key,
                               uint64_t now_usec) {
    struct auth_entry *good =
        find(cache->good, AUTH_CACHE_GOOD, key, before(now_usec, AUTH_CACHE_GOOD_USEC));
    if (good != NULL) {
        good->since_usec = now_usec;
        return AUTH_GOOD;
    }
    return find(cache->bad, AUTH_CACHE_BAD, key, before(now_usec, AUTH_CACHE_BAD_USEC)) != NULL
               ? AUTH_BAD
               : AUTH_UNKNOWN;
}

void auth_cache_put(struct auth_cache *cache, const struct auth_key *key, bool good,
                    uint64_t now_usec) {
    struct auth_entry *entries = good ? cache->good : cache->bad, *oldest = entries;
    for (size_t i = 1; i < (good ? AUTH_CACHE_GOOD : AUTH_CACHE_BAD); i++) {
        oldest = entries[i].since_usec < oldest->since_usec ? &entries[i] : oldest;
    }
    *oldest = (struct auth_entry){*key, now_usec};
}
