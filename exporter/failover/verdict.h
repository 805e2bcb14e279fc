/* SPDX-License-Identifier: Apache-2.0 */

/* What is the matter with a cluster: from what is known of its primary, its replicas and other
 * members to one verdict, by a const table in which a test finds a row for every combination.
 *
 * The rule over all rows: a failover that did not happen costs minutes, a wrong one costs data. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What our own probes say of the primary, after enough failures of one kind. */
enum primary_view {
    PRIMARY_WRITABLE,   /* it answers and is the primary */
    PRIMARY_RECOVERING, /* it answers and is a replica now */
    PRIMARY_STARTING,   /* it answers that it is not ready yet */
    PRIMARY_DEGRADED,   /* it answers with trouble: full, read-only, refuses our role */
    PRIMARY_SUSPECT,    /* it failed, but not often or not long enough */
    PRIMARY_STOPPED,    /* its operator has stopped it */
    PRIMARY_GONE,       /* connects are refused and no kept connection is open */
    PRIMARY_SILENT,     /* no answer: dead, hung or cut off, which cannot be told apart from here */
    PRIMARY_VOID,       /* our own trouble: nothing is known */
    PRIMARY_VIEWS
};
extern const char *const primary_view_names[];

/* What the others say of it: all configured direct replicas and witnesses together. */
enum replica_view {
    REPLICAS_LOST,        /* a quorum of votes: they streamed from it and have lost it */
    REPLICAS_HEAR,        /* at least one replica or witness hears it */
    REPLICAS_UNPROVEN,    /* fewer than the quorum, or their loss does not count */
    REPLICAS_UNREACHABLE, /* we reach none of them */
    REPLICA_VIEWS
};
extern const char *const replica_view_names[];

/* Whether another member takes writes. */
enum other_view {
    OTHER_NONE,
    OTHER_WRITABLE, /* one, of the same system */
    OTHER_FOREIGN,  /* a member has another system identifier */
    OTHER_VIEWS
};
extern const char *const other_view_names[];

enum verdict {
    VERDICT_HEALTHY,
    VERDICT_SUSPECT,     /* wait for the next probe */
    VERDICT_DEAD,        /* fail over */
    VERDICT_SILENT,      /* fail over only behind a fence that succeeds */
    VERDICT_UNREACHABLE, /* by us alone: others hear it */
    VERDICT_CUT_OFF,     /* we reach nobody */
    VERDICT_UNPROVEN,    /* not enough say so */
    VERDICT_DEMOTED,     /* in recovery, and nobody is writable */
    VERDICT_STOPPED,     /* by its operator */
    VERDICT_STARTING,
    VERDICT_DEGRADED,
    VERDICT_DONE_BY_OTHERS, /* somebody has promoted another: adopt it */
    VERDICT_SPLIT_BRAIN,    /* two take writes */
    VERDICT_MISCONFIGURED,  /* members of different systems */
    VERDICT_VOID,           /* we cannot judge now */
    VERDICTS
};
extern const char *const verdict_names[];

/* What may follow. */
enum verdict_consequence {
    MAY_NOTHING,
    MAY_ALERT,            /* people are told, nothing is done */
    MAY_FAIL_OVER_FENCED, /* with a fence that succeeds; else alert */
    MAY_FAIL_OVER,
};
extern const enum verdict_consequence verdict_consequences[VERDICTS];

struct verdict_row {
    unsigned primary, replicas, others; /* sets of views: 1 << view */
    enum verdict verdict;
};

/* The first row that fits counts. */
extern const struct verdict_row verdict_rows[];
extern const size_t n_verdict_rows;

enum verdict verdict_of(enum primary_view primary, enum replica_view replicas,
                        enum other_view others);
