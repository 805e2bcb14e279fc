/* SPDX-License-Identifier: Apache-2.0 */

#include "self.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "reload.h"
#include "self_rules.h"
#include "store/exposition.h"
#include "store/history.h"
#include "version.h"
#include "web_config.h"

enum {
    BUILD_INFO,
    CONFIG_SUCCESSFUL,
    CONFIG_TIME,
    WEB_CONFIG_SUCCESSFUL,
    CERTIFICATE_EXPIRY,
    TARGETS,
    FAMILIES,
    STORE_SERIES,
    STALE_SERIES,
    STORE_BYTES,
    PAGE_BYTES,
    APPENDED,
    NOT_APPENDED,
    HISTORY_BYTES,
    HISTORY_SAMPLES,
    HISTORY_EVICTED,
    LATENESS,
    LATENESS_MAX,
    CLOCK_STEPS,
    LOG_DROPPED,
    HTTP_REQUESTS,
    HTTP_CONNECTIONS,
    HTTP_REFUSED,
    AGENT_CHECKS,
    CPU_SECONDS,
    RESIDENT,
    VIRTUAL,
    OPEN_FDS,
    MAX_FDS,
    START_TIME,
    THREADS,
};

static const struct column rows[] = {
    [BUILD_INFO] = {NULL, INFO, "dbvitals_build_info",
                    "Version and revision of the running daemon; always 1.", .group = 1},
    [CONFIG_SUCCESSFUL] = {NULL, GAUGE, "dbvitals_config_last_reload_successful",
                           "Whether the configuration was valid when it was read last."},
    [CONFIG_TIME] = {NULL, GAUGE, "dbvitals_config_last_reload_success_timestamp_seconds",
                     "When the running configuration was read."},
    [WEB_CONFIG_SUCCESSFUL] = {NULL, GAUGE, "dbvitals_web_config_last_read_successful",
                               "Whether the web configuration file and the files that it names "
                               "could be used when they were looked at last."},
    [CERTIFICATE_EXPIRY] = {NULL, GAUGE, "dbvitals_web_certificate_expiry_timestamp_seconds",
                            "When the certificate ends with which the daemon serves HTTPS."},
    [TARGETS] = {NULL, GAUGE, "dbvitals_targets", "Configured targets by their health.",
                 .group = 2},
    [FAMILIES] = {NULL, GAUGE, "dbvitals_store_families", "Metric families seen since start."},
    [STORE_SERIES] = {NULL, GAUGE, "dbvitals_store_series", "Live series of all targets."},
    [STALE_SERIES] = {NULL, GAUGE, "dbvitals_store_stale_series",
                      "Series that have ended and are still remembered."},
    [STORE_BYTES] = {NULL, GAUGE, "dbvitals_store_bytes",
                     "Memory of series and labels, without rendered pages (estimate)."},
    [PAGE_BYTES] = {NULL, GAUGE, "dbvitals_exposition_bytes", "Memory of rendered pages."},
    [APPENDED] = {NULL, COUNTER, "dbvitals_store_samples_appended_total",
                  "Samples taken over into the store."},
    [NOT_APPENDED] = {NULL, COUNTER, "dbvitals_store_samples_dropped_total",
                      "Samples not taken over, by the reason.", .group = 3},
    [HISTORY_BYTES] = {NULL, GAUGE, "dbvitals_history_bytes", "Memory of the past of all series."},
    [HISTORY_SAMPLES] = {NULL, COUNTER, "dbvitals_history_samples_total",
                         "Samples taken over into the history."},
    [HISTORY_EVICTED] = {NULL, COUNTER, "dbvitals_history_blocks_evicted_total",
                         "Blocks of the history given up before their time, for history.bytes."},
    [LATENESS] = {NULL, HISTOGRAM, "dbvitals_loop_lateness_seconds",
                  "How late the timers of the event loop fired.", .group = 4},
    [LATENESS_MAX] = {NULL, GAUGE, "dbvitals_loop_lateness_max_seconds",
                      "The latest timer since the last time this was read."},
    [CLOCK_STEPS] = {NULL, COUNTER, "dbvitals_clock_steps_total",
                     "Jumps of the wall clock that were noticed."},
    [LOG_DROPPED] = {NULL, COUNTER, "dbvitals_log_lines_dropped_total",
                     "Log lines that nobody read in time, or that a full disk did not take."},
    [HTTP_REQUESTS] = {NULL, COUNTER, "dbvitals_http_requests_total",
                       "Answers by the class of their status code.", .group = 5},
    [HTTP_CONNECTIONS] = {NULL, GAUGE, "dbvitals_http_connections", "Open HTTP connections."},
    [HTTP_REFUSED] = {NULL, COUNTER, "dbvitals_http_connections_refused_total",
                      "HTTP connections refused above the limit."},
    [AGENT_CHECKS] =
        {NULL, COUNTER, "dbvitals_agent_checks_total",
         "Connections of HAProxy's agent-check, by whether they were answered or ended "
         "without a word.",
         .group = 6},
    [CPU_SECONDS] = {NULL, COUNTER, "process_cpu_seconds_total",
                     "User and system CPU time of the process."},
    [RESIDENT] = {NULL, GAUGE, "process_resident_memory_bytes", "Resident memory of the process."},
    [VIRTUAL] = {NULL, GAUGE, "process_virtual_memory_bytes", "Address space of the process."},
    [OPEN_FDS] = {NULL, GAUGE, "process_open_fds", "Open file descriptors."},
    [MAX_FDS] = {NULL, GAUGE, "process_max_fds", "How many file descriptors may be open."},
    [START_TIME] = {NULL, GAUGE, "process_start_time_seconds", "When the process started."},
    [THREADS] = {NULL, GAUGE, "process_threads", "Threads of the process: one."},
    {NULL, LABEL, "version", .group = 1},
    {NULL, LABEL, "revision", .group = 1},
    {NULL, LABEL, "health", .group = 2},
    {NULL, LABEL, "reason", .group = 3},
    {NULL, LABEL, "le", .group = 4},
    {NULL, LABEL, "code", .group = 5},
    {NULL, LABEL, "outcome", .group = 6},
    {0},
};

const struct collector self_metrics_table = {
    .name = "dbvitals",
    .help = "The daemon itself, on the page of the target 'dbvitals'.",
    .columns = self_rules_rows,
    .also = rows,
};

static const struct batch_labels no_labels = {0};

static void add(struct batch *batch, int row, double value) {
    batch_add(batch, column_metric(&rows[row]), no_labels, value);
}

static void add_labelled(struct batch *batch, int row, const char *name, const char *label,
                         double value) {
    struct label labels[] = {{str_of(name), str_of(label)}};
    batch_add(batch, column_metric(&rows[row]), batch_add_labels(batch, labels, 1), value);
}

static void add_build(struct batch *batch) {
    struct label labels[] = {
        {str_of("version"), str_of(DBVITALS_VERSION)},
        {str_of("revision"), str_of(DBVITALS_REVISION)},
    };
    batch_add(batch, column_metric(&rows[BUILD_INFO]),
              batch_add_labels(batch, labels, ARRAY_LEN(labels)), 1);
}

static void add_targets(const struct sampler *sampler, struct batch *batch) {
    double counts[TARGET_DOWN + 1] = {0};
    for (size_t i = 0; i < sampler_targets(sampler); i++) {
        counts[sampler_target(sampler, i)->health]++;
    }
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        add_labelled(batch, TARGETS, "health", target_health_names[i], counts[i]);
    }
}

static void add_store(const struct store *store, struct batch *batch) {
    struct store_numbers numbers = store_numbers(store);
    add(batch, FAMILIES, (double)numbers.families);
    add(batch, STORE_SERIES, (double)numbers.series);
    add(batch, STALE_SERIES, (double)numbers.stale_series);
    add(batch, STORE_BYTES, (double)numbers.bytes);
    add(batch, PAGE_BYTES, (double)exposition_bytes(store));
    add(batch, APPENDED, (double)numbers.samples_appended);
    add_labelled(batch, NOT_APPENDED, "reason", "duplicate", (double)numbers.samples_duplicate);
    add_labelled(batch, NOT_APPENDED, "reason", "out_of_order",
                 (double)numbers.samples_out_of_order);
    add_labelled(batch, NOT_APPENDED, "reason", "over_limit", (double)numbers.samples_over_limit);
}

static void add_history(const struct store *store, struct batch *batch) {
    struct history_numbers numbers = store_history_numbers(store);
    add(batch, HISTORY_BYTES, (double)numbers.bytes);
    add(batch, HISTORY_SAMPLES, (double)numbers.samples);
    add(batch, HISTORY_EVICTED, (double)numbers.evicted_blocks);
}

static void add_loop(struct loop *loop, struct batch *batch) {
    const struct loop_lateness *lateness = loop_lateness(loop);
    batch_add_histogram(batch, column_metric(&rows[LATENESS]), NULL, 0, loop_lateness_bounds,
                        lateness->cumulative, LOOP_LATENESS_BUCKETS, lateness->sum_seconds,
                        lateness->count);
    add(batch, LATENESS_MAX, lateness->max_seconds);
    loop_lateness_reset_max(loop);
}

static void add_web(const struct web *web, struct batch *batch) {
    static const char *const classes[] = {NULL, "1xx", "2xx", "3xx", "4xx", "5xx"};
    struct web_numbers numbers = web_numbers(web);
    for (size_t i = 2; i < ARRAY_LEN(classes); i++) {
        add_labelled(batch, HTTP_REQUESTS, "code", classes[i], (double)numbers.by_class[i]);
    }
    add(batch, HTTP_CONNECTIONS, numbers.connections);
    add(batch, HTTP_REFUSED, (double)numbers.refused);
    if (web_agent_address(web) != NULL) {
        add_labelled(batch, AGENT_CHECKS, "outcome", "answered", (double)numbers.agent_answered);
        add_labelled(batch, AGENT_CHECKS, "outcome", "silent", (double)numbers.agent_silent);
    }
}

static double start_time(void) {
    static double seconds;
    unsigned long long ticks = 0;
    struct timespec wall, boot;
    char text[1024];
    FILE *file = seconds == 0 ? fopen("/proc/self/stat", "re") : NULL;
    if (file == NULL) {
        return seconds;
    }
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    /* Field 22; the second is the name in parentheses and may hold anything. */
    const char *rest = strrchr(text, ')');
    for (int field = 2; rest != NULL && field < 22; field++) {
        rest = strchr(rest + 1, ' ');
    }
    if (rest == NULL || sscanf(rest, " %llu", &ticks) != 1) {
        return 0;
    }
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    seconds = (double)(wall.tv_sec - boot.tv_sec) + (double)ticks / (double)sysconf(_SC_CLK_TCK);
    return seconds;
}

/* Linux 6.2 and newer tell their number as the size of the folder. */
static double open_descriptors(void) {
    static const char folder[] = "/proc/self/fd";
    struct stat about;
    if (stat(folder, &about) == 0 && about.st_size > 0) {
        return (double)about.st_size;
    }
    int count = -1; /* the folder's own descriptor */
    DIR *directory = opendir(folder);
    if (directory == NULL) {
        return 0;
    }
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        count += entry->d_name[0] != '.' ? 1 : 0;
    }
    closedir(directory);
    return count;
}

/* Each has a folder, and a folder has a link from each folder in it. */
static double threads(void) {
    struct stat about;
    return stat("/proc/self/task", &about) == 0 ? (double)about.st_nlink - 2 : 1;
}

static void add_process(struct batch *batch) {
    struct rusage usage;
    struct rlimit limit;
    unsigned long pages = 0, resident = 0;
    double page_size = (double)sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL) {
        if (fscanf(file, "%lu %lu", &pages, &resident) == 2) {
            add(batch, VIRTUAL, (double)pages * page_size);
            add(batch, RESIDENT, (double)resident * page_size);
        }
        fclose(file);
    }
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        add(batch, CPU_SECONDS,
            (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        add(batch, MAX_FDS, (double)limit.rlim_cur);
    }
    add(batch, OPEN_FDS, open_descriptors());
    add(batch, THREADS, threads());
    add(batch, START_TIME, start_time());
}

static void add_web_config(const struct web_config *config, struct batch *batch) {
    if (config == NULL) {
        return;
    }
    add(batch, WEB_CONFIG_SUCCESSFUL, web_config_is_good(config) ? 1 : 0);
    if (web_config_expires(config) != 0) {
        add(batch, CERTIFICATE_EXPIRY, (double)web_config_expires(config));
    }
}

static void add_config(struct reload_state state, struct batch *batch) {
    add(batch, CONFIG_SUCCESSFUL, state.successful ? 1 : 0);
    add(batch, CONFIG_TIME, (double)state.success_ms / 1000.0);
}

void self_metrics_add(const struct self_sources *sources, struct batch *batch) {
    add_build(batch);
    add_web_config(sources->web_config, batch);
    add_config(reload_state(sources->reload), batch);
    add_targets(sources->sampler, batch);
    add_store(sources->store, batch);
    add_history(sources->store, batch);
    add_loop(sources->loop, batch);
    add(batch, CLOCK_STEPS, (double)sources->clock_steps);
    add(batch, LOG_DROPPED, (double)(log_dropped_lines() + sources->log_lines_lost));
    if (sources->web != NULL) {
        add_web(sources->web, batch);
    }
    if (sources->rules != NULL) {
        self_rules_add(sources->rules, batch);
    }
    add_process(batch);
}
