/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/web_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/store.h"

static const char *const addresses[] = {"127.0.0.1:0"};

static void reload(void *userdata,
                   void (*done)(void *done_userdata, const struct web_reload_result *result),
                   void *done_userdata) {
    struct web_fixture *f = userdata;
    if (f->reload_at_once) {
        done(done_userdata, &(struct web_reload_result){.ok = true, .text = "2 targets"});
        return;
    }
    f->reload_done = done;
    f->reload_userdata = done_userdata;
}

static void refresh_self(void *userdata) {
    struct web_fixture *f = userdata;
    f->refreshes++;
}

struct store_source *web_fixture_source(struct web_fixture *f, const char *target,
                                        const char *cluster, size_t samples) {
    const struct source_labels labels = {.target = str_of(target), .cluster = str_of(cluster)};
    struct store_source *source = store_source_new(f->store, &labels);
    struct store_feed *feed = store_feed_new(source, "test");
    struct batch batch = {0};
    const struct batch_metric up = {"test_up", "Whether it is up.", METRIC_GAUGE, true};
    const struct batch_metric more = {"test_value", "A value.", METRIC_GAUGE, true};
    batch_add(&batch, up, (struct batch_labels){0}, 1);
    for (size_t i = 0; i < samples; i++) {
        char number[32];
        snprintf(number, sizeof(number), "%zu", i);
        const struct label label = {str_of("number"), str_of(number)};
        batch_add(&batch, more, batch_add_labels(&batch, &label, 1), (double)i);
    }
    store_feed_commit(feed, &batch, 1000);
    store_publish(source);
    batch_deinit(&batch);
    return source;
}

int web_fixture_set_up(void **state) {
    struct web_fixture *f = mem_alloc(sizeof(*f));
    if (loop_new(&f->loop) < 0) {
        return -1;
    }
    const struct store_options store_options = {0};
    f->store = store_new(&store_options);
    f->options = (struct web_options){
        .listen_addresses = addresses, .n_listen_addresses = 1, .telemetry_path = "/metrics"};
    f->sources = (struct web_sources){
        .loop = f->loop,
        .store = f->store,
        .sampler = &f->sampler,
        .self = web_fixture_source(f, TARGET_SELF, "", 1),
        .actions = {.reload = reload, .refresh_self = refresh_self, .userdata = f},
    };
    struct fake_target *orders =
        fake_sampler_add(&f->sampler, "orders-1", KIND_POSTGRES, "10.0.0.1:5432");
    orders->options.required = true;
    orders->options.cluster = (char *)(uintptr_t) "orders";
    orders->view.source = web_fixture_source(f, "orders-1", "orders", 500);
    struct fake_target *cache =
        fake_sampler_add(&f->sampler, "cache-1", KIND_REDIS, "10.0.0.3:6379");
    cache->view.source = web_fixture_source(f, "cache-1", "", 3);
    *state = f;
    return 0;
}

int web_fixture_tear_down(void **state) {
    struct web_fixture *f = *state;
    web_free(f->web);
    web_reply_deinit(&f->reply);
    store_free(f->store);
    loop_free(f->loop);
    free(f);
    return 0;
}

void web_fixture_start(struct web_fixture *f) {
    struct error error = {0};
    if (web_new(&f->options, &f->sources, &f->web, &error) < 0) {
        fprintf(stderr, "web_new: %s\n", error.text);
        abort();
    }
}

int web_fixture_ask(struct web_fixture *f, const char *request_line, const char *headers,
                    const char *body) {
    if (f->web == NULL) {
        web_fixture_start(f);
    }
    web_reply_deinit(&f->reply);
    web_client_ask(f->loop, web_address(f->web), request_line, headers, body, &f->reply);
    return f->reply.status;
}

int web_fixture_get(struct web_fixture *f, const char *target, const char *headers) {
    struct strbuf line = {0};
    strbuf_printf(&line, "GET %s", target);
    int status = web_fixture_ask(f, line.data, headers, NULL);
    strbuf_deinit(&line);
    return status;
}

const char *web_fixture_body(const struct web_fixture *f) {
    return strbuf_view(&f->reply.body).data;
}
