/* SPDX-License-Identifier: Apache-2.0 */

/* Allocation: what is zeroed, how arrays grow, and that the process ends when there is no more. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

static bool is_zero(const void *memory, size_t size) {
    const unsigned char *bytes = memory;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

static void memory_is_zeroed(void **state) {
    for (size_t size = 1; size < 5000; size *= 3) {
        void *dirty = mem_alloc(size);
        memset(dirty, 0xff, size);
        free(dirty);
        void *one = mem_alloc(size), *many = mem_array(size, 3), *aligned = mem_aligned(64, size);
        assert_true(is_zero(one, size) && is_zero(many, size * 3) && is_zero(aligned, size));
        assert_int_equal((uintptr_t)aligned % 64, 0);
        free(one);
        free(many);
        free(aligned);
    }
}

static void size_zero_gives_memory_that_may_be_freed(void **state) {
    void *const none[] = {mem_alloc(0),        mem_array(0, 8), mem_array(8, 0),
                          mem_aligned(64, 0),  mem_dup("", 0),  mem_resize(NULL, 0, 8),
                          mem_strndup("x", 0), mem_strdup("")};
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        assert_non_null(none[i]);
        free(none[i]);
    }
}

static void an_array_grows_by_doubling_and_keeps_what_it_holds(void **state) {
    int *array = NULL;
    size_t capacity = 0, moves = 0, before = 0;
    for (size_t count = 0; count < 1000; count++) {
        array = mem_grow(array, count, &capacity, sizeof(array[0]));
        assert_true(capacity > count);
        moves += capacity != before;
        before = capacity;
        array[count] = (int)count;
    }
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(array[i], i);
    }
    assert_true(moves <= 9);
    free(array);
}

static void copies_are_ours(void **state) {
    char text[] = "text";
    char *whole = mem_strdup(text), *part = mem_strndup(text, 2), *bytes = mem_dup(text, 3);
    memset(text, 'x', 4);
    assert_string_equal(whole, "text");
    assert_string_equal(part, "te");
    assert_memory_equal(bytes, "tex", 3);
    char *made = mem_printf("%s-%d", whole, 7);
    assert_string_equal(made, "text-7");
    free(whole);
    free(part);
    free(bytes);
    free(made);
}

static void a_secret_of_nobody_is_fine(void **state) {
    mem_free_secret(NULL);
    mem_free_secret(mem_strdup("secret"));
}

/* Runs it in a child. Return: how that ended; what it said is in text. */
static int end_of(void (*function)(void), char text[64]) {
    int ends[2], status = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        (void)signal(SIGABRT, SIG_DFL);
        (void)dup2(ends[1], STDERR_FILENO);
        function();
        _exit(0);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], text, 63);
    text[n > 0 ? n : 0] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static volatile size_t most = SIZE_MAX / 2; /* so that no compiler complains of it */

static void resize_beyond_all_bounds(void) {
    free(mem_resize(NULL, most, 16));
}

static void a_large_page_is_zeroed_and_aligned(void **state) {
    unsigned char *pages[3];
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        pages[i] = mem_large();
        assert_int_equal((uintptr_t)pages[i] % MEM_LARGE_BYTES, 0);
        assert_int_equal(pages[i][0] + pages[i][MEM_LARGE_BYTES - 1], 0);
        memset(pages[i], 0xff, MEM_LARGE_BYTES);
    }
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        mem_large_free(pages[i]);
    }
    mem_large_free(NULL);
}

/* A product that does not fit must not become a small allocation. */
static void an_overflow_ends_the_process_with_a_line(void **state) {
    char text[64];
    int status = end_of(resize_beyond_all_bounds, text);
#ifdef __SANITIZE_ADDRESS__ /* which has its own words and exit code */
    assert_int_not_equal(status, 0);
#else
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_string_equal(text, "dbvitals: out of memory\n");
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed),
        cmocka_unit_test(size_zero_gives_memory_that_may_be_freed),
        cmocka_unit_test(an_array_grows_by_doubling_and_keeps_what_it_holds),
        cmocka_unit_test(copies_are_ours),
        cmocka_unit_test(a_secret_of_nobody_is_fine),
        cmocka_unit_test(a_large_page_is_zeroed_and_aligned),
        cmocka_unit_test(an_overflow_ends_the_process_with_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
