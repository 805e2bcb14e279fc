/* SPDX-License-Identifier: Apache-2.0 */

/* What people read first: titles, severities, times, and texts that are not too long. */
#pragma once

#include "actions/notification.h"

/* The worst first. */
enum severity {
    SEVERITY_CRITICAL,
    SEVERITY_ERROR,
    SEVERITY_WARNING,
    SEVERITY_INFO,
    SEVERITY_COUNT
};
/* "critical", "error", "warning", "info". */
extern const char *const severity_names[];

/* Of the label severity, whose usual words are known; ERROR for others and without one. */
enum severity severity_of(const struct notification_alert *alert);
/* The worst of those that fire; of all when none does. */
enum severity severity_worst(const struct notification *notification);

/* The value, or an empty text. */
struct str wording_value(const struct label *labels, size_t count, const char *name);
struct str wording_label(const struct notification_alert *alert, const char *name);
struct str wording_annotation(const struct notification_alert *alert, const char *name);
/* Of all alerts together: empty unless they agree. */
struct str wording_common(const struct notification *notification, const char *name);

/* "firing", "resolved". */
const char *wording_status(bool resolved);

/* One line: "[FIRING:2] PostgresDown (orders, orders-1)". */
#define WORDING_TITLE_BYTES 150
void wording_title(const struct notification *notification, struct strbuf *out);

/* "2 alerts fire, 1 is over." */
void wording_count(const struct notification *notification, struct strbuf *out);

/* At most so many bytes of it, whole characters, with an ellipsis (3 bytes more) when it was
 * longer. What is no UTF-8 becomes U+FFFD. */
void wording_add(struct strbuf *out, struct str text, size_t most_bytes);
/* The same in one line: controls become spaces. */
void wording_add_line(struct strbuf *out, struct str text, size_t most_bytes);

/* "2026-01-02 03:04:05 UTC" */
void wording_add_time(struct strbuf *out, int64_t t_ms);
/* "2h 5m", two units at most. */
void wording_add_duration(struct strbuf *out, int64_t ms);

/* Whether it can stand in a link: http or https, no spaces, quotes or brackets, not too long. */
bool wording_is_link(struct str url);

/* The page with the expression of an alert; external_url without a slash at its end. */
void wording_add_expression_url(struct strbuf *out, struct str external_url, struct str query);
