/* SPDX-License-Identifier: Apache-2.0 */

/* What is known of a server as typed values rather than samples: decisions (lag in a cluster,
 * health, service names, failover) read these, never floats from an exposition. */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

enum server_role { ROLE_UNKNOWN, ROLE_PRIMARY, ROLE_REPLICA };

extern const char *const server_role_names[]; /* "unknown", "primary", "replica" */

/* Kept whole in 64 bits. LSNs are byte positions, as pg_wal_lsn_diff(lsn, '0/0') gives them. */
enum fact {
    FACT_ROLE,                 /* enum server_role */
    FACT_VERSION,              /* server_version_num; Redis 7.0.15 is 70015 */
    FACT_SYSTEM_IDENTIFIER,    /* PostgreSQL */
    FACT_TIMELINE,             /* of the primary's WAL, or what a replica receives */
    FACT_START_TIME_SECONDS,   /* of the server, seconds since 1970 */
    FACT_WRITE_POSITION,       /* primary: current WAL position or replication offset */
    FACT_RECEIVE_POSITION,     /* replica: received */
    FACT_REPLAY_POSITION,      /* replica: replayed */
    FACT_REPLAY_AGE_MS,        /* replica: since the last replayed transaction was committed */
    FACT_RECEIVER_CONNECTED,   /* replica: 1 while its receiver streams, 0 when lost */
    FACT_MAX_CONNECTIONS,      /* PostgreSQL: max_connections; PgBouncer: max_client_conn */
    FACT_RESERVED_CONNECTIONS, /* not for applications */
    FACT_CLIENT_BACKENDS,      /* client backends of all databases */
    FACT_ACTIVE_CONNECTIONS,   /* state = active, or servers in use */
    FACT_WAITING_CONNECTIONS,  /* PgBouncer: clients that wait for a server */
    FACT_POOL_USAGE_PERMILLE,  /* PgBouncer: of its worst pool */
    FACT_POOL_CONNECTIONS,     /* PgBouncer: to servers, in all pools */
    FACT_QUERIES,              /* PgBouncer: of all databases; PostgreSQL: what the next is of */
    FACT_QUERY_TIME_USEC,      /* that servers spent with them: PgBouncer, pg_stat_statements */
    FACT_EVICTED_KEYS,         /* Redis */
    FACT_COMMANDS,             /* Redis: processed */
    FACT_CACHE_HITS,           /* Redis */
    FACT_CACHE_MISSES,
    FACT_COMMITS, /* PostgreSQL: of all databases */
    FACT_ROLLBACKS,
    FACT_DATABASES,       /* Redis: how many there may be */
    FACT_READ_ONLY,       /* PostgreSQL: 1 while transactions are read-only unless they say else */
    FACT_PAUSED,          /* PgBouncer: 1 while it lets no client through to any database */
    FACT_CPU_BUSY_TICKS,  /* host: that its processors worked since it started */
    FACT_CPU_TOTAL_TICKS, /* host: that they worked or idled */
    FACT_COUNT
};

struct facts {
    uint64_t known; /* bit per fact */
    int64_t value[FACT_COUNT];
};

static inline void facts_set(struct facts *facts, enum fact fact, int64_t value) {
    facts->known |= (uint64_t)1 << fact;
    facts->value[fact] = value;
}

/* A computed number as a fact: without its fraction, cut at the ends of the range; NaN is 0. */
static inline int64_t fact_of(double value) {
    if (value >= 0x1p63) {
        return INT64_MAX;
    }
    if (value <= -0x1p63) {
        return INT64_MIN;
    }
    return isnan(value) ? 0 : (int64_t)value;
}

/* a - b, and the nearest number there is when that is none: facts are what servers say. */
static inline int64_t fact_distance(int64_t a, int64_t b) {
    int64_t distance;
    return !__builtin_sub_overflow(a, b, &distance) ? distance : a < b ? INT64_MIN : INT64_MAX;
}

static inline bool facts_get(const struct facts *facts, enum fact fact, int64_t *ret) {
    if ((facts->known >> fact & 1) == 0) {
        return false;
    }
    *ret = facts->value[fact];
    return true;
}
