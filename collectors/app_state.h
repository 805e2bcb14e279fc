/* SPDX-License-Identifier: Apache-2.0 */

/* The states that breakers of applications have. */
#pragma once

enum app_state {
    APP_CLOSED,
    APP_OPEN,
    APP_HALF_OPEN,
    APP_FORCED_OPEN,
    APP_DISABLED,
    APP_METRICS_ONLY, /* it counts, and lets all calls pass */
    APP_STATE_COUNT
};

/* "closed", ...; NULL-terminated. Answers, and the label state, have these words. */
extern const char *const app_state_names[];
