/* SPDX-License-Identifier: Apache-2.0 */

/* Who else may promote the members of a cluster: managers of high availability and managed
 * services, by what they leave on their servers. A const table; pure. */
#pragma once

#include <stddef.h>

#include "base/str.h"

enum manager_clue {
    CLUE_APPLICATION, /* application_name of a session begins so */
    CLUE_ROLE,
    CLUE_EXTENSION, /* of the database that is asked */
    CLUE_SCHEMA,    /* likewise */
    CLUE_LIBRARY,   /* in shared_preload_libraries */
    CLUE_SETTING,   /* a sign in the settings */
    CLUES
};
extern const char *const manager_clue_columns[]; /* of the statement that asks */

struct manager {
    const char *name;
    struct {
        enum manager_clue clue;
        const char *text;
    } clues[6]; /* up to the first without text; one is enough */
};
extern const struct manager managers[];
extern const size_t n_managers;

/* clues: what was found, several separated by newlines or commas; without data: nothing.
 * Return: the first manager with a clue, constant, or NULL. */
const char *managers_find(const struct str clues[CLUES]);

extern const char *const manager_sentinel;
