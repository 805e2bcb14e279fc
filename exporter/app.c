/* SPDX-License-Identifier: Apache-2.0 */

#include "app.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "alerting.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "breakers.h"
#include "config/config.h"
#include "io/descriptors.h"
#include "io/lock_file.h"
#include "io/log_writer.h"
#include "self.h"
#include "store/exposition.h"
#include "store/history.h"
#include "thresholds.h"
#include "version.h"
#include "watching.h"
#include "web/web.h"
#include "web_config.h"

#define LEAVE_POLL_USEC     (50 * USEC_PER_MSEC)
#define MOST_LEAVE_USEC     (60 * USEC_PER_SEC) /* TimeoutStopSec of the unit is longer */
#define DEFAULT_STORAGE     "/var/lib/dbvitals"
#define MEMORY_STORAGE      ":memory:"
#define RELOAD_DEADLINE     ((uint64_t)10 * USEC_PER_SEC)
#define HOUSEKEEPING_USEC   ((uint64_t)10 * USEC_PER_SEC)
#define IDLE_PAGE_USEC      ((uint64_t)60 * USEC_PER_SEC)
#define SELF_LEAST_AGE_USEC USEC_PER_SEC
#define CLOCK_STEP_MS       ((int64_t)1000)
#define MOST_RELOAD_WAITERS 16

struct reload_waiter {
    void (*done)(void *userdata, const struct web_reload_result *result);
    void *userdata;
};

struct app {
    const struct flags *flags; /* borrowed */
    bool serve;
    struct loop *loop;
    struct worker_pool *resolve_pool, *file_pool;
    struct resolver *resolver;
    struct store *store;
    char *own_url, *instance; /* ours */
    struct store_source *self;
    struct store_feed *self_feed;
    struct batch self_batch;
    uint64_t self_usec; /* when the daemon's own samples were made */
    int64_t self_ms;    /* their time: increasing, whatever the wall clock does */
    struct sampler *sampler;
    struct alerting *alerting;     /* NULL: one round only */
    struct thresholds *thresholds; /* likewise */
    struct breakers *breakers;     /* likewise */
    struct watching *watching;     /* likewise */
    struct web *web;
    struct web_config *web_config; /* NULL: there is no such file */
    struct config config;
    char *config_path;  /* NULL: no file, targets are guessed */
    char *storage_path; /* NULL: memory only */
    int storage_lock;   /* held until the end; 0: not */
    char *control_path; /* of the socket in it; NULL: there is none */
    struct loop_timer *housekeeping;
    struct loop_signal *signals[5];
    struct log_writer *log_writer; /* NULL: the log goes to stderr alone */
    int64_t wall_minus_boot_ms;    /* changes when the wall clock steps */
    struct self_sources self_sources;

    bool stopping;
    struct loop_timer *leaving; /* while a failover or a lock keeps us */
    uint64_t leave_by_usec;
    bool reloading, reload_again;
    bool only_secrets;    /* what is being read is no reload */
    bool has_secrets;     /* the configuration names files of passwords */
    uint64_t fingerprint; /* of the configuration's text */
    struct reload_waiter waiters[MOST_RELOAD_WAITERS];
    size_t n_waiters;
};

/* ---- configuration ---- */

static void note_files(struct app *app, const struct config_files *files) {
    app->fingerprint = config_files_fingerprint(files);
    app->has_secrets = config_files_have_secrets(files);
}

static int read_and_parse(struct app *app, const char *path, struct error *err) {
    CLEANUP(config_files_freep)
    struct config_files *files = NULL;
    int r = config_files_read(path, &files, err);
    if (r == 0) {
        note_files(app, files);
        r = config_parse(files, &app->config, err);
    }
    return r;
}

static int load_first(struct app *app, struct error *err) {
    const char *path = app->flags->config_file;
    if (path == NULL && access(CONFIG_DEFAULT_FILE, F_OK) != 0) {
        CLEANUP(config_files_freep)
        struct config_files *files = NULL;
        int r = config_files_guess(&files, err);
        return r < 0 ? r : config_parse(files, &app->config, err);
    }
    path = path != NULL ? path : CONFIG_DEFAULT_FILE;
    app->config_path = mem_strdup(path);
    return read_and_parse(app, path, err);
}

static void reload_answer(struct app *app, bool ok, const char *text) {
    struct web_reload_result result = {ok, text};
    struct reload_waiter waiters[MOST_RELOAD_WAITERS];
    size_t n_waiters = app->n_waiters;
    memcpy(waiters, app->waiters, sizeof(waiters));
    app->n_waiters = 0;
    for (size_t i = 0; i < n_waiters; i++) {
        waiters[i].done(waiters[i].userdata, &result);
    }
}

static void reload_failed(struct app *app, const char *text) {
    app->self_sources.reload_successful = false;
    log_error("reload: %s; the old configuration stays", text);
    reload_answer(app, false, text);
}

static void apply_admins(struct app *app) {
    web_set_admins(app->web, (const char *const *)app->config.admin_users,
                   app->config.n_admin_users);
}

static void reload_take(struct app *app, struct config *config, struct rule_set *rules) {
    struct config old = app->config;
    app->config = *config;
    sampler_apply(app->sampler, app->config.targets, app->config.n_targets);
    alerting_apply(app->alerting, rules, &app->config);
    thresholds_apply(app->thresholds, &app->config, rules);
    breakers_apply(app->breakers, &app->config);
    apply_admins(app);
    watching_apply(app->watching);
    config_deinit(&old);
    app->self_sources.reload_successful = true;
    app->self_sources.reload_success_ms = loop_now_ms(app->loop);
    log_info("configuration '%s' is loaded: %zu targets", app->config_path, app->config.n_targets);
    reload_answer(app, true, "the configuration is loaded");
}

static int read_in_worker(const void *input, int fd) {
    CLEANUP(config_files_freep)
    struct config_files *files = NULL;
    struct strbuf packed = {0};
    struct error err = {0};
    if (config_files_read(input, &files, &err) < 0) {
        char text[512];
        error_format(&err, text, sizeof(text));
        worker_write(fd, text, strlen(text));
        return 1;
    }
    config_files_pack(files, &packed);
    int r = worker_write(fd, packed.data, packed.len);
    explicit_bzero(packed.data, packed.len);
    strbuf_deinit(&packed);
    return r < 0 ? 2 : 0;
}

static void reload_parse(struct app *app, struct str packed) {
    CLEANUP(config_files_freep)
    struct config_files *files = NULL;
    struct config config;
    struct error err = {0};
    if (config_files_unpack(packed, &files, &err) < 0 || config_parse(files, &config, &err) < 0) {
        char text[512];
        reload_failed(app, error_format(&err, text, sizeof(text)));
        return;
    }
    struct rule_set *rules =
        breakers_check(&config, &err) == 0 ? alerting_prepare(&config, &err) : NULL;
    config_drop_rule_files(&config);
    if (rules == NULL) {
        config_deinit(&config);
        reload_failed(app, err.text);
        return;
    }
    note_files(app, files);
    reload_take(app, &config, rules);
}

/* Passwords that were rotated count without a reload; nothing else that changed meanwhile does. */
static void secrets_parse(struct app *app, struct str packed) {
    CLEANUP(config_files_freep)
    struct config_files *files = NULL;
    struct config config;
    if (config_files_unpack(packed, &files, NULL) == 0 &&
        config_files_fingerprint(files) == app->fingerprint &&
        config_parse(files, &config, NULL) == 0) {
        struct config old = app->config;
        app->config = config;
        sampler_apply(app->sampler, app->config.targets, app->config.n_targets);
        alerting_apply_secrets(app->alerting, &app->config);
        breakers_apply(app->breakers, &app->config);
        watching_apply(app->watching);
        config_deinit(&old);
    }
}

static void reload_start(struct app *app);

/* Why a worker brought nothing: its own sentence if it had one. */
static void reload_not_read(struct app *app, const struct worker_result *result) {
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
    reload_failed(app, text.data);
    strbuf_deinit(&text);
}

static void reload_read(void *userdata, const struct worker_result *result) {
    struct app *app = userdata;
    bool only_secrets = app->only_secrets;
    app->reloading = app->only_secrets = false;
    if (result->status == WORKER_CANCELED) {
        return;
    }
    if (app->reload_again) {
        app->reload_again = false;
        reload_start(app);
        return;
    }
    if (only_secrets) {
        if (result->status == WORKER_OK) {
            secrets_parse(app, result->answer);
        }
        return;
    }
    if (result->status == WORKER_OK) {
        reload_parse(app, result->answer);
    } else {
        reload_not_read(app, result);
    }
    sd_notify(0, "READY=1");
}

static void read_files(struct app *app) {
    app->reloading = true;
    worker_submit(app->file_pool, &(struct worker_request){
                                      .work = read_in_worker,
                                      .input = app->config_path,
                                      .deadline_usec = loop_now_usec(app->loop) + RELOAD_DEADLINE,
                                      .done = reload_read,
                                      .userdata = app,
                                  });
}

static void reload_files(struct app *app) {
    if (app->config_path == NULL) {
        reload_answer(app, true, "there is no configuration file; targets are guessed");
        sd_notify(0, "READY=1");
        return;
    }
    read_files(app);
}

/* First, and alone if it is wrong: then nothing changes. */
static void web_config_read(void *userdata, const char *why) {
    struct app *app = userdata;
    app->reloading = false;
    if (app->reload_again) {
        app->reload_again = false;
        reload_start(app);
    } else if (why != NULL) {
        reload_failed(app, why);
        sd_notify(0, "READY=1");
    } else {
        reload_files(app);
    }
}

static void reload_start(struct app *app) {
    if (app->reloading) {
        app->reload_again = true;
        return;
    }
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)loop_clock_usec());
    if (app->web_config != NULL) {
        app->reloading = true;
        web_config_reload(app->web_config, web_config_read, app);
    } else {
        reload_files(app);
    }
}

/* A password that is refused may have been rotated. */
static void look_for_new_secrets(struct app *app) {
    if (app->reloading || !app->has_secrets) {
        return;
    }
    for (size_t i = 0; i < sampler_targets(app->sampler); i++) {
        const struct target_view *target = sampler_target(app->sampler, i);
        if (target->health == TARGET_DOWN && target->last_failure.reason == REASON_AUTH) {
            app->only_secrets = true;
            read_files(app);
            return;
        }
    }
}

static void reload_asked(void *userdata,
                         void (*done)(void *userdata, const struct web_reload_result *result),
                         void *done_userdata) {
    struct app *app = userdata;
    if (app->n_waiters == MOST_RELOAD_WAITERS) {
        done(done_userdata, &(struct web_reload_result){false, "too many reloads are waiting"});
        return;
    }
    app->waiters[app->n_waiters++] = (struct reload_waiter){done, done_userdata};
    reload_start(app);
}

/* ---- the daemon's own samples ---- */

static void refresh_self(void *userdata) {
    struct app *app = userdata;
    uint64_t now = loop_now_usec(app->loop);
    if (app->self_usec != 0 && now - app->self_usec < SELF_LEAST_AGE_USEC) {
        return;
    }
    int64_t now_ms = loop_now_ms(app->loop);
    app->self_usec = now;
    app->self_ms = now_ms > app->self_ms ? now_ms : app->self_ms + 1;
    app->self_sources.web = app->web;
    app->self_sources.web_config = app->web_config;
    app->self_sources.log_lines_lost =
        app->log_writer != NULL ? log_writer_lost_lines(app->log_writer) : 0;
    batch_clear(&app->self_batch);
    self_metrics_add(&app->self_sources, &app->self_batch);
    if (app->alerting != NULL) {
        alerting_collect(app->alerting, &app->self_batch);
        breakers_add(app->breakers, NULL, &app->self_batch);
        watching_collect(app->watching, &app->self_batch);
    }
    store_feed_commit(app->self_feed, &app->self_batch, app->self_ms);
    store_publish(app->self);
    if (app->alerting != NULL) {
        double seconds = (double)(loop_clock_usec() - now) / (double)USEC_PER_SEC;
        alerting_self_made(app->alerting, app->self, app->instance, seconds, app->self_ms);
    }
}

/* What became of a cluster shows at once, and the rules that read it see it. */
static void verdict_is_news(void *userdata) {
    struct app *app = userdata;
    app->self_usec = 0;
    refresh_self(app);
    alerting_news(app->alerting, TARGET_SELF);
}

/* A step of the wall clock shows as a change of its distance from the clock that never steps. */
static void watch_clock(struct app *app) {
    int64_t distance = loop_now_ms(app->loop) - (int64_t)(loop_clock_usec() / USEC_PER_MSEC);
    int64_t step = distance - app->wall_minus_boot_ms;
    if (app->wall_minus_boot_ms != 0 && (step > CLOCK_STEP_MS || step < -CLOCK_STEP_MS)) {
        app->self_sources.clock_steps++;
        log_warn("the wall clock jumped by %+.1f seconds", (double)step / 1000.0);
    }
    app->wall_minus_boot_ms = distance;
}

static void keep_house(void *userdata) {
    struct app *app = userdata;
    uint64_t now = loop_now_usec(app->loop);
    watch_clock(app);
    if (app->log_writer != NULL) {
        log_writer_check(app->log_writer);
    }
    look_for_new_secrets(app);
    refresh_self(app);
    store_expire(app->store, loop_now_ms(app->loop));
    exposition_drop_idle(app->store, now, IDLE_PAGE_USEC);
    loop_timer_set(app->housekeeping, now + HOUSEKEEPING_USEC);
}

/* ---- signals ---- */

/* A failover that is under way comes to its end first: half of one is worse than none. Then the
 * locks are given up, so that another monitor need not wait. */
static void leave(void *userdata) {
    struct app *app = userdata;
    uint64_t now = loop_now_usec(app->loop);
    if (watch_leave(watching_watch(app->watching)) && now < app->leave_by_usec) {
        loop_timer_set(app->leaving, now + LEAVE_POLL_USEC);
        return;
    }
    loop_exit(app->loop, 0);
}

/* A second signal does not wait. */
static void stop_asked(void *userdata) {
    struct app *app = userdata;
    bool first = !app->stopping;
    app->stopping = true;
    app->leave_by_usec = loop_now_usec(app->loop) + MOST_LEAVE_USEC;
    if (first && watch_acts(watching_watch(app->watching))) {
        log_warn("stopping when the failover that is under way has come to its end, in 60s at the "
                 "latest");
    }
    (void)watch_leave(watching_watch(app->watching)); /* at once, whatever else takes its time */
    sd_notify(0, "STOPPING=1");
    if (first && app->web != NULL && web_leave(app->web, leave, app)) {
        log_info("stopping in 3s, for HAProxy has to hear of it");
        return;
    }
    log_info("stopping");
    if (first) {
        leave(app);
    } else {
        loop_exit(app->loop, 0);
    }
}

static void hangup_caught(void *userdata) {
    reload_start(userdata);
}

static void user_signal_caught(void *userdata) {
    (void)userdata;
    enum log_level next = log_get_level() == LOG_LEVEL_DEBUG
                              ? LOG_LEVEL_ERROR
                              : (enum log_level)(log_get_level() + 1);
    log_set_level(next);
    log_line(next, "log level is now '%s'", log_level_names[next]);
}

/* Harmless without log files: who rotates them need not know how we are started. */
static void second_user_signal_caught(void *userdata) {
    struct app *app = userdata;
    if (app->log_writer != NULL) {
        log_writer_reopen(app->log_writer);
        log_info("log files are opened anew");
    }
}

/* ---- log files ---- */

static int log_open(struct app *app, struct error *err) {
    const struct flags *flags = app->flags;
    const struct log_writer_options options = {
        .all = {flags->log_file, flags->log_max_bytes, flags->log_keep},
        .errors = {flags->log_error_file, flags->log_max_bytes, flags->log_keep},
    };
    if (!app->serve || (flags->log_file == NULL && flags->log_error_file == NULL)) {
        return 0;
    }
    return log_writer_new(&options, &app->log_writer, err);
}

/* ---- storage ---- */

static int storage_usable(const char *path) {
    struct stat status;
    if (mkdir(path, 0700) < 0 && errno != EEXIST) {
        return -errno;
    }
    if (stat(path, &status) < 0) {
        return -errno;
    }
    if (!S_ISDIR(status.st_mode)) {
        return -ENOTDIR;
    }
    return access(path, W_OK | X_OK) < 0 ? -errno : 0;
}

/* Two daemons that write the same files would take each other's state away.
 * Return: 0, or -EBUSY with a sentence. */
static int storage_lock(struct app *app, const char *path, struct error *err) {
    pid_t holder;
    char *name = mem_printf("%s/lock", path);
    int r = lock_file_take(name, &holder);
    if (r == -EBUSY && holder > 0) {
        error_say(err, r, "another dbvitals (process %d) uses it", (int)holder);
    } else if (r == -EBUSY) {
        error_say(err, r, "another dbvitals uses it");
    } else if (r < 0) {
        log_warn("'%s' cannot be locked: %s; nobody else may use the folder, ignoring", name,
                 strerrordesc_np(-r));
    } else {
        app->storage_lock = r;
    }
    free(name);
    return r == -EBUSY ? r : 0;
}

static int storage_take(struct app *app, const char *path, struct error *err) {
    int r = storage_usable(path);
    return r < 0 ? error_say(err, r, "%s", strerrordesc_np(-r)) : storage_lock(app, path, err);
}

static int storage_open(struct app *app, struct error *err) {
    const char *given = app->flags->storage_path;
    const char *path = given != NULL ? given : DEFAULT_STORAGE;
    if (given != NULL && strcmp(given, MEMORY_STORAGE) == 0) {
        return 0;
    }
    struct error why = {0};
    int r = storage_take(app, path, &why);
    if (r < 0 && given != NULL) {
        return error_say(err, r,
                         "storage folder '%s' cannot be used: %s (choose another with "
                         "--storage.path, or ':memory:')",
                         path, why.text);
    }
    if (r < 0) {
        log_warn("storage folder '%s' cannot be used: %s; state is kept in memory only, and "
                 "nothing can be changed at run time",
                 path, why.text);
        return 0;
    }
    app->storage_path = mem_strdup(path);
    app->control_path = mem_printf("%s/" WEB_CONTROL_SOCKET, path);
    return 0;
}

/* ---- rules ---- */

static void round_ended(void *userdata, const struct target_view *target) {
    struct app *app = userdata;
    if (app->alerting != NULL) {
        breakers_round_ended(app->breakers, target);
        watching_round_ended(app->watching, target);
        alerting_round_ended(app->alerting, target, sampler_is_ready(app->sampler));
    }
}

static void add_samples(void *userdata, const struct target_view *target, struct batch *batch) {
    const struct app *app = userdata;
    if (app->thresholds != NULL) {
        thresholds_add(app->thresholds, target, batch);
        breakers_add(app->breakers, target, batch);
    }
}

static struct web_options web_options_of(const struct app *app) {
    static const char *const default_address[] = {WEB_DEFAULT_ADDRESS};
    const struct flags *flags = app->flags;
    bool given = flags->n_listen_addresses > 0;
    return (struct web_options){
        .listen_addresses = given ? flags->listen_addresses : default_address,
        .n_listen_addresses = given ? flags->n_listen_addresses : 1,
        .agent_addresses = flags->agent_addresses,
        .n_agent_addresses = flags->n_agent_addresses,
        .telemetry_path = flags->telemetry_path,
        .external_url = flags->external_url,
        .route_prefix = flags->route_prefix,
        .control_path = app->control_path,
        .instance = app->instance,
        .security = app->web_config != NULL ? web_config_options(app->web_config) : NULL,
        .enable_lifecycle = flags->enable_lifecycle,
        .version = DBVITALS_VERSION,
        .revision = DBVITALS_REVISION,
    };
}

/* What links in alerts begin with, and what tells our own series from another daemon's. */
static void know_ourselves(struct app *app) {
    struct web_options options = web_options_of(app);
    char machine[HOST_NAME_MAX + 1] = "localhost";
    (void)gethostname(machine, sizeof(machine) - 1);
    app->own_url = web_own_url(&options, machine);
    struct str host = web_url_host(app->own_url);
    app->instance = mem_strndup(host.data, host.len);
}

static int build_rules(struct app *app, struct error *err) {
    int r = breakers_check(&app->config, err);
    struct rule_set *rules = r == 0 ? alerting_prepare(&app->config, err) : NULL;
    config_drop_rule_files(&app->config);
    if (rules == NULL) {
        return -EINVAL;
    }
    app->alerting = alerting_new(&(struct alerting_options){
        .loop = app->loop,
        .store = app->store,
        .storage_path = app->storage_path,
        .external_url = app->own_url,
        .resolver = app->resolver,
    });
    app->thresholds = thresholds_new(app->loop, app->storage_path);
    app->breakers = breakers_new(&(struct breakers_options){
        .loop = app->loop,
        .resolver = app->resolver,
        .store = app->store,
        .storage_path = app->storage_path,
        .owner = app->instance,
    });
    breakers_apply(app->breakers, &app->config);
    alerting_apply(app->alerting, rules, &app->config);
    app->self_sources.rules = alerting_rules(app->alerting);
    thresholds_apply(app->thresholds, &app->config, rules);
    app->watching = watching_new(&(struct watching_options){
        .loop = app->loop,
        .resolver = app->resolver,
        .storage_path = app->storage_path,
        .config = &app->config,
        .news = verdict_is_news,
        .userdata = app,
    });
    return 0;
}

/* ---- life ---- */

static void name_servers_changed(void *userdata, const char *host) {
    if (host != NULL) {
        log_warn("host '%s' cannot be looked up: the name server does not answer; addresses that "
                 "are known from before are used as long as that lasts",
                 host);
    } else {
        log_info("names can be looked up again");
    }
}

static int build_io(struct app *app, struct error *err) {
    int r = loop_new(&app->loop);
    if (r < 0) {
        return error_say(err, r, "the event loop could not be made: %s", strerrordesc_np(-r));
    }
    app->resolve_pool =
        worker_pool_new(app->loop, &(struct worker_options){.max_running = RESOLVE_WORKERS});
    app->file_pool = worker_pool_new(
        app->loop,
        &(struct worker_options){.max_running = 1, .max_answer_bytes = CONFIG_MOST_PACKED});
    app->resolver = resolver_new(app->loop, app->resolve_pool);
    resolver_configure(app->resolver, &(struct resolver_options){.silence = name_servers_changed});
    return 0;
}

static void build_self(struct app *app) {
    app->self = store_source_new(app->store, &(struct source_labels){
                                                 .target = str_of(TARGET_SELF),
                                                 .instance = str_of(app->instance),
                                                 .job = str_of(TARGET_SELF),
                                             });
    app->self_feed = store_feed_new(app->self, "self");
    app->self_sources = (struct self_sources){
        .loop = app->loop,
        .store = app->store,
        .sampler = app->sampler,
        .reload_successful = true,
        .reload_success_ms = loop_now_ms(app->loop),
    };
}

static void print_config(void *userdata, struct strbuf *out) {
    const struct app *app = userdata;
    config_print(&app->config, out);
}

static void reload_state(void *userdata, bool *ret_ok, int64_t *ret_success_ms) {
    const struct app *app = userdata;
    *ret_ok = app->self_sources.reload_successful;
    *ret_success_ms = app->self_sources.reload_success_ms;
}

static size_t external_labels(void *userdata, const struct target_label **ret) {
    const struct app *app = userdata;
    *ret = app->config.labels;
    return app->config.n_labels;
}

static const char *alertmanager(void *userdata, size_t index) {
    const struct app *app = userdata;
    return alerting_alertmanager(app->alerting, index);
}

static bool knows_parameter(void *userdata, struct str name) {
    const struct app *app = userdata;
    return thresholds_know(app->thresholds, name);
}

static void change_parameter(void *userdata, const struct web_parameter_change *change,
                             void (*done)(void *done_userdata,
                                          const struct web_parameter_result *result),
                             void *done_userdata) {
    struct app *app = userdata;
    thresholds_change(app->thresholds, change, done, done_userdata);
}

static void order_breaker(void *userdata, const struct web_breaker_order *order,
                          void (*done)(void *done_userdata, const struct web_order_result *result),
                          void *done_userdata) {
    struct app *app = userdata;
    breakers_order(app->breakers, order, done, done_userdata);
}

static int build_web(struct app *app, struct error *err) {
    struct web_options options = web_options_of(app);
    struct web_sources sources = {
        .loop = app->loop,
        .store = app->store,
        .sampler = app->sampler,
        .rules = alerting_rules(app->alerting),
        .parameters = thresholds_parameters(app->thresholds),
        .watch = watching_watch(app->watching),
        .keeps_parameters = app->storage_path != NULL,
        .circuits = breakers_circuits(app->breakers),
        .self = app->self,
        .actions =
            {
                .reload = reload_asked,
                .print_config = print_config,
                .reload_state = reload_state,
                .knows_parameter = knows_parameter,
                .change_parameter = change_parameter,
                .order_breaker = order_breaker,
                .refresh_self = refresh_self,
                .external_labels = external_labels,
                .alertmanager = alertmanager,
                .userdata = app,
            },
    };
    int r = web_new(&options, &sources, &app->web, err);
    if (r == 0 && app->web_config != NULL) {
        web_config_watch(app->web_config, app->web);
    }
    if (r == 0) {
        apply_admins(app);
    }
    return r;
}

/* Until they are watched these would end us. SIGTERM and SIGINT may: nothing is lost yet. */
static void hold_signals(void) {
    sigset_t held;
    (void)sigemptyset(&held);
    (void)sigaddset(&held, SIGHUP);
    (void)sigaddset(&held, SIGUSR1);
    (void)sigaddset(&held, SIGUSR2);
    (void)sigprocmask(SIG_BLOCK, &held, NULL);
}

static void build_signals(struct app *app) {
    app->signals[0] = loop_signal_new(app->loop, SIGTERM, stop_asked, app);
    app->signals[1] = loop_signal_new(app->loop, SIGINT, stop_asked, app);
    app->signals[2] = loop_signal_new(app->loop, SIGHUP, hangup_caught, app);
    app->signals[3] = loop_signal_new(app->loop, SIGUSR1, user_signal_caught, app);
    app->signals[4] = loop_signal_new(app->loop, SIGUSR2, second_user_signal_caught, app);
}

static int build(struct app *app, struct error *err) {
    /* First: the writer of the log shares nothing with what follows. */
    int r = log_open(app, err);
    if (r < 0 || (r = load_first(app, err)) < 0 || (r = build_io(app, err)) < 0) {
        return r;
    }
    app->store = store_new(&(struct store_options){0});
    if (app->serve) {
        store_set_history(app->store, (int64_t)(app->config.history_usec / USEC_PER_MSEC),
                          app->config.history_bytes);
    }
    app->sampler = sampler_new(app->loop, app->resolver, app->store,
                               &(struct sampler_options){
                                   .service_names = !app->flags->no_service_names,
                                   .round_ended = round_ended,
                                   .add_samples = add_samples,
                                   .userdata = app,
                               });
    const char *web_file = app->serve ? app->flags->web_config_file : NULL;
    if (web_file != NULL && (r = web_config_new(app->loop, web_file, &app->web_config, err)) < 0) {
        return r;
    }
    know_ourselves(app);
    build_self(app);
    if (app->serve && ((r = storage_open(app, err)) < 0 || (r = build_rules(app, err)) < 0 ||
                       (r = build_web(app, err)) < 0)) {
        return r;
    }
    build_signals(app);
    app->housekeeping = loop_timer_new(app->loop, keep_house, app);
    app->leaving = loop_timer_new(app->loop, leave, app);
    keep_house(app);
    sampler_apply(app->sampler, app->config.targets, app->config.n_targets);
    return 0;
}

int app_new(const struct flags *flags, bool serve, struct app **ret, struct error *err) {
    CLEANUP(app_freep)
    struct app *app = mem_alloc(sizeof(*app));
    app->flags = flags;
    app->serve = serve;
    config_init(&app->config);
    signal(SIGPIPE, SIG_IGN);
    hold_signals();
    descriptors_raise_limit();
    int r = build(app, err);
    if (r < 0) {
        return r;
    }
    *ret = take_ptr(app);
    return 0;
}

struct app *app_free(struct app *app) {
    if (app == NULL) {
        return NULL;
    }
    web_config_free(app->web_config);
    web_free(app->web);
    /* Nobody hears it any more, but what the waiters hold is freed. */
    reload_answer(app, false, "the daemon is stopping");
    sampler_free(app->sampler);
    watching_free(app->watching);
    alerting_free(app->alerting);
    thresholds_free(app->thresholds);
    breakers_free(app->breakers);
    loop_timer_free(app->housekeeping);
    loop_timer_free(app->leaving);
    for (size_t i = 0; i < ARRAY_LEN(app->signals); i++) {
        loop_signal_free(app->signals[i]);
    }
    resolver_free(app->resolver);
    worker_pool_free(app->resolve_pool);
    worker_pool_free(app->file_pool);
    store_free(app->store);
    batch_deinit(&app->self_batch);
    loop_free(app->loop);
    config_deinit(&app->config);
    free(app->config_path);
    free(app->own_url);
    free(app->instance);
    free(app->storage_path);
    free(app->control_path);
    if (app->storage_lock > 0) {
        close(app->storage_lock);
    }
    log_writer_free(app->log_writer);
    free(app);
    return NULL;
}

int app_run(struct app *app) {
    if (app->config.n_targets == 0) {
        log_warn("the configuration names no targets: there is nothing to sample");
    }
    log_info("dbvitals listens on %s and watches %zu targets", web_address(app->web),
             app->config.n_targets);
    loop_enable_watchdog(app->loop);
    sd_notify(0, "READY=1");
    int r = loop_run(app->loop);
    if (r < 0) {
        log_error_errno(r, "the event loop failed");
        return 1;
    }
    return r;
}

bool app_run_one_round(struct app *app) {
    uint64_t longest = 0;
    for (size_t i = 0; i < app->config.n_targets; i++) {
        uint64_t timeout = app->config.targets[i].timeout_usec;
        longest = timeout > longest ? timeout : longest;
    }
    uint64_t end = loop_now_usec(app->loop) + longest + USEC_PER_SEC;
    sampler_sample_now(app->sampler);
    while (!sampler_is_ready(app->sampler) && loop_clock_usec() < end) {
        if (loop_run_once(app->loop, end - loop_clock_usec()) < 0) {
            break;
        }
    }
    return sampler_is_ready(app->sampler);
}

const struct sampler *app_sampler(const struct app *app) {
    return app->sampler;
}
