/* SPDX-License-Identifier: Apache-2.0 */

/* What is written as itself: numbers, durations and strings. */
#include <math.h>
#include <stdlib.h>

#include "promql/parser.h"

/* Prometheus' durations are 64 bits of nanoseconds. */
#define MOST_DURATION_MS (INT64_MAX / 1000000)

struct unit {
    const char *text;
    int64_t ms;
};

/* From the largest; each at most once and in this order. */
static const struct unit units[] = {
    {"y", INT64_C(365) * 24 * 3600 * 1000},
    {"w", INT64_C(7) * 24 * 3600 * 1000},
    {"d", INT64_C(24) * 3600 * 1000},
    {"h", INT64_C(3600) * 1000},
    {"m", INT64_C(60) * 1000},
    {"s", 1000},
    {"ms", 1},
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Return: index of the unit at the beginning of rest, not before `from`; or -1. */
static int find_unit(struct str rest, size_t from) {
    int found = -1;
    for (size_t i = from; i < ARRAY_LEN(units); i++) {
        if (str_starts_with(rest, units[i].text)) {
            found = (int)i; /* "ms" comes after "m" and wins */
        }
    }
    return found;
}

static bool units_to_ms(struct str text, int64_t *ret_ms) {
    int64_t total = 0;
    size_t from = 0, i = 0;
    if (text.len == 0) {
        return false;
    }
    while (i < text.len) {
        int64_t count = 0;
        size_t digits = i;
        for (; i < text.len && is_digit(text.data[i]); i++) {
            if (count > MOST_DURATION_MS) {
                return false;
            }
            count = count * 10 + (text.data[i] - '0');
        }
        struct str rest = {text.data + i, text.len - i};
        int unit = i > digits ? find_unit(rest, from) : -1;
        if (unit < 0 || count > (MOST_DURATION_MS - total) / units[unit].ms) {
            return false;
        }
        total += count * units[unit].ms;
        from = (size_t)unit + 1;
        i += strlen(units[unit].text);
    }
    *ret_ms = total;
    return true;
}

/* Digits with the prefix of a base, '_' left out already. */
static bool integer(const char *digits, double *ret) {
    char *end;
    bool hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
    const char *from = digits + (hex ? 2 : 0);
    if (*from == '\0' || strchr("+-", *from) != NULL) {
        return false;
    }
    unsigned long long value = strtoull(from, &end, hex ? 16 : digits[0] == '0' ? 8 : 10);
    if (*end != '\0' || value > (unsigned long long)INT64_MAX) {
        return false;
    }
    *ret = (double)value;
    return true;
}

static bool unsigned_number(struct str text, double *ret) {
    char digits[512]; /* of the smallest number, printed without exponent: 345 */
    size_t n = 0;
    if (text.len == 0 || text.len >= sizeof(digits)) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '_') {
            if (i == 0 || i + 1 == text.len) {
                return false;
            }
        } else {
            digits[n++] = c;
        }
    }
    digits[n] = '\0';
    if (is_digit(digits[0]) && integer(digits, ret)) {
        return true;
    }
    return str_to_double((struct str){digits, n}, ret);
}

bool promql_number(struct str text, double *ret) {
    double value;
    int64_t ms;
    bool minus = text.len > 0 && text.data[0] == '-';
    if (minus || (text.len > 0 && text.data[0] == '+')) {
        text.data++;
        text.len--;
    }
    if (text.len == 0 || text.data[0] == '-' || text.data[0] == '+') {
        return false;
    }
    if (!unsigned_number(text, &value)) {
        if (!units_to_ms(text, &ms)) {
            return false;
        }
        value = (double)ms / 1000.0;
    }
    *ret = minus ? -value : value;
    return true;
}

bool promql_duration_ms(struct str text, int64_t *ret_ms) {
    double seconds;
    bool minus = text.len > 0 && text.data[0] == '-';
    struct str rest = text;
    if (minus || (text.len > 0 && text.data[0] == '+')) {
        rest.data++;
        rest.len--;
    }
    int64_t ms;
    if (units_to_ms(rest, &ms)) {
        *ret_ms = minus ? -ms : ms;
        return true;
    }
    if (!promql_number(text, &seconds) || !(fabs(seconds) <= (double)MOST_DURATION_MS / 1000.0)) {
        return false;
    }
    *ret_ms = (int64_t)(seconds * 1000.0 + (seconds < 0 ? -1e-6 : 1e-6));
    return true;
}

/* --- strings --- */

static int hex_value(char c) {
    return is_digit(c)            ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static size_t encode_utf8(uint32_t point, char *out) {
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    size_t extra = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static const uint32_t heads[] = {0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(heads[extra] | point >> 6 * extra);
    for (size_t i = 1; i <= extra; i++) {
        out[i] = (char)(0x80 | (point >> 6 * (extra - i) & 0x3f));
    }
    return extra + 1;
}

/* Reads count digits of a base. Return: whether they are there. */
static bool read_digits(struct str *rest, int count, int base, uint32_t *ret) {
    uint32_t value = 0;
    if (rest->len < (size_t)count) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        int digit = hex_value(rest->data[i]);
        if (digit < 0 || digit >= base) {
            return false;
        }
        value = value * (uint32_t)base + (uint32_t)digit;
    }
    rest->data += count;
    rest->len -= (size_t)count;
    *ret = value;
    return true;
}

/* What follows a backslash, into out (up to 4 bytes). Return: bytes, or 0 when there is no such
 * escape. */
static size_t unescape(struct str *rest, char quote, char *out) {
    static const char names[] = "abfnrtv\\", values[] = "\a\b\f\n\r\t\v\\";
    uint32_t value;
    char c = rest->data[0];
    const char *named = memchr(names, c, sizeof(names) - 1);
    if (named != NULL || c == quote) {
        out[0] = named != NULL ? values[named - names] : c;
        rest->data++;
        rest->len--;
        return 1;
    }
    if (c >= '0' && c <= '7') {
        if (!read_digits(rest, 3, 8, &value) || value > 255) {
            return 0;
        }
        out[0] = (char)value;
        return 1;
    }
    int count = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    rest->data++;
    rest->len--;
    if (count == 0 || !read_digits(rest, count, 16, &value)) {
        return 0;
    }
    if (c == 'x') {
        out[0] = (char)value;
        return 1;
    }
    if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) {
        return 0;
    }
    return encode_utf8(value, out);
}

bool promql_unquote(struct str literal, struct arena *arena, struct str *ret) {
    if (literal.len < 2 || literal.data[0] != literal.data[literal.len - 1]) {
        return false;
    }
    char quote = literal.data[0];
    struct str rest = {literal.data + 1, literal.len - 2};
    if (quote == '`') {
        *ret = arena_dup(arena, rest);
        return memchr(rest.data, '`', rest.len) == NULL;
    }
    if (quote != '"' && quote != '\'') {
        return false;
    }
    char *out = arena_alloc(arena, rest.len + 1);
    size_t len = 0;
    while (rest.len > 0) {
        char c = *rest.data++;
        rest.len--;
        if (c == quote || c == '\n') {
            return false;
        }
        if (c != '\\') {
            out[len++] = c;
            continue;
        }
        size_t more = rest.len > 0 ? unescape(&rest, quote, out + len) : 0;
        if (more == 0) {
            return false;
        }
        len += more;
    }
    *ret = (struct str){out, len};
    return true;
}
