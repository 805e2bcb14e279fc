/* SPDX-License-Identifier: Apache-2.0 */

#include "web/web.h"

#include <errno.h>
#include <string.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "web/agent.h"
#include "web/api_question.h"
#include "web/auth.h"
#include "web/listen.h"
#include "web/pages.h"
#include "web/routes.h"
#include "web/server.h"
#include "web/tls_server.h"

#define DEFAULT_MAX_CONNECTIONS 512
#define DEFAULT_IDLE_SECONDS    30
/* HAProxy asks every two seconds unless it is told otherwise. */
#define LEAVE_USEC (3 * USEC_PER_SEC)

/* "", "/", "db/" and "/db/" become "", "", "/db" and "/db". Owned by the caller. */
static char *clean_prefix(const char *prefix) {
    struct str text = str_drop_end(str_trim(str_of(prefix != NULL ? prefix : "")), '/');
    const char *slash = text.len > 0 && text.data[0] != '/' ? "/" : "";
    return mem_printf("%s%.*s", slash, (int)text.len, text.len > 0 ? text.data : "");
}

/* Takes "https://host:port/prefix" apart. */
static int take_external_url(struct web *web, const char *url, struct error *err) {
    const char *rest = strstr(url, "://");
    size_t scheme_len = rest != NULL ? (size_t)(rest - url) : 0;
    struct str scheme = {url, scheme_len};
    if (!str_is(scheme, "http") && !str_is(scheme, "https")) {
        return error_say(err, -EINVAL,
                         "the external URL '%.150s' must begin with http:// or https://", url);
    }
    rest += strlen("://");
    size_t host_len = strcspn(rest, "/?#");
    if (host_len == 0 || strpbrk(rest, "?# \"<>") != NULL) {
        return error_say(err, -EINVAL, "the external URL '%.150s' must be like https://host/path",
                         url);
    }
    web->external_scheme = mem_strndup(url, scheme_len);
    web->external_host = mem_strndup(rest, host_len);
    web->link_prefix = clean_prefix(rest + host_len);
    return 0;
}

static int take_options(struct web *web, const struct web_options *options, struct error *err) {
    const char *telemetry_path =
        options->telemetry_path != NULL ? options->telemetry_path : "/metrics";
    if (telemetry_path[0] != '/') {
        return error_say(err, -EINVAL, "the telemetry path '%.150s' must begin with '/'",
                         telemetry_path);
    }
    web->telemetry_path = mem_strdup(telemetry_path);
    web->route_prefix = clean_prefix(options->route_prefix);
    web->version = mem_strdup(options->version != NULL ? options->version : "unknown");
    web->revision = mem_strdup(options->revision != NULL ? options->revision : "unknown");
    web->instance = options->instance != NULL ? mem_strdup(options->instance) : NULL;
    web->enable_lifecycle = options->enable_lifecycle;
    web->max_connections =
        options->max_connections != 0 ? options->max_connections : DEFAULT_MAX_CONNECTIONS;
    web->idle_seconds = options->idle_seconds != 0 ? options->idle_seconds : DEFAULT_IDLE_SECONDS;
    if (options->external_url != NULL && options->external_url[0] != '\0') {
        int r = take_external_url(web, options->external_url, err);
        if (r < 0) {
            return r;
        }
    } else {
        bool tls = options->security != NULL && options->security->tls.enabled;
        web->external_scheme = mem_strdup(tls ? "https" : "http");
        web->link_prefix = mem_strdup(web->route_prefix);
    }
    web->landing_url = mem_printf("%s/", web->link_prefix);
    return 0;
}

static void answer(void *userdata, struct web_request *request, struct web_answer *ret) {
    routes_answer(userdata, request, ret);
}

static bool admit(void *userdata, struct web_request *request, struct web_answer *ret) {
    const struct web *web = userdata;
    return auth_admit(web->auth, request, ret);
}

static size_t most_body_bytes(void *userdata, struct str target) {
    return routes_most_body_bytes(userdata, target);
}

/* Takes the listener over. */
static int add_server(struct web *web, struct listener *listener, bool control, struct error *err) {
    const struct server_options options = {
        .loop = web->sources.loop,
        .max_connections = web->max_connections,
        .idle_seconds = web->idle_seconds,
        .control = control,
        .tls = control ? NULL : web->tls,
        .admit = control ? NULL : admit,
        .headers = web->headers,
        .n_headers = &web->n_headers,
        .answer = answer,
        .most_body_bytes = most_body_bytes,
        .userdata = web,
    };
    int r = server_new(&options, listener, &web->servers[web->n_servers], err);
    if (r == 0) {
        web->n_servers++;
    }
    return r;
}

static int open_address(struct web *web, const char *address, struct error *err) {
    struct listener listener;
    int r = listener_open(address, &listener, err);
    return r < 0 ? r : add_server(web, &listener, false, err);
}

static void answer_agent(void *userdata, struct str line, uint64_t peer, struct strbuf *out) {
    struct web *web = userdata;
    agent_answer(&web->agent_memory, web->sources.sampler, line, peer,
                 loop_now_usec(web->sources.loop), out);
}

static int open_agent(struct web *web, const char *address, struct error *err) {
    const struct agent_options options = {
        .loop = web->sources.loop, .answer = answer_agent, .userdata = web};
    struct listener listener;
    int r = listener_open(address, &listener, err);
    if (r == 0) {
        web->agents[web->n_agents++] = agent_new(&options, &listener);
        log_info("web: agent-checks are answered on %s", web_agent_address(web));
    }
    return r;
}

/* A daemon without it still watches, which is what it is for. */
static int open_control(struct web *web, const char *path, struct error *err) {
    struct listener listener;
    struct error why = {0};
    int r = listener_open_control(path, &listener, &why);
    if (r == -EADDRINUSE) {
        return error_say(err, r,
                         "'%.150s' is there and not left over: another daemon uses the same "
                         "storage folder, or it is no socket",
                         path);
    }
    if (r < 0) {
        log_warn("web: %s; nothing can be changed at run time", why.text);
        return 0;
    }
    web->control_path = mem_strdup(path);
    return add_server(web, &listener, true, err);
}

static void leave_is_over(void *userdata) {
    struct web *web = userdata;
    web->left(web->left_userdata);
}

bool web_leave(struct web *web, void (*done)(void *userdata), void *userdata) {
    uint64_t now = loop_now_usec(web->sources.loop);
    if (!agent_leave(&web->agent_memory, now)) {
        return false;
    }
    web->left = done;
    web->left_userdata = userdata;
    loop_timer_set(web->leave_timer, now + LEAVE_USEC);
    return true;
}

/* ---- security ---- */

static void drop_headers(struct web *web) {
    for (size_t i = 0; i < web->n_headers; i++) {
        free(web->headers[i].name);
        free(web->headers[i].value);
    }
    web->n_headers = 0;
}

/* What cannot fail. */
static void take_security(struct web *web, const struct web_security_options *security) {
    drop_headers(web);
    for (size_t i = 0; i < security->n_headers; i++) {
        const struct web_header *header = &security->headers[i];
        web->headers[web->n_headers++] =
            (struct web_header){mem_strdup(header->name), mem_strdup(header->value)};
    }
    auth_set_users(web->auth, security->users, security->n_users);
}

static int begin_security(struct web *web, const struct web_security_options *security,
                          struct error *err) {
    int r = auth_new(web->sources.loop, &web->auth, err);
    if (r < 0 || security == NULL) {
        return r;
    }
    take_security(web, security);
    return security->tls.enabled ? tls_server_new(&security->tls, &web->tls, err) : 0;
}

int web_check_security(const struct web_security_options *security, int64_t *ret_expires,
                       struct error *err) {
    CLEANUP(tls_server_unrefp)
    struct tls_server *tls = NULL;
    int r = security->tls.enabled ? tls_server_new(&security->tls, &tls, err) : 0;
    if (r == 0) {
        *ret_expires = tls != NULL ? tls_server_expires(tls) : 0;
    }
    return r;
}

int web_secure(struct web *web, const struct web_security_options *security, struct error *err) {
    CLEANUP(tls_server_unrefp)
    struct tls_server *tls = NULL;
    if (security->tls.enabled != (web->tls != NULL)) {
        return error_say(err, -EBUSY, "'%.150s': TLS is switched on or off by a restart alone",
                         security->path);
    }
    int r = security->tls.enabled ? tls_server_new(&security->tls, &tls, err) : 0;
    if (r < 0) {
        return r;
    }
    take_security(web, security);
    for (size_t i = 0; tls != NULL && i < web->n_servers; i++) {
        server_set_tls(web->servers[i], tls);
    }
    tls_server_unref(web->tls);
    web->tls = take_ptr(tls);
    return 0;
}

static void drop_admins(struct web *web) {
    for (size_t i = 0; i < web->n_admins; i++) {
        free(web->admins[i]);
    }
    free(web->admins);
    web->admins = NULL;
    web->n_admins = 0;
}

void web_set_admins(struct web *web, const char *const *names, size_t count) {
    drop_admins(web);
    web->admins = mem_array(count, sizeof(*web->admins));
    for (size_t i = 0; i < count; i++) {
        web->admins[web->n_admins++] = mem_strdup(names[i]);
        if (!auth_has_user(web->auth, names[i])) {
            log_warn("web.admin_users: there is no user '%.100s' in the web configuration file",
                     names[i]);
        }
    }
}

/* ---- life ---- */

int web_new(const struct web_options *options, const struct web_sources *sources, struct web **ret,
            struct error *err) {
    static const char *const default_addresses[] = {WEB_DEFAULT_ADDRESS};
    const char *const *addresses = options->listen_addresses;
    size_t n_addresses = options->n_listen_addresses;
    if (n_addresses == 0) {
        addresses = default_addresses;
        n_addresses = ARRAY_LEN(default_addresses);
    }
    CLEANUP(web_freep)
    struct web *web = mem_alloc(sizeof(*web));
    web->sources = *sources;
    web->servers = mem_array(n_addresses + 1, sizeof(struct server *));
    web->agents = mem_array(options->n_agent_addresses, sizeof(struct agent *));
    web->leave_timer = loop_timer_new(sources->loop, leave_is_over, web);
    web->start_ms = loop_now_ms(sources->loop);
    web->api = api_new(sources->loop);
    web->prepare = loop_deferred_new(sources->loop, metrics_prepare, web);
    int r = take_options(web, options, err);
    r = r < 0 ? r : begin_security(web, options->security, err);
    for (size_t i = 0; r == 0 && i < n_addresses; i++) {
        r = open_address(web, addresses[i], err);
    }
    for (size_t i = 0; r == 0 && i < options->n_agent_addresses; i++) {
        r = open_agent(web, options->agent_addresses[i], err);
    }
    if (r == 0 && options->control_path != NULL) {
        r = open_control(web, options->control_path, err);
    }
    if (r < 0) {
        return r;
    }
    *ret = take_ptr(web);
    return 0;
}

struct web *web_free(struct web *web) {
    if (web == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < web->n_servers; i++) {
        server_free(web->servers[i]);
    }
    for (size_t i = 0; i < web->n_agents; i++) {
        agent_free(web->agents[i]);
    }
    loop_timer_free(web->leave_timer);
    metrics_drop_waiting(web);
    auth_free(web->auth);
    tls_server_unref(web->tls);
    drop_headers(web);
    drop_admins(web);
    api_free(web->api);
    loop_deferred_free(web->prepare);
    free(web->servers);
    free(web->agents);
    free(web->version);
    free(web->revision);
    free(web->external_host);
    free(web->external_scheme);
    free(web->link_prefix);
    free(web->landing_url);
    free(web->instance);
    free(web->telemetry_path);
    free(web->control_path);
    free(web->route_prefix);
    free(web);
    return NULL;
}

const char *web_address(const struct web *web) {
    return server_address(web->servers[0]);
}

const char *web_agent_address(const struct web *web) {
    return web->n_agents > 0 ? agent_address(web->agents[0]) : NULL;
}

struct web_numbers web_numbers(const struct web *web) {
    struct web_numbers sum = {0};
    for (size_t i = 0; i < web->n_servers; i++) {
        struct server_numbers one = server_numbers(web->servers[i]);
        sum.requests += one.requests;
        sum.refused += one.refused;
        sum.connections += one.connections;
        for (size_t class = 0; class < ARRAY_LEN(sum.by_class); class ++) {
            sum.by_class[class] += one.by_class[class];
        }
    }
    for (size_t i = 0; i < web->n_agents; i++) {
        struct agent_numbers one = agent_numbers(web->agents[i]);
        sum.agent_answered += one.answered;
        sum.agent_silent += one.silent;
    }
    return sum;
}
