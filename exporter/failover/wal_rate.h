/* SPDX-License-Identifier: Apache-2.0 */

/* How fast a primary writes, by the positions that its probes saw, and what that says of a loss:
 * what it wrote since its last position was seen is on no replica that is known of. Of PostgreSQL
 * it is WAL, of Redis the stream of replication. Pure.
 *
 * The rate is that of the last minute before the newest position, or of what there is of it, but of
 * a second at least: less is an accident of when a probe came. A position that goes back is another
 * history, and begins anew. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define WAL_RATE_MOST 64 /* positions: pairs of them are two seconds apart */

struct wal_rate {
    struct wal_seen {
        uint64_t usec, position;
    } seen[WAL_RATE_MOST]; /* oldest first */
    size_t n_seen;
};

/* Everything zero is empty. */
void wal_rate_add(struct wal_rate *rate, uint64_t position, uint64_t now_usec);

/* Return: whether it is known. */
bool wal_rate_get(const struct wal_rate *rate, uint64_t *ret_bytes_per_second);

/* What people judge a loss by, as of a moment. */
struct wal_loss {
    bool has_rate, has_age;
    uint64_t bytes_per_second;
    uint64_t age_ms; /* of the last position that was seen */
};

/* "the last position is 2.0 s old; 1.2 MB/s were written, so about 2.4 MB more may be lost";
 * nothing when nothing is known. */
void wal_loss_words(const struct wal_loss *loss, struct strbuf *out);
