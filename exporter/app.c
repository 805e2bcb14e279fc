/* SPDX-License-Identifier: Apache-2.0 */

#include "app.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "alerting.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "breakers.h"
#include "config/config.h"
#include "io/descriptors.h"
#include "io/log_writer.h"
#include "reload.h"
#include "self.h"
#include "storage.h"
#include "store/exposition.h"
#include "store/history.h"
#include "thresholds.h"
#include "version.h"
#include "watching.h"
#include "web/web.h"
#include "web_config.h"

#define LEAVE_POLL_USEC     (50 * USEC_PER_MSEC)
#define MOST_LEAVE_USEC     (60 * USEC_PER_SEC) /* TimeoutStopSec of the unit is longer */
#define HOUSEKEEPING_USEC   ((uint64_t)10 * USEC_PER_SEC)
#define IDLE_PAGE_USEC      ((uint64_t)60 * USEC_PER_SEC)
#define SELF_LEAST_AGE_USEC USEC_PER_SEC
#define CLOCK_STEP_MS       ((int64_t)1000)

struct app {
    const struct flags *flags; /* borrowed */
    bool serve;
    struct loop *loop;
    struct worker_pool *resolve_pool;
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
    struct reload *reload;
    struct config config;
    struct storage storage;
    struct loop_timer *housekeeping;
    struct loop_signal *signals[5];
    struct log_writer *log_writer; /* NULL: the log goes to stderr alone */
    int64_t wall_minus_boot_ms;    /* changes when the wall clock steps */
    struct self_sources self_sources;

    bool stopping;
    struct loop_timer *leaving; /* while a failover or a lock keeps us */
    uint64_t leave_by_usec;
};

/* ---- configuration ---- */

static void apply_admins(struct app *app) {
    web_set_admins(app->web, (const char *const *)app->config.admin_users,
                   app->config.n_admin_users);
}

/* rules: NULL when nothing but passwords is new. */
static void take_config(void *userdata, struct config *config, struct rule_set *rules) {
    struct app *app = userdata;
    struct config old = app->config;
    app->config = *config;
    sampler_apply(app->sampler, app->config.targets, app->config.n_targets);
    if (rules != NULL) {
        alerting_apply(app->alerting, rules, &app->config);
        thresholds_apply(app->thresholds, &app->config, rules);
        apply_admins(app);
    } else {
        alerting_apply_secrets(app->alerting, &app->config);
    }
    breakers_apply(app->breakers, &app->config);
    watching_apply(app->watching);
    config_deinit(&old);
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
    reload_look_for_secrets(app->reload, app->sampler);
    refresh_self(app);
    store_expire(app->store, loop_now_ms(app->loop));
    exposition_drop_idle(app->store, now, IDLE_PAGE_USEC);
    loop_timer_set(app->housekeeping, now + HOUSEKEEPING_USEC);
}

/* ---- signals ---- */

/* The step of a failover that is under way comes to its end first, and a promotion with all that
 * follows it: half of one is worse than none. Then the locks are given up, so that another monitor
 * need not wait. */
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
        log_warn("stopping when the step of the failover that is under way has come to its end, or "
                 "all of them if it has begun to promote, in 60s at the latest");
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
    const struct app *app = userdata;
    reload_start(app->reload);
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
        .control_path = app->storage.control_path,
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
    struct rule_set *rules = reload_prepare_rules(&app->config, err);
    if (rules == NULL) {
        return -EINVAL;
    }
    app->alerting = alerting_new(&(struct alerting_options){
        .loop = app->loop,
        .store = app->store,
        .storage_path = app->storage.path,
        .external_url = app->own_url,
        .resolver = app->resolver,
    });
    app->thresholds = thresholds_new(app->loop, app->storage.path);
    app->breakers = breakers_new(&(struct breakers_options){
        .loop = app->loop,
        .resolver = app->resolver,
        .store = app->store,
        .storage_path = app->storage.path,
        .owner = app->instance,
    });
    breakers_apply(app->breakers, &app->config);
    alerting_apply(app->alerting, rules, &app->config);
    app->self_sources.rules = alerting_rules(app->alerting);
    thresholds_apply(app->thresholds, &app->config, rules);
    app->watching = watching_new(&(struct watching_options){
        .loop = app->loop,
        .resolver = app->resolver,
        .storage_path = app->storage.path,
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
    app->resolver = resolver_new(app->loop, app->resolve_pool);
    resolver_configure(app->resolver, &(struct resolver_options){.silence = name_servers_changed});
    return 0;
}

static int build_config(struct app *app, struct error *err) {
    const char *web_file = app->serve ? app->flags->web_config_file : NULL;
    if (web_file != NULL) {
        int r = web_config_new(app->loop, web_file, &app->web_config, err);
        if (r < 0) {
            return r;
        }
    }
    app->reload = reload_new(&(struct reload_options){
        .loop = app->loop,
        .config_file = app->flags->config_file,
        .web_config = app->web_config,
        .take = take_config,
        .userdata = app,
    });
    return reload_read_first(app->reload, &app->config, err);
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
        .reload = app->reload,
    };
}

static void print_config(void *userdata, struct strbuf *out) {
    const struct app *app = userdata;
    config_print(&app->config, out);
}

static void ask_reload(void *userdata,
                       void (*done)(void *done_userdata, const struct web_reload_result *result),
                       void *done_userdata) {
    const struct app *app = userdata;
    reload_ask(app->reload, done, done_userdata);
}

static void tell_reload_state(void *userdata, bool *ret_ok, int64_t *ret_success_ms) {
    const struct app *app = userdata;
    struct reload_state state = reload_state(app->reload);
    *ret_ok = state.successful;
    *ret_success_ms = state.success_ms;
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
                                          const struct web_change_result *result),
                             void *done_userdata) {
    struct app *app = userdata;
    thresholds_change(app->thresholds, change, done, done_userdata);
}

static void order_breaker(void *userdata, const struct web_breaker_order *order,
                          void (*done)(void *done_userdata, const struct web_change_result *result),
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
        .keeps_parameters = app->storage.path != NULL,
        .circuits = breakers_circuits(app->breakers),
        .self = app->self,
        .actions =
            {
                .reload = ask_reload,
                .print_config = print_config,
                .reload_state = tell_reload_state,
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
    if (r < 0 || (r = build_io(app, err)) < 0 || (r = build_config(app, err)) < 0) {
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
    know_ourselves(app);
    build_self(app);
    if (app->serve && ((r = storage_open(&app->storage, app->flags->storage_path, err)) < 0 ||
                       (r = build_rules(app, err)) < 0 || (r = build_web(app, err)) < 0)) {
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
    reload_free(app->reload);
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
    store_free(app->store);
    batch_deinit(&app->self_batch);
    loop_free(app->loop);
    config_deinit(&app->config);
    free(app->own_url);
    free(app->instance);
    storage_close(&app->storage);
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
