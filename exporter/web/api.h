/* SPDX-License-Identifier: Apache-2.0 */

/* The HTTP API of Prometheus (https://prometheus.io/docs/prometheus/latest/querying/api/) over our
 * own history: the handlers of the route table, one per path below /api/v1/.
 *
 * In the loop are answered: format_query (bounded by the text), alertmanagers, status/buildinfo,
 * status/runtimeinfo, status/flags, query_exemplars and targets/metadata (constant), and, while
 * they are small, targets, alerts and rules. Everything else is a question for a worker. */
#pragma once

#include "web/pages.h"

#define API_PREFIX   "/api/v1/"
#define API_BREAKERS API_PREFIX "breakers/"
#define API_REPORT   "/report" /* behind a breaker's name */

void api_query(struct web *web, const struct web_request *request, struct web_answer *ret);
void api_query_range(struct web *web, const struct web_request *request, struct web_answer *ret);
void api_format_query(struct web *web, const struct web_request *request, struct web_answer *ret);
/* What we never have any of: exemplars, metadata of targets. */
void api_empty_list(struct web *web, const struct web_request *request, struct web_answer *ret);

void api_series(struct web *web, const struct web_request *request, struct web_answer *ret);
void api_labels(struct web *web, const struct web_request *request, struct web_answer *ret);
/* Of all paths below /api/v1/label/. */
void api_label_values(struct web *web, const struct web_request *request, struct web_answer *ret);
void api_metadata(struct web *web, const struct web_request *request, struct web_answer *ret);

void api_alerts(struct web *web, const struct web_request *request, struct web_answer *ret);
void api_rules(struct web *web, const struct web_request *request, struct web_answer *ret);
void api_alertmanagers(struct web *web, const struct web_request *request, struct web_answer *ret);

/* The parameters of the rules, all or one; and changes of one. */
void api_parameters(struct web *web, const struct web_request *request, struct web_answer *ret);
void api_parameter(struct web *web, const struct web_request *request, struct web_answer *ret);

/* Breakers: all; one, or an operator's order; what became of calls. */
void api_breakers(struct web *web, const struct web_request *request, struct web_answer *ret);
void api_breaker(struct web *web, const struct web_request *request, struct web_answer *ret);
void api_breaker_report(struct web *web, const struct web_request *request, struct web_answer *ret);

/* The clusters whose primaries are watched, and the journal. */
void api_failover(struct web *web, const struct web_request *request, struct web_answer *ret);
/* How a primary does, for other daemons. */
void api_witness(struct web *web, const struct web_request *request, struct web_answer *ret);

void api_targets(struct web *web, const struct web_request *request, struct web_answer *ret);
void api_buildinfo(struct web *web, const struct web_request *request, struct web_answer *ret);
void api_runtimeinfo(struct web *web, const struct web_request *request, struct web_answer *ret);
void api_flags(struct web *web, const struct web_request *request, struct web_answer *ret);
void api_config(struct web *web, const struct web_request *request, struct web_answer *ret);
void api_tsdb(struct web *web, const struct web_request *request, struct web_answer *ret);

/* Of all other paths below /api/v1/. */
void api_not_found(struct web *web, const struct web_request *request, struct web_answer *ret);
