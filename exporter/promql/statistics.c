/* SPDX-License-Identifier: Apache-2.0 */

/* Sums, means and quantiles, computed as Prometheus does, so that the last digits agree. */
#include <math.h>
#include <stdlib.h>

#include "promql/private.h"

/* Neumaier's variant of Kahan's summation; an infinite sum has no error term. */
void kahan_add(struct kahan *kahan, double value) {
    double sum = kahan->sum, t = sum + value;
    if (isinf(t)) {
        kahan->c = 0.0;
    } else if (fabs(sum) >= fabs(value)) {
        kahan->c += (sum - t) + value;
    } else {
        kahan->c += (value - t) + sum;
    }
    kahan->sum = t;
}

double kahan_value(const struct kahan *kahan) {
    return isinf(kahan->sum) ? kahan->sum : kahan->sum + kahan->c;
}

void mean_add(struct mean *mean, double value) {
    mean->count++;
    if (!mean->incremental) {
        struct kahan next = mean->total;
        kahan_add(&next, value);
        if (mean->count == 1.0 || !isinf(next.sum)) {
            mean->total = next;
            return;
        }
        /* The sum would overflow: from here on the mean itself is kept. */
        mean->incremental = true;
        mean->total.sum /= mean->count - 1.0;
        mean->total.c /= mean->count - 1.0;
    }
    double share = (mean->count - 1.0) / mean->count;
    mean->total.sum *= share;
    mean->total.c *= share;
    kahan_add(&mean->total, value / mean->count);
}

double mean_value(const struct mean *mean) {
    const struct kahan *total = &mean->total;
    if (mean->incremental) {
        return total->sum + total->c;
    }
    return total->sum / mean->count + total->c / mean->count;
}

void deviation_add(struct deviation *deviation, double value) {
    deviation->count++;
    struct kahan mean = deviation->mean;
    double delta = value - (mean.sum + mean.c);
    kahan_add(&deviation->mean, delta / deviation->count);
    double rest = value - (deviation->mean.sum + deviation->mean.c);
    kahan_add(&deviation->squares, delta * rest);
}

double deviation_variance(const struct deviation *deviation) {
    return (deviation->squares.sum + deviation->squares.c) / deviation->count;
}

/* NaN counts as the smallest. */
static int compare_values(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    if (isnan(left) || isnan(right)) {
        return (int)isnan(right) - (int)isnan(left);
    }
    return (left > right) - (left < right);
}

double quantile_of(double q, double *values, size_t n) {
    if (n == 0 || isnan(q)) {
        return (double)NAN;
    }
    if (q < 0) {
        return -(double)INFINITY;
    }
    if (q > 1) {
        return (double)INFINITY;
    }
    qsort(values, n, sizeof(*values), compare_values);
    double rank = q * ((double)n - 1.0);
    double lower = fmax(0.0, floor(rank));
    double upper = fmin((double)n - 1.0, lower + 1.0);
    double weight = rank - floor(rank);
    return values[(size_t)lower] * (1.0 - weight) + values[(size_t)upper] * weight;
}
