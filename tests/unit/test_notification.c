/* SPDX-License-Identifier: Apache-2.0 */

/* Notifications: what they say about their alerts, and as bytes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "actions/notification.h"
#include "base/mem.h"

static struct notification *make(size_t n_alerts) {
    struct notification *notification = notification_new();
    struct arena *arena = &notification->arena;
    notification->id = 7;
    notification->receiver = str_of("ops");
    notification->group_key = str_of("{}/ops:{cluster=\"a\"}");
    notification->made_ms = 1767323045678;
    notification->group_labels = arena_array(arena, 1, sizeof(struct label));
    notification->group_labels[0] = (struct label){str_of("cluster"), str_of("a")};
    notification->n_group_labels = 1;
    notification->alerts = arena_array(arena, n_alerts + 1, sizeof(*notification->alerts));
    notification->n_alerts = n_alerts;
    for (size_t i = 0; i < n_alerts; i++) {
        struct notification_alert *alert = &notification->alerts[i];
        char *number = mem_printf("%zu", i);
        alert->id = i + 1;
        alert->generation = 1;
        alert->value = (double)i / 3;
        alert->starts_ms = 1000 - (int64_t)i;
        alert->n_labels = 3;
        alert->labels = arena_array(arena, 3, sizeof(struct label));
        alert->labels[0] = (struct label){str_of("alertname"), str_of("A")};
        alert->labels[1] = (struct label){str_of("cluster"), str_of("a")};
        alert->labels[2] = (struct label){str_of("target"), arena_dup(arena, str_of(number))};
        alert->query = str_of("up == 0");
        free(number);
    }
    return notification;
}

static void resolve(struct notification *notification, size_t i) {
    notification->alerts[i].resolved = true;
    notification->alerts[i].ends_ms = 5000;
}

static void tells_whether_all_is_over(void **state) {
    CLEANUP(notification_freep)
    struct notification *notification = make(2);
    assert_int_equal(notification_firing(notification), 2);
    assert_false(notification_is_resolved(notification));
    resolve(notification, 0);
    assert_int_equal(notification_firing(notification), 1);
    assert_false(notification_is_resolved(notification));
    resolve(notification, 1);
    assert_true(notification_is_resolved(notification));
}

static void finds_what_all_have_in_common(void **state) {
    CLEANUP(notification_freep)
    struct notification *notification = make(3);
    struct arena arena = {0};
    struct label *labels = NULL;
    assert_int_equal(notification_common(notification, false, &arena, &labels), 2);
    assert_true(str_is(labels[0].name, "alertname"));
    assert_true(str_is(labels[1].name, "cluster"));
    assert_int_equal(notification_common(notification, true, &arena, &labels), 0);
    notification->alerts[2].n_labels = 1;
    assert_int_equal(notification_common(notification, false, &arena, &labels), 1);
    notification->n_alerts = 0;
    assert_int_equal(notification_common(notification, false, &arena, &labels), 0);
    arena_deinit(&arena);
}

static void comes_back_from_bytes_as_it_was(void **state) {
    CLEANUP(notification_freep)
    struct notification *before = make(2);
    struct strbuf bytes = {0}, again = {0};
    resolve(before, 1);
    before->left_out = 3;
    notification_pack(before, &bytes);
    struct unpacker in = {strbuf_view(&bytes), false};
    CLEANUP(notification_freep)
    struct notification *after = notification_unpack(&in);
    assert_non_null(after);
    assert_int_equal(in.rest.len, 0);
    notification_pack(after, &again);
    assert_true(str_equal(strbuf_view(&bytes), strbuf_view(&again)));
    assert_int_equal(after->n_alerts, 2);
    assert_true(after->alerts[1].resolved);
    assert_true(str_is(after->alerts[1].labels[2].value, "1"));
    strbuf_deinit(&bytes);
    strbuf_deinit(&again);
}

/* Every beginning is refused; every flipped bit is refused or gives something within the limits. */
static void hostile_bytes_are_refused_or_harmless(void **state) {
    CLEANUP(notification_freep)
    struct notification *notification = make(2);
    struct strbuf bytes = {0};
    size_t refused = 0;
    notification_pack(notification, &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        char *copy = mem_dup(bytes.data, len + 1); /* exactly as long as what is read, but one */
        struct unpacker in = {{copy, len}, false};
        assert_null(notification_unpack(&in));
        assert_true(in.bad);
        free(copy);
    }
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ 1 << bit % 8);
        struct unpacker in = {strbuf_view(&bytes), false};
        struct notification *read = notification_unpack(&in);
        assert_int_equal(read == NULL, in.bad);
        assert_true(read == NULL || read->n_alerts <= NOTIFICATION_MOST_ALERTS);
        refused += read == NULL;
        (void)notification_free(read);
        bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ 1 << bit % 8);
    }
    assert_true(refused > 100);
    strbuf_deinit(&bytes);
}

static void counts_that_cannot_be_true_allocate_nothing(void **state) {
    static const uint64_t counts[] = {0, 257, 1u << 30, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        struct strbuf bytes = {0};
        pack_u64(&bytes, 1);
        pack_str(&bytes, str_of("ops"));
        pack_str(&bytes, str_of("key"));
        pack_i64(&bytes, 1);
        pack_u64(&bytes, 0);
        pack_u64(&bytes, 0);
        pack_u64(&bytes, counts[i]);
        struct unpacker in = {strbuf_view(&bytes), false};
        assert_null(notification_unpack(&in));
        strbuf_deinit(&bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_whether_all_is_over),
        cmocka_unit_test(finds_what_all_have_in_common),
        cmocka_unit_test(comes_back_from_bytes_as_it_was),
        cmocka_unit_test(hostile_bytes_are_refused_or_harmless),
        cmocka_unit_test(counts_that_cannot_be_true_allocate_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
