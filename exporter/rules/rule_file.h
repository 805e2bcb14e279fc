/* SPDX-License-Identifier: Apache-2.0 */

/* Rule files of Prometheus: groups of recording and alerting rules.
 *
 * A set is what a configuration's files hold together; it is built aside, complete or not at all,
 * and never changed afterwards. Every mistake of every file is reported, not only the first. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "promql/parser.h"
#include "rules/template.h"

#define RULES_MOST_FILES  1000
#define RULES_MOST_GROUPS 5000
#define RULES_MOST_RULES  20000
#define RULES_MOST_LABELS 32 /* of a rule */

enum rule_kind { RULE_RECORD, RULE_ALERT };

/* A label or annotation of a rule. Labels of recording rules are plain text. */
struct rule_text {
    struct str name;
    struct str text;           /* as written */
    struct template *template; /* NULL: plain */
};

struct rule {
    enum rule_kind kind;
    struct str name; /* of the recorded series, or of the alert */
    struct parsed expr;
    struct str query; /* the expression as printed */
    int64_t for_ms, keep_firing_for_ms;
    struct rule_text *labels; /* of the group too; sorted by name */
    size_t n_labels;
    struct rule_text *annotations; /* sorted by name */
    size_t n_annotations;
    struct position at;       /* of the rule */
    struct position query_at; /* of its expression: places within it are relative to this */
    int64_t reach_ms;  /* how far back its expression looks: the longest range, subquery, offset
                          and look-back along one path */
    int64_t window_ms; /* the same without look-back: the past that its result is made of */
    size_t index;      /* within its group */
};

/* How much history its evaluation needs: none when the newest samples are enough. */
static inline int64_t rule_needs_ms(const struct rule *rule) {
    return rule->window_ms > 0 ? rule->reach_ms : 0;
}

struct rule_group {
    struct str file, name;
    int64_t interval_ms;
    int64_t query_offset_ms;
    uint64_t limit; /* 0: none */
    struct rule *rules;
    size_t n_rules;
    uint64_t identity; /* hash of everything above: equal groups go on undisturbed at a reload */
};

struct rule_set {
    struct arena arena; /* of everything */
    struct rule_group *groups;
    size_t n_groups, n_rules;
    int64_t interval_ms; /* of groups that name none; also the step of [5m:] */
};

struct rule_options {
    int64_t interval_ms; /* of groups that name none */
    /* Whether a recorded series may not have this name: those of the collectors. NULL: all may. */
    bool (*is_reserved)(struct str name);
};

/* Errors found, in the order of the files, each once. The names of their files lie with them. */
struct error_list {
    struct error *errors;
    size_t n, capacity;
    struct arena names;
    size_t more; /* above 100 are only counted */
};
void error_list_deinit(struct error_list *list);

/* Parses the files' texts. names and texts are parallel; both are borrowed during the call only.
 * Return: the set; NULL when anything is wrong, and then errors holds at least one. */
struct rule_set *rule_set_new(const struct str *names, const struct str *texts, size_t n_files,
                              const struct rule_options *options, struct error_list *errors);
struct rule_set *rule_set_free(struct rule_set *set);
DEFINE_CLEANUP(struct rule_set, rule_set_free);
