/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/verdict.h"

#include "base/macros.h"

#define ANY       (~0u)
#define ONE(view) (1u << (view))

const char *const primary_view_names[] = {
    [PRIMARY_WRITABLE] = "writable", [PRIMARY_RECOVERING] = "recovering",
    [PRIMARY_STARTING] = "starting", [PRIMARY_DEGRADED] = "degraded",
    [PRIMARY_SUSPECT] = "suspect",   [PRIMARY_STOPPED] = "stopped",
    [PRIMARY_GONE] = "gone",         [PRIMARY_SILENT] = "silent",
    [PRIMARY_VOID] = "void",
};

const char *const replica_view_names[] = {
    [REPLICAS_LOST] = "lost",
    [REPLICAS_HEAR] = "hear",
    [REPLICAS_UNPROVEN] = "unproven",
    [REPLICAS_UNREACHABLE] = "unreachable",
};

const char *const other_view_names[] = {
    [OTHER_NONE] = "none", [OTHER_WRITABLE] = "writable", [OTHER_FOREIGN] = "foreign"};

const char *const verdict_names[] = {
    [VERDICT_HEALTHY] = "healthy",
    [VERDICT_SUSPECT] = "suspect",
    [VERDICT_DEAD] = "dead",
    [VERDICT_SILENT] = "silent",
    [VERDICT_UNREACHABLE] = "unreachable",
    [VERDICT_CUT_OFF] = "cut_off",
    [VERDICT_UNPROVEN] = "unproven",
    [VERDICT_DEMOTED] = "demoted",
    [VERDICT_STOPPED] = "stopped",
    [VERDICT_STARTING] = "starting",
    [VERDICT_DEGRADED] = "degraded",
    [VERDICT_DONE_BY_OTHERS] = "done_by_others",
    [VERDICT_SPLIT_BRAIN] = "split_brain",
    [VERDICT_MISCONFIGURED] = "misconfigured",
    [VERDICT_VOID] = "void",
};

const enum verdict_consequence verdict_consequences[VERDICTS] = {
    [VERDICT_HEALTHY] = MAY_NOTHING,   [VERDICT_SUSPECT] = MAY_NOTHING,
    [VERDICT_DEAD] = MAY_FAIL_OVER,    [VERDICT_SILENT] = MAY_FAIL_OVER_FENCED,
    [VERDICT_UNREACHABLE] = MAY_ALERT, [VERDICT_CUT_OFF] = MAY_ALERT,
    [VERDICT_UNPROVEN] = MAY_ALERT,    [VERDICT_DEMOTED] = MAY_ALERT,
    [VERDICT_STOPPED] = MAY_ALERT,     [VERDICT_STARTING] = MAY_ALERT,
    [VERDICT_DEGRADED] = MAY_ALERT,    [VERDICT_DONE_BY_OTHERS] = MAY_ALERT,
    [VERDICT_SPLIT_BRAIN] = MAY_ALERT, [VERDICT_MISCONFIGURED] = MAY_ALERT,
    [VERDICT_VOID] = MAY_NOTHING,
};

const struct verdict_row verdict_rows[] = {
    /* What forbids all else. */
    {ANY, ANY, ONE(OTHER_FOREIGN), VERDICT_MISCONFIGURED},
    {ONE(PRIMARY_VOID), ANY, ANY, VERDICT_VOID},

    /* Somebody else takes writes: a primary that is known to take none any more was replaced. Of
     * one that has failed us just now, or is starting, the next answers tell: in a switchover by
     * others it is gone for a moment before that counts, and comes back as a replica. One that only
     * fails us may still take them, or will again. */
    {ONE(PRIMARY_RECOVERING) | ONE(PRIMARY_GONE) | ONE(PRIMARY_STOPPED), ANY, ONE(OTHER_WRITABLE),
     VERDICT_DONE_BY_OTHERS},
    {ONE(PRIMARY_SUSPECT), ANY, ANY, VERDICT_SUSPECT},
    {ONE(PRIMARY_STARTING), ANY, ANY, VERDICT_STARTING},
    {ANY, ANY, ONE(OTHER_WRITABLE), VERDICT_SPLIT_BRAIN},

    /* The primary answers. */
    {ONE(PRIMARY_WRITABLE), ANY, ANY, VERDICT_HEALTHY},
    {ONE(PRIMARY_RECOVERING), ANY, ANY, VERDICT_DEMOTED},
    {ONE(PRIMARY_DEGRADED), ANY, ANY, VERDICT_DEGRADED},
    {ONE(PRIMARY_STOPPED), ANY, ANY, VERDICT_STOPPED},

    /* It does not: what the others say decides. */
    {ANY, ONE(REPLICAS_HEAR), ANY, VERDICT_UNREACHABLE},
    {ANY, ONE(REPLICAS_UNREACHABLE), ANY, VERDICT_CUT_OFF},
    {ANY, ONE(REPLICAS_UNPROVEN), ANY, VERDICT_UNPROVEN},
    {ONE(PRIMARY_GONE), ONE(REPLICAS_LOST), ONE(OTHER_NONE), VERDICT_DEAD},
    {ONE(PRIMARY_SILENT), ONE(REPLICAS_LOST), ONE(OTHER_NONE), VERDICT_SILENT},
};
const size_t n_verdict_rows = ARRAY_LEN(verdict_rows);

enum verdict verdict_of(enum primary_view primary, enum replica_view replicas,
                        enum other_view others) {
    for (size_t i = 0; i < ARRAY_LEN(verdict_rows); i++) {
        const struct verdict_row *row = &verdict_rows[i];
        if ((row->primary & ONE(primary)) != 0 && (row->replicas & ONE(replicas)) != 0 &&
            (row->others & ONE(others)) != 0) {
            return row->verdict;
        }
    }
    return VERDICT_VOID; /* no combination comes here: a test goes through all of them */
}
