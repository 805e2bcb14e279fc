/* SPDX-License-Identifier: Apache-2.0 */

/* Files of certificates, in a scratch folder. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/tls_file.h"

static char folder[] = "/tmp/tls-file-test-XXXXXX";
static char *path, *other;

static int set_up(void **state) {
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    path = mem_printf("%s/a.pem", folder);
    other = mem_printf("%s/b.pem", folder);
    return 0;
}

static int tear_down(void **state) {
    (void)unlink(path);
    (void)unlink(other);
    (void)rmdir(folder);
    free(path);
    free(other);
    return 0;
}

static void write_file(const char *name, const char *text) {
    FILE *file = fopen(name, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void reads_all_of_a_file(void **state) {
    write_file(path, "text");
    char *text = NULL;
    size_t length = 0;
    assert_int_equal(tls_file_read(path, &text, &length, NULL), 0);
    assert_int_equal(length, 4);
    assert_string_equal(text, "text");
    free(text);
}

static void assert_refused(const char *name, int code, const char *word) {
    char *text = NULL;
    size_t length = 4711;
    struct error err = {0};
    assert_int_equal(tls_file_read(name, &text, &length, &err), code);
    assert_non_null(strstr(err.text, word));
    assert_non_null(strstr(err.text, name));
    assert_null(text);
    assert_int_equal(length, 4711);
}

/* A pipe without a writer would hold us for ever. */
static void refuses_what_is_not_a_small_file(void **state) {
    (void)unlink(other);
    assert_refused(other, -ENOENT, "No such file");
    assert_refused(folder, -EINVAL, "not a file");
    assert_int_equal(mkfifo(other, 0600), 0);
    assert_refused(other, -EINVAL, "not a file");
    assert_int_equal(unlink(other), 0);
    write_file(other, "x");
    assert_int_equal(truncate(other, (off_t)TLS_FILE_MOST_BYTES + 1), 0);
    assert_refused(other, -EFBIG, "larger than");
}

static void sees_that_a_file_was_replaced(void **state) {
    write_file(path, "old");
    write_file(other, "new");
    struct tls_stamp before = tls_file_stamp(path), same = tls_file_stamp(path);
    assert_true(tls_stamp_equal(&before, &same));
    /* As large, and possibly written within one tick of the file system's clock. */
    assert_int_equal(rename(other, path), 0);
    struct tls_stamp after = tls_file_stamp(path);
    assert_false(tls_stamp_equal(&before, &after));
    write_file(path, "longer");
    struct tls_stamp longer = tls_file_stamp(path);
    assert_false(tls_stamp_equal(&after, &longer));
}

static void has_a_stamp_for_no_file(void **state) {
    const struct tls_stamp none = {0};
    struct tls_stamp unnamed = tls_file_stamp(NULL), missing = tls_file_stamp("/nonexistent/a");
    assert_true(tls_stamp_equal(&unnamed, &none));
    assert_true(tls_stamp_equal(&missing, &none));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_all_of_a_file),
        cmocka_unit_test(refuses_what_is_not_a_small_file),
        cmocka_unit_test(sees_that_a_file_was_replaced),
        cmocka_unit_test(has_a_stamp_for_no_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
