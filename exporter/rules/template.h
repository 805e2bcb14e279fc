/* SPDX-License-Identifier: Apache-2.0 */

/* Templates of labels and annotations: the language of Go's text/template with the functions of
 * Prometheus, compiled once, expanded at every evaluation.
 *
 * Values are nil, booleans, numbers, whole numbers, texts, times, lists of samples, samples and the
 * maps $labels and $externalLabels. Everything that Prometheus' templates know parses; an unknown
 * function is an error of the file, as there. Limits of an expansion: 64 KiB of text, 10 queries,
 * depth 100, 100000 steps. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "store/batch.h"

struct template;

/* Compiles a text, which is borrowed. Everything lies in the arena and goes with it. Return: 0, or
 * -EINVAL with *err: line and column in the text. */
int template_new(struct str text, struct arena *arena, struct template **ret, struct error *err);

/* Its text when nothing in it has to be expanded, else data is NULL. */
struct str template_constant(const struct template *template);

/* Whether the result may change although labels and value do not: query, now, time. */
bool template_is_volatile(const struct template *template);

/* A series and its value, as query gives them. */
struct template_sample {
    const struct label *labels;
    size_t n_labels;
    double value;
};

struct template_data {
    const struct label *labels; /* of the result's sample; sorted by name */
    size_t n_labels;
    double value;
    const struct label *external_labels;
    size_t n_external_labels;
    struct str external_url; /* with its path */
    int64_t t_ms;            /* of the evaluation */

    /* An instant query at t_ms; the samples lie in the arena. NULL: query is an error.
     * Return: 0 or negative errno with *err. */
    int (*query)(void *userdata, struct str expr, int64_t t_ms, struct arena *arena,
                 struct template_sample **ret, size_t *ret_count, struct error *err);
    void *userdata;
};

/* Adds the expansion to out. Return: 0; or -EINVAL with *err, and what was added is
 * "<error expanding template: ...>": the alert goes out with it. */
int template_expand(const struct template *template, const struct template_data *data,
                    struct strbuf *out, struct error *err);
