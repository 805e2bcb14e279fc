/* SPDX-License-Identifier: Apache-2.0 */

/* A scratch folder that stands for /proc, /sys and / of a host. */
#pragma once

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "io/host_options.h"

struct host_folder {
    char path[64];
    struct host_options options;
};

/* Writes a file at a path below the folder and makes the folders on the way. */
static inline void host_folder_write(const struct host_folder *folder, const char *name,
                                     const char *text) {
    char *path = mem_printf("%s/%s", folder->path, name);
    for (char *slash = path + strlen(folder->path); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    free(path);
}

static inline void host_folder_init(struct host_folder *folder) {
    *folder = (struct host_folder){.path = "/tmp/dbvitals-host.XXXXXX"};
    assert_non_null(mkdtemp(folder->path));
    folder->options = (struct host_options){
        .procfs = mem_printf("%s/proc", folder->path),
        .sysfs = mem_printf("%s/sys", folder->path),
        .rootfs = mem_printf("%s/root", folder->path),
    };
}

static inline int host_folder_remove(const char *path, const struct stat *status, int type,
                                     struct FTW *ftw) {
    return remove(path);
}

static inline void host_folder_deinit(struct host_folder *folder) {
    (void)nftw(folder->path, host_folder_remove, 16, FTW_DEPTH | FTW_PHYS);
    host_options_deinit(&folder->options);
}
