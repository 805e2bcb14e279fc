/* SPDX-License-Identifier: Apache-2.0 */

/* Recording rules: samples get the rule's name and labels and are committed. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "rules/private.h"

static bool is_name(struct str name) {
    return str_is(name, "__name__");
}

/* The sample's labels with those of the rule over them. Return: how many. */
static size_t merge_labels(const struct rule *rule, const struct rule_sample *sample,
                           struct label *ret, size_t most) {
    size_t n = 0;
    for (size_t i = 0; i < sample->n_labels && n < most; i++) {
        bool replaced = is_name(sample->labels[i].name);
        for (size_t k = 0; !replaced && k < rule->n_labels; k++) {
            replaced = str_equal(rule->labels[k].name, sample->labels[i].name);
        }
        if (!replaced) {
            ret[n++] = sample->labels[i];
        }
    }
    for (size_t k = 0; k < rule->n_labels && n < most; k++) {
        ret[n++] = (struct label){rule->labels[k].name, rule->labels[k].text};
    }
    return n;
}

static int compare_texts(const void *a, const void *b) {
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static bool has_duplicates(const struct batch *batch) {
    struct str *texts = mem_array(batch->n_samples + 1, sizeof(*texts));
    bool found = false;
    for (size_t i = 0; i < batch->n_samples; i++) {
        texts[i] = batch_labels_text(batch, batch->samples[i].labels);
    }
    if (batch->n_samples > 1) {
        qsort(texts, batch->n_samples, sizeof(*texts), compare_texts);
    }
    for (size_t i = 1; !found && i < batch->n_samples; i++) {
        found = str_equal(texts[i - 1], texts[i]);
    }
    free(texts);
    return found;
}

int record_samples(struct group_state *group, struct rule_state *state,
                   const struct rule_sample *samples, size_t n_samples, struct error *err) {
    const struct rule *rule = state->rule;
    const char *name = arena_dup(&group->rules->arena, rule->name).data;
    if (group->group->limit > 0 && n_samples > group->group->limit) {
        return error_say(err, -E2BIG, "exceeded limit of %llu with %zu series",
                         (unsigned long long)group->group->limit, n_samples);
    }
    batch_clear(&state->batch);
    for (size_t i = 0; i < n_samples; i++) {
        struct label labels[BATCH_MAX_LABELS];
        size_t n = merge_labels(rule, &samples[i], labels, ARRAY_LEN(labels));
        batch_add(&state->batch,
                  (struct batch_metric){.name = name, .help = "", .type = METRIC_UNTYPED},
                  batch_add_labels(&state->batch, labels, n), samples[i].value);
    }
    if (has_duplicates(&state->batch)) {
        return error_say(err, -EINVAL,
                         "vector contains metrics with the same labelset after applying rule "
                         "labels");
    }
    store_feed_commit(state->feed, &state->batch, group->t_ms - group->group->query_offset_ms);
    return 0;
}
