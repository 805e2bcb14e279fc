/* SPDX-License-Identifier: Apache-2.0 */

/* What may be asked: words, those of Patroni's API among them, and parameters. */
#include "web/advice.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/duration.h"

static const struct word_row {
    const char *word;
    enum advice_role role;
} words[] = {
    {"primary", ADVICE_PRIMARY},     {"replica", ADVICE_REPLICA}, {"read-only", ADVICE_READ_ONLY},
    {"writable", ADVICE_WRITABLE},   {"health", ADVICE_HEALTH},   {"leader", ADVICE_PRIMARY},
    {"read-write", ADVICE_WRITABLE}, {"master", ADVICE_PRIMARY},
};

bool advice_question_init(struct str word, struct advice_question *ret) {
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_is(word, words[i].word)) {
            *ret = (struct advice_question){.role = words[i].role, .word = words[i].word};
            return true;
        }
    }
    return false;
}

const char *advice_suggest(struct str word) {
    return str_suggest(word, words, ARRAY_LEN(words), sizeof(words[0]));
}

/* Patroni writes 16MB where we write 16MiB, and means the same. */
static int read_bytes(struct str text, double *ret) {
    static const struct {
        const char *unit;
        double size;
    } units[] = {{"kB", 1024}, {"MB", 1024.0 * 1024}, {"GB", 1024.0 * 1024 * 1024}};
    uint64_t bytes;
    if (bytes_parse(text, &bytes, NULL) == 0) {
        *ret = (double)bytes;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        struct str number = {text.data, text.len > 2 ? text.len - 2 : 0};
        if (number.len > 0 && str_is((struct str){text.data + number.len, 2}, units[i].unit) &&
            str_to_uint64(number, &bytes)) {
            *ret = (double)bytes * units[i].size;
            return 0;
        }
    }
    return -EINVAL;
}

/* A number without a unit is of bytes, as Patroni's. */
static int set_lag(struct advice_question *question, struct str value, struct error *err) {
    uint64_t usec;
    if (read_bytes(value, &question->lag_bytes) == 0) {
        question->has_lag_bytes = true;
        return 0;
    }
    if (duration_parse(value, &usec, NULL) == 0) {
        question->has_lag_seconds = true;
        question->lag_seconds = (double)usec / (double)USEC_PER_SEC;
        return 0;
    }
    return error_say(err, -EINVAL, "lag should be a time such as 5s or a size such as 16MB");
}

static int set_fallback(struct advice_question *question, struct str value, struct error *err) {
    question->fallback = str_is(value, "primary");
    return question->fallback ? 0 : error_say(err, -EINVAL, "fallback can only be 'primary'");
}

/* "?weight" and "?weight=yes"; "no" is what it is without. */
static int set_switch(bool *ret, const char *name, struct str value, struct error *err) {
    if (value.len == 0 || str_is(value, "yes") || str_is(value, "true") || str_is(value, "1")) {
        *ret = true;
        return 0;
    }
    if (str_is(value, "no") || str_is(value, "false") || str_is(value, "0")) {
        *ret = false;
        return 0;
    }
    return error_say(err, -EINVAL, "%s should be yes or no", name);
}

int advice_question_set(struct advice_question *question, struct str name, struct str value,
                        struct error *err) {
    static const char *const names[] = {"lag", "fallback", "strict", "drain", "weight"};
    if (str_is(name, "lag")) {
        return set_lag(question, value, err);
    }
    if (str_is(name, "fallback")) {
        return set_fallback(question, value, err);
    }
    const struct {
        const char *name;
        bool *field;
    } switches[] = {
        {"strict", &question->strict}, {"drain", &question->drain}, {"weight", &question->weight}};
    for (size_t i = 0; i < ARRAY_LEN(switches); i++) {
        if (str_is(name, switches[i].name)) {
            return set_switch(switches[i].field, switches[i].name, value, err);
        }
    }
    /* A limit that is misspelt and ignored would be no limit. */
    const char *near = str_suggest(name, names, ARRAY_LEN(names), sizeof(names[0]));
    int shown = name.len < 40 ? (int)name.len : 40;
    if (near != NULL) {
        return error_say(err, -EINVAL, "there is no parameter '%.*s' here (did you mean '%s'?)",
                         shown, name.data, near);
    }
    return error_say(err, -EINVAL,
                     "there is no parameter '%.*s' here: lag, fallback, strict, "
                     "drain, weight",
                     shown, name.len > 0 ? name.data : "");
}
