/* SPDX-License-Identifier: Apache-2.0 */

/* What the page at "/" says of alerts and rules. It is written in the loop, so what it shows is
 * bounded; the rest is in the API. */
#pragma once

#include "web/pages.h"

#define LANDING_MOST_ALERTS 100
#define LANDING_MOST_GROUPS 100

/* Alerts that want somebody to look: those of severity "none" only show that alerts work. */
struct landing_alerts {
    size_t firing, pending;
    bool critical; /* one that fires */
    size_t failing_rules;
};
struct landing_alerts landing_count_alerts(const struct web *web);

/* The sections, headings included. */
void landing_add_alerts(struct strbuf *out, const struct web *web);
void landing_add_rules(struct strbuf *out, const struct web *web);
