/* SPDX-License-Identifier: Apache-2.0 */

#include "rules/parameter_use.h"

/* A selector without a word on the name of the parameter selects all. */
static bool selects(const struct expr *selector, struct str name) {
    bool named = false;
    for (size_t i = 0; i < selector->selector.n_matchers; i++) {
        const struct matcher *matcher = &selector->selector.matchers[i];
        bool is_metric = str_is(matcher->name, "__name__");
        struct str value = is_metric ? str_of(PARAMETER_METRIC) : name;
        if ((is_metric || str_is(matcher->name, "name")) && matcher_holds(matcher, value) != 1) {
            return false;
        }
        named = named || is_metric;
    }
    return named;
}

static bool reads(const struct rule *rule, struct str name) {
    const struct expr *selector = rule->expr.selectors;
    while (selector != NULL && !selects(selector, name)) {
        selector = selector->selector.next;
    }
    return selector != NULL;
}

bool rule_set_reads_parameter(const struct rule_set *set, struct str name) {
    for (size_t i = 0; i < set->n_groups; i++) {
        for (size_t k = 0; k < set->groups[i].n_rules; k++) {
            if (reads(&set->groups[i].rules[k], name)) {
                return true;
            }
        }
    }
    return false;
}
