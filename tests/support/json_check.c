/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/json_check.h"

#define MOST_LEVELS 32

static bool take_value(struct str *rest, unsigned level);

static char peek(const struct str *rest) {
    return rest->len > 0 ? rest->data[0] : '\0';
}

static void skip(struct str *rest, size_t len) {
    *rest = (struct str){rest->data + len, rest->len - len};
}

static bool take(struct str *rest, char c) {
    bool there = rest->len > 0 && rest->data[0] == c;
    skip(rest, there ? 1 : 0);
    return there;
}

static void take_space(struct str *rest) {
    while (rest->len > 0 && memchr(" \t\r\n", rest->data[0], 4) != NULL) {
        skip(rest, 1);
    }
}

static bool take_word(struct str *rest, const char *word) {
    bool there = str_starts_with(*rest, word);
    skip(rest, there ? strlen(word) : 0);
    return there;
}

static size_t take_digits(struct str *rest) {
    size_t count = 0;
    while (peek(rest) >= '0' && peek(rest) <= '9') {
        skip(rest, 1);
        count++;
    }
    return count;
}

static bool take_number(struct str *rest) {
    (void)take(rest, '-');
    bool zero = peek(rest) == '0';
    size_t digits = take_digits(rest);
    if (digits == 0 || (zero && digits > 1) || (take(rest, '.') && take_digits(rest) == 0)) {
        return false;
    }
    if (take(rest, 'e') || take(rest, 'E')) {
        (void)(take(rest, '+') || take(rest, '-'));
        return take_digits(rest) > 0;
    }
    return true;
}

/* What follows the backslash. */
static bool take_escape(struct str *rest) {
    if (take(rest, 'u')) {
        for (int i = 0; i < 4; i++) {
            if (peek(rest) == '\0' || strchr("0123456789abcdefABCDEF", peek(rest)) == NULL) {
                return false;
            }
            skip(rest, 1);
        }
        return true;
    }
    bool known = peek(rest) != '\0' && strchr("\"\\/bfnrt", peek(rest)) != NULL;
    skip(rest, known ? 1 : 0);
    return known;
}

static bool take_text(struct str *rest) {
    if (!take(rest, '"')) {
        return false;
    }
    while (rest->len > 0) {
        if (take(rest, '"')) {
            return true;
        }
        if (take(rest, '\\')) {
            if (!take_escape(rest)) {
                return false;
            }
            continue;
        }
        size_t len = utf8_length(rest->data, rest->len);
        if (len == 0 || (unsigned char)rest->data[0] < ' ') {
            return false;
        }
        skip(rest, len);
    }
    return false;
}

/* Of a list, or with names of an object, behind its opening bracket. */
static bool take_items(struct str *rest, bool names, char end, unsigned level) {
    take_space(rest);
    if (take(rest, end)) {
        return true;
    }
    do {
        take_space(rest);
        if (names) {
            if (!take_text(rest)) {
                return false;
            }
            take_space(rest);
            if (!take(rest, ':')) {
                return false;
            }
        }
        if (!take_value(rest, level + 1)) {
            return false;
        }
    } while (take(rest, ','));
    return take(rest, end);
}

static bool take_value(struct str *rest, unsigned level) {
    bool good;
    if (level > MOST_LEVELS) {
        return false;
    }
    take_space(rest);
    if (take(rest, '{')) {
        good = take_items(rest, true, '}', level);
    } else if (take(rest, '[')) {
        good = take_items(rest, false, ']', level);
    } else if (peek(rest) == '"') {
        good = take_text(rest);
    } else {
        good = take_word(rest, "null") || take_word(rest, "true") || take_word(rest, "false") ||
               take_number(rest);
    }
    take_space(rest);
    return good;
}

bool json_check(struct str text) {
    return take_value(&text, 1) && text.len == 0;
}
