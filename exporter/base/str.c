/* SPDX-License-Identifier: Apache-2.0 */

#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"

/* No number that we read is longer; longer ones are refused rather than cut. */
#define LONGEST_NUMBER 400
/* Words further apart than this are different words, not misspellings. */
#define LONGEST_WORD 48

int str_compare(struct str a, struct str b) {
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common != 0 ? memcmp(a.data, b.data, common) : 0;
    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

bool str_starts_with(struct str text, const char *prefix) {
    size_t len = strlen(prefix);
    return text.len >= len && (len == 0 || memcmp(text.data, prefix, len) == 0);
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_drop_end(struct str text, char character) {
    while (text.len > 0 && text.data[text.len - 1] == character) {
        text.len--;
    }
    return text;
}

bool str_is_word(struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9')) {
            return false;
        }
    }
    return text.len > 0;
}

struct str str_trim(struct str text) {
    while (text.len > 0 && is_space(text.data[0])) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && is_space(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

struct str str_cut(struct str *rest, char separator) {
    const char *end = rest->len != 0 ? memchr(rest->data, separator, rest->len) : NULL;
    if (end == NULL) {
        struct str all = *rest;
        *rest = (struct str){all.len != 0 ? all.data + all.len : all.data, 0};
        return all;
    }
    struct str part = {rest->data, (size_t)(end - rest->data)};
    rest->data = end + 1;
    rest->len -= part.len + 1;
    return part;
}

bool str_to_uint64(struct str text, uint64_t *ret) {
    if (text.len == 0) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)(text.data[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value)) {
            return false;
        }
    }
    *ret = value;
    return true;
}

bool str_to_int64(struct str text, int64_t *ret) {
    bool negative = text.len > 0 && text.data[0] == '-';
    if (text.len > 0 && (text.data[0] == '-' || text.data[0] == '+')) {
        text.data++;
        text.len--;
    }
    uint64_t size;
    if (!str_to_uint64(text, &size) || size > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return false;
    }
    *ret = negative ? (int64_t)(0 - size) : (int64_t)size;
    return true;
}

bool str_to_double(struct str text, double *ret) {
    int64_t whole;
    /* Most cells are whole numbers, and these convert quickly, with the rounding of strtod(). */
    if (str_to_int64(text, &whole)) {
        *ret = (whole == 0 && text.data[0] == '-') ? -0.0 : (double)whole;
        return true;
    }
    char copy[LONGEST_NUMBER + 1];
    /* strtod would skip white space in front, of every kind. */
    if (text.len == 0 || text.len > LONGEST_NUMBER || isspace((unsigned char)text.data[0])) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\0' || text.data[i] == 'x' || text.data[i] == 'X' ||
            text.data[i] == '(') {
            return false;
        }
        copy[i] = text.data[i];
    }
    copy[text.len] = '\0';
    char *end;
    errno = 0;
    double value = strtod(copy, &end);
    if (*end != '\0' || end == copy) {
        return false;
    }
    if (errno == ERANGE && isinf(value)) {
        return false;
    }
    *ret = value;
    return true;
}

/* Damerau-Levenshtein distance without case, neighbours swapped counting once. */
static size_t word_distance(struct str a, struct str b) {
    size_t before[LONGEST_WORD + 1], last[LONGEST_WORD + 1], now[LONGEST_WORD + 1];
    for (size_t j = 0; j <= b.len; j++) {
        last[j] = j;
        before[j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            bool same = strncasecmp(a.data + i - 1, b.data + j - 1, 1) == 0;
            size_t best = last[j - 1] + (same ? 0 : 1);
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] &&
                a.data[i - 2] == b.data[j - 1]) {
                best = before[j - 2] + 1 < best ? before[j - 2] + 1 : best;
            }
            now[j] = best;
        }
        memcpy(before, last, sizeof(before));
        memcpy(last, now, sizeof(last));
    }
    return last[b.len];
}

const char *str_suggest(struct str word, const void *names, size_t count, size_t stride) {
    const char *nearest = NULL;
    size_t least = SIZE_MAX;
    if (word.len == 0 || word.len > LONGEST_WORD) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        const char *name = *(const char *const *)(const void *)((const char *)names + i * stride);
        if (name == NULL || strlen(name) > LONGEST_WORD) {
            continue;
        }
        size_t distance = word_distance(word, str_of(name));
        if (distance < least) {
            least = distance;
            nearest = name;
        }
    }
    size_t allowed = word.len <= 3 ? 1 : word.len <= 7 ? 2 : 3;
    /* With every letter replaced it is another word. */
    return least <= allowed && least < word.len ? nearest : NULL;
}

size_t utf8_length(const char *data, size_t len) {
    const unsigned char *c = (const unsigned char *)data;
    if (len == 0) {
        return 0;
    }
    if (c[0] < 0x80) {
        return 1;
    }
    if (c[0] < 0xc2 || c[0] > 0xf4) {
        return 0;
    }
    size_t need = c[0] >= 0xf0 ? 4 : c[0] >= 0xe0 ? 3 : 2;
    if (len < need) {
        return 0;
    }
    for (size_t i = 1; i < need; i++) {
        if ((c[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    /* Overlong forms, surrogates and what lies beyond U+10FFFF. */
    if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
        (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f)) {
        return 0;
    }
    return need;
}

bool str_is_utf8(struct str text) {
    for (size_t i = 0; i < text.len;) {
        size_t len = utf8_length(text.data + i, text.len - i);
        if (len == 0) {
            return false;
        }
        i += len;
    }
    return true;
}

void strbuf_deinit(struct strbuf *buf) {
    free(buf->data);
    *buf = (struct strbuf){0};
}

void strbuf_deinit_secret(struct strbuf *buf) {
    if (buf->data != NULL) {
        explicit_bzero(buf->data, buf->capacity);
    }
    strbuf_deinit(buf);
}

void strbuf_clear(struct strbuf *buf) {
    buf->len = 0;
    if (buf->data != NULL) {
        buf->data[0] = '\0';
    }
}

char *strbuf_reserve(struct strbuf *buf, size_t more) {
    size_t need = buf->len + more + 1;
    if (need > buf->capacity) {
        size_t capacity = buf->capacity < 64 ? 128 : buf->capacity + buf->capacity / 2;
        buf->capacity = capacity < need ? need : capacity;
        buf->data = mem_resize(buf->data, buf->capacity, 1);
        buf->data[buf->len] = '\0';
    }
    return buf->data + buf->len;
}

void strbuf_add(struct strbuf *buf, const void *data, size_t len) {
    char *to = strbuf_reserve(buf, len);
    if (len != 0) {
        memcpy(to, data, len);
    }
    to[len] = '\0';
    buf->len += len;
}

void strbuf_add_text(struct strbuf *buf, const char *text) {
    strbuf_add(buf, text, strlen(text));
}

void strbuf_add_str(struct strbuf *buf, struct str text) {
    strbuf_add(buf, text.data, text.len);
}

void strbuf_add_char(struct strbuf *buf, char character) {
    strbuf_add(buf, &character, 1);
}

void strbuf_printf(struct strbuf *buf, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    char *to = strbuf_reserve(buf, 64);
    size_t room = buf->capacity - buf->len;
    int len = vsnprintf(to, room, format, args);
    if (len > 0 && (size_t)len >= room) {
        to = strbuf_reserve(buf, (size_t)len);
        vsnprintf(to, (size_t)len + 1, format, again);
    }
    va_end(again);
    va_end(args);
    buf->len += len > 0 ? (size_t)len : 0;
}

void strbuf_add_utf8(struct strbuf *buf, struct str text) {
    size_t done = 0;
    while (done < text.len) {
        size_t good = done;
        size_t step;
        while (good < text.len && (step = utf8_length(text.data + good, text.len - good)) > 0) {
            good += step;
        }
        strbuf_add(buf, text.data + done, good - done);
        done = good;
        if (done < text.len) {
            strbuf_add(buf, "\xef\xbf\xbd", 3);
            done++;
        }
    }
}

char *strbuf_take(struct strbuf *buf) {
    char *data = strbuf_reserve(buf, 0) - buf->len;
    data[buf->len] = '\0';
    *buf = (struct strbuf){0};
    return data;
}
