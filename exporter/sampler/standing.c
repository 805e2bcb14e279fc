/* SPDX-License-Identifier: Apache-2.0 */

#include "sampler/standing.h"

/* A round counts with this part: "usual" is what the last twenty rounds or so were like. */
#define ROUND_PART 0.1

static int64_t fact_or_zero(const struct facts *facts, enum fact fact) {
    int64_t value = 0;
    facts_get(facts, fact, &value);
    return value;
}

static void note_round(struct standing *standing, double seconds) {
    double last = standing->last_round_seconds, usual = standing->usual_round_seconds;
    if (last > 0) {
        standing->usual_round_seconds = usual > 0 ? usual + (last - usual) * ROUND_PART : last;
    }
    standing->last_round_seconds = seconds;
}

/* Ticks that did not grow tell nothing: the collector was not due, or the host began anew. */
static void note_processors(struct standing *standing, const struct facts *facts) {
    int64_t busy = fact_or_zero(facts, FACT_CPU_BUSY_TICKS);
    int64_t total = fact_or_zero(facts, FACT_CPU_TOTAL_TICKS);
    int64_t busy_more = fact_distance(busy, standing->cpu_busy_ticks);
    int64_t total_more = fact_distance(total, standing->cpu_total_ticks);
    if (total_more == 0 && standing->cpu_total_ticks != 0) {
        return;
    }
    bool known = standing->cpu_total_ticks != 0 && total_more > 0 && busy_more >= 0;
    standing->cpu_busy_ratio = known ? (double)busy_more / (double)total_more : (double)NAN;
    standing->cpu_busy_ticks = busy;
    standing->cpu_total_ticks = total;
}

void standing_update(struct standing *standing, const struct facts *facts, double round_seconds,
                     uint64_t now_usec) {
    enum server_role role = (enum server_role)fact_or_zero(facts, FACT_ROLE);
    if (role != standing->role || standing->since_usec == 0) {
        standing->role = role;
        standing->since_usec = now_usec;
    }
    standing->read_only = fact_or_zero(facts, FACT_READ_ONLY) != 0;
    standing->timeline = fact_or_zero(facts, FACT_TIMELINE);
    standing->system_identifier = fact_or_zero(facts, FACT_SYSTEM_IDENTIFIER);
    standing->start_seconds = fact_or_zero(facts, FACT_START_TIME_SECONDS);
    note_round(standing, round_seconds);
    note_processors(standing, facts);
}
