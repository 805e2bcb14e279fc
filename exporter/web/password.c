/* SPDX-License-Identifier: Apache-2.0 */

#include "web/password.h"

#include <crypt.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "web/security_options.h"

#define HASH_BYTES 60 /* $2y$10$, 22 of salt, 31 of hash */

static bool is_in_alphabet(struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '.' && c != '/') {
            return false;
        }
    }
    return true;
}

int password_check_hash(const char *hash, struct error *err) {
    struct str text = str_of(hash);
    uint64_t cost = 0;
    bool known = str_starts_with(text, "$2y$") || str_starts_with(text, "$2b$") ||
                 str_starts_with(text, "$2a$");
    if (!known || text.len != HASH_BYTES || hash[6] != '$' ||
        !str_to_uint64((struct str){hash + 4, 2}, &cost) || cost < 4 || cost > 31 ||
        !is_in_alphabet((struct str){hash + 7, HASH_BYTES - 7})) {
        return error_say(err, -EINVAL,
                         "is no bcrypt hash ($2y$10$ and 53 more characters, as 'htpasswd -nBC 10' "
                         "makes it)");
    }
    if (cost > WEB_MOST_BCRYPT_COST) {
        return error_say(err, -EINVAL,
                         "is a bcrypt hash of cost %u, which takes too long: at most %d",
                         (unsigned)cost, WEB_MOST_BCRYPT_COST);
    }
    return 0;
}

/* Takes the same time wherever they differ. */
static bool is_same(const char *a, const char *b, size_t len) {
    unsigned char difference = 0;
    for (size_t i = 0; i < len; i++) {
        difference |= (unsigned char)(a[i] ^ b[i]);
    }
    return difference == 0;
}

bool password_fits(const char *password, const char *hash) {
    struct crypt_data *data = mem_alloc(sizeof(*data));
    /* Not crypt_r(): the address sanitizer has a stand-in for that, in whose place nothing is. */
    const char *found = crypt_rn(password, hash, data, (int)sizeof(*data));
    bool fits = found != NULL && strlen(found) == HASH_BYTES && strlen(hash) == HASH_BYTES &&
                is_same(found, hash, HASH_BYTES);
    explicit_bzero(data, sizeof(*data));
    free(data);
    return fits;
}
