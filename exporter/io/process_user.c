/* SPDX-License-Identifier: Apache-2.0 */

#include "io/process_user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ENTRY_BYTES ((size_t)16 * 1024)

static int fill(const struct passwd *entry, struct process_user *ret, struct error *err) {
    struct process_user user = {
        .uid = entry->pw_uid, .gid = entry->pw_gid, .n_groups = PROCESS_USER_MOST_GROUPS};
    if (strlen(entry->pw_name) >= sizeof(user.name) || strlen(entry->pw_dir) >= sizeof(user.home)) {
        return error_say(err, -ENAMETOOLONG, "the name or home of user '%s' is too long",
                         entry->pw_name);
    }
    if (getgrouplist(entry->pw_name, entry->pw_gid, user.groups, &user.n_groups) < 0) {
        return error_say(err, -E2BIG, "user '%s' is in more than %d groups", entry->pw_name,
                         PROCESS_USER_MOST_GROUPS);
    }
    (void)snprintf(user.name, sizeof(user.name), "%s", entry->pw_name);
    (void)snprintf(user.home, sizeof(user.home), "%s", entry->pw_dir);
    *ret = user;
    return 0;
}

int process_user_find(const char *name, struct process_user *ret, struct error *err) {
    char bytes[ENTRY_BYTES];
    struct passwd entry, *found = NULL;
    int r = getpwnam_r(name, &entry, bytes, sizeof(bytes), &found);
    if (found == NULL) {
        return r != 0 ? error_say(err, -r, "user '%s': %s", name, strerror(r))
                      : error_say(err, -ENOENT, "there is no user '%s'", name);
    }
    if (geteuid() != 0 && geteuid() != entry.pw_uid) {
        return error_say(err, -EPERM,
                         "programs cannot be run as user '%s': we are not root, who alone may",
                         name);
    }
    return fill(&entry, ret, err);
}

int process_user_become(const struct process_user *user) {
    if (geteuid() != 0) {
        return 0; /* we are that user: nothing else was found */
    }
    if (setgroups((size_t)user->n_groups, user->groups) < 0 || setgid(user->gid) < 0 ||
        setuid(user->uid) < 0) {
        return errno;
    }
    return 0;
}
