/* SPDX-License-Identifier: Apache-2.0 */

#include "reload.h"

#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "alerting.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "breakers.h"
#include "io/worker.h"

#define DEADLINE_USEC ((uint64_t)10 * USEC_PER_SEC)
#define MOST_WAITERS  16

struct waiter {
    void (*done)(void *userdata, const struct web_reload_result *result);
    void *userdata;
};

struct reload {
    struct reload_options options;
    struct worker_pool *pool;
    struct reload_state state;
    char *path; /* NULL: no file, targets are guessed */
    bool running, again;
    bool only_secrets;    /* what is being read is no reload */
    bool has_secrets;     /* the configuration names files of passwords */
    uint64_t fingerprint; /* of the configuration's text */
    struct waiter waiters[MOST_WAITERS];
    size_t n_waiters;
};

static void note_files(struct reload *reload, const struct config_files *files) {
    reload->fingerprint = config_files_fingerprint(files);
    reload->has_secrets = config_files_have_secrets(files);
}

int reload_read_first(struct reload *reload, struct config *config, struct error *err) {
    CLEANUP(config_files_freep)
    struct config_files *files = NULL;
    const char *path = reload->options.config_file;
    if (path == NULL && access(CONFIG_DEFAULT_FILE, F_OK) != 0) {
        int r = config_files_guess(&files, err);
        return r < 0 ? r : config_parse(files, config, err);
    }
    /* An error names it, and is read when we are gone: not our copy. */
    path = path != NULL ? path : CONFIG_DEFAULT_FILE;
    reload->path = mem_strdup(path);
    int r = config_files_read(path, &files, err);
    if (r < 0) {
        return r;
    }
    note_files(reload, files);
    return config_parse(files, config, err);
}

static void answer(struct reload *reload, bool ok, const char *text) {
    struct web_reload_result result = {ok, text};
    struct waiter waiters[MOST_WAITERS];
    size_t n_waiters = reload->n_waiters;
    memcpy(waiters, reload->waiters, sizeof(waiters));
    reload->n_waiters = 0;
    for (size_t i = 0; i < n_waiters; i++) {
        waiters[i].done(waiters[i].userdata, &result);
    }
}

static void fail(struct reload *reload, const char *text) {
    reload->state.successful = false;
    log_error("reload: %s; the old configuration stays", text);
    answer(reload, false, text);
}

static int read_in_worker(const void *input, int fd) {
    CLEANUP(config_files_freep)
    struct config_files *files = NULL;
    struct strbuf packed = {0};
    struct error err = {0};
    if (config_files_read(input, &files, &err) == 0) {
        config_files_pack(files, &packed);
    }
    return worker_write_secret(fd, &err, &packed);
}

struct rule_set *reload_prepare_rules(struct config *config, struct error *err) {
    struct rule_set *rules =
        breakers_check(config, err) == 0 ? alerting_prepare(config, err) : NULL;
    config_drop_rule_files(config);
    return rules;
}

static void take(struct reload *reload, struct config *config, struct rule_set *rules) {
    size_t n_targets = config->n_targets;
    reload->options.take(reload->options.userdata, config, rules);
    reload->state = (struct reload_state){true, loop_now_ms(reload->options.loop)};
    log_info("configuration '%s' is loaded: %zu targets", reload->path, n_targets);
    answer(reload, true, "the configuration is loaded");
}

static void parse(struct reload *reload, struct str packed) {
    CLEANUP(config_files_freep)
    struct config_files *files = NULL;
    struct config config;
    struct error err = {0};
    if (config_files_unpack(packed, &files, &err) < 0 || config_parse(files, &config, &err) < 0) {
        char text[512];
        fail(reload, error_format(&err, text, sizeof(text)));
        return;
    }
    struct rule_set *rules = reload_prepare_rules(&config, &err);
    if (rules == NULL) {
        config_deinit(&config);
        fail(reload, err.text);
        return;
    }
    note_files(reload, files);
    take(reload, &config, rules);
}

/* Passwords that were rotated count without a reload; nothing else that changed meanwhile does. */
static void secrets_parse(struct reload *reload, struct str packed) {
    CLEANUP(config_files_freep)
    struct config_files *files = NULL;
    struct config config;
    if (config_files_unpack(packed, &files, NULL) == 0 &&
        config_files_fingerprint(files) == reload->fingerprint &&
        config_parse(files, &config, NULL) == 0) {
        config_drop_rule_files(&config);
        reload->options.take(reload->options.userdata, &config, NULL);
    }
}

/* Why a worker brought nothing: its own sentence if it had one. */
static void not_read(struct reload *reload, const struct worker_result *result) {
    struct strbuf text = {0};
    if (result->status == WORKER_FAILED && result->answer.len > 0) {
        strbuf_add_str(&text, result->answer);
    } else if (result->status == WORKER_TIMEOUT) {
        strbuf_add_text(&text, "the configuration could not be read within 10s");
    } else if (result->status == WORKER_BUSY) {
        strbuf_add_text(&text, "no process could be made that reads the configuration: the limit "
                               "of processes, memory or file descriptors is reached");
    } else {
        strbuf_printf(&text, "the worker that reads the configuration failed (%d, %d)",
                      (int)result->status, result->code);
    }
    fail(reload, text.data);
    strbuf_deinit(&text);
}

/* What was asked for meanwhile, in place of what has just been read. */
static bool starts_again(struct reload *reload) {
    bool again = reload->again;
    reload->again = false;
    if (again) {
        reload_start(reload);
    }
    return again;
}

static void files_read(void *userdata, const struct worker_result *result) {
    struct reload *reload = userdata;
    bool only_secrets = reload->only_secrets;
    reload->running = reload->only_secrets = false;
    if (result->status == WORKER_CANCELED) {
        return;
    }
    if (starts_again(reload)) {
        return;
    }
    if (only_secrets) {
        if (result->status == WORKER_OK) {
            secrets_parse(reload, result->answer);
        }
        return;
    }
    if (result->status == WORKER_OK) {
        parse(reload, result->answer);
    } else {
        not_read(reload, result);
    }
    sd_notify(0, "READY=1");
}

static void read_files(struct reload *reload) {
    reload->running = true;
    worker_submit(reload->pool,
                  &(struct worker_request){
                      .work = read_in_worker,
                      .input = reload->path,
                      .deadline_usec = loop_now_usec(reload->options.loop) + DEADLINE_USEC,
                      .done = files_read,
                      .userdata = reload,
                  });
}

static void reload_files(struct reload *reload) {
    if (reload->path == NULL) {
        answer(reload, true, "there is no configuration file; targets are guessed");
        sd_notify(0, "READY=1");
        return;
    }
    read_files(reload);
}

/* First, and alone if it is wrong: then nothing changes. */
static void web_config_read(void *userdata, const char *why) {
    struct reload *reload = userdata;
    reload->running = false;
    if (starts_again(reload)) {
        return;
    }
    if (why != NULL) {
        fail(reload, why);
        sd_notify(0, "READY=1");
    } else {
        reload_files(reload);
    }
}

void reload_start(struct reload *reload) {
    if (reload->running) {
        reload->again = true;
        return;
    }
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)loop_clock_usec());
    if (reload->options.web_config != NULL) {
        reload->running = true;
        web_config_reload(reload->options.web_config, web_config_read, reload);
    } else {
        reload_files(reload);
    }
}

void reload_look_for_secrets(struct reload *reload, const struct sampler *sampler) {
    if (reload->running || !reload->has_secrets) {
        return;
    }
    for (size_t i = 0; i < sampler_targets(sampler); i++) {
        const struct target_view *target = sampler_target(sampler, i);
        if (target->health == TARGET_DOWN && target->last_failure.reason == REASON_AUTH) {
            reload->only_secrets = true;
            read_files(reload);
            return;
        }
    }
}

void reload_ask(struct reload *reload,
                void (*done)(void *done_userdata, const struct web_reload_result *result),
                void *done_userdata) {
    if (reload->n_waiters == MOST_WAITERS) {
        done(done_userdata, &(struct web_reload_result){false, "too many reloads are waiting"});
        return;
    }
    reload->waiters[reload->n_waiters++] = (struct waiter){done, done_userdata};
    reload_start(reload);
}

struct reload_state reload_state(const struct reload *reload) {
    return reload->state;
}

struct reload *reload_new(const struct reload_options *options) {
    struct reload *reload = mem_alloc(sizeof(*reload));
    reload->options = *options;
    reload->pool = worker_pool_new(
        options->loop,
        &(struct worker_options){.max_running = 1, .max_answer_bytes = CONFIG_MOST_PACKED});
    reload->state = (struct reload_state){true, loop_now_ms(options->loop)};
    return reload;
}

struct reload *reload_free(struct reload *reload) {
    if (reload != NULL) {
        /* Nobody hears it any more, but what the waiters hold is freed. */
        answer(reload, false, "the daemon is stopping");
        worker_pool_free(reload->pool);
        free(reload->path);
        free(reload);
    }
    return NULL;
}
