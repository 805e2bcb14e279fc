/* SPDX-License-Identifier: Apache-2.0 */

#include "io/host_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/mem.h"

static char *copy_text(const char *text) {
    return text != NULL ? mem_strdup(text) : NULL;
}

static bool same_path(const char *a, const char *b, const char *fallback) {
    return strcmp(a != NULL ? a : fallback, b != NULL ? b : fallback) == 0;
}

void host_options_deinit(struct host_options *options) {
    free(options->procfs);
    free(options->sysfs);
    free(options->rootfs);
    *options = (struct host_options){0};
}

void host_options_copy(const struct host_options *from, struct host_options *ret) {
    *ret = (struct host_options){
        .procfs = copy_text(from->procfs),
        .sysfs = copy_text(from->sysfs),
        .rootfs = copy_text(from->rootfs),
    };
}

bool host_options_equal(const struct host_options *a, const struct host_options *b) {
    return same_path(a->procfs, b->procfs, HOST_DEFAULT_PROCFS) &&
           same_path(a->sysfs, b->sysfs, HOST_DEFAULT_SYSFS) &&
           same_path(a->rootfs, b->rootfs, HOST_DEFAULT_ROOTFS);
}

void host_options_instance(char *out, size_t size) {
    struct utsname name;
    snprintf(out, size, "%s", uname(&name) == 0 ? name.nodename : "");
}

char *host_options_path(const struct host_options *options, const char *name) {
    const char *procfs = options->procfs != NULL ? options->procfs : HOST_DEFAULT_PROCFS;
    const char *sysfs = options->sysfs != NULL ? options->sysfs : HOST_DEFAULT_SYSFS;
    if (strncmp(name, "/proc/", strlen("/proc/")) == 0) {
        return mem_printf("%s%s", procfs, name + strlen("/proc"));
    }
    if (strncmp(name, "/sys/", strlen("/sys/")) == 0) {
        return mem_printf("%s%s", sysfs, name + strlen("/sys"));
    }
    return NULL;
}

char *host_options_below_root(const struct host_options *options, const char *mount_point) {
    bool is_root = options->rootfs == NULL || strcmp(options->rootfs, "/") == 0;
    return mem_printf("%s%s", is_root ? "" : options->rootfs, mount_point);
}
