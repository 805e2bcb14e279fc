/* SPDX-License-Identifier: Apache-2.0 */

/* A source as JSON, and bodies that others make in pieces. */
#include "store_fixture.h"

#include <math.h>
#include <string.h>

static void assert_json(struct store_source *source, const char *expected) {
    struct strbuf out = {0};
    struct json_writer json = {.out = &out};
    exposition_json(source, &json, NULL);
    assert_string_equal(out.data, expected);
    strbuf_deinit(&out);
}

static void commit(struct store_source *source, const struct batch *batch) {
    struct store_feed *feed = store_feed_new(source, "test");
    store_feed_commit(feed, batch, 1000);
    store_publish(source);
}

static void families_come_in_name_order_with_own_labels(void **state) {
    const struct store_options options = {0};
    struct store *store = store_new(&options);
    struct store_source *source = add_source(store, "orders-1", "orders");
    struct batch batch = {0};
    assert_json(source, "[]");
    say(&batch, "pg_b", "db=two,role=x", 0.25);
    say(&batch, "pg_b", "db=one", 3);
    say(&batch, "pg_a", "", 1);
    commit(source, &batch);
    assert_json(source,
                "[{\"name\":\"pg_a\",\"type\":\"gauge\",\"samples\":[{\"labels\":{},\"value\":1}]},"
                "{\"name\":\"pg_b\",\"type\":\"gauge\",\"samples\":["
                "{\"labels\":{\"db\":\"two\",\"role\":\"x\"},\"value\":0.25},"
                "{\"labels\":{\"db\":\"one\"},\"value\":3}]}]");
    batch_deinit(&batch);
    store_free(store);
}

static void any_value_of_a_label_comes_through(void **state) {
    const struct store_options options = {0};
    struct store *store = store_new(&options);
    struct store_source *source = add_source(store, "orders-1", "");
    struct batch batch = {0};
    const struct batch_metric metric = {"pg_x", "Help.", METRIC_GAUGE, true};
    const struct label labels[] = {
        {str_of("a"), str_of("q\"q\\n\nx,y=\"z\"")},
        {str_of("b"), str_of("\\")},
        {str_of("c"), str_of("t\tz\xc3\xa4")},
    };
    batch_add(&batch, metric, batch_add_labels(&batch, labels, ARRAY_LEN(labels)), 1);
    commit(source, &batch);
    assert_json(source, "[{\"name\":\"pg_x\",\"type\":\"gauge\",\"samples\":[{\"labels\":{"
                        "\"a\":\"q\\\"q\\\\n\\nx,y=\\\"z\\\"\",\"b\":\"\\\\\","
                        "\"c\":\"t\\u0009z\xc3\xa4\"},\"value\":1}]}]");
    batch_deinit(&batch);
    store_free(store);
}

static void histograms_name_their_series_and_no_number_is_null(void **state) {
    const struct store_options options = {0};
    struct store *store = store_new(&options);
    struct store_source *source = add_source(store, "orders-1", "");
    struct batch batch = {0};
    const struct batch_metric metric = {"h", "Help.", METRIC_HISTOGRAM, true};
    const double bounds[] = {0.5}, counts[] = {2};
    batch_add_histogram(&batch, metric, NULL, 0, bounds, counts, 1, (double)INFINITY, 3);
    commit(source, &batch);
    assert_json(source, "[{\"name\":\"h\",\"type\":\"histogram\",\"samples\":["
                        "{\"name\":\"h_bucket\",\"labels\":{\"le\":\"0.5\"},\"value\":2},"
                        "{\"name\":\"h_bucket\",\"labels\":{\"le\":\"+Inf\"},\"value\":3},"
                        "{\"name\":\"h_sum\",\"labels\":{},\"value\":null},"
                        "{\"name\":\"h_count\",\"labels\":{},\"value\":3}]}]");
    batch_deinit(&batch);
    store_free(store);
}

static void what_has_ended_is_left_out(void **state) {
    const struct store_options options = {0};
    struct store *store = store_new(&options);
    struct store_source *source = add_source(store, "orders-1", "");
    struct store_feed *feed = store_feed_new(source, "test");
    struct batch batch = {0};
    say(&batch, "pg_a", "", 1);
    store_feed_commit(feed, &batch, 1000);
    store_feed_end(feed, 2000);
    store_publish(source);
    assert_json(source, "[]");
    batch_deinit(&batch);
    store_free(store);
}

/* Pieces of a counted length, some of them empty. */
struct pieces {
    unsigned made, freed;
};

static bool next_piece(void *userdata, struct str *ret) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    struct pieces *pieces = userdata;
    if (pieces->made == 40) {
        return false;
    }
    *ret = (struct str){letters, pieces->made++ % 20};
    return true;
}

static void free_pieces(void *userdata) {
    ((struct pieces *)userdata)->freed++;
}

static void pieces_are_read_in_any_size(void **state) {
    for (size_t size = 1; size < 50; size += 7) {
        struct pieces pieces = {0};
        char text[1024];
        size_t len = 0, n;
        struct exposition_reader *reader = exposition_reader_of(
            &(struct exposition_pieces){next_piece, free_pieces, &pieces}, false);
        while ((n = exposition_reader_read(reader, text + len, size)) > 0) {
            len += n;
        }
        assert_int_equal(len, 2 * 190);
        assert_memory_equal(text, "aababcabcd", 10);
        assert_int_equal(pieces.freed, 0);
        exposition_reader_free(reader);
        assert_int_equal(pieces.freed, 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_come_in_name_order_with_own_labels),
        cmocka_unit_test(any_value_of_a_label_comes_through),
        cmocka_unit_test(histograms_name_their_series_and_no_number_is_null),
        cmocka_unit_test(what_has_ended_is_left_out),
        cmocka_unit_test(pieces_are_read_in_any_size),
    };
    return cmocka_run_group_tests_name("exposition_json", tests, NULL, NULL);
}
