/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/sync_state.h"

#include <strings.h>

#include "base/macros.h"

#define MOST_LISTED (SYNC_MOST_SEEN + SYNC_MOST_NAMES + 64)

static bool is_same(const struct answer_standby *a, const struct answer_standby *b) {
    return strcmp(a->name, b->name) == 0 && strcmp(a->address, b->address) == 0 &&
           strcmp(a->slot, b->slot) == 0;
}

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* Others are waited for from now on: what was acknowledged before ends here. */
static void begin(struct sync_state *state, const struct member_answer *answer) {
    *state = (struct sync_state){.known = true, .needed = answer->position};
    memcpy(state->text, answer->sync_names, sizeof(state->text));
}

/* Takes the standby out of the rows that are yet to be found. Return: its row, or -1. */
static long find(const struct member_answer *answer, bool *taken, const struct sync_seen *seen) {
    for (size_t i = 0; i < answer->n_standbys; i++) {
        if (!taken[i] && is_same(&answer->standbys[i], &seen->standby)) {
            taken[i] = true;
            return (long)i;
        }
    }
    return -1;
}

static void age(struct sync_state *state, const struct member_answer *answer, const size_t *members,
                bool *taken) {
    size_t kept = 0;
    for (size_t i = 0; i < state->n_seen; i++) {
        struct sync_seen seen = state->seen[i];
        long row = find(answer, taken, &seen);
        if (row >= 0) {
            seen.standby = answer->standbys[row];
            seen.member = members[row] != SYNC_NO_MEMBER ? members[row] : seen.member;
            seen.gone = false;
        } else if (seen.gone) {
            state->needed = larger(state->needed, seen.gone_position);
            continue;
        } else {
            seen.gone = true;
            seen.gone_position = answer->position;
        }
        state->seen[kept++] = seen;
    }
    state->n_seen = kept;
}

void sync_state_take(struct sync_state *state, const struct member_answer *answer,
                     const size_t *members) {
    bool taken[ANSWER_MOST_STANDBYS] = {false};
    if (!state->known || strcmp(state->text, answer->sync_names) != 0) {
        begin(state, answer);
    }
    state->readable =
        !answer->sync_cut && sync_names_read(str_of(state->text), &state->names, NULL) == 0;
    age(state, answer, members, taken);
    for (size_t i = 0; i < answer->n_standbys && state->n_seen < SYNC_MOST_SEEN; i++) {
        if (!taken[i]) {
            state->seen[state->n_seen++] =
                (struct sync_seen){.standby = answer->standbys[i], .member = members[i]};
        }
    }
}

/* ---- the proof ---- */

struct listing {
    const struct sync_state *state;
    const struct sync_member *members;
    size_t n_members, candidate;
    struct sync_standby standbys[MOST_LISTED];
    size_t n;
};

static void list(struct listing *all, struct sync_standby standby) {
    if (all->n < ARRAY_LEN(all->standbys)) {
        all->standbys[all->n++] = standby;
    }
}

/* What one has that is ahead of the candidate is not the candidate's. */
static bool counts(const struct listing *all, size_t member) {
    return member < all->n_members && all->members[member].reachable &&
           all->members[member].position <= all->members[all->candidate].position;
}

/* All of one place, those first that are not reachable: which of them was served before which is
 * not known. Return: how many. */
static size_t list_place(struct listing *all, size_t place) {
    const struct sync_state *state = all->state;
    size_t before = all->n;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < state->n_seen; i++) {
            const struct sync_seen *seen = &state->seen[i];
            bool reachable = counts(all, seen->member);
            if (reachable == (pass == 1) &&
                sync_names_place(&state->names, seen->standby.name) == place) {
                list(all, (struct sync_standby){
                              .reachable = reachable,
                              .was_sync = seen->standby.synchronous && !seen->gone,
                          });
            }
        }
    }
    return all->n - before;
}

/* Nobody of that name was connected. */
static void list_absent(struct listing *all, const char *name) {
    size_t found = SYNC_NO_MEMBER, n = 0;
    for (size_t i = 0; i < all->n_members; i++) {
        if (!all->members[i].is_primary && strcasecmp(all->members[i].name, name) == 0) {
            found = i;
            n++;
        }
    }
    list(all, (struct sync_standby){.reachable = n == 1 && counts(all, found), .absent = true});
}

static bool was_seen(const struct sync_state *state, size_t member) {
    for (size_t i = 0; i < state->n_seen; i++) {
        if (state->seen[i].member == member) {
            return true;
        }
    }
    return false;
}

/* '*' may have been any of them. */
static void list_others(struct listing *all) {
    for (size_t i = 0; i < all->n_members; i++) {
        if (!all->members[i].is_primary && !was_seen(all->state, i)) {
            list(all, (struct sync_standby){.reachable = counts(all, i), .absent = true});
        }
    }
}

static void list_all(struct listing *all) {
    const struct sync_names *names = &all->state->names;
    for (size_t i = 0; i < names->n_names; i++) {
        size_t n = list_place(all, i + 1);
        if (sync_name_is_any(names->names[i])) {
            list_others(all);
        } else if (n == 0) {
            list_absent(all, names->names[i]);
        }
    }
}

bool sync_state_proves(const struct sync_state *state, const struct sync_member *members,
                       size_t n_members, size_t candidate) {
    struct listing all = {
        .state = state, .members = members, .n_members = n_members, .candidate = candidate};
    if (!state->known || !state->readable) {
        return false;
    }
    if (state->names.rule == SYNC_OFF) {
        return true;
    }
    if (candidate >= n_members || members[candidate].position < state->needed) {
        return false;
    }
    list_all(&all);
    return all.n < ARRAY_LEN(all.standbys) &&
           sync_proves(state->names.rule, state->names.quorum, all.standbys, all.n);
}
