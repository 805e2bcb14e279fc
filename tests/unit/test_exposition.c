/* SPDX-License-Identifier: Apache-2.0 */

/* Pages: their exact text, what is kept, ETags, compression, and the reader of large fleets. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/mem.h"
#include "store_fixture.h"

struct fixture {
    struct store *store;
    struct store_source *orders, *cache;
    struct store_feed *orders_feed, *cache_feed;
    struct batch batch;
};

static int set_up(void **state) {
    static struct fixture fixture;
    fixture = (struct fixture){.store = store_new(&(struct store_options){0})};
    fixture.orders = add_source(fixture.store, "orders-1", "orders");
    fixture.cache = add_source(fixture.store, "cache-1", "");
    fixture.orders_feed = store_feed_new(fixture.orders, "all");
    fixture.cache_feed = store_feed_new(fixture.cache, "all");
    *state = &fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    batch_deinit(&fixture->batch);
    store_free(fixture->store);
    return 0;
}

static void publish(struct fixture *fixture, struct store_feed *feed, struct store_source *source,
                    int64_t t_ms) {
    store_feed_commit(feed, &fixture->batch, t_ms);
    store_publish(source);
    batch_clear(&fixture->batch);
}

static void publish_orders(struct fixture *fixture, int64_t t_ms) {
    publish(fixture, fixture->orders_feed, fixture->orders, t_ms);
}

static void publish_cache(struct fixture *fixture, int64_t t_ms) {
    publish(fixture, fixture->cache_feed, fixture->cache, t_ms);
}

/* --- Text --- */

static void own_page_has_own_labels_and_joined_page_all(void **state) {
    struct fixture *fixture = *state;
    say(&fixture->batch, "pg_up", "", 1);
    say(&fixture->batch, "pg_locks", "mode=share,datname=a", 3);
    say(&fixture->batch, "pg_locks", "mode=none,datname=a", 0.5);
    publish_orders(fixture, 10);
    say(&fixture->batch, "redis_up", "", 1);
    say(&fixture->batch, "pg_locks", "datname=z", 9);
    publish_cache(fixture, 10);
    assert_page(fixture->orders, "# HELP pg_locks Help.\n"
                                 "# TYPE pg_locks gauge\n"
                                 "pg_locks{datname=\"a\",mode=\"share\"} 3\n"
                                 "pg_locks{datname=\"a\",mode=\"none\"} 0.5\n"
                                 "# HELP pg_up Help.\n"
                                 "# TYPE pg_up gauge\n"
                                 "pg_up 1\n");
    assert_joined(
        fixture->store,
        "# HELP pg_locks Help.\n"
        "# TYPE pg_locks gauge\n"
        "pg_locks{datname=\"z\",target=\"cache-1\"} 9\n"
        "pg_locks{datname=\"a\",mode=\"share\",cluster=\"orders\",target=\"orders-1\"} 3\n"
        "pg_locks{datname=\"a\",mode=\"none\",cluster=\"orders\",target=\"orders-1\"} 0.5\n"
        "# HELP pg_up Help.\n"
        "# TYPE pg_up gauge\n"
        "pg_up{cluster=\"orders\",target=\"orders-1\"} 1\n"
        "# HELP redis_up Help.\n"
        "# TYPE redis_up gauge\n"
        "redis_up{target=\"cache-1\"} 1\n");
}

static void store_without_samples_is_an_empty_page(void **state) {
    struct fixture *fixture = *state;
    assert_page(fixture->orders, "");
    assert_joined(fixture->store, "");
    struct store *nothing = store_new(&(struct store_options){0});
    assert_joined(nothing, "");
    store_free(nothing);
}

static void hostile_values_are_escaped(void **state) {
    struct fixture *fixture = *state;
    const struct batch_metric metric = {"m", "Say \"a\\b\"\nor not.", METRIC_UNTYPED, false};
    struct label label = {str_of("q"), str_of("\"} 1\nevil 2\\ gr\xc3\xbc\xc3\x9f \xff{")};
    batch_add(&fixture->batch, metric, batch_add_labels(&fixture->batch, &label, 1), 1);
    publish_orders(fixture, 10);
    assert_page(fixture->orders,
                "# HELP m Say \"a\\\\b\"\\nor not.\n"
                "# TYPE m untyped\n"
                "m{q=\"\\\"} 1\\nevil 2\\\\ gr\xc3\xbc\xc3\x9f \xef\xbf\xbd{\"} 1\n");
    assert_joined(fixture->store, "# HELP m Say \"a\\\\b\"\\nor not.\n"
                                  "# TYPE m untyped\n"
                                  "m{q=\"\\\"} 1\\nevil 2\\\\ gr\xc3\xbc\xc3\x9f \xef\xbf\xbd{\","
                                  "cluster=\"orders\",target=\"orders-1\"} 1\n");
}

static void values_are_written_as_numbers_are(void **state) {
    struct fixture *fixture = *state;
    const double values[] = {0,     -1,          9007199254740991.0, 0.1,
                             1e300, (double)NAN, INFINITY,           -(double)INFINITY};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        char labels[16];
        snprintf(labels, sizeof(labels), "i=%zu", i);
        say(&fixture->batch, "m", labels, values[i]);
    }
    publish_orders(fixture, 10);
    assert_page(fixture->orders, "# HELP m Help.\n# TYPE m gauge\n"
                                 "m{i=\"0\"} 0\nm{i=\"1\"} -1\nm{i=\"2\"} 9007199254740991\n"
                                 "m{i=\"3\"} 0.1\nm{i=\"4\"} 1e+300\nm{i=\"5\"} NaN\n"
                                 "m{i=\"6\"} +Inf\nm{i=\"7\"} -Inf\n");
}

static void histograms_and_summaries_have_one_type_line(void **state) {
    struct fixture *fixture = *state;
    const struct batch_metric histogram = {"h_seconds", "Times.", METRIC_HISTOGRAM, true};
    const struct batch_metric summary = {"s_seconds", NULL, METRIC_SUMMARY, true};
    const struct batch_metric counter = {"c_total", "", METRIC_COUNTER, true};
    struct label label = {str_of("cmd"), str_of("get")};
    batch_add_histogram(&fixture->batch, histogram, &label, 1, (double[]){0.001, 1},
                        (double[]){2, 3}, 2, 1.5, 4);
    batch_add_summary(&fixture->batch, summary, NULL, 0, (double[]){0.5}, (double[]){0.25}, 1, 8,
                      2);
    batch_add(&fixture->batch, counter, (struct batch_labels){0}, 1e6);
    publish_orders(fixture, 10);
    assert_page(fixture->orders, "# TYPE c_total counter\n"
                                 "c_total 1000000\n"
                                 "# HELP h_seconds Times.\n"
                                 "# TYPE h_seconds histogram\n"
                                 "h_seconds_bucket{cmd=\"get\",le=\"0.001\"} 2\n"
                                 "h_seconds_bucket{cmd=\"get\",le=\"1\"} 3\n"
                                 "h_seconds_bucket{cmd=\"get\",le=\"+Inf\"} 4\n"
                                 "h_seconds_sum{cmd=\"get\"} 1.5\n"
                                 "h_seconds_count{cmd=\"get\"} 4\n"
                                 "# TYPE s_seconds summary\n"
                                 "s_seconds{quantile=\"0.5\"} 0.25\n"
                                 "s_seconds_sum 8\n"
                                 "s_seconds_count 2\n");
}

static void first_help_and_type_stay(void **state) {
    struct fixture *fixture = *state;
    const struct batch_metric first = {"m", "First.", METRIC_COUNTER, true};
    const struct batch_metric second = {"m", "Second.", METRIC_GAUGE, true};
    batch_add(&fixture->batch, first, labels_of(&fixture->batch, "a=1"), 1);
    batch_add(&fixture->batch, second, labels_of(&fixture->batch, "a=2"), 2);
    publish_orders(fixture, 10);
    assert_page(fixture->orders, "# HELP m First.\n# TYPE m counter\nm{a=\"1\"} 1\nm{a=\"2\"} 2\n");
}

static void clashing_labels_are_renamed_on_the_joined_page(void **state) {
    struct fixture *fixture = *state;
    struct label extra[] = {{str_of("tier"), str_of("gold")},
                            {str_of("instance"), str_of("no")},
                            {str_of("cluster"), str_of("no")}};
    struct source_labels labels = {
        .target = str_of("a"),
        .cluster = str_of("c"),
        .instance = str_of("i"),
        .job = str_of("j"),
        .extra = extra,
        .n_extra = 3,
    };
    struct store_source *source = store_source_new(fixture->store, &labels);
    struct store_feed *feed = store_feed_new(source, "all");
    say(&fixture->batch, "m", "cluster=own\"1,instance=x,job=y,target=z,exported_target=w,tier=t",
        1);
    publish(fixture, feed, source, 10);
    assert_page(source, "# HELP m Help.\n# TYPE m gauge\n"
                        "m{cluster=\"own\\\"1\",exported_target=\"w\",instance=\"x\",job=\"y\","
                        "target=\"z\",tier=\"t\"} 1\n");
    assert_joined(fixture->store,
                  "# HELP m Help.\n# TYPE m gauge\n"
                  "m{exported_cluster=\"own\\\"1\",exported_target=\"w\",instance=\"x\","
                  "job=\"y\",exported_exported_target=\"z\",exported_tier=\"t\","
                  "cluster=\"c\",target=\"a\",tier=\"gold\"} 1\n");
}

static void families_of_servers_stand_in_name_order(void **state) {
    struct fixture *fixture = *state;
    static const char *const names[] = {"pg_settings_z", "pg_settings_B", "pg_settings_a",
                                        "pg_settings_aa", "a"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct batch_metric metric = {batch_keep_name(&fixture->batch, str_of(names[i])), "",
                                      METRIC_GAUGE, false};
        batch_add(&fixture->batch, metric, (struct batch_labels){0}, (double)i);
        if (i == 1) {
            publish_cache(fixture, 10);
            assert_page(fixture->cache, "# TYPE pg_settings_B gauge\npg_settings_B 1\n"
                                        "# TYPE pg_settings_z gauge\npg_settings_z 0\n");
        }
    }
    publish_orders(fixture, 10);
    assert_page(fixture->orders, "# TYPE a gauge\na 4\n"
                                 "# TYPE pg_settings_a gauge\npg_settings_a 2\n"
                                 "# TYPE pg_settings_aa gauge\npg_settings_aa 3\n");
    assert_joined(fixture->store, "# TYPE a gauge\n"
                                  "a{cluster=\"orders\",target=\"orders-1\"} 4\n"
                                  "# TYPE pg_settings_B gauge\n"
                                  "pg_settings_B{target=\"cache-1\"} 1\n"
                                  "# TYPE pg_settings_a gauge\n"
                                  "pg_settings_a{cluster=\"orders\",target=\"orders-1\"} 2\n"
                                  "# TYPE pg_settings_aa gauge\n"
                                  "pg_settings_aa{cluster=\"orders\",target=\"orders-1\"} 3\n"
                                  "# TYPE pg_settings_z gauge\n"
                                  "pg_settings_z{target=\"cache-1\"} 0\n");
}

static void stale_series_and_their_families_do_not_show(void **state) {
    struct fixture *fixture = *state;
    say(&fixture->batch, "a", "", 1);
    say(&fixture->batch, "b", "x=1", 1);
    say(&fixture->batch, "b", "x=2", 2);
    publish_orders(fixture, 10);
    say(&fixture->batch, "b", "x=2", 3);
    publish_orders(fixture, 20);
    assert_page(fixture->orders, "# HELP b Help.\n# TYPE b gauge\nb{x=\"2\"} 3\n");
    say(&fixture->batch, "b", "x=1", 4);
    say(&fixture->batch, "b", "x=2", 3);
    say(&fixture->batch, "a", "", 5);
    publish_orders(fixture, 30);
    assert_page(fixture->orders, "# HELP a Help.\n# TYPE a gauge\na 5\n"
                                 "# HELP b Help.\n# TYPE b gauge\nb{x=\"2\"} 3\nb{x=\"1\"} 4\n");
}

static void ended_source_leaves_the_joined_page(void **state) {
    struct fixture *fixture = *state;
    say(&fixture->batch, "m", "", 1);
    publish_orders(fixture, 10);
    say(&fixture->batch, "m", "", 2);
    publish_cache(fixture, 10);
    assert_joined(fixture->store, "# HELP m Help.\n# TYPE m gauge\nm{target=\"cache-1\"} 2\n"
                                  "m{cluster=\"orders\",target=\"orders-1\"} 1\n");
    store_source_free(fixture->store, fixture->cache, 20);
    assert_joined(fixture->store, "# HELP m Help.\n# TYPE m gauge\n"
                                  "m{cluster=\"orders\",target=\"orders-1\"} 1\n");
    store_source_free(fixture->store, fixture->orders, 20);
    assert_joined(fixture->store, "");
}

/* --- Generations --- */

static struct exposition_page take_page(struct fixture *fixture, bool gzip) {
    struct exposition_page page;
    exposition_source(fixture->orders, gzip, 0, &page);
    return page;
}

static void unchanged_pages_are_shared(void **state) {
    struct fixture *fixture = *state;
    say(&fixture->batch, "m", "", 1);
    publish_orders(fixture, 10);
    struct exposition_page first = take_page(fixture, false);
    struct exposition_page second = take_page(fixture, false);
    assert_ptr_equal(first.body, second.body);
    assert_string_equal(first.etag, second.etag);
    /* A round that says the same leaves the page as it is. */
    say(&fixture->batch, "m", "", 1);
    publish_orders(fixture, 20);
    store_feed_repeat(fixture->orders_feed, 30);
    store_publish(fixture->orders);
    struct exposition_page third = take_page(fixture, false);
    assert_ptr_equal(first.body, third.body);
    /* Another source does not matter either. */
    say(&fixture->batch, "m", "", 1);
    publish_cache(fixture, 40);
    struct exposition_page fourth = take_page(fixture, false);
    assert_ptr_equal(first.body, fourth.body);
    say(&fixture->batch, "m", "", 2);
    publish_orders(fixture, 50);
    struct exposition_page fifth = take_page(fixture, false);
    assert_string_not_equal(first.etag, fifth.etag);
    assert_non_null(strstr(first.body->data, "m 1\n"));
    assert_non_null(strstr(fifth.body->data, "m 2\n"));
    struct exposition_page *all[] = {&first, &second, &third, &fourth, &fifth};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        buffer_unref(all[i]->body);
    }
}

static void committed_is_not_visible_before_it_is_published(void **state) {
    struct fixture *fixture = *state;
    say(&fixture->batch, "m", "", 1);
    publish_orders(fixture, 10);
    const char *before = "# HELP m Help.\n# TYPE m gauge\nm 1\n";
    assert_page(fixture->orders, before);
    say(&fixture->batch, "m", "", 2);
    store_feed_commit(fixture->orders_feed, &fixture->batch, 20);
    assert_page(fixture->orders, before);
    store_publish(fixture->orders);
    assert_page(fixture->orders, "# HELP m Help.\n# TYPE m gauge\nm 2\n");
}

static void commit_behind_a_page_shows_on_the_next(void **state) {
    struct fixture *fixture = *state;
    const char *help = "# HELP m Help.\n# TYPE m gauge\n";
    static const char *const lines[] = {"m{x=\"1\"} 2\n", "m{x=\"1\"} 3\n", "m{x=\"1\"} 4\n"};
    say(&fixture->batch, "m", "x=1", 1);
    publish_orders(fixture, 10);
    for (int i = 0; i < (int)ARRAY_LEN(lines); i++) {
        char text[128];
        say(&fixture->batch, "m", "x=1", 2 + i);
        store_feed_commit(fixture->orders_feed, &fixture->batch, 20 + i);
        batch_clear(&fixture->batch);
        exposition_drop_idle(fixture->store, 1, 0);
        snprintf(text, sizeof(text), "%s%s", help, lines[i]);
        assert_page(fixture->orders, text); /* rendered before it is published */
        exposition_joined_size(fixture->store, 0);
        if (i < 2) {
            continue; /* the next commit comes first */
        }
        store_publish(fixture->orders);
        assert_page(fixture->orders, text);
        assert_joined(fixture->store, "# HELP m Help.\n# TYPE m gauge\n"
                                      "m{x=\"1\",cluster=\"orders\",target=\"orders-1\"} 4\n");
    }
    say(&fixture->batch, "m", "x=1", 5);
    publish_orders(fixture, 30);
    assert_page(fixture->orders, "# HELP m Help.\n# TYPE m gauge\nm{x=\"1\"} 5\n");
}

static void etags_are_told_without_rendering(void **state) {
    struct fixture *fixture = *state;
    char before[48], etag[48], plain[48], joined[48];
    struct exposition_page page;
    exposition_etag(fixture->store, fixture->orders, true, before);
    say(&fixture->batch, "m", "", 1);
    publish_orders(fixture, 10);
    exposition_etag(fixture->store, fixture->orders, true, etag);
    exposition_etag(fixture->store, fixture->orders, false, plain);
    exposition_etag(fixture->store, NULL, true, joined);
    assert_int_equal(exposition_bytes(fixture->store), 0);
    assert_string_not_equal(before, etag);
    assert_string_not_equal(plain, etag);
    assert_true(etag[0] == '"' && strcmp(etag + strlen(etag) - 4, "-gz\"") == 0);
    page = take_page(fixture, true);
    assert_string_equal(page.etag, etag);
    buffer_unref(page.body);
    page = take_page(fixture, false);
    assert_string_equal(page.etag, plain);
    buffer_unref(page.body);
    exposition_joined(fixture->store, true, 0, &page);
    assert_string_equal(page.etag, joined);
    buffer_unref(page.body);
}

static void returned_source_has_no_old_etag(void **state) {
    struct fixture *fixture = *state;
    char first[48], second[48];
    say(&fixture->batch, "m", "", 1);
    publish_orders(fixture, 10);
    exposition_etag(fixture->store, fixture->orders, false, first);
    store_source_free(fixture->store, fixture->orders, 20);
    fixture->orders = add_source(fixture->store, "orders-1", "moved");
    fixture->orders_feed = store_feed_new(fixture->orders, "all");
    exposition_etag(fixture->store, fixture->orders, false, second);
    assert_string_not_equal(first, second);
    say(&fixture->batch, "m", "", 2);
    publish_orders(fixture, 30);
    exposition_etag(fixture->store, fixture->orders, false, second);
    assert_string_not_equal(first, second);
}

static void idle_pages_are_dropped(void **state) {
    struct fixture *fixture = *state;
    struct exposition_page page;
    say(&fixture->batch, "m", "", 1);
    publish_orders(fixture, 10);
    exposition_source(fixture->orders, false, 1000, &page);
    size_t own = exposition_bytes(fixture->store);
    assert_true(own >= page.body->len);
    exposition_joined_size(fixture->store, 1500);
    assert_true(exposition_bytes(fixture->store) > own);
    exposition_drop_idle(fixture->store, 1999, 1000);
    assert_true(exposition_bytes(fixture->store) > own);
    exposition_drop_idle(fixture->store, 2000, 1000);
    assert_true(exposition_bytes(fixture->store) > 0);
    exposition_drop_idle(fixture->store, 2500, 1000);
    assert_int_equal(exposition_bytes(fixture->store), 0);
    /* What was handed out stays. */
    assert_non_null(strstr(page.body->data, "m 1\n"));
    buffer_unref(page.body);
    assert_page(fixture->orders, "# HELP m Help.\n# TYPE m gauge\nm 1\n");
}

/* --- Compression and the reader --- */

static char *decompress(const char *data, size_t len, size_t *ret_len) {
    z_stream z = {0};
    size_t room = 64u << 20;
    char *out = mem_alloc(room);
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    char *copy = mem_dup(data, len);
    z.next_in = (Bytef *)copy;
    z.avail_in = (uInt)len;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)room;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    *ret_len = z.total_out;
    inflateEnd(&z);
    free(copy);
    return out;
}

static void say_many(struct batch *batch, size_t n_families, size_t n_series, double value) {
    for (size_t family = 0; family < n_families; family++) {
        char name[32];
        snprintf(name, sizeof(name), "family_%zu", family * 7919 % n_families);
        struct batch_metric metric = {batch_keep_name(batch, str_of(name)), "Help.", METRIC_GAUGE,
                                      false};
        for (size_t i = 0; i < n_series; i++) {
            char labels[32];
            snprintf(labels, sizeof(labels), "i=%zu", i);
            batch_add(batch, metric, labels_of(batch, labels), value + (double)i);
        }
    }
}

static void small_pages_stay_plain(void **state) {
    struct fixture *fixture = *state;
    say(&fixture->batch, "m", "", 1);
    publish_orders(fixture, 10);
    struct exposition_page page = take_page(fixture, true);
    assert_false(page.gzip);
    assert_non_null(strstr(page.body->data, "m 1\n"));
    buffer_unref(page.body);
}

static void compressed_pages_say_the_same(void **state) {
    struct fixture *fixture = *state;
    say_many(&fixture->batch, 50, 40, 1);
    publish_orders(fixture, 10);
    struct exposition_page gzip = take_page(fixture, true), plain = take_page(fixture, false);
    struct exposition_page again = take_page(fixture, true);
    assert_true(gzip.gzip);
    assert_false(plain.gzip);
    assert_ptr_equal(gzip.body, again.body);
    assert_true(gzip.body->len < plain.body->len / 4);
    size_t len;
    char *text = decompress(gzip.body->data, gzip.body->len, &len);
    assert_int_equal(len, plain.body->len);
    assert_memory_equal(text, plain.body->data, len);
    free(text);
    buffer_unref(gzip.body);
    buffer_unref(plain.body);
    buffer_unref(again.body);
}

/* Reads everything in chunks of the size. */
static struct strbuf read_all(struct exposition_reader *reader, size_t chunk) {
    struct strbuf all = {0};
    size_t n;
    do {
        n = exposition_reader_read(reader, strbuf_reserve(&all, chunk), chunk);
        assert_true(n <= chunk);
        all.len += n;
    } while (n > 0);
    assert_int_equal(exposition_reader_read(reader, strbuf_reserve(&all, chunk), chunk), 0);
    return all;
}

static void assert_reader_equals(struct store *store, bool gzip, size_t chunk,
                                 const struct buffer *expected) {
    char etag[48], told[48];
    CLEANUP(exposition_reader_freep)
    struct exposition_reader *reader = exposition_reader_new(store, gzip, 0, etag);
    exposition_etag(store, NULL, gzip, told);
    assert_string_equal(etag, told);
    struct strbuf all = read_all(reader, chunk);
    if (gzip) {
        size_t len;
        char *text = decompress(all.data, all.len, &len);
        assert_int_equal(len, expected->len);
        assert_memory_equal(text, expected->data, len);
        free(text);
    } else {
        assert_int_equal(all.len, expected->len);
        assert_memory_equal(all.data, expected->data, all.len);
    }
    strbuf_deinit(&all);
}

static void reader_says_the_same_as_the_joined_page(void **state) {
    struct fixture *fixture = *state;
    struct exposition_page page;
    say_many(&fixture->batch, 30, 5, 1);
    publish_orders(fixture, 10);
    say_many(&fixture->batch, 21, 5, 2);
    say(&fixture->batch, "aaa", "", 1);
    publish_cache(fixture, 10);
    add_source(fixture->store, "silent", "");
    exposition_joined(fixture->store, false, 0, &page);
    static const size_t chunks[] = {1, 7, 100, 4096, 1u << 20};
    for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
        assert_reader_equals(fixture->store, false, chunks[i], page.body);
        assert_reader_equals(fixture->store, true, chunks[i], page.body);
    }
    buffer_unref(page.body);
}

static void reader_of_nothing_ends_at_once(void **state) {
    struct fixture *fixture = *state;
    struct exposition_page page;
    exposition_joined(fixture->store, false, 0, &page);
    assert_reader_equals(fixture->store, false, 10, page.body);
    assert_reader_equals(fixture->store, true, 10, page.body);
    buffer_unref(page.body);
}

static void reader_keeps_its_generation(void **state) {
    struct fixture *fixture = *state;
    struct exposition_page page;
    char etag[48];
    say_many(&fixture->batch, 30, 5, 1);
    publish_orders(fixture, 10);
    say_many(&fixture->batch, 30, 5, 2);
    publish_cache(fixture, 10);
    exposition_joined(fixture->store, false, 0, &page);
    struct exposition_reader *reader = exposition_reader_new(fixture->store, false, 0, etag);
    struct strbuf all = {0};
    all.len = exposition_reader_read(reader, strbuf_reserve(&all, 200), 200);
    /* New families between the old ones, new values, a source that goes, idle blocks dropped. */
    say_many(&fixture->batch, 60, 5, 3);
    publish_orders(fixture, 20);
    store_source_free(fixture->store, fixture->cache, 20);
    struct exposition_page other;
    exposition_joined(fixture->store, false, 0, &other);
    assert_true(other.body->len != page.body->len);
    buffer_unref(other.body);
    exposition_drop_idle(fixture->store, 1000, 1);
    struct strbuf rest = read_all(reader, 333);
    strbuf_add_str(&all, strbuf_view(&rest));
    assert_int_equal(all.len, page.body->len);
    assert_memory_equal(all.data, page.body->data, all.len);
    strbuf_deinit(&rest);
    strbuf_deinit(&all);
    exposition_reader_free(reader);
    buffer_unref(page.body);
}

static void blocks_are_prepared_in_slices(void **state) {
    struct fixture *fixture = *state;
    say_many(&fixture->batch, 10, 10, 1);
    publish_orders(fixture, 10);
    say_many(&fixture->batch, 10, 10, 2);
    publish_cache(fixture, 10);
    assert_false(exposition_prepare(fixture->store, 0, 150));
    const size_t half = exposition_bytes(fixture->store);
    assert_true(half > 0);
    assert_true(exposition_prepare(fixture->store, 0, 150));
    const size_t whole = exposition_bytes(fixture->store);
    assert_true(whole > half);
    assert_true(exposition_prepare(fixture->store, 0, 1));
    assert_int_equal(exposition_bytes(fixture->store), whole);
    exposition_joined_size(fixture->store, 0);
    assert_int_equal(exposition_bytes(fixture->store), whole);
    say(&fixture->batch, "m", "", 1);
    publish_orders(fixture, 20);
    assert_true(exposition_prepare(fixture->store, 0, 1));
}

static void large_page_is_not_kept_twice(void **state) {
    struct fixture *fixture = *state;
    struct exposition_page page;
    say_many(&fixture->batch, 200, 200, 1);
    publish_orders(fixture, 10);
    size_t size = exposition_joined_size(fixture->store, 0);
    assert_true(size > EXPOSITION_WHOLE_MOST_BYTES);
    exposition_joined(fixture->store, false, 0, &page);
    assert_int_equal(page.body->len, size);
    assert_int_equal(page.body->refs, 1);
    assert_true(exposition_bytes(fixture->store) < size + size / 2);
    assert_reader_equals(fixture->store, true, 65536, page.body);
    buffer_unref(page.body);
}

static void of_a_page_that_went_out_compressed_only_that_is_kept(void **state) {
    struct fixture *fixture = *state;
    struct exposition_page plain, gzip, again;
    say_many(&fixture->batch, 20, 20, 1);
    publish_orders(fixture, 10);
    exposition_joined(fixture->store, false, 0, &plain);
    const size_t before = exposition_bytes(fixture->store);
    exposition_joined(fixture->store, true, 0, &gzip);
    assert_true(gzip.gzip);
    assert_true(exposition_bytes(fixture->store) + plain.body->len / 2 < before);
    exposition_joined(fixture->store, false, 0, &again);
    assert_ptr_not_equal(again.body, plain.body);
    assert_int_equal(again.body->len, plain.body->len);
    assert_memory_equal(again.body->data, plain.body->data, plain.body->len);
    assert_string_equal(again.etag, plain.etag);
    buffer_unref(again.body);
    exposition_joined(fixture->store, true, 0, &again);
    assert_ptr_equal(again.body, gzip.body);
    buffer_unref(again.body);
    buffer_unref(plain.body);
    buffer_unref(gzip.body);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(own_page_has_own_labels_and_joined_page_all),
        TEST(store_without_samples_is_an_empty_page),
        TEST(hostile_values_are_escaped),
        TEST(values_are_written_as_numbers_are),
        TEST(histograms_and_summaries_have_one_type_line),
        TEST(first_help_and_type_stay),
        TEST(clashing_labels_are_renamed_on_the_joined_page),
        TEST(families_of_servers_stand_in_name_order),
        TEST(stale_series_and_their_families_do_not_show),
        TEST(ended_source_leaves_the_joined_page),
        TEST(unchanged_pages_are_shared),
        TEST(committed_is_not_visible_before_it_is_published),
        TEST(commit_behind_a_page_shows_on_the_next),
        TEST(etags_are_told_without_rendering),
        TEST(returned_source_has_no_old_etag),
        TEST(idle_pages_are_dropped),
        TEST(small_pages_stay_plain),
        TEST(compressed_pages_say_the_same),
        TEST(reader_says_the_same_as_the_joined_page),
        TEST(reader_of_nothing_ends_at_once),
        TEST(reader_keeps_its_generation),
        TEST(blocks_are_prepared_in_slices),
        TEST(large_page_is_not_kept_twice),
        TEST(of_a_page_that_went_out_compressed_only_that_is_kept),
    };
    return cmocka_run_group_tests_name("exposition", tests, NULL, NULL);
}
