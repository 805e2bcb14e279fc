/* SPDX-License-Identifier: Apache-2.0 */

#include "io/pg_hosts.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"

#define MOST_HOSTS 32
/* The owner's deadline is what counts; a worker needs one of its own. */
#define RESOLVE_USEC ((uint64_t)15 * 1000 * 1000)

struct host {
    struct pg_hosts *hosts;
    struct str name, port; /* borrowed from params */
    struct resolve_request *request;
    struct resolve_answer answer; /* n_addresses 0: pass the name through, or it failed */
    bool failed;
};

struct pg_hosts {
    struct loop_deferred *deferred;
    void (*done)(void *userdata, const struct pg_params *params, const struct error *err);
    void *userdata;
    struct pg_params params;
    struct host *list;
    size_t count, n_pending;
    struct error err;
};

static size_t count_items(const char *list) {
    size_t count = 1;
    for (const char *p = list; *p != '\0'; p++) {
        count += *p == ',';
    }
    return count;
}

/* Fills the list when there is something to resolve in it; what libpq will refuse is left to it. */
static void split_hosts(struct pg_hosts *hosts) {
    const char *names = pg_params_get(&hosts->params, "host");
    const char *ports = pg_params_get(&hosts->params, "port");
    if (names == NULL || pg_params_get(&hosts->params, "hostaddr") != NULL) {
        return;
    }
    size_t n_names = count_items(names), n_ports = count_items(ports != NULL ? ports : "");
    if (n_names > MOST_HOSTS || (n_ports != 1 && n_ports != n_names)) {
        return;
    }
    struct str name_list = str_of(names), port_list = str_of(ports != NULL ? ports : "");
    struct str port = str_cut(&port_list, ',');
    hosts->list = mem_array(n_names, sizeof(*hosts->list));
    for (size_t i = 0; i < n_names; i++) {
        hosts->list[i] =
            (struct host){.hosts = hosts, .name = str_trim(str_cut(&name_list, ',')), .port = port};
        if (n_ports != 1) {
            port = str_cut(&port_list, ',');
        }
    }
    hosts->count = n_names;
}

/* Socket directories, abstract sockets, the default (no name) and addresses need no resolver. */
static bool needs_lookup(const char *name) {
    struct resolve_address address;
    return name[0] != '\0' && name[0] != '/' && name[0] != '@' &&
           !resolve_literal(name, 0, &address);
}

static void add_host(const struct host *host, const char *address, struct strbuf lists[3]) {
    const struct str values[3] = {host->name, str_of(address), host->port};
    for (size_t i = 0; i < 3; i++) {
        strbuf_add_str(&lists[i], values[i]);
        strbuf_add_char(&lists[i], ',');
    }
}

/* Writes host, hostaddr and port anew. Return: false when no host is left. */
static bool expand(struct pg_hosts *hosts) {
    static const char *const keywords[3] = {"host", "hostaddr", "port"};
    struct strbuf lists[3] = {{0}};
    for (size_t i = 0; i < hosts->count; i++) {
        const struct host *host = &hosts->list[i];
        if (!host->failed && host->answer.n_addresses == 0) {
            add_host(host, "", lists);
        }
        for (size_t k = 0; k < host->answer.n_addresses; k++) {
            add_host(host, host->answer.addresses[k].text, lists);
        }
    }
    bool any = lists[0].len != 0;
    for (size_t i = 0; i < 3; i++) {
        CLEANUP(mem_freep)
        char *list = strbuf_take(&lists[i]);
        if (any) {
            list[strlen(list) - 1] = '\0'; /* the last comma */
            pg_params_set(&hosts->params, keywords[i], list);
        }
    }
    return any;
}

static void finish(struct pg_hosts *hosts) {
    bool usable = hosts->err.code != -EINVAL && (hosts->count == 0 || expand(hosts));
    hosts->done(hosts->userdata, usable ? &hosts->params : NULL, usable ? NULL : &hosts->err);
}

static void on_deferred(void *userdata) {
    finish(userdata);
}

static void on_resolved(void *userdata, const struct resolve_answer *answer,
                        const struct error *err) {
    struct host *host = userdata;
    struct pg_hosts *hosts = host->hosts;
    host->request = NULL;
    if (answer != NULL) {
        host->answer = *answer;
    } else {
        host->failed = true;
        error_say(&hosts->err, err->code == -EINVAL ? -EHOSTUNREACH : err->code, "%s", err->text);
    }
    if (--hosts->n_pending == 0) {
        finish(hosts);
    }
}

static void start_lookups(struct pg_hosts *hosts, struct loop *loop, struct resolver *resolver) {
    for (size_t i = 0; i < hosts->count; i++) {
        struct host *host = &hosts->list[i];
        CLEANUP(mem_freep)
        char *name = mem_strndup(host->name.data, host->name.len);
        if (needs_lookup(name)) {
            hosts->n_pending++;
            host->request = resolver_lookup(resolver, name, 0, loop_now_usec(loop) + RESOLVE_USEC,
                                            on_resolved, host);
        }
    }
    if (hosts->n_pending == 0) {
        hosts->count = 0; /* nothing changes */
    }
}

/* What every connection of ours has unless its DSN says otherwise. Nothing else is sent at
 * start-up: older servers and poolers refuse what they do not know. */
static void set_defaults(struct pg_params *params, bool sql_ascii) {
    pg_params_default(params, "fallback_application_name", "dbvitals");
    pg_params_set(params, "client_encoding", sql_ascii ? "SQL_ASCII" : "UTF8");
    pg_params_default(params, "keepalives_idle", "10");
    pg_params_default(params, "keepalives_interval", "5");
    pg_params_default(params, "keepalives_count", "3");
    pg_params_default(params, "tcp_user_timeout", "20000");
}

struct pg_hosts *pg_hosts_new(struct loop *loop, struct resolver *resolver,
                              const struct pg_options *options,
                              void (*done)(void *userdata, const struct pg_params *params,
                                           const struct error *err),
                              void *userdata) {
    struct pg_hosts *hosts = mem_alloc(sizeof(*hosts));
    hosts->done = done;
    hosts->userdata = userdata;
    hosts->deferred = loop_deferred_new(loop, on_deferred, hosts);
    if (pg_params_load(options, &hosts->params, &hosts->err) == 0) {
        set_defaults(&hosts->params, options->sql_ascii);
        split_hosts(hosts);
        start_lookups(hosts, loop, resolver);
    }
    if (hosts->n_pending == 0) {
        loop_deferred_arm(hosts->deferred);
    }
    return hosts;
}

struct pg_hosts *pg_hosts_free(struct pg_hosts *hosts) {
    if (hosts == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < hosts->count; i++) {
        resolve_request_free(hosts->list[i].request);
    }
    loop_deferred_free(hosts->deferred);
    pg_params_deinit(&hosts->params);
    free(hosts->list);
    free(hosts);
    return NULL;
}
