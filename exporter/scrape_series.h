/* SPDX-License-Identifier: Apache-2.0 */

/* The series that a Prometheus makes of a scrape (up, scrape_duration_seconds, ...), made of each
 * round, so that a rule file finds them here as there. They are stored and on no page. `up` says
 * that we answered, not that the database did: that is pg_up, redis_up, pgbouncer_up. */
#pragma once

#include "sampler/sampler.h"
#include "store/store.h"

struct scrape_series;

struct scrape_series *scrape_series_new(struct store *store);
struct scrape_series *scrape_series_free(struct scrape_series *scrapes);

/* After a round of the target. */
void scrape_series_add(struct scrape_series *scrapes, const struct target_view *target);

/* After the daemon's own series were made, which took so long; t_ms increases. */
void scrape_series_add_self(struct scrape_series *scrapes, const struct store_source *self,
                            const char *instance, double seconds, int64_t t_ms);

/* Ends the series of targets that are not among these, but our own. */
void scrape_series_apply(struct scrape_series *scrapes, const struct target_options *targets,
                         size_t count, int64_t t_ms);

/* Whether a metric's name is one that the daemon makes itself: of a collector, of a round, of what
 * it says about targets and itself. */
bool metric_is_builtin(struct str name);
