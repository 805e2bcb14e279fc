/* SPDX-License-Identifier: Apache-2.0 */

#include "io/hook_file.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define MOST_LINKS 16

static bool is_ours(const struct stat *info) {
    return info->st_uid == 0 || info->st_uid == geteuid();
}

static bool others_may_write(const struct stat *info) {
    bool group = (info->st_mode & S_IWGRP) != 0 && info->st_gid != 0;
    return group || (info->st_mode & S_IWOTH) != 0;
}

static int check_owner(const char *path, const struct stat *info, struct error *err) {
    if (!is_ours(info)) {
        return error_say(err, -EPERM, "'%s' belongs to user %u: it must be root's or ours", path,
                         (unsigned)info->st_uid);
    }
    bool sticky = S_ISDIR(info->st_mode) && (info->st_mode & S_ISVTX) != 0;
    if (others_may_write(info) && !sticky && !S_ISLNK(info->st_mode)) {
        return error_say(err, -EPERM, "others may write to '%s'", path);
    }
    return 0;
}

/* The folders above path, from the root down. */
static int check_folders(const char *path, struct error *err) {
    char *folder = mem_strdup(path);
    int r = 0;
    for (char *slash = folder; r == 0 && slash != NULL; slash = strchr(slash + 1, '/')) {
        struct stat info;
        char *end = slash == folder ? slash + 1 : slash;
        char after = *end;
        *end = '\0';
        r = stat(folder, &info) < 0 ? error_say(err, -errno, "'%s': %s", folder, strerror(errno))
                                    : check_owner(folder, &info, err);
        *end = after;
    }
    free(folder);
    return r;
}

/* What a link leads to, made absolute. Return: 0 or negative errno. */
static int follow(char path[PATH_MAX], struct error *err) {
    char target[PATH_MAX], joined[2 * PATH_MAX];
    ssize_t length = readlink(path, target, sizeof(target) - 1);
    if (length < 0) {
        return error_say(err, -errno, "'%s': %s", path, strerror(errno));
    }
    target[length] = '\0';
    int folder = target[0] == '/' ? 0 : (int)(strrchr(path, '/') - path + 1);
    (void)snprintf(joined, sizeof(joined), "%.*s%s", folder, path, target);
    if (strlen(joined) >= PATH_MAX) {
        return error_say(err, -ENAMETOOLONG, "'%s' leads too far", path);
    }
    strcpy(path, joined);
    return 0;
}

static int check_program(const char *path, const struct stat *info, struct error *err) {
    if (!S_ISREG(info->st_mode)) {
        return error_say(err, -EINVAL, "'%s' is not a file", path);
    }
    if (access(path, X_OK) < 0) {
        return error_say(err, -EACCES, "'%s' may not be run: %s", path, strerror(errno));
    }
    return 0;
}

int hook_file_check(const char *given, struct error *err) {
    char path[PATH_MAX];
    if (given[0] != '/' || strlen(given) >= sizeof(path)) {
        return error_say(err, -EINVAL, "'%s' is not an absolute path", given);
    }
    strcpy(path, given);
    for (int links = 0; links < MOST_LINKS; links++) {
        struct stat info;
        int r = check_folders(path, err);
        if (r == 0 && lstat(path, &info) < 0) {
            r = error_say(err, -errno, "'%s': %s", path, strerror(errno));
        }
        if (r == 0) {
            r = check_owner(path, &info, err);
        }
        if (r < 0 || !S_ISLNK(info.st_mode)) {
            return r < 0 ? r : check_program(path, &info, err);
        }
        r = follow(path, err);
        if (r < 0) {
            return r;
        }
    }
    return error_say(err, -ELOOP, "'%s': %s", given, strerror(ELOOP));
}
