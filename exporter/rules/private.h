/* SPDX-License-Identifier: Apache-2.0 */

/* What the files of the rules share. */
#pragma once

#include "rules/alert.h"
#include "rules/rules.h"

struct rule_state {
    const struct rule *rule; /* borrowed from the set */
    uint64_t identity;       /* of its kind, name and labels within the group; stable */
    uint64_t place;          /* among rules of the same identity, which begin with 0 */
    struct store_feed *feed; /* what it recorded, or its ALERTS */
    struct batch batch;
    struct alert_list alerts;
    uint64_t salt;       /* of the ids of its alerts */
    uint64_t evaluation; /* counts them: marks the alerts that were found */
    enum rule_health health;
    char *error; /* NULL: none */
    int64_t last_ms;
    double seconds;
    uint64_t evaluations, failures, samples;
    bool expensive;   /* took too long for the loop, and has not been cheap often enough since */
    unsigned n_cheap; /* evaluations elsewhere in a row that the loop could have done */
};

struct group_state {
    struct rules *rules;
    const struct rule_group *group; /* borrowed from the set */
    struct store_source *source;
    struct rule_state *states;
    struct rule_state **sorted; /* the same by identity and place */
    int64_t next_ms;            /* the next slot */
    int64_t slot_ms;            /* of the last evaluation by the clock */
    int64_t t_ms;               /* of the evaluation that runs or ran last; strictly increasing */
    bool running;
    size_t at;       /* the rule that is next */
    uint64_t ticket; /* of the evaluation elsewhere; 0: none */
    uint64_t begin_usec, rule_begin_usec;
    double seconds;
    int64_t last_ms;
    uint64_t iterations, missed;
    bool news;           /* wants to be evaluated because of them */
    int64_t news_at_ms;  /* their time: an evaluation before it does not show them */
    int64_t news_ms;     /* of the last evaluation that news began */
    bool reads_anything; /* some selector names no metric */
    struct str *names;   /* that its selectors name; borrowed from the set */
    size_t n_names;
    uint64_t evaluations, failures; /* of its rules */
    uint64_t samples;               /* of its last evaluation */
};

struct rules {
    struct rules_options options;
    struct rules_delivery delivery;
    struct rule_set *set; /* NULL: none yet */
    struct group_state **groups;
    size_t n_groups;
    struct str *recorded; /* names that rules of the set record, sorted */
    size_t n_recorded;
    size_t turn; /* the group that is looked at first */
    bool started;
    int64_t start_ms;
    int64_t history_ms; /* that rules may need */
    uint64_t tickets;
    uint64_t texts_until_usec; /* queries of the templates of this evaluation; 0: as they like */
    struct arena arena;        /* of one rule's evaluation */
};

/* ---- group.c ---- */

/* Takes source, series and alerts over from the older version of the group, if there is one. */
struct group_state *group_new(struct rules *rules, const struct rule_group *group,
                              struct group_state *old);

/* What was not taken over gets stale markers, and its alerts resolve; with GROUP_NO_TIME, when the
 * program ends, they do not. */
#define GROUP_NO_TIME INT64_MIN
struct group_state *group_free(struct group_state *group, int64_t t_ms);

/* The same group in a new set. */
void group_rebase(struct group_state *group, const struct rule_group *same);

/* Labels of a rule as bytes; alone they tell rules of one name apart (a warning and a critical
 * one). */
void rule_pack_labels(const struct rule *rule, struct strbuf *out);
uint64_t rule_identity(enum rule_kind kind, struct str name, struct str labels);
/* Return: NULL when the group has no such rule. */
struct rule_state *group_find_rule(const struct group_state *group, uint64_t identity,
                                   uint64_t place, struct str name);

/* ---- evaluate.c ---- */

/* Evaluates the rule that is next, or submits it. */
void group_step(struct group_state *group, int64_t now_ms);

/* What an evaluation elsewhere took; NULL: not known. */
void rule_cost_elsewhere(struct rule_state *state, const struct rule_cost *cost);

/* What an evaluation gave, wherever it ran. */
void rule_take(struct group_state *group, struct rule_state *state,
               const struct rule_sample *samples, size_t n_samples);
void rule_fail(struct group_state *group, struct rule_state *state, const char *why);

/* Whether the templates of this evaluation have had their time. */
bool template_queries_are_late(const struct rules *rules);

/* An instant query of a template; userdata is the rules. */
int template_query(void *userdata, struct str expr, int64_t t_ms, struct arena *arena,
                   struct template_sample **ret, size_t *ret_count, struct error *err);

/* ---- alerting.c, recording.c: from samples to the store ---- */

/* Return: 0, or negative with *err: nothing has changed then. */
int record_samples(struct group_state *group, struct rule_state *state,
                   const struct rule_sample *samples, size_t n_samples, struct error *err);
int alert_samples(struct group_state *group, struct rule_state *state,
                  const struct rule_sample *samples, size_t n_samples, struct error *err);
