/* SPDX-License-Identifier: Apache-2.0 */

#include "base/number.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    for (int precision = 15;; precision++) {
        int len = snprintf(out, NUMBER_TEXT_SIZE, "%.*g", precision, value);
        if (precision == 17 || strtod(out, NULL) == value) {
            return (size_t)len;
        }
    }
}
