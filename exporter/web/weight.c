/* SPDX-License-Identifier: Apache-2.0 */

#include "web/weight.h"

#include <math.h>

#define NOISE_SECONDS 0.01

/* A full pool and a lag at its limit leave nothing but the least share. Slow rounds and busy
 * processors are signs, not measures, so they leave a fifth. */
const struct weight_factor weight_factors[WEIGHT_FACTORS] = {
    {"lag", offsetof(struct weight_inputs, lag), 0.0, 1.0, 0.0},
    {"pool", offsetof(struct weight_inputs, pool), 0.70, 0.95, 0.0},
    {"round", offsetof(struct weight_inputs, slow), 2.0, 10.0, 0.2},
    {"cpu", offsetof(struct weight_inputs, cpu), 0.80, 1.0, 0.2},
};

double weight_factor_of(const struct weight_factor *factor, const struct weight_inputs *inputs) {
    double input = *(const double *)(const void *)((const char *)inputs + factor->offset);
    if (isnan(input) || input <= factor->from) {
        return 1;
    }
    if (input >= factor->to) {
        return factor->least;
    }
    double share = (input - factor->from) / (factor->to - factor->from);
    return 1 - share * (1 - factor->least);
}

unsigned weight_percent(const struct weight_inputs *inputs) {
    double product = 1;
    for (size_t i = 0; i < WEIGHT_FACTORS; i++) {
        product *= weight_factor_of(&weight_factors[i], inputs);
    }
    double percent = round(product * 100);
    return percent < 1 ? 1 : (unsigned)percent;
}

double weight_slowness(double seconds, double usual_seconds) {
    if (!(usual_seconds > 0)) {
        return (double)NAN;
    }
    return (seconds + NOISE_SECONDS) / (usual_seconds + NOISE_SECONDS);
}
