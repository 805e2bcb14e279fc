/* SPDX-License-Identifier: Apache-2.0 */

/* The pages that Prometheus scrapes. Bodies are rendered by the store and shared by all scrapers.
 */
#include "web/pages.h"

#include <string.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/loop.h"
#include "store/exposition.h"
#include "web/server.h"

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* A millisecond of rendering. */
#define SERIES_PER_TURN ((size_t)4000)
#define MOST_TURNS      200

static uint64_t now_usec(const struct web *web) {
    return loop_now_usec(web->sources.loop);
}

static void set_headers(struct web_answer *ret, unsigned status, const char *etag) {
    ret->status = status;
    ret->content_type = status == 304 ? NULL : EXPOSITION_TYPE;
    ret->cache_control = "no-cache";
    ret->varies = true;
    memcpy(ret->etag, etag, sizeof(ret->etag));
}

/* Answers 304 when the client has what the source (NULL: all together) would give now. */
static bool answer_unchanged(struct web *web, const struct web_request *request,
                             const struct store_source *source, struct web_answer *ret) {
    char etag[48];
    exposition_etag(web->sources.store, source, web_request_accepts_gzip(request), etag);
    if (!web_request_has_etag(request, etag)) {
        return false;
    }
    set_headers(ret, 304, etag);
    return true;
}

/* Takes the page's body over. */
static void answer_page(struct exposition_page *page, struct web_answer *ret) {
    set_headers(ret, 200, page->etag);
    ret->body = page->body;
    ret->gzip = page->gzip;
}

static size_t read_exposition(void *userdata, char *out, size_t size) {
    return exposition_reader_read(userdata, out, size);
}

static void free_exposition(void *userdata) {
    exposition_reader_free(userdata);
}

struct web_reader page_reader(struct exposition_reader *reader) {
    return (struct web_reader){
        .read = read_exposition, .free = free_exposition, .userdata = reader};
}

static void answer_in_pieces(struct web *web, bool gzip, struct web_answer *ret) {
    char etag[48];
    struct store *store = web->sources.store;
    struct exposition_reader *reader = exposition_reader_new(store, gzip, now_usec(web), etag);
    if (reader == NULL) {
        gzip = false;
        reader = exposition_reader_new(store, gzip, now_usec(web), etag);
    }
    ret->reader = page_reader(reader);
    ret->gzip = gzip;
    set_headers(ret, 200, etag);
}

static void answer_joined(struct web *web, bool gzip, struct web_answer *ret) {
    struct store *store = web->sources.store;
    if (exposition_joined_size(store, now_usec(web)) > EXPOSITION_WHOLE_MOST_BYTES) {
        answer_in_pieces(web, gzip, ret);
        return;
    }
    struct exposition_page page = {0};
    exposition_joined(store, gzip, now_usec(web), &page);
    answer_page(&page, ret);
}

/* Scrapes that wait until the blocks of a large fleet have been rendered, a part in each turn of
 * the loop. */
struct waiting_scrape {
    struct waiting_scrape *next;
    struct web_later *later;
    bool gzip;
};

static void end_waiting(struct web *web, bool with_page) {
    while (web->waiting != NULL) {
        struct waiting_scrape *scrape = web->waiting;
        struct web_answer answer = {0};
        web->waiting = scrape->next;
        if (with_page && web_later_is_wanted(scrape->later)) {
            answer_joined(web, scrape->gzip, &answer);
        }
        web_later_end(scrape->later, &answer);
        free(scrape);
    }
}

void metrics_prepare(void *userdata) {
    struct web *web = userdata;
    /* New rounds spoil blocks meanwhile; at some point the rest is done at once. */
    bool enough = ++web->preparing_turns >= MOST_TURNS;
    if (exposition_prepare(web->sources.store, now_usec(web), SERIES_PER_TURN) || enough) {
        end_waiting(web, true);
    } else {
        loop_deferred_arm(web->prepare);
    }
}

void metrics_drop_waiting(struct web *web) {
    end_waiting(web, false);
}

static void answer_all(struct web *web, const struct web_request *request, struct web_answer *ret) {
    bool gzip = web_request_accepts_gzip(request);
    if (answer_unchanged(web, request, NULL, ret)) {
        return;
    }
    if (exposition_prepare(web->sources.store, now_usec(web), SERIES_PER_TURN)) {
        answer_joined(web, gzip, ret);
        return;
    }
    struct waiting_scrape *scrape = mem_alloc(sizeof(*scrape));
    *scrape = (struct waiting_scrape){web->waiting, web_later_new(request), gzip};
    if (web->waiting == NULL) {
        web->preparing_turns = 0;
        loop_deferred_arm(web->prepare);
    }
    web->waiting = scrape;
    ret->later = true;
}

/* All names that somebody may ask for, our own included. */
static const char *suggest(const struct web *web, const struct web_request *request,
                           struct str wrong) {
    const struct sampler *sampler = web->sources.sampler;
    size_t n_targets = sampler_targets(sampler), count = 0;
    const char **names = arena_array(request->arena, n_targets + 1, sizeof(*names));
    for (size_t i = 0; i < n_targets; i++) {
        const struct target_view *target = sampler_target(sampler, i);
        if (page_shows(target)) {
            names[count++] = target->options->name;
        }
    }
    names[count++] = TARGET_SELF;
    return str_suggest(wrong, names, count, sizeof(*names));
}

void page_answer_unknown(const struct web *web, const struct web_request *request, struct str name,
                         struct web_answer *ret) {
    struct str shown = web_request_show(request, name);
    const char *near = suggest(web, request, name);
    if (near != NULL) {
        web_answer_error(ret, 404, "there is no target '%.*s' (did you mean '%s'?)", (int)shown.len,
                         shown.data, near);
    } else {
        web_answer_error(ret, 404, "there is no target '%.*s'", (int)shown.len, shown.data);
    }
}

struct store_source *page_find_source(const struct web *web, struct str name) {
    if (str_is(name, TARGET_SELF)) {
        return web->sources.self;
    }
    const struct target_view *target = sampler_find(web->sources.sampler, name);
    return target != NULL && page_shows(target) ? target->source : NULL;
}

static void say_rhythm(struct web *web, const struct target_options *target, uint64_t distance) {
    char interval[32], scraped[32], better[32];
    uint64_t rounded = (distance + USEC_PER_SEC / 2) / USEC_PER_SEC * USEC_PER_SEC;
    uint64_t advice = scrape_rhythm_advise(distance, target->interval_usec);
    duration_format(target->interval_usec, interval);
    duration_format(rounded, scraped);
    duration_format(advice, better);
    web->said_rhythm = true;
    if (advice != 0) {
        log_info("web: target '%s' is sampled every %s but scraped every %s, so that rate() comes "
                 "out uneven; set its interval to %s",
                 target->name, interval, scraped, better);
    } else {
        log_info("web: target '%s' is sampled every %s but scraped every %s, so that rate() comes "
                 "out uneven; scrape it at a multiple of %s",
                 target->name, interval, scraped, interval);
    }
}

/* Said once: whoever reads the log for this needs to know it, not to be told at each scrape. */
static void watch_rhythm(struct web *web, const struct web_request *request, struct str name) {
    if (web->said_rhythm) {
        return;
    }
    uint64_t key = hash_combine(hash_bytes(name.data, name.len), request->peer) | 1;
    uint64_t distance = scrape_rhythm_note(&web->rhythm, key, now_usec(web));
    const struct sampler *sampler = web->sources.sampler;
    for (size_t i = 0; distance != 0 && !web->said_rhythm && i < sampler_targets(sampler); i++) {
        const struct target_options *target = sampler_target(sampler, i)->options;
        if ((name.len == 0 || str_is(name, target->name)) &&
            !scrape_rhythm_fits(distance, target->interval_usec)) {
            say_rhythm(web, target, distance);
        }
    }
}

static void answer_target(struct web *web, const struct web_request *request, struct str name,
                          struct web_answer *ret) {
    struct store_source *source = page_find_source(web, name);
    if (source == NULL) {
        page_answer_unknown(web, request, name, ret);
        return;
    }
    if (answer_unchanged(web, request, source, ret)) {
        return;
    }
    struct exposition_page page = {0};
    exposition_source(source, web_request_accepts_gzip(request), now_usec(web), &page);
    answer_page(&page, ret);
}

void page_metrics(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct str name = web_request_parameter(request, "target");
    if (web->sources.actions.refresh_self != NULL) {
        web->sources.actions.refresh_self(web->sources.actions.userdata);
    }
    if (name.len == 0) {
        answer_all(web, request, ret);
    } else {
        answer_target(web, request, name, ret);
    }
    if (ret->status == 200 || ret->status == 304 || ret->later) {
        watch_rhythm(web, request, name);
    }
}

void page_probe(struct web *web, const struct web_request *request, struct web_answer *ret) {
    if (web_request_parameter(request, "target").len == 0) {
        web_answer_error(ret, 400, "say which target, as in /probe?target=NAME");
        return;
    }
    page_metrics(web, request, ret);
}
