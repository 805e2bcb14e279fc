/* SPDX-License-Identifier: Apache-2.0 */

/* Foreign text for one-line messages. */
#include "config/quote.h"

const char *quote(struct str text, char out[QUOTE_SIZE]) {
    static const char ellipsis[] = "...";
    size_t used = 0, at = 0;
    out[used++] = '\'';
    while (at < text.len) {
        size_t length = utf8_length(text.data + at, text.len - at);
        if (used + length + sizeof(ellipsis) + 1 > QUOTE_SIZE) {
            memcpy(out + used, ellipsis, sizeof(ellipsis) - 1);
            used += sizeof(ellipsis) - 1;
            break;
        }
        unsigned char first = (unsigned char)text.data[at];
        if (length == 0 || first < 0x20 || first == 0x7f) {
            out[used++] = '?';
            at++;
            continue;
        }
        memcpy(out + used, text.data + at, length);
        used += length;
        at += length;
    }
    out[used++] = '\'';
    out[used] = '\0';
    return out;
}
