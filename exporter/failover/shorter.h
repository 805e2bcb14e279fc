/* SPDX-License-Identifier: Apache-2.0 */

/* What a shorter journal tells: the same of every plan that anything depends on (book_needs()), the
 * newest of the others, and how many are gone. Of the others those that only observed go first, the
 * oldest first; then those that were carried out or withdrawn. Pure. */
#pragma once

#include "failover/book.h"

struct shorter_limits {
    size_t plans;   /* so many are kept, if no more are needed */
    uint64_t bytes; /* of their records, likewise */
};

/* Whether to keep each plan; ret_keep has n_plans. */
void shorter_choose(const struct book *book, const struct shorter_limits *limits, bool *ret_keep);

/* All records of the shorter journal, in their order: what reads them has the book as it is after
 * book_keep(). record() borrows each until it returns. */
void shorter_write(const struct book *book, const bool *keep,
                   void (*record)(void *userdata, struct str bytes), void *userdata);
