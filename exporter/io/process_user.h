/* SPDX-License-Identifier: Apache-2.0 */

/* The user that a program is run as, when that is not ours. Everything is looked up beforehand:
 * between fork() and exec nothing may be asked of the system's lists of users. */
#pragma once

#include <sys/types.h>

#include "base/error.h"

#define PROCESS_USER_MOST_GROUPS 128
#define PROCESS_USER_TEXT_BYTES  256

struct process_user {
    uid_t uid;
    gid_t gid;
    gid_t groups[PROCESS_USER_MOST_GROUPS];
    int n_groups;
    char name[PROCESS_USER_TEXT_BYTES], home[PROCESS_USER_TEXT_BYTES];
};

/* Only root can become another user. Blocks while users are looked up: where they come over the
 * network, choose a local one.
 * Return: 0, or negative errno with *err: -ENOENT, -EPERM, ... */
int process_user_find(const char *name, struct process_user *ret, struct error *err);

/* Becomes the user; only safe calls, for the child. Return: 0 or errno. */
int process_user_become(const struct process_user *user);
