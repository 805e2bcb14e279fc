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

/* r: of the regex. */
static int negate(int r) {
    return r < 0 ? r : r == REGEX_NO;
}

int matcher_holds(const struct matcher *matcher, struct str value) {
    switch (matcher->type) {
    case MATCH_EQUAL:
        return str_equal(matcher->value, value);
    case MATCH_NOT_EQUAL:
        return !str_equal(matcher->value, value);
    case MATCH_REGEX:
        return regex_match(matcher->regex, value);
    case MATCH_NOT_REGEX:
        return negate(regex_match(matcher->regex, value));
    }
    return 0;
}

int matcher_holds_nothing(const struct matcher *matcher) {
    if (matcher->regex == NULL) {
        return matcher_holds(matcher, str_of(""));
    }
    int r = regex_match_empty(matcher->regex);
    return matcher->type == MATCH_REGEX ? r : negate(r);
}
