/* SPDX-License-Identifier: Apache-2.0 */

/* How much of the traffic a server should get, from what is known of it: a table of factors, each
 * of which falls in a straight line from one value of its input to another, multiplied. Pure.
 *
 * More of any input never means more weight. What is not known does not count. The weight of a
 * server that is fit is never 0: should all servers be in trouble, they share what comes, and a
 * balancer would take a weight of 0 for an order to send nothing. */
#pragma once

#include <stddef.h>

/* NaN: not known. */
struct weight_inputs {
    double lag;  /* share of the limit on lag that is used up */
    double pool; /* share of the connections that are in use */
    double slow; /* how many times longer than usual the last round took: weight_slowness() */
    double cpu;  /* share of the processors that is busy */
};

#define WEIGHT_FACTORS 4

extern const struct weight_factor {
    const char *name;
    size_t offset;   /* of the input */
    double from, to; /* up to `from` the factor is 1, from `to` on it is `least` */
    double least;
} weight_factors[WEIGHT_FACTORS];

/* From `least` to 1. */
double weight_factor_of(const struct weight_factor *factor, const struct weight_inputs *inputs);

/* From 1 to 100. */
unsigned weight_percent(const struct weight_inputs *inputs);

/* A few milliseconds more are noise, however short rounds usually are. usual 0: not known. */
double weight_slowness(double seconds, double usual_seconds);
