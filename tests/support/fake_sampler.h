/* SPDX-License-Identifier: Apache-2.0 */

/* A stand-in for the sampler's read-only side: targets whose state a test sets as it likes. */
#pragma once

#include "sampler/sampler.h"
#include "sampler/summary.h"

#define FAKE_MOST_TARGETS 8

struct fake_target {
    struct target_view view;
    struct target_options options;
    struct breaker breaker;
    struct summary_ring traffic;
    struct collector_view collectors[2];
    size_t n_collectors;
};

/* What the functions of sampler.h look at; a struct sampler to the code under test. */
struct sampler {
    struct fake_target targets[FAKE_MOST_TARGETS];
    size_t n_targets;
};

/* Adds a target that is up; name and the other strings are borrowed. */
struct fake_target *fake_sampler_add(struct sampler *sampler, const char *name,
                                     enum target_kind kind, const char *instance);
