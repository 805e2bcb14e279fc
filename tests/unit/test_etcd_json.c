/* SPDX-License-Identifier: Apache-2.0 */

/* What is said to etcd and read from it, as a server of version 3.4 says it; and for how long a
 * lease is trusted. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/duration.h"
#include "base/macros.h"
#include "failover/etcd_json.h"
#include "failover/lease.h"

#define HEADER                                                                                     \
    "\"header\":{\"cluster_id\":\"12533867355997784963\",\"member_id\":\"3879375496767813102\","   \
    "\"revision\":\"2\",\"raft_term\":\"2\"}"
#define KV                                                                                         \
    "{\"key\":\"Zm9v\",\"create_revision\":\"2\",\"mod_revision\":\"7\",\"version\":\"1\","        \
    "\"value\":\"YmFy\",\"lease\":\"3886221647311878409\"}"
#define FOUND                                                                                      \
    "{\"response_range\":{\"header\":{\"revision\":\"2\"},\"kvs\":[" KV "],\"count\":\"1\"}}"
#define MISSING "{\"response_range\":{\"header\":{\"revision\":\"2\"}}}"
#define PUT     "{\"response_put\":{\"header\":{\"revision\":\"2\"}}}"

static struct arena arena;

static int tear_down(void **state) {
    arena_deinit(&arena);
    return 0;
}

static void logs_in(void **state) {
    static const char *const no_tokens[] = {
        "{" HEADER "}",
        "{" HEADER ",\"token\":\"\"}",
        "{" HEADER ",\"token\":7}",
        "{" HEADER ",\"token\":\"a\\u0000b\"}",
        "{" HEADER ",\"token\":\"a\\r\\nHost: b\"}",
        "{" HEADER ",\"token\":\"a b\"}",
        "{" HEADER ",\"token\":\"\\u00e4\"}",
        "{\"token\":\"abc.7\"}",
    };
    struct strbuf out = {0};
    struct str token = {0};
    etcd_login_write(&out, "me", "a\"b");
    assert_string_equal(out.data, "{\"name\":\"me\",\"password\":\"a\\\"b\"}");
    strbuf_deinit(&out);
    for (size_t i = 0; i < ARRAY_LEN(no_tokens); i++) {
        assert_int_equal(etcd_login_read(str_of(no_tokens[i]), &arena, &token, NULL), -EBADMSG);
    }
    assert_int_equal(
        etcd_login_read(str_of("{" HEADER ",\"token\":\"abc.7\"}"), &arena, &token, NULL), 0);
    assert_true(str_is(token, "abc.7"));
}

static void writes_a_transaction(void **state) {
    struct strbuf out = {0};
    struct etcd_txn txn;
    etcd_txn_begin(&txn, &out);
    etcd_txn_if_value(&txn, "foo", "bar");
    etcd_txn_if_lease(&txn, "foo", 3886221647311878409);
    etcd_txn_if_absent(&txn, "foo");
    etcd_txn_if_unchanged(&txn, "foo", 7);
    etcd_txn_then(&txn);
    etcd_txn_put(&txn, "foo", str_of("bar"), 0);
    etcd_txn_put(&txn, "foo", str_of("bar"), 5);
    etcd_txn_delete(&txn, "foo");
    etcd_txn_otherwise(&txn);
    etcd_txn_get(&txn, "foo");
    etcd_txn_end(&txn);
    assert_string_equal(
        out.data,
        "{\"compare\":["
        "{\"key\":\"Zm9v\",\"target\":\"VALUE\",\"result\":\"EQUAL\",\"value\":\"YmFy\"},"
        "{\"key\":\"Zm9v\",\"target\":\"LEASE\",\"result\":\"EQUAL\",\"lease\":"
        "\"3886221647311878409\"},"
        "{\"key\":\"Zm9v\",\"target\":\"CREATE\",\"result\":\"EQUAL\",\"create_revision\":\"0\"},"
        "{\"key\":\"Zm9v\",\"target\":\"MOD\",\"result\":\"EQUAL\",\"mod_revision\":\"7\"}],"
        "\"success\":[{\"request_put\":{\"key\":\"Zm9v\",\"value\":\"YmFy\"}},"
        "{\"request_put\":{\"key\":\"Zm9v\",\"value\":\"YmFy\",\"lease\":\"5\"}},"
        "{\"request_delete_range\":{\"key\":\"Zm9v\"}}],"
        "\"failure\":[{\"request_range\":{\"key\":\"Zm9v\"}}]}");
    strbuf_deinit(&out);
}

static void asks_for_whole_seconds_upwards(void **state) {
    struct strbuf out = {0};
    etcd_grant_write(&out, 2500 * USEC_PER_MSEC);
    assert_string_equal(out.data, "{\"TTL\":\"3\"}");
    strbuf_clear(&out);
    etcd_lease_write(&out, INT64_MAX);
    assert_string_equal(out.data, "{\"ID\":\"9223372036854775807\"}");
    strbuf_deinit(&out);
}

static int read_lease(const char *text, int64_t *ret_id, uint64_t *ret_ttl_usec) {
    struct error err = {0};
    int r = etcd_lease_read(str_of(text), &arena, ret_id, ret_ttl_usec, &err);
    assert_int_equal(r, err.code);
    return r;
}

static void reads_a_grant_and_a_renewal(void **state) {
    int64_t id = 0;
    uint64_t ttl_usec = 0;
    assert_int_equal(
        read_lease("{" HEADER ",\"ID\":\"3886221647311878405\",\"TTL\":\"2\"}", &id, &ttl_usec), 0);
    assert_true(id == 3886221647311878405);
    assert_int_equal(ttl_usec, 2 * USEC_PER_SEC);
    assert_int_equal(
        read_lease("{\"result\":{" HEADER ",\"ID\":\"12345\",\"TTL\":\"5\"}}\n", &id, &ttl_usec),
        0);
    assert_int_equal(id, 12345);
    assert_int_equal(ttl_usec, 5 * USEC_PER_SEC);
}

static void reads_that_a_lease_is_gone(void **state) {
    int64_t id = 0;
    uint64_t ttl_usec = 7;
    assert_int_equal(read_lease("{\"result\":{" HEADER ",\"ID\":\"12345\"}}\n", &id, &ttl_usec), 0);
    assert_int_equal(ttl_usec, 0);
}

static void takes_no_lease_from_anything_else(void **state) {
    static const char *const texts[] = {
        "",
        "{}",
        "[]",
        "<html>",
        "{\"ID\":\"1\",\"TTL\":\"2\"}",
        "{" HEADER ",\"TTL\":\"2\"}",
        "{" HEADER ",\"ID\":\"-1\",\"TTL\":\"2\"}",
        "{" HEADER ",\"ID\":\"1\",\"TTL\":\"-2\"}",
        "{" HEADER ",\"ID\":\"1\",\"TTL\":\"99999999999\"}",
        "{" HEADER ",\"ID\":\"1\",\"TTL\":\"x\"}",
        "{" HEADER ",\"ID\":\"9223372036854775808\",\"TTL\":\"2\"}",
        "{\"result\":{}}",
        "{\"error\":{\"message\":\"no\"}}",
        "{\"header\":{\"revision\":\"0\"},\"ID\":\"1\",\"TTL\":\"2\"}",
    };
    int64_t id = 42;
    uint64_t ttl_usec = 42;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(read_lease(texts[i], &id, &ttl_usec), -EBADMSG);
        assert_int_equal(id, 42);
        assert_int_equal(ttl_usec, 42);
    }
}

static int read_txn(const char *text, size_t otherwise, size_t then, struct etcd_txn_answer *ret) {
    const size_t n_gets[] = {otherwise, then};
    struct error err = {0};
    int r = etcd_txn_read(str_of(text), &arena, n_gets, ret, &err);
    assert_int_equal(r, err.code);
    return r;
}

static void reads_values_in_their_order(void **state) {
    struct etcd_txn_answer answer;
    assert_int_equal(read_txn("{" HEADER ",\"succeeded\":true,\"responses\":[" MISSING "," PUT
                              "," FOUND "]}",
                              0, 2, &answer),
                     0);
    assert_true(answer.succeeded);
    assert_int_equal(answer.revision, 2);
    assert_false(answer.values[0].found);
    assert_true(answer.values[1].found);
    assert_true(str_is(answer.values[1].value, "bar"));
    assert_int_equal(answer.values[1].mod_revision, 7);
    assert_true(answer.values[1].lease == 3886221647311878409);
}

static void reads_a_refused_condition(void **state) {
    struct etcd_txn_answer answer = {.succeeded = true};
    assert_int_equal(read_txn("{" HEADER "}", 0, 3, &answer), 0);
    assert_false(answer.succeeded);
}

static void takes_no_values_from_anything_else(void **state) {
    static const char *const texts[] = {
        "",
        "null",
        "{}",
        "{\"succeeded\":true,\"responses\":[" FOUND "]}",
        "{" HEADER "}",
        "{" HEADER ",\"succeeded\":true}",
        "{" HEADER ",\"succeeded\":\"true\",\"responses\":[" FOUND "]}",
        "{" HEADER ",\"succeeded\":true,\"responses\":[" FOUND "," FOUND "]}",
        "{" HEADER ",\"succeeded\":true,\"responses\":[" PUT "]}",
        "{" HEADER ",\"succeeded\":true,\"responses\":[{\"response_range\":{\"kvs\":[" KV "," KV
        "]}}]}",
        "{" HEADER ",\"succeeded\":true,\"responses\":[{\"response_range\":{\"kvs\":[{}]}}]}",
        "{" HEADER ",\"succeeded\":true,\"responses\":[{\"response_range\":{\"kvs\":[1]}}]}",
        "{" HEADER ",\"succeeded\":true,\"responses\":[{\"response_range\":{\"kvs\":{\"a\":" KV
        "}}}]}",
        "{" HEADER ",\"succeeded\":true,\"responses\":[{\"response_range\":{\"kvs\":"
        "[{\"mod_revision\":\"1\",\"value\":\"no base64\"}]}}]}",
    };
    struct etcd_txn_answer answer = {.revision = 42};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(read_txn(texts[i], 1, 1, &answer), -EBADMSG);
        assert_int_equal(answer.revision, 42);
    }
}

static void repeats_why_something_was_refused(void **state) {
    struct error err = {0};
    assert_int_equal(etcd_refusal(404,
                                  str_of("{\"error\":\"etcdserver: requested lease not found\","
                                         "\"code\":5}"),
                                  &err),
                     -EREMOTEIO);
    assert_string_equal(err.text, "HTTP status 404: etcdserver: requested lease not found");
    err = (struct error){0};
    (void)etcd_refusal(500, str_of("{\"error\":{\"message\":\"no leader\"}}"), &err);
    assert_string_equal(err.text, "HTTP status 500: no leader");
    err = (struct error){0};
    (void)etcd_refusal(502, str_of("<html>"), &err);
    assert_string_equal(err.text, "HTTP status 502");
}

static void trusts_a_lease_for_less_than_its_time(void **state) {
    const struct lease lease = {
        .id = 1, .sent_usec = 100 * USEC_PER_SEC, .ttl_usec = 4 * USEC_PER_SEC};
    const struct lease none = {
        .id = 0, .sent_usec = 100 * USEC_PER_SEC, .ttl_usec = 4 * USEC_PER_SEC};
    assert_true(lease_is_fresh(&lease, 100 * USEC_PER_SEC));
    assert_true(lease_is_fresh(&lease, 103500 * USEC_PER_MSEC - 1));
    assert_false(lease_is_fresh(&lease, 103500 * USEC_PER_MSEC));
    assert_false(lease_is_fresh(&lease, 1000 * USEC_PER_SEC));
    assert_false(lease_is_fresh(&lease, 99 * USEC_PER_SEC)); /* a clock that went back */
    assert_false(lease_is_fresh(&none, 100 * USEC_PER_SEC));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(logs_in, tear_down),
        cmocka_unit_test(writes_a_transaction),
        cmocka_unit_test(asks_for_whole_seconds_upwards),
        cmocka_unit_test_teardown(reads_a_grant_and_a_renewal, tear_down),
        cmocka_unit_test_teardown(reads_that_a_lease_is_gone, tear_down),
        cmocka_unit_test_teardown(takes_no_lease_from_anything_else, tear_down),
        cmocka_unit_test_teardown(reads_values_in_their_order, tear_down),
        cmocka_unit_test_teardown(reads_a_refused_condition, tear_down),
        cmocka_unit_test_teardown(takes_no_values_from_anything_else, tear_down),
        cmocka_unit_test(repeats_why_something_was_refused),
        cmocka_unit_test(trusts_a_lease_for_less_than_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
