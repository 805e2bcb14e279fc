/* SPDX-License-Identifier: Apache-2.0 */

/* What the usual exporters say about their own scrapes, under their names and said of our rounds:
 * dashboards and alerts look at these too. Only what is as true of a round as it is of a scrape.
 * Pure. */
#pragma once

#include "sampler/sampler.h"

/* Of the last round; connect_seconds is NAN while there was no connection yet. PgBouncer's exporter
 * has nothing of the kind. */
void exporter_names_add_round(const struct target_view *view, enum target_kind kind,
                              double connect_seconds, struct batch *batch);

/* Of a collector that has run; only PostgreSQL's exporter has this. */
void exporter_names_add_collector(const struct collector_view *view, enum target_kind kind,
                                  struct batch *batch);

extern const struct collector exporter_names_table;
