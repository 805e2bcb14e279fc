/* SPDX-License-Identifier: Apache-2.0 */

#include "kept_state.h"

#include <errno.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/durable.h"

#define AGAIN_USEC (10 * USEC_PER_SEC) /* after a write that failed */

/* Somebody who waits until a change is on the disk. */
struct waiter {
    void (*done)(void *userdata, const struct web_change_result *result);
    void *userdata;
    unsigned writes; /* that have to end; the last of them has the change */
};

struct kept_state {
    struct kept_state_options options;
    struct worker_pool *disk;
    struct durable_file *file; /* NULL: nothing is kept */
    char *path;
    struct loop_timer *again;
    struct waiter *waiters;
    size_t n_waiters, waiters_capacity;
    bool loaded, unwritten;
};

static void answer(const struct waiter *waiter, const char *reason) {
    waiter->done(waiter->userdata,
                 &(struct web_change_result){.persistent = reason == NULL, .reason = reason});
}

/* Answering may add a waiter: those whose write has ended leave the list first. */
static void answer_waiters(struct kept_state *state, const char *reason) {
    struct waiter *ready = mem_array(state->n_waiters + 1, sizeof(*ready));
    size_t n_ready = 0, kept = 0;
    for (size_t i = 0; i < state->n_waiters; i++) {
        struct waiter waiter = state->waiters[i];
        if (--waiter.writes == 0) {
            ready[n_ready++] = waiter;
        } else {
            state->waiters[kept++] = waiter;
        }
    }
    state->n_waiters = kept;
    for (size_t i = 0; i < n_ready; i++) {
        answer(&ready[i], reason);
    }
    free(ready);
}

void kept_state_changed(struct kept_state *state) {
    struct strbuf bytes = {0};
    if (state->file != NULL && state->loaded) {
        state->options.save(state->options.userdata, &bytes);
        state->unwritten = true;
        durable_file_write(state->file, &bytes);
    }
}

void kept_state_changed_for(struct kept_state *state,
                            void (*done)(void *done_userdata,
                                         const struct web_change_result *result),
                            void *done_userdata) {
    struct waiter waiter = {done, done_userdata, 1};
    if (state->file == NULL) {
        answer(&waiter, "the daemon runs without a storage folder");
        return;
    }
    /* One that is under way may not have it. */
    waiter.writes = durable_file_busy(state->file) ? 2 : 1;
    state->waiters = mem_grow(state->waiters, state->n_waiters, &state->waiters_capacity,
                              sizeof(*state->waiters));
    state->waiters[state->n_waiters++] = waiter;
    kept_state_changed(state);
}

static void written(void *userdata, const struct error *err) {
    struct kept_state *state = userdata;
    if (error_is_set(err)) {
        log_error("%s: %s; it is tried again", state->options.what, err->text);
        loop_timer_set(state->again, loop_now_usec(state->options.loop) + AGAIN_USEC);
    } else if (!durable_file_busy(state->file)) {
        state->unwritten = false;
    }
    answer_waiters(state, error_is_set(err) ? err->text : NULL);
}

static void write_again(void *userdata) {
    struct kept_state *state = userdata;
    if (state->unwritten && !durable_file_busy(state->file)) {
        kept_state_changed(state);
    }
}

void kept_state_load(struct kept_state *state) {
    const struct kept_state_options *options = &state->options;
    struct strbuf bytes = {0};
    struct error err = {0};
    state->loaded = true;
    if (state->file == NULL) {
        return;
    }
    int r = durable_read_now(state->path, options->most_bytes, &bytes, &err);
    if (r == 0) {
        r = options->load(options->userdata, strbuf_view(&bytes), &err);
    }
    if (r < 0 && r != -ENOENT) {
        durable_distrust(state->path, options->what, "are", &err, options->anew);
    }
    strbuf_deinit(&bytes);
}

struct kept_state *kept_state_new(const struct kept_state_options *options) {
    struct kept_state *state = mem_alloc(sizeof(*state));
    state->options = *options;
    if (options->folder != NULL) {
        state->path = mem_printf("%s/%s", options->folder, options->file);
        state->again = loop_timer_new(options->loop, write_again, state);
        state->disk = worker_pool_new(options->loop, &(struct worker_options){.max_running = 1});
        state->file = durable_file_new(&(struct durable_options){
            .loop = options->loop,
            .pool = state->disk,
            .path = state->path,
            .written = written,
            .userdata = state,
        });
    }
    return state;
}

/* The worker has ended by now, so that nobody else writes. */
static void write_last(struct kept_state *state) {
    struct strbuf bytes = {0};
    struct error err = {0};
    state->options.save(state->options.userdata, &bytes);
    if (durable_write_now(state->path, strbuf_view(&bytes), &err) < 0) {
        log_error("%s: %s", state->options.what, err.text);
    }
    for (size_t i = 0; i < state->n_waiters; i++) {
        answer(&state->waiters[i], error_is_set(&err) ? err.text : NULL);
    }
    strbuf_deinit(&bytes);
}

struct kept_state *kept_state_free(struct kept_state *state) {
    if (state == NULL) {
        return NULL;
    }
    loop_timer_free(state->again);
    durable_file_free(state->file);
    worker_pool_free(state->disk);
    if (state->unwritten) {
        write_last(state);
    }
    free(state->path);
    free(state->waiters);
    free(state);
    return NULL;
}
