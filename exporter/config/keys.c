/* SPDX-License-Identifier: Apache-2.0 */

/* The keys of the configuration file. */
#include "config/keys.h"

#include <stdio.h>

#include "base/duration.h"
#include "base/macros.h"
#include "base/str.h"
#include "collectors/collector.h"
#include "config/config.h"
#include "io/host_options.h"
#include "sampler/app_options.h"

#define INTERVAL_LEAST (100 * USEC_PER_MSEC)
#define INTERVAL_MOST  (3600 * USEC_PER_SEC)
#define TIMEOUT_LEAST  (10 * USEC_PER_MSEC)
#define TIMEOUT_MOST   (3600 * USEC_PER_SEC)
#define RARELY_MOST    (7 * 24 * 3600 * USEC_PER_SEC)

/* Of label values; longer ones are a mistake, or make every page long. */
#define TEXT_MOST 1024

#define PATH_MOST        4095
#define SERVER_NAME_MOST 253

#define HISTORY_LEAST_BYTES ((uint64_t)1024 * 1024)
#define HISTORY_MOST_BYTES  ((uint64_t)64 * 1024 * 1024 * 1024)

static const struct key top_keys[TOP_KEY_COUNT] = {
    [TOP_GLOBAL] = {"global", KEY_MAP, .help = "What holds for all targets."},
    [TOP_HISTORY] = {"history", KEY_MAP,
                     .help = "How much of the past is kept in memory, for rules and queries."},
    [TOP_RULES] = {"rules", KEY_MAP, .help = "Which rules the daemon evaluates itself."},
    [TOP_NOTIFY] = {"notify", KEY_MAP, .help = "Who is told about alerts."},
    [TOP_WEB] = {"web", KEY_MAP, .help = "Who may do what over HTTP."},
    [TOP_TARGETS] = {"targets", KEY_LIST,
                     .help = "The servers to watch. Without any the daemon only serves its own "
                             "metrics."},
    [TOP_BREAKERS] = {"breakers", KEY_LIST,
                      .help = "Circuit breakers that are kept for applications; at most 500 "
                              "(docs/breakers.md)."},
    [TOP_FAILOVER] = {"failover", KEY_LIST,
                      .help = "Clusters whose primaries are watched more closely, at most 200."},
};

static const struct key global_keys[GLOBAL_KEY_COUNT] = {
    [GLOBAL_INTERVAL] = {"interval", KEY_DURATION, 0, INTERVAL_LEAST, INTERVAL_MOST,
                         .fallback = "5s", .help = "How often each target is sampled."},
    [GLOBAL_TIMEOUT] = {"timeout", KEY_DURATION, 0, TIMEOUT_LEAST, TIMEOUT_MOST, .fallback = "3s",
                        .help = "How long one round of one target may take. Statements are cut off "
                                "by the server after a third of it."},
    [GLOBAL_LABELS] = {"labels", KEY_MAP,
                       .help = "External labels: what tells this daemon's notifications and "
                               "pushes from another's. They are not on /metrics."},
};

static const struct key history_keys[HISTORY_KEY_COUNT] = {
    [HISTORY_RETENTION] = {"retention", KEY_DURATION, KEY_MAY_BE_ZERO, 60 * USEC_PER_SEC,
                           RARELY_MOST, .fallback = "1h",
                           .help = "How far back samples are kept; 0s keeps the newest alone, "
                                   "and rules with windows are not evaluated. Metrics that rules "
                                   "look further back at are kept longer, up to 'max_retention'."},
    [HISTORY_MAX_RETENTION] = {"max_retention", KEY_DURATION, 0, 60 * USEC_PER_SEC, RARELY_MOST,
                               .fallback = "6h",
                               .help = "As much is kept for the rules at most: one that looks "
                                       "further back is not evaluated."},
    [HISTORY_BYTES] = {"bytes", KEY_BYTES, 0, HISTORY_LEAST_BYTES, HISTORY_MOST_BYTES,
                       .fallback = "256MiB",
                       .help = "Memory for it at most: above that the oldest samples of all "
                               "series go first."},
};

static const struct key rules_keys[RULES_KEY_COUNT] = {
    [RULES_FILES] = {"files", KEY_LIST, .inherits = "[" CONFIG_DEFAULT_RULES "]",
                     .help = "Patterns of paths of Prometheus rule files. A pattern that matches "
                             "nothing is no error. A relative path begins at the folder of the "
                             "configuration file."},
    [RULES_INTERVAL] = {"interval", KEY_DURATION, 0, INTERVAL_LEAST, INTERVAL_MOST,
                        .fallback = "5s",
                        .help = "How often groups are evaluated that name no interval, and the "
                                "step of subqueries that name none."},
    [RULES_PARAMETERS] = {"parameters", KEY_MAP, .inherits = "as the rules need",
                          .help = "Thresholds of the rules for all targets, by name: "
                                  "replication_lag_seconds: 10. docs/rules.md lists those of the "
                                  "bundled rules; other names are for rules of your own."},
};

static const struct key web_keys[WEB_KEYS_COUNT] = {
    [WEB_ADMIN_USERS] = {"admin_users", KEY_LIST, KEY_MAY_BE_ONE,
                         .help = "Users of the web configuration file who may change something "
                                 "(thresholds) over HTTP, with 'Content-Type: application/json'; "
                                 "at most 64. The socket in the storage folder needs no user."},
};

static const struct key target_keys[TARGET_KEY_COUNT] = {
    [TARGET_KEY_NAME] = {"name", KEY_TEXT,
                         .help = "Unique name: letters, digits, '_', '.', '-', at most 63, "
                                 "beginning with a letter or digit. 'dbvitals' is reserved. It is "
                                 "the label 'target'. Required."},
    [TARGET_KEY_TYPE] = {"type", KEY_CHOICE, .choices = target_kind_names,
                         .help = "What kind of server it is. Required."},
    [TARGET_KEY_DSN] = {"dsn", KEY_TEXT, KEY_MAY_BE_EMPTY,
                        .help = "Address of a postgres or pgbouncer target as libpq takes it: "
                                "postgresql://user@host:5432/database?sslmode=require or "
                                "host=... user=... What it does not say comes from libpq's "
                                "environment variables and defaults."},
    [TARGET_KEY_URL] = {"url", KEY_TEXT,
                        .help = "Address of a redis or sentinel target: redis://user@host:6379, "
                                "rediss://user@host:6379 with TLS, or unix:///path/to/socket. Of a "
                                "breakers target the page (http:// or https://), or such a Redis."},
    [TARGET_KEY_PASSWORD] = {"password", KEY_SECRET,
                             .help = "Password. Better kept in a file or in the environment "
                                     "(${NAME})."},
    [TARGET_KEY_PASSWORD_FILE] = {"password_file", KEY_SECRET_FILE,
                                  .help = "File that holds the password, at most 4 KiB, one "
                                          "newline at its end is left out. A relative path begins "
                                          "at the folder of the configuration file."},
    [TARGET_KEY_TLS] = {"tls", KEY_MAP,
                        .help = "How a redis or sentinel target whose url begins with rediss:// is "
                                "checked, or a breakers target whose url begins with https://. "
                                "PostgreSQL and PgBouncer have sslmode, sslrootcert, "
                                "sslcert and sslkey in their dsn."},
    [TARGET_KEY_PROCFS] = {"procfs", KEY_PATH, 0, 0, PATH_MOST, .fallback = HOST_DEFAULT_PROCFS,
                           .help = "Where the proc file system of a host target is mounted; "
                                   "another place in a container."},
    [TARGET_KEY_SYSFS] = {"sysfs", KEY_PATH, 0, 0, PATH_MOST, .fallback = HOST_DEFAULT_SYSFS,
                          .help = "Where the sysfs of a host target is mounted."},
    [TARGET_KEY_ROOTFS] = {"rootfs", KEY_PATH, 0, 0, PATH_MOST, .fallback = HOST_DEFAULT_ROOTFS,
                           .help = "Where the root of a host target is mounted: its mount points "
                                   "are looked for below it."},
    [TARGET_KEY_FORMAT] = {"format", KEY_CHOICE, .choices = app_format_names,
                           .help = "How the application of a breakers target tells of its breakers "
                                   "(docs/breakers.md). Required there."},
    [TARGET_KEY_BASIC_AUTH] = {"basic_auth", KEY_MAP,
                               .help = "User name and password for the page of a breakers target, "
                                       "as an Alertmanager's."},
    [TARGET_KEY_AUTHORIZATION] = {"authorization", KEY_MAP,
                                  .help = "Or a token for it, as an Alertmanager's."},
    [TARGET_KEY_KEYS] = {"keys", KEY_LIST, KEY_MAY_BE_ONE,
                         .help = "Of format redis: keys that hold a breaker each, at most 1000."},
    [TARGET_KEY_PATTERN] = {"pattern", KEY_TEXT, 0, 0, TEXT_MOST,
                            .help = "Or a pattern of such keys. Each round then looks at all keys "
                                    "of the database with SCAN, about 100,000 at most."},
    [TARGET_KEY_BREAKERS] = {"breakers", KEY_LIST,
                             .help = "Of format json: where the page tells of breakers, at most "
                                     "200."},
    [TARGET_KEY_CACHES] = {"caches", KEY_LIST,
                           .help = "Of format json: where the page tells of caches, at most 200."},
    [TARGET_KEY_STATES] = {"states", KEY_MAP,
                           .help = "Of formats json and redis: what the application's words or "
                                   "numbers for states mean, in any case: {HEALTHY: closed, 3: "
                                   "open}. Meanings are closed, open, half_open, forced_open, "
                                   "disabled, metrics_only; these words, and 0, 1, 2 for the first "
                                   "three, are known without it."},
    [TARGET_KEY_CLUSTER] = {"cluster", KEY_TEXT,
                            .help = "Servers that replicate each other carry the same name here; "
                                    "spelt like a target's name. It is the label 'cluster'."},
    [TARGET_KEY_JOB] = {"job", KEY_TEXT, 0, 0, TEXT_MOST, .inherits = "the type",
                        .help = "Value of the label 'job' for rules and service discovery."},
    [TARGET_KEY_LABELS] = {"labels", KEY_MAP,
                           .help = "Further labels of all samples of this target, at most 16."},
    [TARGET_KEY_INTERVAL] = {"interval", KEY_DURATION, 0, INTERVAL_LEAST, INTERVAL_MOST,
                             .inherits = "global.interval",
                             .help = "How often this target is sampled."},
    [TARGET_KEY_TIMEOUT] = {"timeout", KEY_DURATION, 0, TIMEOUT_LEAST, TIMEOUT_MOST,
                            .inherits = "global.timeout",
                            .help = "How long a round of this target may take."},
    [TARGET_KEY_REQUIRED] = {"required", KEY_BOOL, .fallback = "true",
                             .help = "Whether /health answers 503 while this target is down."},
    [TARGET_KEY_COLLECTORS] = {"collectors", KEY_MAP,
                               .help = "What is asked of this target, by the collectors' names "
                                       "('dbvitals metrics' lists them). '<name>: false' is short "
                                       "for '<name>: {enabled: false}'."},
    [TARGET_KEY_DATABASES] = {"databases", KEY_MAP,
                              .help = "Which databases of a postgres target are visited for what "
                                      "can only be seen from inside (tables, indexes). Without "
                                      "this key only that of the dsn is."},
    [TARGET_KEY_PARAMETERS] = {"parameters", KEY_MAP, .inherits = "rules.parameters",
                               .help = "Thresholds of the rules for this target, as in "
                                       "'rules.parameters'."},
    [TARGET_KEY_FAILOVER_PRIORITY] = {"failover_priority", KEY_UNSIGNED, KEY_MAY_BE_ZERO, 0, 1000,
                                      .fallback = "100",
                                      .help = "Of members of a failover cluster that have the same "
                                              "data the one with the most is the candidate."},
    [TARGET_KEY_NO_FAILOVER] = {"no_failover", KEY_BOOL, .fallback = "false",
                                .help = "This member of a failover cluster is never a candidate."},
};

static const struct key databases_keys[DATABASES_KEY_COUNT] = {
    [DATABASES_KEY_INCLUDE] = {"include", KEY_LIST, .inherits = "[\"*\"]",
                               .help = "Patterns of names to visit, as a shell has them: '*', '?', "
                                       "'[a-z]'; at most 32."},
    [DATABASES_KEY_EXCLUDE] = {"exclude", KEY_LIST, .inherits = "[template0, template1]",
                               .help = "Patterns of names to leave out, at most 32."},
};

static const struct key tls_keys[TLS_KEY_COUNT] = {
    [TLS_KEY_CA_FILE] = {"ca_file", KEY_PATH, 0, 0, PATH_MOST,
                         .inherits = "the system's certificates",
                         .help = "Certificates (PEM) of the authorities to trust, and no others. "
                                 "Paths of certificates begin at the folder of the configuration "
                                 "file; a file that has changed is read again for the next "
                                 "connection."},
    [TLS_KEY_CERT_FILE] = {"cert_file", KEY_PATH, 0, 0, PATH_MOST,
                           .help = "Our certificate and its chain (PEM), for servers that ask for "
                                   "one."},
    [TLS_KEY_KEY_FILE] = {"key_file", KEY_PATH, 0, 0, PATH_MOST,
                          .help = "Private key of 'cert_file' (PEM, without passphrase)."},
    [TLS_KEY_SERVER_NAME] = {"server_name", KEY_TEXT, 0, 0, SERVER_NAME_MOST,
                             .inherits = "the url's host",
                             .help = "Name or address that the server's certificate must be for."},
    [TLS_KEY_INSECURE_SKIP_VERIFY] = {"insecure_skip_verify", KEY_BOOL, .fallback = "false",
                                      .help = "Accept any certificate, and so anybody who answers "
                                              "at the address."},
};

static const struct key collector_keys[COLLECTOR_KEY_COUNT] = {
    [COLLECTOR_KEY_ENABLED] = {"enabled", KEY_BOOL, .inherits = "by collector",
                               .help = "Whether the collector runs."},
    [COLLECTOR_KEY_INTERVAL] = {"interval", KEY_DURATION, KEY_MAY_BE_ZERO, INTERVAL_LEAST,
                                RARELY_MOST, .inherits = "by collector",
                                .help = "How often it runs; 0s is every round of the target."},
    [COLLECTOR_KEY_TIMEOUT] = {"timeout", KEY_DURATION, KEY_MAY_BE_ZERO, TIMEOUT_LEAST,
                               TIMEOUT_MOST, .inherits = "0s",
                               .help = "How long its answer may take before it counts as failed; "
                                       "0s is as long as the round. One of a postgres target that "
                                       "is above a third of the round's runs beside the rounds."},
};

const struct key_section key_section_top = {"", top_keys, TOP_KEY_COUNT};
const struct key_section key_section_global = {"global", global_keys, GLOBAL_KEY_COUNT};
const struct key_section key_section_history = {"history", history_keys, HISTORY_KEY_COUNT};
const struct key_section key_section_rules = {"rules", rules_keys, RULES_KEY_COUNT};
const struct key_section key_section_target = {"targets[]", target_keys, TARGET_KEY_COUNT};
const struct key_section key_section_web = {"web", web_keys, WEB_KEYS_COUNT};
const struct key_section key_section_tls = {"targets[].tls", tls_keys, TLS_KEY_COUNT};
const struct key_section key_section_notify_tls = {"notify.*.tls_config", tls_keys, TLS_KEY_COUNT};
const struct key_section key_section_lock_tls = {"failover[].lock.tls", tls_keys, TLS_KEY_COUNT};
const struct key_section key_section_databases = {"targets[].databases", databases_keys,
                                                  DATABASES_KEY_COUNT};
const struct key_section key_section_collector = {"targets[].collectors.<name>", collector_keys,
                                                  COLLECTOR_KEY_COUNT};

/* In the order of the documentation. */
static const struct key_section *const sections[] = {
    &key_section_top,
    &key_section_global,
    &key_section_history,
    &key_section_rules,
    &key_section_target,
    &key_section_tls,
    &key_section_app_breaker,
    &key_section_app_cache,
    &key_section_databases,
    &key_section_collector,
    &key_section_breaker,
    &key_section_open_when,
    &key_section_recovery,
    &key_section_publish,
    &key_section_breaker_hooks,
    &key_section_notify,
    &key_section_alertmanager,
    &key_section_relabel,
    &key_section_receiver,
    &key_section_webhook,
    &key_section_slack,
    &key_section_pagerduty,
    &key_section_email,
    &key_section_exec,
    &key_section_route,
    &key_section_basic_auth,
    &key_section_authorization,
    &key_section_notify_tls,
    &key_section_web,
    &key_section_failover,
    &key_section_failover_hooks,
    &key_section_failover_pgbouncer,
    &key_section_failover_lock,
    &key_section_lock_tls,
};

static const char *const type_names[] = {
    [KEY_TEXT] = "text",
    [KEY_SECRET] = "text (secret)",
    [KEY_SECRET_FILE] = "path",
    [KEY_PATH] = "path",
    [KEY_CHOICE] = "one of",
    [KEY_BOOL] = "true or false",
    [KEY_UNSIGNED] = "whole number",
    [KEY_DURATION] = "duration",
    [KEY_BYTES] = "size",
    [KEY_RATIO] = "ratio, 0 to 1",
    [KEY_MAP] = "map",
    [KEY_LIST] = "list",
};

const char *key_type_expected(enum key_type type) {
    static const char *const expected[] = {
        [KEY_TEXT] = "a text",
        [KEY_SECRET] = "a text",
        [KEY_SECRET_FILE] = "the path of a file",
        [KEY_PATH] = "the path of a file",
        [KEY_CHOICE] = "a word",
        [KEY_BOOL] = "true or false",
        [KEY_UNSIGNED] = "a whole number",
        [KEY_DURATION] = "a duration such as 500ms, 10s or 1m30s",
        [KEY_BYTES] = "a size such as 4096, 64KiB or 256MiB",
        [KEY_RATIO] = "a ratio from 0 to 1 (80 % is written 0.8)",
        [KEY_MAP] = "a map",
        [KEY_LIST] = "a list",
    };
    return expected[type];
}

static void describe_type(const struct key *key, char *out, size_t size) {
    struct strbuf text = {0};
    char least[32], most[32];
    strbuf_add_text(&text, type_names[key->type]);
    if (key->type == KEY_CHOICE) {
        for (size_t i = 0; key->choices[i] != NULL; i++) {
            strbuf_printf(&text, "%s%s", i != 0 ? ", " : " ", key->choices[i]);
        }
    }
    if (key->type == KEY_UNSIGNED && key->most == 0) {
        strbuf_printf(&text, ", at least %llu", (unsigned long long)key->least);
    } else if (key->type == KEY_UNSIGNED) {
        strbuf_printf(&text, ", %llu to %llu", (unsigned long long)key->least,
                      (unsigned long long)key->most);
    }
    if (key->type == KEY_BYTES) {
        strbuf_printf(&text, ", %lluMiB to %lluMiB", (unsigned long long)(key->least >> 20),
                      (unsigned long long)(key->most >> 20));
    }
    if (key->type == KEY_DURATION) {
        strbuf_printf(&text, ", %s%s to %s", (key->flags & KEY_MAY_BE_ZERO) != 0 ? "0s or " : "",
                      duration_format(key->least, least), duration_format(key->most, most));
    }
    snprintf(out, size, "%s", text.data);
    strbuf_deinit(&text);
}

bool config_keys_of(const struct key_section *const *list, size_t count, size_t index,
                    struct config_key *ret) {
    for (size_t i = 0; i < count; i++) {
        const struct key_section *section = list[i];
        if (index >= section->n_keys) {
            index -= section->n_keys;
            continue;
        }
        const struct key *key = &section->keys[index];
        *ret = (struct config_key){
            .fallback = key->inherits != NULL ? key->inherits : key->fallback,
            .help = key->help,
        };
        snprintf(ret->path, sizeof(ret->path), "%s%s%s", section->path,
                 section->path[0] != '\0' ? "." : "", key->name);
        describe_type(key, ret->type, sizeof(ret->type));
        return true;
    }
    return false;
}

bool config_keys(size_t index, struct config_key *ret) {
    return config_keys_of(sections, ARRAY_LEN(sections), index, ret);
}
