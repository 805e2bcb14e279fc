/* SPDX-License-Identifier: Apache-2.0 */

/* Text on its way into other languages: which bytes become what. */
#pragma once

#include "base/str.h"

/* One byte and what stands for it; a table ends with {0}. */
struct escape {
    char byte;
    const char *text;
};

/* Adds text with each byte replaced that has a row. */
void strbuf_add_escaped(struct strbuf *out, struct str text, const struct escape *table);

/* Adds text with everything but ASCII letters, digits and the characters of `legal` as %XX. */
void strbuf_add_percent(struct strbuf *out, struct str text, const char *legal);

/* The same for a value in the query of a URL, as Go's url.QueryEscape: a space is a plus. */
void strbuf_add_query_value(struct strbuf *out, struct str text);

/* What never needs a code in a URL (RFC 3986). */
#define URL_UNRESERVED "-._~"
