/* SPDX-License-Identifier: Apache-2.0 */

/* Name resolution: literals, the cache, merged questions, deadlines. The names that are asked for
 * are those of /etc/hosts and ones that cannot exist. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "turn.h"
#include "base/macros.h"
#include "io/resolve.h"
#include "io/resolve_work.h"

static struct loop *loop;
static struct worker_pool *pool;
static struct resolver *resolver;

struct seen {
    int calls;
    struct resolve_answer answer;
    struct error error;
    bool free_resolver;             /* in done() */
    struct resolve_request **other; /* freed in done() */
};

static int set_up(void **state) {
    assert_int_equal(loop_new(&loop), 0);
    pool = worker_pool_new(loop, NULL);
    resolver = resolver_new(loop, pool);
    return 0;
}

static int tear_down(void **state) {
    resolver = resolver_free(resolver);
    pool = worker_pool_free(pool);
    loop = loop_free(loop);
    return 0;
}

static void done(void *userdata, const struct resolve_answer *answer, const struct error *err) {
    struct seen *seen = userdata;
    seen->calls++;
    assert_true((answer == NULL) != (err == NULL));
    if (answer != NULL) {
        assert_true(answer->n_addresses >= 1);
        seen->answer = *answer;
    } else {
        seen->error = *err;
    }
    if (seen->other != NULL) {
        *seen->other = resolve_request_free(*seen->other);
    }
    if (seen->free_resolver) {
        resolver = resolver_free(resolver);
    }
}

static struct resolve_request *look_up(const char *host, uint16_t port, struct seen *seen) {
    return resolver_lookup(resolver, host, port, loop_clock_usec() + 10 * USEC_PER_SEC, done, seen);
}

static void reads_literal_addresses(void **state) {
    struct resolve_address address;
    assert_true(resolve_literal("10.0.0.1", 6379, &address));
    assert_int_equal(address.addr.v4.sin_family, AF_INET);
    assert_int_equal(ntohs(address.addr.v4.sin_port), 6379);
    assert_int_equal(ntohl(address.addr.v4.sin_addr.s_addr), 0x0a000001);
    assert_int_equal(address.len, sizeof(struct sockaddr_in));
    assert_string_equal(address.text, "10.0.0.1");
    assert_true(resolve_literal("::1", 1, &address));
    assert_int_equal(address.addr.v6.sin6_family, AF_INET6);
    assert_int_equal(ntohs(address.addr.v6.sin6_port), 1);
    assert_int_equal(address.addr.v6.sin6_addr.s6_addr[15], 1);
    assert_true(resolve_literal("fe80::1%lo", 1, &address));
    assert_int_not_equal(address.addr.v6.sin6_scope_id, 0);
    assert_string_equal(address.text, "fe80::1%lo");
    assert_true(resolve_literal("fe80::1%7", 1, &address));
    assert_int_equal(address.addr.v6.sin6_scope_id, 7);
}

static void takes_no_name_for_a_literal(void **state) {
    static const char *const names[] = {
        "localhost",      "",
        "10.0.0",         "1",
        "10.0.0.1.",      "[::1]",
        "::1%",           "::1%no-such-interface",
        "10.0.0.1%lo",    "::g",
        "db.example.org", "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd"};
    struct resolve_address address;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_false(resolve_literal(names[i], 1, &address));
    }
}

static void answers_literals_later_and_without_a_worker(void **state) {
    struct seen seen = {0};
    (void)look_up("127.0.0.1", 5432, &seen);
    assert_int_equal(seen.calls, 0);
    turn_until_quiet(loop);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(ntohs(seen.answer.addresses[0].addr.v4.sin_port), 5432);
}

static uint16_t port_of(const struct resolve_address *address) {
    return ntohs(address->addr.any.sa_family == AF_INET6 ? address->addr.v6.sin6_port
                                                         : address->addr.v4.sin_port);
}

static void resolves_names_of_the_hosts_file(void **state) {
    struct seen seen = {0};
    (void)look_up("localhost", 6379, &seen);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_false(error_is_set(&seen.error));
    for (size_t i = 0; i < seen.answer.n_addresses; i++) {
        const struct resolve_address *address = &seen.answer.addresses[i];
        assert_int_equal(port_of(address), 6379);
        assert_true(strcmp(address->text, "127.0.0.1") == 0 || strcmp(address->text, "::1") == 0);
    }
}

static void gives_each_request_its_own_port(void **state) {
    struct seen first = {0}, second = {0};
    (void)look_up("localhost", 1, &first);
    (void)look_up("localhost", 2, &second);
    assert_true(turn_until(loop, &first.calls, 1));
    assert_true(turn_until(loop, &second.calls, 1));
    assert_int_equal(port_of(&first.answer.addresses[0]), 1);
    assert_int_equal(port_of(&second.answer.addresses[0]), 2);
}

static void answers_again_from_the_cache(void **state) {
    struct seen first = {0}, second = {0};
    (void)look_up("localhost", 1, &first);
    assert_true(turn_until(loop, &first.calls, 1));
    (void)look_up("localhost", 2, &second);
    assert_int_equal(second.calls, 0);
    turn_until_quiet(loop); /* no time for a worker */
    assert_int_equal(second.calls, 1);
    assert_int_equal(port_of(&second.answer.addresses[0]), 2);
    assert_int_equal(port_of(&first.answer.addresses[0]), 1);
}

static void reports_names_that_do_not_exist(void **state) {
    struct seen seen = {0}, again = {0};
    (void)look_up("no..such.name.invalid", 1, &seen);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_true(seen.error.code == -EHOSTUNREACH || seen.error.code == -EAGAIN);
    assert_non_null(strstr(seen.error.text, "no..such.name.invalid"));
    (void)look_up("no..such.name.invalid", 1, &again);
    turn_until_quiet(loop);
    assert_int_equal(again.calls, 1);
    assert_int_equal(again.error.code, seen.error.code);
}

static void refuses_empty_and_endless_names(void **state) {
    char endless[300];
    memset(endless, 'a', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = '\0';
    struct seen empty = {0}, too_long = {0};
    (void)look_up("", 1, &empty);
    (void)look_up(endless, 1, &too_long);
    assert_int_equal(empty.calls + too_long.calls, 0);
    turn_until_quiet(loop);
    assert_int_equal(empty.error.code, -EHOSTUNREACH);
    assert_int_equal(too_long.error.code, -EHOSTUNREACH);
}

static void resolves_many_names_together(void **state) {
    struct seen seen[100] = {{0}};
    char host[64];
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        /* "127.1" is an address in an old spelling that only getaddrinfo() knows. */
        (void)snprintf(host, sizeof(host), i % 2 == 0 ? "localhost" : "127.%zu", i);
        (void)look_up(host, (uint16_t)(i + 1), &seen[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        assert_true(turn_until(loop, &seen[i].calls, 1));
        assert_int_equal(seen[i].error.code, 0);
        assert_int_equal(port_of(&seen[i].answer.addresses[0]), i + 1);
    }
    turn_until_quiet(loop);
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        assert_int_equal(seen[i].calls, 1);
    }
}

static void forgets_the_oldest_of_too_many_names(void **state) {
    static struct seen seen[1100];
    char host[64];
    memset(seen, 0, sizeof(seen));
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        (void)snprintf(host, sizeof(host), "127.%zu", i + 1);
        (void)look_up(host, 1, &seen[i]);
        if (i % 100 == 99) {
            assert_true(turn_until(loop, &seen[i].calls, 1));
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        assert_true(turn_until(loop, &seen[i].calls, 1));
        assert_int_equal(seen[i].error.code, 0);
    }
    struct seen newest = {0}, oldest = {0};
    (void)look_up("127.1100", 1, &newest);
    turn_until_quiet(loop);
    assert_int_equal(newest.calls, 1);
    (void)look_up("127.1", 1, &oldest);
    (void)loop_run_once(loop, 0);
    assert_int_equal(oldest.calls, 0);
    assert_true(turn_until(loop, &oldest.calls, 1));
}

static void refuses_more_names_at_once_than_it_remembers(void **state) {
    static struct seen seen[1025];
    char host[64];
    memset(seen, 0, sizeof(seen));
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        (void)snprintf(host, sizeof(host), "127.%zu", i + 1);
        (void)look_up(host, 1, &seen[i]);
    }
    assert_true(turn_until(loop, &seen[1024].calls, 1));
    assert_int_equal(seen[1024].error.code, -EBUSY);
    assert_true(turn_until(loop, &seen[0].calls, 1));
    assert_int_equal(seen[0].error.code, 0);
}

static void keeps_the_deadline_of_a_request(void **state) {
    struct seen late = {0}, patient = {0};
    (void)resolver_lookup(resolver, "localhost", 1, loop_clock_usec(), done, &late);
    (void)resolver_lookup(resolver, "localhost", 1, UINT64_MAX, done, &patient);
    assert_int_equal(late.calls, 0);
    assert_true(turn_until(loop, &late.calls, 1));
    assert_int_equal(late.error.code, -ETIMEDOUT);
    assert_true(turn_until(loop, &patient.calls, 1));
    assert_int_equal(patient.error.code, 0);
    assert_int_equal(late.calls, 1);
}

static void forgets_a_request(void **state) {
    struct seen forgotten = {0}, other = {0}, literal = {0};
    struct resolve_request *request = look_up("localhost", 1, &forgotten);
    (void)look_up("localhost", 1, &other);
    resolve_request_free(request);
    resolve_request_free(look_up("127.0.0.1", 1, &literal));
    assert_null(resolve_request_free(NULL));
    assert_true(turn_until(loop, &other.calls, 1));
    turn_until_quiet(loop);
    assert_int_equal(forgotten.calls + literal.calls, 0);
}

static void forgets_another_request_inside_an_answer(void **state) {
    struct seen first = {0}, second = {0};
    struct resolve_request *other = NULL;
    first.other = &other;
    (void)look_up("127.0.0.1", 1, &first);
    other = look_up("127.0.0.2", 1, &second);
    turn_until_quiet(loop);
    assert_int_equal(first.calls, 1);
    assert_int_equal(second.calls, 0);
}

static void answers_what_waits_when_it_is_freed(void **state) {
    struct seen name = {0}, literal = {0};
    (void)look_up("localhost", 1, &name);
    (void)loop_run_once(loop, 0);
    (void)look_up("127.0.0.1", 1, &literal);
    resolver = resolver_free(resolver);
    assert_int_equal(name.calls, 1);
    assert_int_equal(name.error.code, -ECANCELED);
    assert_int_equal(literal.calls, 1);
    turn_until_quiet(loop);
}

static void is_freed_inside_an_answer(void **state) {
    struct seen first = {.free_resolver = true}, second = {0}, third = {0};
    (void)look_up("127.0.0.1", 1, &first);
    (void)look_up("127.0.0.2", 1, &second);
    (void)look_up("localhost", 1, &third);
    assert_true(turn_until(loop, &first.calls, 1));
    assert_int_equal(first.calls + second.calls + third.calls, 3);
    assert_int_equal(third.error.code, -ECANCELED);
    turn_until_quiet(loop);
}

static void is_freed_inside_an_answer_to_a_deadline(void **state) {
    struct seen first = {.free_resolver = true}, second = {0};
    (void)look_up("localhost", 1, &second);
    (void)resolver_lookup(resolver, "localhost", 1, loop_clock_usec(), done, &first);
    assert_true(turn_until(loop, &first.calls, 1));
    assert_true(turn_until(loop, &second.calls, 1));
    assert_null(resolver);
}

static void refuses_records_that_make_no_sense(void **state) {
    struct resolve_answer answer;
    struct resolve_record record = {.n_addresses = RESOLVE_MOST_ADDRESSES + 1};
    assert_int_equal(resolve_record_read(&record, &answer), 0);
    record = (struct resolve_record){.n_addresses = 2};
    record.addresses[0].sin6_family = AF_UNIX;
    record.addresses[1].sin6_family = 9999;
    assert_int_equal(resolve_record_read(&record, &answer), 0);
    record.addresses[1].sin6_family = AF_INET6;
    record.addresses[1].sin6_port = 99;
    record.addresses[1].sin6_addr = in6addr_loopback;
    assert_int_equal(resolve_record_read(&record, &answer), 1);
    assert_string_equal(answer.addresses[0].text, "::1");
    assert_int_equal(port_of(&answer.addresses[0]), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_literal_addresses),
        cmocka_unit_test(takes_no_name_for_a_literal),
        TEST(answers_literals_later_and_without_a_worker),
        TEST(resolves_names_of_the_hosts_file),
        TEST(gives_each_request_its_own_port),
        TEST(answers_again_from_the_cache),
        TEST(reports_names_that_do_not_exist),
        TEST(refuses_empty_and_endless_names),
        TEST(resolves_many_names_together),
        TEST(forgets_the_oldest_of_too_many_names),
        TEST(refuses_more_names_at_once_than_it_remembers),
        TEST(keeps_the_deadline_of_a_request),
        TEST(forgets_a_request),
        TEST(forgets_another_request_inside_an_answer),
        TEST(answers_what_waits_when_it_is_freed),
        TEST(is_freed_inside_an_answer),
        TEST(is_freed_inside_an_answer_to_a_deadline),
        cmocka_unit_test(refuses_records_that_make_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
