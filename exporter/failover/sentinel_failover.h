/* SPDX-License-Identifier: Apache-2.0 */

/* Asks a Sentinel to fail the Redis over that it looks after, once, and follows what comes of it.
 *
 * Of several Sentinels the first that is reached is asked: SENTINEL MASTERS, by which name it knows
 * the primary (by its address), then `SENTINEL FAILOVER name`. That is all that is ever sent to
 * change something, by one submit behind a state that is never entered again; one that does not say
 * what it knows is replaced before that. Then the one that was asked, or another when it is lost or
 * silent, is asked for the primary's address until that is another member's. It is for Sentinel to
 * choose who that is, and to tell all others.
 *
 * What is told of the question is exact, as of a promotion (promotion.h): FAILED when nothing was
 * sent or the Sentinel refused it, UNKNOWN when it may have arrived and no answer tells. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "failover/contact.h"
#include "failover/promotion.h"

#define SENTINEL_NO_MEMBER SIZE_MAX

struct sentinel_target {
    const char *name;                  /* of the target, for the text; copied */
    const struct redis_options *redis; /* copied */
};

struct sentinel_options {
    struct contact_options contact; /* how to connect, without pg and redis */
    const struct sentinel_target *sentinels;
    size_t n_sentinels;
    size_t old; /* the member that is the primary */
    /* Whose address this is, as a Sentinel writes it. Return: SENTINEL_NO_MEMBER: nobody's. */
    size_t (*find_member)(void *userdata, struct str host, uint16_t port);
    uint64_t ask_usec;    /* until it has accepted it; 0: 10 s */
    uint64_t follow_usec; /* from sentinel_failover_follow() until it names another; 0: 180 s, which
                             is a Sentinel's own failover-timeout */
    uint64_t pace_usec;   /* of the questions meanwhile; 0: 100 ms */
    uint64_t answer_usec; /* then another Sentinel is asked what changes nothing; 0: 2 s */
    /* Each exactly once unless it is freed before; not inside a function of this header. It may be
     * freed in them. text is borrowed. */
    void (*asked)(void *userdata, enum promotion_end end, struct str text);
    /* member: SENTINEL_NO_MEMBER when none was named in time, or one that is no member. */
    void (*named)(void *userdata, size_t member, struct str text);
    void *userdata;
};

struct sentinel_failover;

/* Asks at once. */
struct sentinel_failover *sentinel_failover_new(const struct sentinel_options *options);
struct sentinel_failover *sentinel_failover_free(struct sentinel_failover *failover);
DEFINE_CLEANUP(struct sentinel_failover, sentinel_failover_free);

/* After asked() has said that it has succeeded. */
void sentinel_failover_follow(struct sentinel_failover *failover);
