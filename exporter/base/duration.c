/* SPDX-License-Identifier: Apache-2.0 */

#include "base/duration.h"

#include <errno.h>
#include <stdio.h>

static const struct unit {
    const char *name;
    uint64_t usec;
} units[] = {
    {"y", 365 * 24 * 3600 * USEC_PER_SEC},
    {"w", 7 * 24 * 3600 * USEC_PER_SEC},
    {"d", 24 * 3600 * USEC_PER_SEC},
    {"h", 3600 * USEC_PER_SEC},
    {"m", 60 * USEC_PER_SEC},
    {"s", USEC_PER_SEC},
    {"ms", USEC_PER_MSEC},
};

static int not_a_duration(struct str text, struct error *err) {
    return error_say(err, -EINVAL, "'%.*s' is not a duration (examples: 500ms, 10s, 1m30s, 2h)",
                     (int)(text.len > 64 ? 64 : text.len), text.data);
}

int duration_parse(struct str text, uint64_t *ret_usec, struct error *err) {
    if (str_is(text, "0")) {
        *ret_usec = 0;
        return 0;
    }
    struct str rest = text;
    uint64_t total = 0;
    size_t next_unit = 0;
    if (text.len == 0) {
        return not_a_duration(str_of(""), err);
    }
    while (rest.len > 0) {
        size_t digits = 0, letters = 0;
        while (digits < rest.len && rest.data[digits] >= '0' && rest.data[digits] <= '9') {
            digits++;
        }
        while (digits + letters < rest.len && rest.data[digits + letters] >= 'a' &&
               rest.data[digits + letters] <= 'z') {
            letters++;
        }
        uint64_t count;
        struct str name = {rest.data + digits, letters};
        if (!str_to_uint64((struct str){rest.data, digits}, &count)) {
            return not_a_duration(text, err);
        }
        while (next_unit < ARRAY_LEN(units) && !str_is(name, units[next_unit].name)) {
            next_unit++;
        }
        if (next_unit == ARRAY_LEN(units)) {
            return not_a_duration(text, err);
        }
        if (__builtin_mul_overflow(count, units[next_unit].usec, &count) ||
            __builtin_add_overflow(total, count, &total) || total > INT64_MAX) {
            return error_say(err, -ERANGE, "'%.*s' is too long a duration",
                             (int)(text.len > 64 ? 64 : text.len), text.data);
        }
        next_unit++;
        rest.data += digits + letters;
        rest.len -= digits + letters;
    }
    *ret_usec = total;
    return 0;
}

const char *duration_format(uint64_t usec, char out[32]) {
    struct strbuf text = {0};
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        uint64_t count = usec / units[i].usec;
        /* 8d reads better than 1w1d: years and weeks only when nothing is left over. */
        if (count == 0 || (i < 2 && usec % units[i].usec != 0)) {
            continue;
        }
        strbuf_printf(&text, "%llu%s", (unsigned long long)count, units[i].name);
        usec -= count * units[i].usec;
    }
    snprintf(out, 32, "%s", text.len != 0 ? text.data : "0s");
    strbuf_deinit(&text);
    return out;
}
