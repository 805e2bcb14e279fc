/* SPDX-License-Identifier: Apache-2.0 */

/* What a target's second connection is used for, and when: which collectors run there instead of in
 * the rounds, for how long they may, how visits to databases are spread, and how many series each
 * database may have. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "sampler/target_options.h"

/* Where a collector of a target runs. */
enum walk_way {
    WALK_NOT,  /* in the rounds */
    WALK_ONCE, /* in the database of the target's own connection: it takes longer than a round's
                  statements may */
    WALK_EACH, /* in every database that `databases` selects */
};

enum walk_way walk_way_of(const struct target_options *options, const struct collector *collector,
                          const struct collector_settings *settings);

/* How long its statement may take: the collector's own timeout, else what it would have in a
 * round. */
uint64_t walk_timeout(const struct target_options *options,
                      const struct collector_settings *settings);

/* The longest of them: the session's statement_timeout. 0: nothing runs there. */
uint64_t walk_longest_timeout(const struct target_options *options);

/* How often it runs: its interval, else that of the rounds. */
uint64_t walk_interval(const struct target_options *options,
                       const struct collector_settings *settings);

/* The time from the start of one visit to the start of the next, so that all of them together take
 * a tenth of the interval. */
uint64_t walk_pace(uint64_t interval_usec, size_t visits);

/* How many of total places each may have at most when all together want more: those who want less
 * than that keep what they want. SIZE_MAX: there is enough for all. */
size_t walk_share(const size_t *wants, size_t count, size_t total);
