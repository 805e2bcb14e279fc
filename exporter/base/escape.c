/* SPDX-License-Identifier: Apache-2.0 */

#include "base/escape.h"

#include <string.h>

void strbuf_add_escaped(struct strbuf *out, struct str text, const struct escape *table) {
    for (size_t i = 0; i < text.len; i++) {
        const struct escape *row = table;
        while (row->text != NULL && row->byte != text.data[i]) {
            row++;
        }
        if (row->text != NULL) {
            strbuf_add_text(out, row->text);
        } else {
            strbuf_add_char(out, text.data[i]);
        }
    }
}

static bool is_plain(char c, const char *legal) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr(legal, c) != NULL);
}

void strbuf_add_percent(struct strbuf *out, struct str text, const char *legal) {
    for (size_t i = 0; i < text.len; i++) {
        if (is_plain(text.data[i], legal)) {
            strbuf_add_char(out, text.data[i]);
        } else {
            strbuf_printf(out, "%%%02X", (unsigned)(unsigned char)text.data[i]);
        }
    }
}

void strbuf_add_query_value(struct strbuf *out, struct str text) {
    const char *space;
    while (text.len > 0 && (space = memchr(text.data, ' ', text.len)) != NULL) {
        size_t before = (size_t)(space - text.data);
        strbuf_add_percent(out, (struct str){text.data, before}, URL_UNRESERVED);
        strbuf_add_char(out, '+');
        text = (struct str){space + 1, text.len - before - 1};
    }
    strbuf_add_percent(out, text, URL_UNRESERVED);
}
