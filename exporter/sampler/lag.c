/* SPDX-License-Identifier: Apache-2.0 */

#include "sampler/lag.h"

bool lag_update(struct lag *lag, const struct facts *facts, int64_t now_ms, double *ret_seconds) {
    int64_t role, received, replayed, connected = 0, age_ms;
    if (!facts_get(facts, FACT_ROLE, &role) || role != ROLE_REPLICA) {
        lag->caught_up_ms = 0;
        return false;
    }
    if (!facts_get(facts, FACT_RECEIVE_POSITION, &received) ||
        !facts_get(facts, FACT_REPLAY_POSITION, &replayed)) {
        return false;
    }
    facts_get(facts, FACT_RECEIVER_CONNECTED, &connected);
    if (connected != 0 && replayed >= received) {
        lag->caught_up_ms = now_ms;
    }
    int64_t behind_ms = -1;
    if (lag->caught_up_ms != 0) {
        behind_ms = now_ms - lag->caught_up_ms;
    }
    if (facts_get(facts, FACT_REPLAY_AGE_MS, &age_ms) && (behind_ms < 0 || age_ms < behind_ms)) {
        behind_ms = age_ms > 0 ? age_ms : 0;
    }
    if (behind_ms < 0) {
        return false;
    }
    *ret_seconds = (double)behind_ms / 1000.0;
    return true;
}
