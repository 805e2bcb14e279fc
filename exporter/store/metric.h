/* SPDX-License-Identifier: Apache-2.0 */

/* What a metric is: the types of the text exposition format 0.0.4 and the endings of the series
 * that histograms and summaries consist of. */
#pragma once

enum metric_type {
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_UNTYPED,
    METRIC_HISTOGRAM,
    METRIC_SUMMARY,
};

/* "counter", "gauge", ... as in a TYPE line; indexed by enum metric_type. */
extern const char *const metric_type_names[];

/* What follows the family's name in the name of the series. */
enum metric_suffix { SUFFIX_NONE, SUFFIX_BUCKET, SUFFIX_SUM, SUFFIX_COUNT };
#define N_METRIC_SUFFIXES 4

/* "", "_bucket", "_sum", "_count". */
extern const char *const metric_suffix_names[];
