/* SPDX-License-Identifier: Apache-2.0 */

/* Conditions on labels. */
#include "store/matcher.h"

#include "base/regex.h"

const char *const matcher_type_texts[] = {
    [MATCH_EQUAL] = "=",
    [MATCH_NOT_EQUAL] = "!=",
    [MATCH_REGEX] = "=~",
    [MATCH_NOT_REGEX] = "!~",
};

int matcher_prepare(struct matcher *matcher, struct error *err) {
    if (matcher->type == MATCH_EQUAL || matcher->type == MATCH_NOT_EQUAL) {
        return 0;
    }
    return regex_new(matcher->value, REGEX_WHOLE, &matcher->regex, err);
}

void matcher_deinit(struct matcher *matcher) {
    matcher->regex = regex_free(matcher->regex);
}

int matcher_holds(const struct matcher *matcher, struct str value) {
    int r;
    switch (matcher->type) {
    case MATCH_EQUAL:
        return str_equal(matcher->value, value);
    case MATCH_NOT_EQUAL:
        return !str_equal(matcher->value, value);
    case MATCH_REGEX:
        return regex_match(matcher->regex, value);
    case MATCH_NOT_REGEX:
        r = regex_match(matcher->regex, value);
        return r < 0 ? r : r == REGEX_NO;
    }
    return 0;
}
