/* SPDX-License-Identifier: Apache-2.0 */

/* What a primary's answers said of those it waits for, and whether what is left after its loss
 * holds every commit that it acknowledged. Pure.
 *
 * Kept are the standbys of its two newest answers. Who is in neither is absent: what he may have
 * acknowledged ends at the position of the primary's first answer without him, and whoever is to
 * follow must have reached that (`needed`). Of what was before the first answer of all the same
 * holds. What cannot be read is no proof. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failover/answer.h"
#include "failover/sync_names.h"

#define SYNC_NO_MEMBER SIZE_MAX
#define SYNC_MOST_SEEN ((size_t)2 * ANSWER_MOST_STANDBYS) /* of two answers */

struct sync_seen {
    struct answer_standby standby;
    size_t member; /* who that is, or SYNC_NO_MEMBER */
    bool gone;     /* not in the newest answer */
    uint64_t gone_position;
};

struct sync_state {
    bool known;    /* there was an answer */
    bool readable; /* and it says all */
    char text[ANSWER_MOST_SYNC_NAMES];
    struct sync_names names;
    struct sync_seen seen[SYNC_MOST_SEEN];
    size_t n_seen;
    uint64_t needed;
};

/* An answer of the primary; members: who each of its standbys is, or SYNC_NO_MEMBER. */
void sync_state_take(struct sync_state *state, const struct member_answer *answer,
                     const size_t *members);

/* A member as it is now. */
struct sync_member {
    const char *name;  /* application_name of its receiver, or empty */
    bool reachable;    /* it answers, as a replica of this system */
    uint64_t position; /* what it has */
    bool is_primary;
};

/* Whether that one holds every commit that was acknowledged, by what those prove that are reachable
 * and not ahead of it. candidate: an index, or SYNC_NO_MEMBER: only SYNC_OFF proves. */
bool sync_state_proves(const struct sync_state *state, const struct sync_member *members,
                       size_t n_members, size_t candidate);
