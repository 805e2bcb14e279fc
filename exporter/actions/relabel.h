/* SPDX-License-Identifier: Apache-2.0 */

/* Relabelling as Prometheus has it (relabel_config): a list of steps that rewrite labels, or say
 * that their bearer is dropped. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/regex.h"
#include "store/batch.h"

#define RELABEL_MOST_STEPS 64

enum relabel_action {
    RELABEL_REPLACE,
    RELABEL_KEEP,
    RELABEL_DROP,
    RELABEL_KEEPEQUAL,
    RELABEL_DROPEQUAL,
    RELABEL_HASHMOD,
    RELABEL_LABELMAP,
    RELABEL_LABELDROP,
    RELABEL_LABELKEEP,
    RELABEL_LOWERCASE,
    RELABEL_UPPERCASE,
    RELABEL_ACTIONS
};
/* "replace", "keep" ..., NULL. */
extern const char *const relabel_action_names[];

struct relabel_step {
    enum relabel_action action;
    char **source_labels;
    size_t n_source_labels;
    char *separator;     /* between their values */
    char *pattern;       /* as it was written */
    struct regex *regex; /* of the pattern, REGEX_WHOLE */
    uint64_t modulus;
    char *target_label, *replacement;
};
void relabel_step_deinit(struct relabel_step *step);

/* Return: 1 and the labels that are left in *ret (in the arena, sorted by name), 0 when the bearer
 * is dropped, -E2BIG when a regular expression hit a limit. */
int relabel(const struct relabel_step *steps, size_t n_steps, const struct label *labels,
            size_t n_labels, struct arena *arena, struct label **ret, size_t *n_ret);
