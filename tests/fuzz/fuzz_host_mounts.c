/* SPDX-License-Identifier: Apache-2.0 */

/* Mount points have the names that users gave them: any bytes are lines of mountinfo or none, and
 * any bytes of a worker are rows or none. */

#include "fuzz.h"
#include "io/host_mounts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str all = {(const char *)data, size}, rest = all, hangs_in;
    struct arena arena = {0};
    struct host_mount mount;
    const struct table *table = NULL;
    struct error err = {0};
    while (rest.len > 0) {
        if (host_mount_parse(&rest, &arena, &mount)) {
            must(mount.point.len > 0 && mount.type.len > 0 && mount.point.len <= size);
            (void)host_mount_is_shown(&mount);
        }
    }
    size_t begun = host_mounts_begun(all, &hangs_in);
    if (host_mounts_table(all, &arena, &table, &err) == 0) {
        must(table->n_rows == begun);
    } else {
        must(error_is_set(&err));
    }
    arena_deinit(&arena);
    return 0;
}
