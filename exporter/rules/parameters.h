/* SPDX-License-Identifier: Apache-2.0 */

/* Which value of each parameter is in force: what was changed at run time over what the
 * configuration says over the table's default; and what is said of one target over what is said of
 * all, whoever said it. Changes are what a restart must not forget; the configuration is not. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "rules/parameter_table.h"

#define PARAMETERS_MOST_CHANGES 10000

/* What somebody said about one parameter. */
struct parameter_setting {
    char *name;
    char *target; /* NULL: all that have it */
    double value;
    int64_t changed_ms; /* of changes */
};

struct parameters;

struct parameters *parameters_new(void);
struct parameters *parameters_free(struct parameters *parameters);
DEFINE_CLEANUP(struct parameters, parameters_free);

/* Takes what the configuration says in place of what it said before; copies it. */
void parameters_configure(struct parameters *parameters, const struct parameter_setting *settings,
                          size_t count);

struct parameter_change {
    struct str name;
    struct str target; /* empty: all */
    bool reset;        /* back to what the configuration says */
    double value;
};

/* Sets or resets. Name and value were checked. Return: 0, or -E2BIG with a sentence. */
int parameters_change(struct parameters *parameters, const struct parameter_change *change,
                      int64_t now_ms, struct error *err);

/* All names that are bundled or that somebody said something about, in order. Valid until the next
 * change. */
struct parameter_name {
    const char *name;
    const struct parameter *row; /* NULL: a user's own */
};
size_t parameters_names(const struct parameters *parameters);
struct parameter_name parameters_name(const struct parameters *parameters, size_t index);

/* What is in force for a target; NULL: for those of which nothing is said.
 * Return: false when a user's own parameter has no value there. */
bool parameters_get(const struct parameters *parameters, struct str name, const char *target,
                    double *ret);

/* The configuration's and the run time's own word on exactly this target (NULL: on all), or NULL.
 */
const struct parameter_setting *parameters_configured(const struct parameters *parameters,
                                                      struct str name, const char *target);
const struct parameter_setting *parameters_changed(const struct parameters *parameters,
                                                   struct str name, const char *target);

/* Targets of which something is said about a parameter, each once, in order.
 * Return: NULL behind the last; start with NULL. */
const char *parameters_next_target(const struct parameters *parameters, struct str name,
                                   const char *before);

/* The changes as bytes, and back. Loading takes all or nothing: -EINVAL with why they are not to be
 * trusted. */
void parameters_save(const struct parameters *parameters, struct strbuf *out);
int parameters_load(struct parameters *parameters, struct str state, struct error *err);
