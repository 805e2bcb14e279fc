/* SPDX-License-Identifier: Apache-2.0 */

/* The HTTP side: a server per listen address, a table of routes, and handlers that answer from what
 * the other layers know, never by asking a database. What changes something is handed to app. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "circuits/circuits.h"
#include "io/loop.h"
#include "rules/parameters.h"
#include "rules/rules.h"
#include "sampler/sampler.h"
#include "store/store.h"
#include "web/security_options.h"

#define WEB_DEFAULT_ADDRESS ":9719"
#define WEB_CONTROL_SOCKET  "control.sock" /* its name in the storage folder */

struct web_options {
    const char *const *listen_addresses; /* "host:port", ":port", "[v6]:port", "unix:/path" */
    size_t n_listen_addresses;
    const char *const *agent_addresses; /* for HAProxy's agent-check, written likewise */
    size_t n_agent_addresses;
    const char *telemetry_path; /* "/metrics" */
    const char *external_url;   /* NULL: what the client's Host header says */
    const char *route_prefix;   /* "" or "/db": stands before every path */
    const char *control_path;   /* of the socket that takes changes; NULL: none is made */
    const char *instance;       /* of our own series; NULL: where a request reached us */
    /* Who may ask, and TLS; not on the control socket. NULL: anybody, without. */
    const struct web_security_options *security;
    bool enable_lifecycle; /* POST /-/reload and /-/log-level */
    const char *version;   /* of the daemon; NULL: "unknown" */
    const char *revision;
    unsigned max_connections; /* 0: 512, per address */
    unsigned idle_seconds;    /* 0: 30; a silent connection is closed, a slow one soon after */
};

/* What a reload came to; text is one line for people (with the place of an error). */
struct web_reload_result {
    bool ok;
    const char *text;
};

/* What became of a change that somebody asked for. */
struct web_change_result {
    bool refused;    /* nothing has changed; reason says why */
    bool persistent; /* on the disk; if it is not, reason says why */
    const char *reason;
};

/* A parameter of the rules that is to have another value, and who says so. */
struct web_parameter_change {
    struct parameter_change change;
    const char *user; /* over HTTP, by name; NULL: over the control socket */
    unsigned uid;
    int pid;
};

/* An operator's word on a breaker, and who says so. */
struct web_breaker_order {
    struct str name; /* of a breaker that there is */
    enum breaker_event event;
    unsigned uid;
    int pid;
};

/* What only app can do. */
struct web_actions {
    /* Begins a reload; done() is called exactly once, maybe before this returns. */
    void (*reload)(void *userdata,
                   void (*done)(void *done_userdata, const struct web_reload_result *result),
                   void *done_userdata);
    /* Adds the configuration with all defaults and without secrets; NULL: there is none. */
    void (*print_config)(void *userdata, struct strbuf *out);
    /* Whether the last reload succeeded, and when one did last. */
    void (*reload_state)(void *userdata, bool *ret_ok, int64_t *ret_success_ms);
    /* Whether a parameter may be changed: it is bundled, configured, or a rule reads it. */
    bool (*knows_parameter)(void *userdata, struct str name);
    /* Makes a change; done() is called exactly once, maybe before this returns. */
    void (*change_parameter)(void *userdata, const struct web_parameter_change *change,
                             void (*done)(void *done_userdata,
                                          const struct web_change_result *result),
                             void *done_userdata);
    /* Carries an order out; done() as above. */
    void (*order_breaker)(void *userdata, const struct web_breaker_order *order,
                          void (*done)(void *done_userdata, const struct web_change_result *result),
                          void *done_userdata);
    /* Brings the daemon's own samples up to date if they are older than a second. */
    void (*refresh_self)(void *userdata);
    /* The labels that tell this daemon from others (global.labels). NULL: it has none.
     * Return: how many. */
    size_t (*external_labels)(void *userdata, const struct target_label **ret);
    /* URL of the API of the Alertmanager with this index, without credentials; behind the last one
     * NULL. NULL: there are none. */
    const char *(*alertmanager)(void *userdata, size_t index);
    void *userdata;
};

struct watch;

struct web_sources {
    struct loop *loop;
    struct store *store;
    const struct sampler *sampler;
    const struct rules *rules; /* NULL: there are none */
    const struct parameters *parameters;
    bool keeps_parameters;     /* over a restart, and orders to breakers */
    struct circuits *circuits; /* NULL: there are none. Asking and reporting change them */
    struct watch *watch;       /* over primaries; NULL: there is none. Asking makes it probe */
    struct store_source *self; /* the daemon's own series, target "dbvitals" */
    struct web_actions actions;
};

struct web;

/* Opens all addresses. -EADDRINUSE says which address and, where /proc tells, who holds it.
 * Return: 0 or negative errno. */
int web_new(const struct web_options *options, const struct web_sources *sources, struct web **ret,
            struct error *err);

/* Closes listening sockets and connections. */
struct web *web_free(struct web *web);
DEFINE_CLEANUP(struct web, web_free);

/* The first address as bound, "127.0.0.1:9719": after port 0. */
const char *web_address(const struct web *web);

/* The same of the agents; NULL: there are none. */
const char *web_agent_address(const struct web *web);

/* Before web_free(): HAProxy is told that servers for reads which it takes for down by our word are
 * up, when it asks again. Return: false when nobody has to be told; else done() is called once, in
 * three seconds. */
bool web_leave(struct web *web, void (*done)(void *userdata), void *userdata);

/* Has other users, headers and certificates from now on; connections that are there keep their
 * certificate. TLS itself stays on or off as it was at the start. Return: 0, or negative errno with
 * the place of what is wrong, and nothing has changed. */
int web_secure(struct web *web, const struct web_security_options *security, struct error *err);

/* Whether it would work. *ret_expires: when the certificate ends, in Unix time; 0 without TLS. */
int web_check_security(const struct web_security_options *security, int64_t *ret_expires,
                       struct error *err);

/* The users who may change something over HTTP. Copies the names. */
void web_set_admins(struct web *web, const char *const *names, size_t count);

struct web_numbers {
    uint64_t requests;    /* since start */
    uint64_t refused;     /* above the limit of connections */
    unsigned connections; /* open now */
    uint64_t by_class[6]; /* by hundreds of the status: [2] is 2xx */
    uint64_t agent_answered,
        agent_silent; /* connections of agent-checks that got a line, or none */
};
struct web_numbers web_numbers(const struct web *web);

/* Where others reach us, as far as that is known before they do: the external URL, or http:// with
 * the machine's name, the port of the first address that has one, and the prefix. Return: the
 * caller's, without a '/' at its end. */
char *web_own_url(const struct web_options *options, const char *machine);

/* "host:port" of such a URL. */
struct str web_url_host(const char *url);

/* Splits "host:port" (host may be empty or in brackets). Return: 0 or -EINVAL with a sentence. */
int web_address_parse(const char *address, char ret_host[256], uint16_t *ret_port,
                      struct error *err);
