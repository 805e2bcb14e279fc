/* SPDX-License-Identifier: Apache-2.0 */

#include "web/port_owner.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STATE_LISTEN 0x0a

/* Return: the inode of the first listening socket with this port, or 0. */
static uint64_t find_inode(const char *table, uint16_t port) {
    FILE *file = fopen(table, "re");
    if (file == NULL) {
        return 0;
    }
    char line[512];
    uint64_t inode = 0;
    while (inode == 0 && fgets(line, sizeof(line), file) != NULL) {
        unsigned line_port, state;
        uint64_t line_inode;
        /* sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode */
        if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*u %*u %" SCNu64, &line_port,
                   &state, &line_inode) == 3 &&
            line_port == port && state == STATE_LISTEN) {
            inode = line_inode;
        }
    }
    fclose(file);
    return inode;
}

static bool process_has_socket(const char *pid, uint64_t inode) {
    char path[64], wanted[64];
    snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
    snprintf(wanted, sizeof(wanted), "socket:[%" PRIu64 "]", inode);
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return false;
    }
    bool found = false;
    const struct dirent *entry;
    while (!found && (entry = readdir(folder)) != NULL) {
        char link[64];
        ssize_t len = readlinkat(dirfd(folder), entry->d_name, link, sizeof(link) - 1);
        if (len > 0) {
            link[len] = '\0';
            found = strcmp(link, wanted) == 0;
        }
    }
    closedir(folder);
    return found;
}

static void describe(const char *pid, char *out, size_t size) {
    char path[64], name[32] = "?";
    snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fgets(name, sizeof(name), file) != NULL) {
            name[strcspn(name, "\n")] = '\0';
        }
        fclose(file);
    }
    snprintf(out, size, "process %.20s (%s)", pid, name);
}

int port_owner(uint16_t port, char *out, size_t size) {
    uint64_t inode = find_inode("/proc/net/tcp", port);
    if (inode == 0) {
        inode = find_inode("/proc/net/tcp6", port);
    }
    DIR *processes = inode != 0 ? opendir("/proc") : NULL;
    if (processes == NULL) {
        return -ENOENT;
    }
    int r = -ENOENT;
    const struct dirent *entry;
    while (r < 0 && (entry = readdir(processes)) != NULL) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            process_has_socket(entry->d_name, inode)) {
            describe(entry->d_name, out, size);
            r = 0;
        }
    }
    closedir(processes);
    return r;
}
