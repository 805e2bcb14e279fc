/* SPDX-License-Identifier: Apache-2.0 */

#include "web_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/web_file.h"
#include "io/worker.h"

#define LOOK_USEC     (5 * USEC_PER_SEC)
#define DEADLINE_USEC (10 * USEC_PER_SEC)

struct web_config {
    struct loop *loop;
    char *path;
    struct worker_pool *pool;
    struct loop_timer *timer;
    struct web *web;                     /* NULL: not watched yet */
    struct web_security_options options; /* of the start */
    uint64_t fingerprint;                /* of what is in use */
    int64_t expires;
    char *complaint; /* what was last said about it; NULL: it is good */
    bool reading, read_again;
    void (*done)(void *userdata, const char *why); /* NULL: nobody waits */
    void *userdata;
};

/* ---- reading ---- */

static uint64_t fingerprint_of(const struct web_file *file) {
    struct strbuf packed = {0};
    web_file_pack(file, &packed);
    uint64_t hash = hash_bytes(packed.data, packed.len);
    strbuf_deinit_secret(&packed);
    return hash;
}

static void say_what_it_is(const struct web_config *config,
                           const struct web_security_options *options,
                           const struct web_file_notes *notes) {
    int64_t left = config->expires - loop_now_ms(config->loop) / 1000;
    log_info("web configuration '%s' is loaded: %s, %zu users", config->path,
             options->tls.enabled ? "TLS" : "no TLS", options->n_users);
    if (options->tls.enabled && left <= 0) {
        log_warn("the certificate of web configuration '%s' has expired", config->path);
    }
    if (notes->http2) {
        log_info("web configuration '%s': 'http2' is ignored, we speak HTTP/1.1", config->path);
    }
    if (notes->rate_limit) {
        log_warn("web configuration '%s': 'rate_limit' is ignored, there is none", config->path);
    }
}

static int read_in_worker(const void *input, int fd) {
    CLEANUP(web_file_freep)
    struct web_file *file = NULL;
    struct strbuf packed = {0};
    struct error err = {0};
    if (web_file_read(input, &file, &err) == 0) {
        web_file_pack(file, &packed);
    }
    return worker_write_secret(fd, &err, &packed);
}

/* Return: 0, or negative errno; nothing has changed then. */
static int apply(struct web_config *config, const struct web_file *file, struct error *err) {
    struct web_security_options options;
    struct web_file_notes notes;
    int r = web_file_parse(file, &options, &notes, err);
    if (r < 0) {
        return r;
    }
    int64_t expires = 0;
    char text[512];
    struct error inner = {0};
    r = web_check_security(&options, &expires, &inner);
    r = r < 0 ? r : web_secure(config->web, &options, &inner);
    if (r == 0) {
        config->expires = expires;
        say_what_it_is(config, &options, &notes);
    } else {
        error_say(err, r, "%s", error_format(&inner, text, sizeof(text)));
    }
    web_security_options_deinit(&options);
    return r;
}

/* ---- watching ---- */

static void answer(struct web_config *config, const char *why) {
    void (*done)(void *userdata, const char *why) = config->done;
    config->done = NULL;
    if (done != NULL) {
        done(config->userdata, why);
    }
}

/* Each mistake once, however often it is seen. */
static void complain(struct web_config *config, const char *why) {
    if (config->complaint == NULL || strcmp(config->complaint, why) != 0) {
        log_warn("web configuration: %s; what was read before stays in use", why);
        free(config->complaint);
        config->complaint = mem_strdup(why);
    }
    answer(config, why);
}

static void take(struct web_config *config, struct str packed) {
    CLEANUP(web_file_freep)
    struct web_file *file = NULL;
    struct error err = {0};
    char text[512];
    uint64_t seen = hash_bytes(packed.data, packed.len);
    bool in_use = seen == config->fingerprint; /* maybe again, after a mistake */
    int r = in_use ? 0 : web_file_unpack(packed, &file, &err);
    r = in_use || r < 0 ? r : apply(config, file, &err);
    if (r < 0) {
        complain(config, error_format(&err, text, sizeof(text)));
        return;
    }
    config->fingerprint = seen;
    free(config->complaint);
    config->complaint = NULL;
    answer(config, NULL);
}

static void look(void *userdata);

static void read_done(void *userdata, const struct worker_result *result) {
    struct web_config *config = userdata;
    config->reading = false;
    if (result->status == WORKER_CANCELED) {
        return;
    }
    if (config->read_again) {
        config->read_again = false;
        look(config);
        return;
    }
    loop_timer_set(config->timer, loop_now_usec(config->loop) + LOOK_USEC);
    if (result->status == WORKER_OK) {
        take(config, result->answer);
    } else if (result->status == WORKER_FAILED && result->answer.len > 0) {
        CLEANUP(mem_freep)
        char *why = mem_strndup(result->answer.data, result->answer.len);
        complain(config, why);
    } else {
        complain(config, "it could not be read: no process, or no answer within 10s");
    }
}

static void look(void *userdata) {
    struct web_config *config = userdata;
    config->reading = true;
    worker_submit(config->pool, &(struct worker_request){
                                    .work = read_in_worker,
                                    .input = config->path,
                                    .deadline_usec = loop_now_usec(config->loop) + DEADLINE_USEC,
                                    .done = read_done,
                                    .userdata = config,
                                });
}

void web_config_reload(struct web_config *config, void (*done)(void *userdata, const char *why),
                       void *userdata) {
    config->done = done;
    config->userdata = userdata;
    if (config->reading) {
        config->read_again = true; /* what is being read may be older than the wish */
    } else {
        look(config);
    }
}

void web_config_watch(struct web_config *config, struct web *web) {
    config->web = web;
    web_security_options_deinit(&config->options);
    config->pool = worker_pool_new(
        config->loop,
        &(struct worker_options){.max_running = 1, .max_answer_bytes = WEB_FILE_MOST_PACKED});
    config->timer = loop_timer_new(config->loop, look, config);
    loop_timer_set(config->timer, loop_now_usec(config->loop) + LOOK_USEC);
}

/* ---- life ---- */

static int read_first(struct web_config *config, struct error *err) {
    CLEANUP(web_file_freep)
    struct web_file *file = NULL;
    struct web_file_notes notes;
    struct error inner = {0};
    char text[512];
    int r = web_file_read(config->path, &file, err);
    r = r < 0 ? r : web_file_parse(file, &config->options, &notes, err);
    if (r < 0) {
        return r;
    }
    r = web_check_security(&config->options, &config->expires, &inner);
    if (r < 0) {
        return error_say(err, r, "%s", error_format(&inner, text, sizeof(text)));
    }
    config->fingerprint = fingerprint_of(file);
    say_what_it_is(config, &config->options, &notes);
    return 0;
}

int web_config_new(struct loop *loop, const char *path, struct web_config **ret,
                   struct error *err) {
    CLEANUP(web_config_freep)
    struct web_config *config = mem_alloc(sizeof(*config));
    config->loop = loop;
    config->path = mem_strdup(path);
    int r = read_first(config, err);
    if (r == 0) {
        *ret = take_ptr(config);
    }
    return r;
}

struct web_config *web_config_free(struct web_config *config) {
    if (config == NULL) {
        return NULL;
    }
    worker_pool_free(config->pool);
    loop_timer_free(config->timer);
    web_security_options_deinit(&config->options);
    free(config->complaint);
    free(config->path);
    free(config);
    return NULL;
}

const struct web_security_options *web_config_options(const struct web_config *config) {
    return &config->options;
}

bool web_config_is_good(const struct web_config *config) {
    return config->complaint == NULL;
}

int64_t web_config_expires(const struct web_config *config) {
    return config->expires;
}
