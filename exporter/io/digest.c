/* SPDX-License-Identifier: Apache-2.0 */

#include "io/digest.h"

#include <openssl/evp.h>

uint64_t digest_md5_tail(struct str text) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    uint64_t tail = 0;
    /* Fails where only approved algorithms are allowed; all share one number then. */
    if (EVP_Digest(text.data, text.len, digest, &length, EVP_md5(), NULL) != 1 || length < 16) {
        return 0;
    }
    for (unsigned i = 8; i < 16; i++) {
        tail = tail << 8 | digest[i];
    }
    return tail;
}
