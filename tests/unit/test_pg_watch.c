/* SPDX-License-Identifier: Apache-2.0 */

/* What a server may cost: address space, processor time, hashing. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/loop.h"
#include "io/pg_watch.h"

static void work_of_the_usual_size_is_fine(void **state) {
    struct pg_watch watch;
    pg_watch_begin(&watch, *state);
    pg_watch_call(&watch, 100);
    assert_null(pg_watch_end(&watch));
}

static void a_jump_of_the_address_space_is_not(void **state) {
    const size_t size = (size_t)64 * 1024 * 1024;
    struct pg_watch watch;
    pg_watch_begin(&watch, *state);
    void *room = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(room, MAP_FAILED);
    assert_non_null(strstr(pg_watch_end(&watch), "too large"));
    assert_int_equal(munmap(room, size), 0);
    assert_null(pg_watch_end(&watch));
}

static void a_call_that_was_kept_waiting_is_fine(void **state) {
    struct pg_watch watch;
    pg_watch_begin(&watch, *state);
    pg_watch_call(&watch, 1000000);
    assert_null(pg_watch_end(&watch));
}

static void a_call_that_worked_long_is_not(void **state) {
    struct pg_watch watch;
    pg_watch_begin(&watch, *state);
    uint64_t start = loop_cpu_usec();
    while (loop_cpu_usec() - start < 15000) {}
    assert_null(pg_watch_end(&watch)); /* many short calls */
    pg_watch_call(&watch, 15000);
    assert_non_null(strstr(pg_watch_end(&watch), "too long"));
}

static void going_on_forgets_what_was_fine(void **state) {
    const size_t size = (size_t)30 * 1024 * 1024;
    void *rooms[2];
    struct pg_watch watch;
    pg_watch_begin(&watch, *state);
    for (size_t i = 0; i < 2; i++) {
        uint64_t start = loop_cpu_usec();
        while (loop_cpu_usec() - start < 6000) {}
        rooms[i] = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(rooms[i], MAP_FAILED);
        pg_watch_call(&watch, 15000);
        assert_null(pg_watch_end(&watch));
        pg_watch_go_on(&watch);
    }
    assert_null(pg_watch_end(&watch));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(munmap(rooms[i], size), 0);
    }
}

static uint64_t iterations(const char *data, size_t len) {
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(write(fds[0], data, len), len);
    uint64_t found = pg_watch_scram_iterations(fds[1]);
    char again[256];
    assert_int_equal(recv(fds[1], again, sizeof(again), MSG_DONTWAIT), len);
    close(fds[0]);
    close(fds[1]);
    return found;
}

static void reads_the_iterations_of_scram_and_takes_nothing(void **state) {
    (void)state;
#define SAYS(text) iterations(text, sizeof(text) - 1)
    assert_int_equal(SAYS("R\0\0\0\x20\0\0\0\x0br=abc,s=def,i=4096"), 4096);
    assert_int_equal(SAYS("R\0\0\0\x20\0\0\0\x0br=i,s=i=5,i=2147483647Z"), 2147483647);
    assert_true(SAYS("R\0\0\0\x20\0\0\0\x0bi=99999999999999999999999999") > 1000000);
    assert_int_equal(SAYS("R\0\0\0\x20\0\0\0\x0br=abc,s=def"), 0);
    assert_int_equal(SAYS("R\0\0\0\x20\0\0\0\x0ci=4096"), 0);
    assert_int_equal(SAYS("R\0\0\0\x08\0\0\0\0"), 0);
    assert_int_equal(SAYS("E"), 0);
}

static void nothing_waits_in_a_socket_that_is_none(void **state) {
    (void)state;
    assert_int_equal(pg_watch_scram_iterations(-1), 0);
}

static int make_loop(void **state) {
    struct loop *loop;
    int r = loop_new(&loop);
    *state = loop;
    return r;
}

static int free_loop(void **state) {
    loop_free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_of_the_usual_size_is_fine),
        cmocka_unit_test(a_jump_of_the_address_space_is_not),
        cmocka_unit_test(a_call_that_was_kept_waiting_is_fine),
        cmocka_unit_test(a_call_that_worked_long_is_not),
        cmocka_unit_test(going_on_forgets_what_was_fine),
        cmocka_unit_test(reads_the_iterations_of_scram_and_takes_nothing),
        cmocka_unit_test(nothing_waits_in_a_socket_that_is_none),
    };
    return cmocka_run_group_tests(tests, make_loop, free_loop);
}
