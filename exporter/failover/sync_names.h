/* SPDX-License-Identifier: Apache-2.0 */

/* synchronous_standby_names as PostgreSQL reads it: whom a primary waits for before it acknowledges
 * a commit. Pure, and bounded: what does not fit is an error, never a shorter list. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/str.h"
#include "failover/candidate.h"

#define SYNC_MOST_NAMES 32
#define SYNC_NAME_SIZE  64 /* an application_name is never longer */

struct sync_names {
    enum sync_rule rule;
    size_t quorum; /* so many must have it */
    char names[SYNC_MOST_NAMES][SYNC_NAME_SIZE];
    size_t n_names;
};

/* "a, b", "2 (a, b)", "FIRST 2 (a, b)", "ANY 2 (a, b)", with "quoted ""names""" and '*'; an empty
 * one is SYNC_OFF. Return: 0, or -EINVAL or -E2BIG with a sentence. */
int sync_names_read(struct str text, struct sync_names *ret, struct error *err);

/* Where a standby of that application_name stands in the list: its first place, counted from 1, or
 * 0. Names are compared without regard to case; '*' is everybody. */
size_t sync_names_place(const struct sync_names *names, const char *application_name);

bool sync_name_is_any(const char *name);
