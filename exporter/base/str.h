/* SPDX-License-Identifier: Apache-2.0 */

/* Text: a view (struct str) that owns nothing, and a buffer (struct strbuf) that grows.
 * A view need not end in a zero byte and may hold zero bytes. data is NULL only when there is no
 * text at all (SQL NULL), which is not the same as an empty one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/macros.h"

struct str {
    const char *data;
    size_t len;
};

static inline struct str str_of(const char *text) {
    return (struct str){text, text != NULL ? strlen(text) : 0};
}

static inline bool str_equal(struct str a, struct str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool str_is(struct str a, const char *text) {
    return str_equal(a, str_of(text));
}

/* Byte order; the shorter of two with a common beginning comes first. */
int str_compare(struct str a, struct str b);

bool str_starts_with(struct str text, const char *prefix);
struct str str_trim(struct str text);
/* Without any of this character at its end. */
struct str str_drop_end(struct str text, char character);
/* [A-Za-z_][A-Za-z0-9_]*: names of labels, environment variables ... */
bool str_is_word(struct str text);

/* Cuts the part before the first separator off *rest and returns it; without one, all of it. */
struct str str_cut(struct str *rest, char separator);

/* Whole text must be the number. Decimal only; "+Inf", "-Inf", "NaN" (any case) are numbers for
 * str_to_double. Return: false (and *ret untouched) otherwise or when it is out of range. */
bool str_to_int64(struct str text, int64_t *ret);
bool str_to_uint64(struct str text, uint64_t *ret);
bool str_to_double(struct str text, double *ret);

/* The name among count names (first member of entries that are stride bytes apart, a const char *)
 * that is nearest to a misspelt word, or NULL when none is near enough to be what was meant. */
const char *str_suggest(struct str word, const void *names, size_t count, size_t stride);

/* Length of the valid UTF-8 character at data (1 to 4), or 0 when there is none within len. */
size_t utf8_length(const char *data, size_t len);

/* Whether all of it is valid UTF-8. */
bool str_is_utf8(struct str text);

/* Grows as needed; data is always terminated when not NULL. A zeroed one is empty. */
struct strbuf {
    char *data;
    size_t len, capacity;
};

void strbuf_deinit(struct strbuf *buf);
void strbuf_deinit_secret(struct strbuf *buf); /* overwritten first, in a way that is kept */
void strbuf_clear(struct strbuf *buf);         /* keeps the memory */

/* Room for more bytes behind len, without changing len. Return: where they go. */
char *strbuf_reserve(struct strbuf *buf, size_t more);

void strbuf_add(struct strbuf *buf, const void *data, size_t len);
void strbuf_add_text(struct strbuf *buf, const char *text);
void strbuf_add_str(struct strbuf *buf, struct str text);
void strbuf_add_char(struct strbuf *buf, char character);
void strbuf_printf(struct strbuf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

/* Adds text with each byte that is not part of valid UTF-8 replaced by U+FFFD. */
void strbuf_add_utf8(struct strbuf *buf, struct str text);

static inline struct str strbuf_view(const struct strbuf *buf) {
    return (struct str){buf->data != NULL ? buf->data : "", buf->len};
}

/* Hands the memory over; the buffer is empty afterwards. Never NULL. */
char *strbuf_take(struct strbuf *buf);
