/* SPDX-License-Identifier: Apache-2.0 */

/* The alerts of one rule: which exist, and what becomes of each at an evaluation.
 *
 * The states and what moves between them are a table (alert_transitions), after Prometheus: an
 * alert is pending while its expression holds for less than `for`, then it fires; when the
 * expression no longer holds it ends at once, or after keep_firing_for. What fired and ended is
 * kept for a while, so that its end can be told again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/pack.h"
#include "rules/event.h"
#include "rules/rule_file.h"

/* What an evaluation finds about an alert. */
enum alert_finding {
    FINDING_SHORT, /* the expression holds, for less than `for` */
    FINDING_LONG,  /* it holds, for at least `for` */
    FINDING_KEPT,  /* it does not hold, but keep_firing_for is not over */
    FINDING_GONE,  /* it does not hold */
    FINDING_COUNT
};

/* "short", "long", "kept", "gone". */
extern const char *const alert_finding_names[];

enum alert_action {
    ALERT_STAY,
    ALERT_BEGIN,      /* a new life: active now */
    ALERT_FIRE,       /* begins to fire */
    ALERT_BEGIN_FIRE, /* both at once */
    ALERT_WITHDRAW,   /* fires no more although it holds: `for` became longer */
    ALERT_RESOLVE,
    ALERT_FORGET,
};

struct alert_transition {
    enum alert_state from;
    enum alert_finding finding;
    enum alert_state to;
    enum alert_action action;
};
#define ALERT_TRANSITIONS 12
extern const struct alert_transition alert_transitions[ALERT_TRANSITIONS];

struct alert {
    struct alert_view view;
    uint64_t hash;                      /* of the labels */
    struct str key;                     /* the labels as one text: who it is */
    struct label *labels, *annotations; /* owned, with their texts */
    char *label_texts, *annotation_texts;
    uint64_t generation;
    int64_t sent_ms;          /* of the last event; 0: never */
    uint64_t seen;            /* evaluation that found it last */
    bool outdated;            /* its annotations were made by an older version of the rule */
    enum alert_action action; /* of the last step */
};

struct alert_list {
    struct alert **alerts; /* in the order of their births */
    size_t n, capacity;
    struct hash_map by_labels;
};

void alert_list_deinit(struct alert_list *list);

/* The alert with these labels (sorted by name, without empty values), or NULL. */
struct alert *alert_list_find(const struct alert_list *list, const struct label *labels,
                              size_t n_labels);

/* A new one, inactive. salt tells rules apart that have alerts of equal labels. */
struct alert *alert_list_add(struct alert_list *list, uint64_t salt, const struct label *labels,
                             size_t n_labels);
void alert_set_annotations(struct alert *alert, const struct label *annotations, size_t count);

/* How many are pending or firing; the state of the rule is that of its worst alert. */
size_t alert_list_active(const struct alert_list *list);
enum alert_state alert_list_state(const struct alert_list *list);

/* Moves an alert on. Return: what was done; after ALERT_FORGET the alert is to be removed. */
enum alert_action alert_step(struct alert *alert, bool holds, const struct rule *rule,
                             int64_t t_ms);

/* Removes alerts that were forgotten, and resolved ones after the retention. */
void alert_list_sweep(struct alert_list *list, int64_t t_ms, int64_t retention_ms);

/* For the state file. A time that no clock has makes the input bad. */
int64_t alert_unpack_time(struct unpacker *in);
void alert_pack(const struct alert *alert, struct strbuf *out);
struct alert *alert_unpack(struct alert_list *list, uint64_t salt, struct unpacker *in);
