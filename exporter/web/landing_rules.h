/* SPDX-License-Identifier: Apache-2.0 */

/* What the page at "/" says of alerts and rules. It is written in the loop, so what it shows is
 * bounded; the rest is in the API. */
#pragma once

#include "web/pages.h"

/* ---- parts of all sections ---- */

/* A line of its own when there is text; class: constant. */
void landing_add_text(struct strbuf *out, const char *class, struct str text);

/* name: of the column, where the page is too narrow for a head. NULL is no text. */
void landing_add_cell(struct strbuf *out, const char *name, const char *text);

/* A cell: how long ago, and the time. */
void landing_add_since(struct strbuf *out, int64_t since_ms, int64_t now_ms);

/* A row that leads to what is not shown, unless that is nothing. */
void landing_add_rest(struct strbuf *out, const struct web *web, size_t rest, const char *path,
                      unsigned columns);

/* ---- alerts and rules ---- */

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
