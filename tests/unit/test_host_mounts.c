/* SPDX-License-Identifier: Apache-2.0 */

/* Mounted file systems: which are shown, and what is made of the words about them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/host_mounts.h"

static struct arena arena;

static int tear_down(void **state) {
    arena_deinit(&arena);
    return 0;
}

static struct host_mount parse(const char *line) {
    struct str text = str_of(line);
    struct host_mount mount;
    assert_true(host_mount_parse(&text, &arena, &mount));
    return mount;
}

static void reads_lines_of_mountinfo(void **state) {
    struct host_mount mount =
        parse("36 35 98:0 /mnt1 /srv/a\\040b rw,noatime shared:1 master:2 - ext3 /dev/root rw\n");
    assert_true(str_is(mount.point, "/srv/a b"));
    assert_true(str_is(mount.type, "ext3"));
    assert_true(str_is(mount.device, "/dev/root"));
    assert_true(str_is(mount.number, "98:0"));
    assert_false(mount.read_only);
    mount = parse("36 35 0:5 / /back\\134slash\\0 ro,noatime - nfs4 nas:/vol rw");
    assert_true(str_is(mount.point, "/back\\slash\\0"));
    assert_true(mount.read_only);
    assert_true(parse("1 2 8:1 / / rw - ext4 /dev/sda1 ro,errors=continue").read_only);
    assert_false(parse("1 2 8:1 / / rw - ext4 /dev/sda1 rw,errors=remount-ro").read_only);
}

static void refuses_lines_that_are_none(void **state) {
    static const char *const lines[] = {"",
                                        "1",
                                        "1 2 3 4",
                                        "1 2 3 4 /a rw",
                                        "1 2 3 4 /a rw - ",
                                        "1 2 3 4 /a rw shared:1 ext4 /dev/sda rw"};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct str text = str_of(lines[i]);
        struct host_mount mount;
        assert_false(host_mount_parse(&text, &arena, &mount));
    }
}

static bool is_shown(const char *point, const char *type) {
    return host_mount_is_shown(&(struct host_mount){.point = str_of(point), .type = str_of(type)});
}

static void hides_what_is_no_place_for_data(void **state) {
    static const char *const hidden[] = {"/dev",
                                         "/dev/shm",
                                         "/proc",
                                         "/sys/fs/cgroup",
                                         "/run/credentials/a.service",
                                         "/var/lib/docker/overlay2/x/merged",
                                         "/var/lib/containers/storage/overlay"};
    static const char *const shown[] = {"/",
                                        "/devices",
                                        "/run",
                                        "/run/credentials",
                                        "/mnt/dev",
                                        "/var/lib/docker",
                                        "/var/lib/dockers/x",
                                        "/var/lib/docker/",
                                        "/var/lib/postgresql"};
    for (size_t i = 0; i < ARRAY_LEN(hidden); i++) {
        assert_false(is_shown(hidden[i], "ext4"));
    }
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        assert_true(is_shown(shown[i], "ext4"));
    }
    assert_false(is_shown("/", "overlay"));
    assert_false(is_shown("/x", "cgroup2"));
    assert_true(is_shown("/x", "tmpfs"));
    assert_true(is_shown("/x", "fuse.sshfs"));
}

/* "/bad" refuses, everything else has 10 blocks. */
static int fake_statvfs(const char *path, struct statvfs *ret) {
    if (strcmp(path, "/root/bad") == 0) {
        errno = EACCES;
        return -1;
    }
    *ret = (struct statvfs){.f_frsize = 4096,
                            .f_bsize = 1,
                            .f_blocks = 10,
                            .f_bfree = 5,
                            .f_bavail = 4,
                            .f_files = 100,
                            .f_ffree = 90};
    return 0;
}

static char *fake_path(const void *userdata, const char *point) {
    return mem_printf("/root%s", point);
}

static bool fake_hangs(const void *userdata, const char *path) {
    return strcmp(path, "/root/stuck") == 0;
}

/* What a worker would say about these mounts. */
static struct str ask(const char *mountinfo, size_t skip) {
    static char words[8192];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const struct host_mounts_question question = {
        .mountinfo = str_of(mountinfo),
        .skip = skip,
        .statvfs = fake_statvfs,
        .path = fake_path,
        .hangs = fake_hangs,
    };
    assert_int_equal(host_mounts_ask(&question, ends[1]), 0);
    close(ends[1]);
    ssize_t n = read(ends[0], words, sizeof(words));
    close(ends[0]);
    assert_true(n >= 0 && (size_t)n < sizeof(words));
    return (struct str){words, (size_t)n};
}

static const char mounts[] = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
                             "2 1 0:1 / /proc rw - proc proc rw\n"
                             "3 1 8:2 / /bad ro - xfs /dev/sda2 rw\n"
                             "nonsense\n"
                             "4 1 0:9 / /stuck rw - nfs4 nas:/v rw\n"
                             "5 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
                             "6 1 8:3 / /last rw - ext4 /dev/sda3 rw\n";

static struct str cell(const struct table *table, size_t row, const char *column) {
    return table_cell(table, row, (size_t)table_column(table, column));
}

static const struct table *table_of(struct str words) {
    const struct table *table = NULL;
    assert_int_equal(host_mounts_table(words, &arena, &table, NULL), 0);
    return table;
}

static void each_file_system_is_a_row(void **state) {
    struct str hangs_in, words = ask(mounts, 0);
    const struct table *table = table_of(words);
    assert_int_equal(table->n_rows, 4); /* the root once */
    assert_int_equal(host_mounts_begun(words, &hangs_in), 4);
    assert_null(hangs_in.data);
    assert_true(str_is(cell(table, 0, "size"), "40960"));
    assert_true(str_is(cell(table, 0, "avail"), "16384"));
    assert_true(str_is(cell(table, 0, "files_free"), "90"));
    assert_true(str_is(cell(table, 0, "device_error"), "0"));
    assert_true(str_is(cell(table, 0, "minor"), "1"));
    assert_int_equal(cell(table, 0, "error").len, 0);
    assert_true(str_is(cell(table, 1, "mountpoint"), "/bad"));
    assert_true(str_is(cell(table, 1, "error"), "permission denied"));
    assert_true(str_is(cell(table, 1, "readonly"), "1"));
    assert_true(str_is(cell(table, 1, "device_error"), "1"));
    assert_null(cell(table, 1, "size").data);
    assert_null(cell(table, 1, "major").data);
    assert_true(str_is(cell(table, 2, "error"), HOST_MOUNT_HANGS));
    assert_true(str_is(cell(table, 3, "mountpoint"), "/last"));
}

static void goes_on_behind_those_that_were_asked(void **state) {
    const struct table *table = table_of(ask(mounts, 3));
    assert_int_equal(table->n_rows, 1);
    assert_true(str_is(cell(table, 0, "mountpoint"), "/last"));
}

/* Wherever the words end, all before is there, and nothing of it is wrong. */
static void words_may_end_anywhere(void **state) {
    struct str all = ask(mounts, 0);
    size_t most = 0;
    for (size_t len = 0; len <= all.len; len++) {
        char *copy = mem_alloc(len + 1); /* of its exact size, for the sanitizer */
        memcpy(copy, all.data, len);
        struct str hangs_in, words = {copy, len};
        const struct table *table = table_of(words);
        size_t begun = host_mounts_begun(words, &hangs_in);
        assert_int_equal(table->n_rows, begun);
        assert_true(begun >= most && begun <= 4);
        most = begun;
        if (hangs_in.data != NULL) {
            assert_true(str_equal(hangs_in, cell(table, begun - 1, "mountpoint")));
            assert_true(str_is(cell(table, begun - 1, "error"), HOST_MOUNT_HANGS));
            assert_null(cell(table, begun - 1, "size").data);
        }
        free(copy);
    }
    assert_int_equal(most, 4);
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(reads_lines_of_mountinfo),
        TEST(refuses_lines_that_are_none),
        TEST(hides_what_is_no_place_for_data),
        TEST(each_file_system_is_a_row),
        TEST(goes_on_behind_those_that_were_asked),
        TEST(words_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
