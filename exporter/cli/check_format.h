/* SPDX-License-Identifier: Apache-2.0 */

/* What `dbvitals check` prints: a table for people, a plugin's answer for Nagios and its heirs
 * (https://www.monitoring-plugins.org/doc/guidelines.html), or JSON. */
#pragma once

#include "base/str.h"
#include "sampler/sampler.h"

/* Also the exit status of the process. */
enum check_status { CHECK_OK, CHECK_WARNING, CHECK_CRITICAL, CHECK_UNKNOWN };

enum check_format { CHECK_TABLE, CHECK_NAGIOS, CHECK_JSON };
extern const char *const check_format_names[]; /* NULL-terminated */

struct check_count {
    size_t targets, absent; /* the second of the first */
};

/* Adds all targets, or only the one of that name, to out. A target that was only guessed, and where
 * nobody listens, is absent: it is shown as not found and decides nothing. Return: the worst status
 * of the others. */
enum check_status check_render(const struct sampler *sampler, const char *only,
                               enum check_format format, struct strbuf *out,
                               struct check_count *ret_count);

/* Adds a plugin's answer when there is nothing to tell but why. */
void check_render_failure(const char *why, struct strbuf *out);
