/* SPDX-License-Identifier: Apache-2.0 */

/* Names of metric types and suffixes. */
#include "store/metric.h"

const char *const metric_type_names[] = {
    [METRIC_COUNTER] = "counter",     [METRIC_GAUGE] = "gauge",     [METRIC_UNTYPED] = "untyped",
    [METRIC_HISTOGRAM] = "histogram", [METRIC_SUMMARY] = "summary",
};

const char *const metric_suffix_names[] = {
    [SUFFIX_NONE] = "",
    [SUFFIX_BUCKET] = "_bucket",
    [SUFFIX_SUM] = "_sum",
    [SUFFIX_COUNT] = "_count",
};
