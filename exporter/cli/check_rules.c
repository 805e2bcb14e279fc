/* SPDX-License-Identifier: Apache-2.0 */

/* dbvitals check-rules: reads rule files as the daemon would and tells all mistakes at once. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/duration.h"
#include "promql/functions.h"
#include "rules/rule_file.h"
#include "scrape_series.h"

#define DEFAULT_INTERVAL_MS 5000
#define MOST_HISTORY_MS     ((int64_t)6 * 3600 * 1000)

struct check_rules_flags {
    struct cli_files files;
    bool help;
};

static const struct flag check_rules_flags[] = {
    {"FILE...", FLAG_OPERANDS, offsetof(struct check_rules_flags, files.names),
     .count_offset = offsetof(struct check_rules_flags, files.count), .most = CLI_MOST_FILES,
     .no_environment = true, .help = "Rule files in the form of Prometheus."},
    {"--help", FLAG_BOOL, offsetof(struct check_rules_flags, help), .no_environment = true,
     .help = "Print this text; also -h."},
    {NULL},
};

/* ---- warnings: what loads, but not as meant ---- */

/* They read native histograms, of which there are none: always an empty result. */
static const char *const native_functions[] = {
    "histogram_avg", "histogram_count", "histogram_stddev", "histogram_stdvar", "histogram_sum",
};

static void warn_at(const struct rule *rule, const char *text) {
    printf("  WARNING: %s:%u:%u: rule '%.*s': %s\n", rule->at.file != NULL ? rule->at.file : "",
           rule->query_at.line, rule->query_at.column, (int)rule->name.len, rule->name.data, text);
}

static void warn_call(const struct rule *rule, const struct expr *expr) {
    for (size_t i = 0; i < ARRAY_LEN(native_functions); i++) {
        if (strcmp(expr->call.function->name, native_functions[i]) == 0) {
            char text[160];
            snprintf(text, sizeof(text),
                     "%s() reads native histograms, which are not collected: its result is empty",
                     native_functions[i]);
            warn_at(rule, text);
        }
    }
}

static void warn_expression(const struct rule *rule, const struct expr *expr) {
    switch (expr->kind) {
    case EXPR_CALL:
        warn_call(rule, expr);
        for (size_t i = 0; i < expr->call.n_args; i++) {
            warn_expression(rule, expr->call.args[i]);
        }
        break;
    case EXPR_AGGREGATE:
        if (expr->aggregate.parameter != NULL) {
            warn_expression(rule, expr->aggregate.parameter);
        }
        warn_expression(rule, expr->aggregate.inner);
        break;
    case EXPR_BINARY:
        warn_expression(rule, expr->binary.left);
        warn_expression(rule, expr->binary.right);
        break;
    case EXPR_SUBQUERY:
        warn_expression(rule, expr->subquery.inner);
        break;
    case EXPR_UNARY:
    case EXPR_PAREN:
        warn_expression(rule, expr->inner);
        break;
    default:
        break;
    }
}

static void warn_rule(const struct rule *rule) {
    warn_expression(rule, rule->expr.root);
    if (rule_needs_ms(rule) > MOST_HISTORY_MS) {
        char needed[32], most[32], text[160];
        snprintf(text, sizeof(text),
                 "it looks back %s, but history is kept for at most %s: it is not evaluated",
                 duration_format((uint64_t)rule_needs_ms(rule) * USEC_PER_MSEC, needed),
                 duration_format((uint64_t)MOST_HISTORY_MS * USEC_PER_MSEC, most));
        warn_at(rule, text);
    }
}

/* ---- files ---- */

static void print_errors(const struct error_list *errors) {
    char text[512];
    printf("  FAILED:\n");
    fflush(stdout);
    for (size_t i = 0; i < errors->n; i++) {
        fprintf(stderr, "%s\n", error_format(&errors->errors[i], text, sizeof(text)));
    }
    if (errors->more > 0) {
        fprintf(stderr, "and %zu more\n", errors->more);
    }
}

static void print_success(const struct rule_set *set) {
    for (size_t i = 0; i < set->n_groups; i++) {
        for (size_t k = 0; k < set->groups[i].n_rules; k++) {
            warn_rule(&set->groups[i].rules[k]);
        }
    }
    printf("  SUCCESS: %zu rules found\n", set->n_rules);
}

static bool check_text(const char *name, struct str text) {
    static const struct rule_options options = {.interval_ms = DEFAULT_INTERVAL_MS,
                                                .is_reserved = metric_is_builtin};
    struct str names = str_of(name);
    struct error_list errors = {0};
    CLEANUP(rule_set_freep)
    struct rule_set *set = rule_set_new(&names, &text, 1, &options, &errors);
    if (set == NULL) {
        print_errors(&errors);
    } else {
        print_success(set);
    }
    error_list_deinit(&errors);
    return set != NULL;
}

static bool check_file(const char *name) {
    size_t length;
    printf("Checking %s\n", name);
    fflush(stdout);
    char *text = cli_read_file(name, &length);
    bool good = text != NULL && check_text(name, (struct str){text, length});
    printf("\n");
    free(text);
    return good;
}

int cli_check_rules(int argc, char **argv) {
    struct check_rules_flags flags = {0};
    int status = 0;
    if (!cli_flags(check_rules_flags,
                   "Usage: dbvitals check-rules FILE...\n\nChecks files of alerting and recording "
                   "rules and tells all mistakes with their\nplaces on stderr; exits with 1 when "
                   "there are any.",
                   offsetof(struct check_rules_flags, help), argc, argv, &flags, &status)) {
        return status;
    }
    if (flags.files.count == 0) {
        return cli_fail("check-rules needs a FILE (--help tells more)");
    }
    for (size_t i = 0; i < flags.files.count; i++) {
        status |= check_file(flags.files.names[i]) ? 0 : 1;
    }
    fflush(stdout);
    return status;
}
