/* SPDX-License-Identifier: Apache-2.0 */

/* The keys of the configuration file: const tables, one per kind of map. Reading, `check-config`
 * and the documentation come from the same rows. Options of collectors are rows of their own tables
 * (collectors/collector.h) and join the rows of a collector's map when it is read. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum key_type {
    KEY_TEXT,
    KEY_SECRET,      /* a text that is never shown */
    KEY_SECRET_FILE, /* path of a file whose content is a secret */
    KEY_PATH,        /* of a file */
    KEY_CHOICE,
    KEY_BOOL,
    KEY_UNSIGNED,
    KEY_DURATION,
    KEY_BYTES, /* 4096, 64KiB, 256MiB */
    KEY_RATIO, /* 0 to 1; as a number in millionths */
    KEY_MAP,   /* the reader of the section goes on with the node */
    KEY_LIST,
};

enum key_flag {
    KEY_MAY_BE_ZERO = 1,  /* 0 is legal although it is below the least */
    KEY_MAY_BE_EMPTY = 2, /* of KEY_TEXT */
    KEY_MAY_BE_ONE = 4,   /* of KEY_LIST: a text instead of a list with one */
};

struct key {
    const char *name;
    enum key_type type;
    unsigned flags;
    uint64_t least,
        most; /* KEY_UNSIGNED, KEY_BYTES, KEY_DURATION (usec); KEY_TEXT: most bytes, 0: any */
    const char *const *choices; /* of KEY_CHOICE: NULL-terminated */
    const char *fallback;       /* as it would stand in the file; NULL: none */
    const char *inherits;       /* what the documentation names as the default instead */
    const char *help;
};

struct key_section {
    const char *path; /* "targets[]"; "" is the top */
    const struct key *keys;
    size_t n_keys;
};

/* Sections with the indexes of their rows. */
enum {
    TOP_GLOBAL,
    TOP_HISTORY,
    TOP_RULES,
    TOP_NOTIFY,
    TOP_WEB,
    TOP_TARGETS,
    TOP_BREAKERS,
    TOP_FAILOVER,
    TOP_KEY_COUNT
};
extern const struct key_section key_section_top;

enum { GLOBAL_INTERVAL, GLOBAL_TIMEOUT, GLOBAL_LABELS, GLOBAL_KEY_COUNT };
extern const struct key_section key_section_global;

enum { HISTORY_RETENTION, HISTORY_MAX_RETENTION, HISTORY_BYTES, HISTORY_KEY_COUNT };
extern const struct key_section key_section_history;

enum { WEB_ADMIN_USERS, WEB_KEYS_COUNT };
extern const struct key_section key_section_web;

enum { RULES_FILES, RULES_INTERVAL, RULES_PARAMETERS, RULES_KEY_COUNT };
extern const struct key_section key_section_rules;

enum {
    TARGET_KEY_NAME,
    TARGET_KEY_TYPE,
    TARGET_KEY_DSN,
    TARGET_KEY_URL,
    TARGET_KEY_PASSWORD,
    TARGET_KEY_PASSWORD_FILE,
    TARGET_KEY_TLS,
    TARGET_KEY_PROCFS,
    TARGET_KEY_SYSFS,
    TARGET_KEY_ROOTFS,
    TARGET_KEY_FORMAT,
    TARGET_KEY_BASIC_AUTH,
    TARGET_KEY_AUTHORIZATION,
    TARGET_KEY_KEYS,
    TARGET_KEY_PATTERN,
    TARGET_KEY_BREAKERS,
    TARGET_KEY_CACHES,
    TARGET_KEY_STATES,
    TARGET_KEY_CLUSTER,
    TARGET_KEY_JOB,
    TARGET_KEY_LABELS,
    TARGET_KEY_INTERVAL,
    TARGET_KEY_TIMEOUT,
    TARGET_KEY_REQUIRED,
    TARGET_KEY_COLLECTORS,
    TARGET_KEY_DATABASES,
    TARGET_KEY_PARAMETERS,
    TARGET_KEY_FAILOVER_PRIORITY,
    TARGET_KEY_NO_FAILOVER,
    TARGET_KEY_COUNT
};
extern const struct key_section key_section_target;

/* Of a target of type breakers (keys_app.c): the name first, pointers in the order of the fields in
 * sampler/app_options.h, `percent` last. */
enum {
    APP_BREAKER_KEY_NAME,
    APP_BREAKER_KEY_STATE,
    APP_BREAKER_KEY_FAILURES,
    APP_BREAKER_KEY_FAILURE_RATE,
    APP_BREAKER_KEY_LAST_FAILURE,
    APP_BREAKER_KEY_PERCENT,
    APP_BREAKER_KEY_COUNT
};
extern const struct key_section key_section_app_breaker;

enum {
    APP_CACHE_KEY_NAME,
    APP_CACHE_KEY_LAYER,
    APP_CACHE_KEY_HITS,
    APP_CACHE_KEY_MISSES,
    APP_CACHE_KEY_SIZE,
    APP_CACHE_KEY_EVICTIONS,
    APP_CACHE_KEY_HIT_RATE,
    APP_CACHE_KEY_PERCENT,
    APP_CACHE_KEY_COUNT
};
extern const struct key_section key_section_app_cache;

enum {
    TLS_KEY_CA_FILE,
    TLS_KEY_CERT_FILE,
    TLS_KEY_KEY_FILE,
    TLS_KEY_SERVER_NAME,
    TLS_KEY_INSECURE_SKIP_VERIFY,
    TLS_KEY_COUNT
};
extern const struct key_section key_section_tls;

enum { DATABASES_KEY_INCLUDE, DATABASES_KEY_EXCLUDE, DATABASES_KEY_COUNT };
extern const struct key_section key_section_databases;

enum { COLLECTOR_KEY_ENABLED, COLLECTOR_KEY_INTERVAL, COLLECTOR_KEY_TIMEOUT, COLLECTOR_KEY_COUNT };
extern const struct key_section key_section_collector;

/* Below `notify:` (keys_notify.c). */
enum {
    NOTIFY_RESEND_DELAY,
    NOTIFY_ALERTMANAGERS,
    NOTIFY_RELABEL,
    NOTIFY_RECEIVERS,
    NOTIFY_ROUTES,
    NOTIFY_KEY_COUNT
};
extern const struct key_section key_section_notify;

enum {
    ALERTMANAGER_KEY_URL,
    ALERTMANAGER_KEY_PATH_PREFIX,
    ALERTMANAGER_KEY_TIMEOUT,
    ALERTMANAGER_KEY_BASIC_AUTH,
    ALERTMANAGER_KEY_AUTHORIZATION,
    ALERTMANAGER_KEY_TLS,
    ALERTMANAGER_KEY_COUNT
};
extern const struct key_section key_section_alertmanager;

enum {
    RELABEL_KEY_ACTION,
    RELABEL_KEY_SOURCE_LABELS,
    RELABEL_KEY_SEPARATOR,
    RELABEL_KEY_REGEX,
    RELABEL_KEY_TARGET_LABEL,
    RELABEL_KEY_REPLACEMENT,
    RELABEL_KEY_MODULUS,
    RELABEL_KEY_COUNT
};
extern const struct key_section key_section_relabel;

enum { BASIC_AUTH_USERNAME, BASIC_AUTH_PASSWORD, BASIC_AUTH_PASSWORD_FILE, BASIC_AUTH_KEY_COUNT };
extern const struct key_section key_section_basic_auth;

enum {
    AUTHORIZATION_TYPE,
    AUTHORIZATION_CREDENTIALS,
    AUTHORIZATION_CREDENTIALS_FILE,
    AUTHORIZATION_KEY_COUNT
};
extern const struct key_section key_section_authorization;

/* The same rows as key_section_tls, below an Alertmanager or a receiver. */
extern const struct key_section key_section_notify_tls;

/* From RECEIVER_KEY_WEBHOOK on in the order of enum channel_kind. */
enum {
    RECEIVER_KEY_NAME,
    RECEIVER_KEY_WEBHOOK,
    RECEIVER_KEY_SLACK,
    RECEIVER_KEY_PAGERDUTY,
    RECEIVER_KEY_EMAIL,
    RECEIVER_KEY_EXEC,
    RECEIVER_KEY_COUNT
};
extern const struct key_section key_section_receiver;

/* What several kinds of channels have stands first, in the same order. */
enum { CHANNEL_KEY_SEND_RESOLVED, CHANNEL_KEY_TIMEOUT, CHANNEL_KEY_TLS, CHANNEL_KEY_OWN };

enum {
    WEBHOOK_KEY_URL = CHANNEL_KEY_OWN,
    WEBHOOK_KEY_URL_FILE,
    WEBHOOK_KEY_HEADERS,
    WEBHOOK_KEY_BASIC_AUTH,
    WEBHOOK_KEY_AUTHORIZATION,
    WEBHOOK_KEY_COUNT
};
extern const struct key_section key_section_webhook;

enum {
    SLACK_KEY_WEBHOOK_URL = CHANNEL_KEY_OWN,
    SLACK_KEY_WEBHOOK_URL_FILE,
    SLACK_KEY_CHANNEL,
    SLACK_KEY_USERNAME,
    SLACK_KEY_COUNT
};
extern const struct key_section key_section_slack;

enum {
    PAGERDUTY_KEY_ROUTING_KEY = CHANNEL_KEY_OWN,
    PAGERDUTY_KEY_ROUTING_KEY_FILE,
    PAGERDUTY_KEY_URL,
    PAGERDUTY_KEY_COUNT
};
extern const struct key_section key_section_pagerduty;

enum {
    EMAIL_KEY_TO = CHANNEL_KEY_OWN,
    EMAIL_KEY_FROM,
    EMAIL_KEY_SMTP,
    EMAIL_KEY_USERNAME,
    EMAIL_KEY_PASSWORD,
    EMAIL_KEY_PASSWORD_FILE,
    EMAIL_KEY_REQUIRE_TLS,
    EMAIL_KEY_COUNT
};
extern const struct key_section key_section_email;

enum { EXEC_KEY_SEND_RESOLVED, EXEC_KEY_TIMEOUT, EXEC_KEY_COMMAND, EXEC_KEY_COUNT };
extern const struct key_section key_section_exec;

enum {
    ROUTE_KEY_MATCHERS,
    ROUTE_KEY_RECEIVER,
    ROUTE_KEY_GROUP_BY,
    ROUTE_KEY_GROUP_WAIT,
    ROUTE_KEY_GROUP_INTERVAL,
    ROUTE_KEY_REPEAT_INTERVAL,
    ROUTE_KEY_CONTINUE,
    ROUTE_KEY_COUNT
};
extern const struct key_section key_section_route;

/* Below `breakers:` (keys_breakers.c). */
enum {
    BREAKER_KEY_NAME,
    BREAKER_KEY_TARGET,
    BREAKER_KEY_CIRCUIT,
    BREAKER_KEY_GROUP,
    BREAKER_KEY_OPEN_WHEN,
    BREAKER_KEY_RECOVERY,
    BREAKER_KEY_EXPRESSION,
    BREAKER_KEY_INTERVAL,
    BREAKER_KEY_PUBLISH,
    BREAKER_KEY_HOOKS,
    BREAKER_KEY_COUNT
};
extern const struct key_section key_section_breaker;

enum {
    OPEN_WHEN_POOL_UTILISATION,
    OPEN_WHEN_WAITING_CLIENTS,
    OPEN_WHEN_MINIMUM_WAIT,
    OPEN_WHEN_ROUNDS,
    OPEN_WHEN_SHED_FRACTION,
    OPEN_WHEN_SHED_UTILISATION,
    OPEN_WHEN_FAILURE_RATE,
    OPEN_WHEN_SLOW_RATE,
    OPEN_WHEN_SLOW_CALL,
    OPEN_WHEN_WINDOW,
    OPEN_WHEN_MINIMUM_CALLS,
    OPEN_WHEN_CONSECUTIVE_FAILURES,
    OPEN_WHEN_KEY_COUNT
};
extern const struct key_section key_section_open_when;

enum {
    RECOVERY_TIMEOUT,
    RECOVERY_MAX_TIMEOUT,
    RECOVERY_SUCCESSES,
    RECOVERY_FRACTION,
    RECOVERY_CLOSE_UTILISATION,
    RECOVERY_KEY_COUNT
};
extern const struct key_section key_section_recovery;

enum { PUBLISH_TARGET, PUBLISH_KEY_PREFIX, PUBLISH_TTL, PUBLISH_CHANNEL, PUBLISH_KEY_COUNT };
extern const struct key_section key_section_publish;

enum { HOOKS_OPEN, HOOKS_CLOSE, HOOKS_TIMEOUT, HOOKS_KEY_COUNT };
extern const struct key_section key_section_breaker_hooks;

enum {
    FAILOVER_KEY_CLUSTER,
    FAILOVER_KEY_MODE,
    FAILOVER_KEY_INTERVAL,
    FAILOVER_KEY_FAILURES,
    FAILOVER_KEY_QUORUM,
    FAILOVER_KEY_MAX_LAG_BYTES,
    FAILOVER_KEY_MAX_REPLAY_BYTES,
    FAILOVER_KEY_VIEW_MAX_AGE,
    FAILOVER_KEY_RESTART_GRACE,
    FAILOVER_KEY_STARTUP_GRACE,
    FAILOVER_KEY_START_TIMEOUT,
    FAILOVER_KEY_ON_CLEAN_STOP,
    FAILOVER_KEY_UNFENCED,
    FAILOVER_KEY_MAINTENANCE,
    FAILOVER_KEY_HOOKS,
    FAILOVER_KEY_PGBOUNCER,
    FAILOVER_KEY_LOCK,
    FAILOVER_KEY_WITNESS,
    FAILOVER_KEY_COUNT
};
extern const struct key_section key_section_failover;

enum { PGBOUNCER_TARGETS, PGBOUNCER_DATABASES, PGBOUNCER_KEY_COUNT };
extern const struct key_section key_section_failover_pgbouncer;

/* Up to FAILOVER_HOOKS_TIMEOUT in the order of enum hook_event_kind (keys_hooks.c). */
enum {
    FAILOVER_HOOKS_PRE,
    FAILOVER_HOOKS_FENCE,
    FAILOVER_HOOKS_PROMOTE,
    FAILOVER_HOOKS_POST,
    FAILOVER_HOOKS_FAILED,
    FAILOVER_HOOKS_POOL,
    FAILOVER_HOOKS_TIMEOUT,
    FAILOVER_HOOKS_FENCE_TIMEOUT,
    FAILOVER_HOOKS_USER,
    FAILOVER_HOOKS_KEY_COUNT
};
extern const struct key_section key_section_failover_hooks;

enum {
    FAILOVER_LOCK_ETCD,
    FAILOVER_LOCK_PREFIX,
    FAILOVER_LOCK_TTL,
    FAILOVER_LOCK_TLS,
    FAILOVER_LOCK_USER,
    FAILOVER_LOCK_PASSWORD,
    FAILOVER_LOCK_PASSWORD_FILE, /* follows PASSWORD */
    FAILOVER_LOCK_KEY_COUNT
};
extern const struct key_section key_section_failover_lock;
extern const struct key_section key_section_lock_tls; /* rows of TLS_KEY_... */

/* A key as the documentation shows it. */
struct config_key {
    char path[96];        /* "targets[].collectors.<name>.interval" */
    char type[160];       /* "duration, 100ms to 1h" */
    const char *fallback; /* NULL: none */
    const char *help;
};

/* Walks all keys: index from 0. Return: false behind the last. */
bool config_keys(size_t index, struct config_key *ret);

/* The same over a list of sections. */
bool config_keys_of(const struct key_section *const *list, size_t count, size_t index,
                    struct config_key *ret);

/* "a duration such as 10s", for messages. */
const char *key_type_expected(enum key_type type);
