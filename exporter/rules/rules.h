/* SPDX-License-Identifier: Apache-2.0 */

/* The rules at work: groups are evaluated at their slots, results are committed to the store,
 * alerts live and die, their state survives restarts.
 *
 * No clock, no disk, no sockets: the owner says what time it is, runs expensive evaluations
 * elsewhere, keeps the state's bytes, and takes events on. Within a group rules run in order at one
 * timestamp, each sees what those before it recorded; between two rules the loop may run. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "promql/eval.h"
#include "rules/event.h"
#include "rules/rule_file.h"
#include "store/store.h"

struct rules;

struct rules_options {
    struct store *store;
    int64_t resolved_retention_ms; /* 0: 15 minutes */
    struct str external_url;
    uint64_t (*now_usec)(void); /* for durations and deadlines; CLOCK_BOOTTIME */

    /* An event; called while the rules are evaluated, must not call back. */
    void (*event)(void *userdata, const struct alert_event *event);
    /* Whether the pages of a target have series of this name. NULL: all may. */
    bool (*has_metric)(void *userdata, const char *target, struct str metric);
    /* The state has changed in a way that should be on disk soon. */
    void (*state_changed)(void *userdata);
    /* Evaluates elsewhere; exactly one rules_evaluated() answers, never from inside. The rule is
     * there until rules_set(): whoever begins later asks rules_submitted(). NULL: all in the loop,
     * whatever it takes. */
    void (*submit)(void *userdata, const struct rule *rule, int64_t t_ms, uint64_t ticket);
    void *userdata;
};

struct rules *rules_new(const struct rules_options *options);
/* Before the store goes. Alerts stay as they are: what is saved is read again. */
struct rules *rules_free(struct rules *rules);
DEFINE_CLEANUP(struct rules, rules_free);

/* How often an alert that fires is told again (0: 1 minute), and the external labels of templates,
 * which are borrowed until the next call. */
struct rules_delivery {
    int64_t resend_delay_ms;
    const struct label *external_labels;
    size_t n_external_labels;
};
void rules_configure(struct rules *rules, const struct rules_delivery *delivery);

/* Takes a new set over: groups that are in both as they were go on; alerts of rules with the same
 * name and labels are carried over; what is gone gets stale markers and resolves. Owned from here
 * on. */
void rules_set(struct rules *rules, struct rule_set *set, int64_t now_ms);

/* How much history there is (at first: whatever is needed). A rule that needs more is not
 * evaluated: an error says so at each slot. */
void rules_set_history(struct rules *rules, int64_t history_ms);

/* Nothing is evaluated before this: every target has ended its first round. */
void rules_start(struct rules *rules, int64_t now_ms);

/* Runs at most one slice: one rule that is due. Return: when it wants to be called again (ms; now
 * or earlier: at the next turn of the loop). */
int64_t rules_run(struct rules *rules, int64_t now_ms);

/* Evaluates a whole group at a time of the caller's, whatever its slots are; for tests of rules. No
 * submit(), and later than the time before. */
void rules_run_group(struct rules *rules, size_t group, int64_t t_ms);

/* The rule that a ticket of submit() stands for, in the set that is there now; NULL when nobody
 * waits for it any more. */
const struct rule *rules_submitted(const struct rules *rules, uint64_t ticket);

/* The answer to submit(). rows are the result's samples, or err says why there are none. */
struct rule_sample {
    const struct label *labels; /* sorted by name */
    size_t n_labels;
    double value;
};
/* The samples of a result (instant vector or scalar), in the arena; names and values are borrowed
 * from the result. Return: how many. */
size_t rules_samples_of(const struct eval_result *result, struct arena *arena,
                        struct rule_sample **ret);
/* What the evaluation took there: a rule that was cheap a few times in a row is evaluated in the
 * loop again. */
struct rule_cost {
    uint64_t samples; /* that were read */
    uint64_t usec;    /* of the processor */
};
/* cost: NULL when it is not known. */
void rules_evaluated(struct rules *rules, uint64_t ticket, const struct rule_sample *samples,
                     size_t n_samples, const struct rule_cost *cost, const struct error *err);

/* News of a source: the groups that may read its families are evaluated at once, at most 5 times a
 * second each; the last news is never lost. now_ms: that of the newest sample they brought, if that
 * is later; no evaluation before it counts. */
void rules_news(struct rules *rules, const char *target, int64_t now_ms);

/* The state as bytes, and back: versioned, checksummed. Load before rules_start(), after
 * rules_set(). Return: 0, or -EINVAL with *err: what is broken is not trusted at all. */
void rules_save(const struct rules *rules, int64_t now_ms, struct strbuf *out);
int rules_load(struct rules *rules, struct str state, int64_t now_ms, struct error *err);

/* ---- for the API, the status page and the metrics ---- */

enum rule_health { RULE_UNKNOWN, RULE_OK, RULE_ERROR };
extern const char *const rule_health_names[]; /* "unknown", "ok", "err" */

struct rule_view {
    const struct rule *rule;
    enum rule_health health;
    const char *error; /* NULL: none */
    int64_t last_ms;   /* of the last evaluation; 0: none */
    double seconds;
    uint64_t evaluations, failures;
    uint64_t samples; /* of the last evaluation */
    enum alert_state state;
    size_t n_alerts;
};

struct group_view {
    const struct rule_group *group;
    int64_t last_ms;
    double seconds;
    uint64_t iterations, missed;
    uint64_t evaluations, failures; /* of its rules, those before a reload included */
    uint64_t samples;               /* that its rules gave last */
};

size_t rules_groups(const struct rules *rules);
struct group_view rules_group(const struct rules *rules, size_t group);
struct rule_view rules_rule(const struct rules *rules, size_t group, size_t rule);
struct alert_view rules_alert(const struct rules *rules, size_t group, size_t rule, size_t alert);

/* How many alerts there are of each state; inactive are those that are over and still told. */
struct alert_counts {
    size_t by_state[ALERT_FIRING + 1];
};
struct alert_counts rules_count_alerts(const struct rules *rules);
