/* SPDX-License-Identifier: Apache-2.0 */

/* The flags of `dbvitals run`, one row each. */
#include "config/flags.h"

#include <errno.h>
#include <string.h>

#include "config/flag_table.h"

/* A path that may stand in a URL as it is. */
static bool is_url_path(const char *value) {
    for (const char *c = value; *c != '\0'; c++) {
        if (*c <= ' ' || *c == 0x7f || strchr("?#%\\\"<>{}", *c) != NULL) {
            return false;
        }
    }
    return value[0] == '/';
}

static const char *check_path(const char *value) {
    return is_url_path(value) && value[1] != '\0' ? NULL
                                                  : "must be a path such as /metrics, not / itself";
}

static const char *check_prefix(const char *value) {
    size_t length = strlen(value);
    return is_url_path(value) && (length == 1 || value[length - 1] != '/')
               ? NULL
               : "must be a path such as /db, without a slash at its end";
}

static const char *check_url(const char *value) {
    const char *rest = strncmp(value, "http://", 7) == 0    ? value + 7
                       : strncmp(value, "https://", 8) == 0 ? value + 8
                                                            : NULL;
    if (rest == NULL || strspn(rest, "/:?#") != 0 || rest[0] == '\0') {
        return "must be a URL such as https://db1.example.org:9719";
    }
    return rest[strcspn(rest, "?# \t\r\n@")] == '\0'
               ? NULL
               : "must be a URL without user, query and fragment";
}

static const char *check_address(const char *value) {
    return strpbrk(value, ", \t") == NULL ? NULL
                                          : "must be one address (repeat the flag for several)";
}

static const struct flag flag_rows[] = {
    {"--config.file", FLAG_TEXT, offsetof(struct flags, config_file), .argument = "FILE",
     .help = "Configuration file, which must exist. Without this flag /etc/dbvitals/dbvitals.yml "
             "is read if it exists; otherwise what runs on this machine is looked for."},
    {"--web.listen-address", FLAG_LIST, offsetof(struct flags, listen_addresses),
     offsetof(struct flags, n_listen_addresses), FLAGS_MOST_ADDRESSES, .argument = "ADDRESS",
     .fallback = ":9719", .check = check_address,
     .help = "Where to serve: host:port, :port, [v6]:port or unix:/path. Repeatable."},
    {"--web.agent-address", FLAG_LIST, offsetof(struct flags, agent_addresses),
     offsetof(struct flags, n_agent_addresses), FLAGS_MOST_ADDRESSES, .argument = "ADDRESS",
     .check = check_address,
     .help = "Where to answer HAProxy's agent-check, such as 127.0.0.1:9720. Repeatable."},
    {"--web.telemetry-path", FLAG_TEXT, offsetof(struct flags, telemetry_path), .argument = "PATH",
     .fallback = "/metrics", .check = check_path, .help = "Path of the metrics."},
    {"--web.external-url", FLAG_TEXT, offsetof(struct flags, external_url), .argument = "URL",
     .check = check_url,
     .help = "How clients reach this daemon, when it is behind a proxy; otherwise the Host header "
             "of a request tells, and links in alerts have the machine's name."},
    {"--web.route-prefix", FLAG_TEXT, offsetof(struct flags, route_prefix), .argument = "PATH",
     .check = check_prefix, .help = "Prefix of every path, such as /db."},
    {"--web.config.file", FLAG_TEXT, offsetof(struct flags, web_config_file), .argument = "FILE",
     .help = "TLS, users and headers, in the format of Prometheus' exporters."},
    {"--web.enable-lifecycle", FLAG_BOOL, offsetof(struct flags, enable_lifecycle),
     .help = "Allow POST /-/reload and POST /-/log-level."},
    {"--storage.path", FLAG_TEXT, offsetof(struct flags, storage_path), .argument = "DIR",
     .help = "Folder for what must survive a restart, or :memory: to keep nothing. Without this "
             "flag /var/lib/dbvitals is used if it can be written."},
    {"--log.level", FLAG_CHOICE, offsetof(struct flags, log_level), .choices = log_level_names,
     .argument = "LEVEL", .fallback = "info", .help = "error, warn, info or debug."},
    {"--log.format", FLAG_CHOICE, offsetof(struct flags, log_format), .choices = log_format_names,
     .argument = "FORMAT", .fallback = "logfmt",
     .help = "logfmt, json, console or journal "
             "(entries with fields for systemd)."},
    {"--log.file", FLAG_TEXT, offsetof(struct flags, log_file), .argument = "FILE",
     .help = "Write the log to this file instead of stderr. SIGUSR2 opens it anew."},
    {"--log.error-file", FLAG_TEXT, offsetof(struct flags, log_error_file), .argument = "FILE",
     .help = "Write errors to this file as well."},
    {"--log.max-size", FLAG_BYTES, offsetof(struct flags, log_max_bytes), .argument = "SIZE",
     .fallback = "100MiB",
     .help = "Rename a log file before it is larger, and when its day is over; 0 leaves that to "
             "others."},
    {"--log.keep", FLAG_COUNT, offsetof(struct flags, log_keep), .most = FLAGS_MOST_LOG_FILES,
     .argument = "NUMBER", .fallback = "7",
     .help = "How many renamed files to keep of each: FILE.1 is the newest."},
    {"--compat.no-service-names", FLAG_BOOL, offsetof(struct flags, no_service_names),
     .help = "Hide db_pool_usage_percent, db_pool_waiting_connections, db_active_connections, "
             "cache_hits_total and cache_misses_total."},
    {"--help", FLAG_BOOL, offsetof(struct flags, help), .no_environment = true,
     .help = "Print this text; also -h."},
    {"--version", FLAG_BOOL, offsetof(struct flags, version), .no_environment = true,
     .help = "Print the version."},
    {NULL},
};

int flags_parse(int argc, char **argv, struct flags *ret, struct error *err) {
    struct flags flags = {.route_prefix = ""};
    int r = flag_table_parse(flag_rows, argc, argv, &flags, err);
    if (r < 0) {
        return r;
    }
    if (strcmp(flags.route_prefix, "/") == 0) {
        flags.route_prefix = "";
    }
    if (flags.log_file != NULL && flags.log_error_file != NULL &&
        strcmp(flags.log_file, flags.log_error_file) == 0) {
        return error_say(err, -EINVAL, "--log.error-file must be another file than --log.file");
    }
    if (flags.log_format == LOG_FORMAT_JOURNAL &&
        (flags.log_file != NULL || flags.log_error_file != NULL)) {
        return error_say(err, -EINVAL, "--log.format=journal and log files exclude each other");
    }
    *ret = flags;
    return 0;
}

void flags_help(struct strbuf *out) {
    flag_table_help(flag_rows, out);
}
