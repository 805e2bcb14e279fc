/* SPDX-License-Identifier: Apache-2.0 */

/* What the page at "/" says of the breakers that are kept for applications, and of the clusters
 * whose primaries are watched with their failovers. What is not configured has no section. It is
 * written in the loop, so what it shows is bounded; the rest is in the API. */
#pragma once

#include "failover/watch.h"
#include "web/pages.h"

#define LANDING_MOST_BREAKERS 100
#define LANDING_MOST_CLUSTERS 50
#define LANDING_MOST_PLANS    10 /* the newest, and whatever waits for people */

/* Beside the verdict on the targets: what keeps calls back, what is lost, what waits for people. */
struct landing_watch {
    size_t breakers;  /* that let not all calls pass */
    size_t unhealthy; /* clusters */
    size_t waiting;   /* plans, for an approval or an acknowledgement */
    bool lost;        /* a primary is, or nobody knows */
    bool urgent;      /* somebody has to approve, or to look at one that failed */
};
struct landing_watch landing_count_watch(const struct web *web);

/* The sections, headings included. */
void landing_add_breakers(struct strbuf *out, const struct web *web);
void landing_add_failover(struct strbuf *out, const struct web *web);

/* One row each. */
void landing_add_cluster(struct strbuf *out, const struct cluster *cluster, bool maintenance,
                         uint64_t now_usec);
void landing_add_plan(struct strbuf *out, const struct plan *plan, int64_t now_ms);
