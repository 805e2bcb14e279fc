/* SPDX-License-Identifier: Apache-2.0 */

#include "base/number.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

#define LARGEST_EXACT_WHOLE 9007199254740992.0 /* 2^53 */

static size_t format_whole(int64_t value, char out[NUMBER_TEXT_SIZE]) {
    char digits[NUMBER_TEXT_SIZE];
    size_t n = 0, len = 0;
    uint64_t rest = value < 0 ? (uint64_t)-value : (uint64_t)value;
    do {
        digits[n++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0) {
        out[len++] = '-';
    }
    while (n > 0) {
        out[len++] = digits[--n];
    }
    out[len] = '\0';
    return len;
}

/* Most numbers that are not whole have few decimals: times in micro- or nanoseconds, ratios. Such a
 * one is a whole number divided by a power of ten, and as long as that has at most 15 digits, both
 * the division and what %.15g writes are exact about it: the texts are the same, without the long
 * way. Return: its length, or 0. */
static size_t format_decimal(double value, char out[NUMBER_TEXT_SIZE]) {
    static const struct { double below, scale; } ways[] = {{1e6, 1e9}, {1e9, 1e6}, {1e12, 1e3}};
    size_t way = 0;
    const double size = fabs(value);
    while (way < ARRAY_LEN(ways) - 1 && size >= ways[way].below) {
        way++;
    }
    if (size < 1e-4 || size >= ways[way].below) {
        return 0; /* with an exponent, or too many digits */
    }
    const int64_t scaled = (int64_t)(size * ways[way].scale + 0.5);
    if (scaled >= INT64_C(1000000000000000) || (double)scaled / ways[way].scale != size) {
        return 0;
    }
    const int64_t scale = (int64_t)ways[way].scale, whole = scaled / scale;
    int64_t rest = scaled % scale;
    size_t len = 0;
    if (value < 0) {
        out[len++] = '-';
    }
    len += format_whole(whole, out + len);
    out[len++] = '.';
    for (int64_t place = scale / 10; rest != 0; place /= 10) {
        out[len++] = (char)('0' + rest / place);
        rest %= place;
    }
    out[len] = '\0';
    return len;
}

size_t number_format(double value, char out[NUMBER_TEXT_SIZE]) {
    if (isnan(value) || isinf(value)) {
        const char *word = isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
        strcpy(out, word);
        return strlen(word);
    }
    if (fabs(value) < LARGEST_EXACT_WHOLE && value == (double)(int64_t)value &&
        !(value == 0 && signbit(value))) {
        return format_whole((int64_t)value, out);
    }
    const size_t decimal = format_decimal(value, out);
    if (decimal != 0) {
        return decimal;
    }
    for (int precision = 15;; precision++) {
        int len = snprintf(out, NUMBER_TEXT_SIZE, "%.*g", precision, value);
        if (precision == 17 || strtod(out, NULL) == value) {
            return (size_t)len;
        }
    }
}
