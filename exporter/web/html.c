/* SPDX-License-Identifier: Apache-2.0 */

#include "web/html.h"

#include <string.h>

#include "base/duration.h"

void html_escape(struct strbuf *out, struct str text) {
    for (size_t i = 0; i < text.len;) {
        size_t len = utf8_length(text.data + i, text.len - i);
        char c = text.data[i];
        if (len == 0) {
            strbuf_add_text(out, "&#xfffd;");
            len = 1;
        } else if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'') {
            strbuf_printf(out, "&#%d;", c);
        } else {
            strbuf_add(out, text.data + i, len);
        }
        i += len;
    }
}

void html_age(struct strbuf *out, int64_t ms) {
    char text[32];
    uint64_t seconds = ms > 0 ? (uint64_t)ms / 1000 : 0;
    seconds -= seconds >= 86400 ? seconds % 3600 : seconds >= 3600 ? seconds % 60 : 0;
    strbuf_add_text(out, duration_format(seconds * USEC_PER_SEC, text));
}
