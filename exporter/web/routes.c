/* SPDX-License-Identifier: Apache-2.0 */

#include "web/routes.h"

#include <string.h>
#include <strings.h>

#include "web/api.h"
#include "web/pages.h"

const struct route routes[] = {
    {"/metrics", ROUTE_GET, page_metrics, ROUTE_TELEMETRY},
    {"/metrics/json", ROUTE_GET, page_metrics_json},
    {"/probe", ROUTE_GET, page_probe},
    {"/scrape", ROUTE_GET, page_probe},
    {"/healthz", ROUTE_GET, page_alive},
    {"/-/healthy", ROUTE_GET, page_alive},
    {"/-/ready", ROUTE_GET, page_ready},
    {"/health", ROUTE_GET, page_health},
    {"/health/detailed", ROUTE_GET, page_health_detailed},
    {"/sd", ROUTE_GET, page_service_discovery},
    {"/federate", ROUTE_GET, page_federate},
    {"/", ROUTE_GET, page_landing},
    {"/alerts", ROUTE_GET, page_section},
    {"/rules", ROUTE_GET, page_section},
    {"/targets", ROUTE_GET, page_section},
    {"/targets/", ROUTE_GET | ROUTE_OPTIONS, page_advice, ROUTE_BELOW},
    {"/query", ROUTE_GET, page_query},
    {"/graph", ROUTE_GET, page_query},
    {"/-/reload", ROUTE_POST, page_reload, ROUTE_LIFECYCLE, .changes = ROUTE_POST},
    {"/-/log-level", ROUTE_POST, page_log_level, ROUTE_LIFECYCLE, .changes = ROUTE_POST},
    {"/api/v1/query", ROUTE_GET | ROUTE_POST, api_query},
    {"/api/v1/query_range", ROUTE_GET | ROUTE_POST, api_query_range},
    {"/api/v1/query_exemplars", ROUTE_GET | ROUTE_POST, api_empty_list},
    {"/api/v1/format_query", ROUTE_GET | ROUTE_POST, api_format_query},
    {"/api/v1/series", ROUTE_GET | ROUTE_POST, api_series},
    {"/api/v1/labels", ROUTE_GET | ROUTE_POST, api_labels},
    {"/api/v1/label/", ROUTE_GET, api_label_values, ROUTE_BELOW},
    {"/api/v1/metadata", ROUTE_GET, api_metadata},
    {"/api/v1/alerts", ROUTE_GET, api_alerts},
    {"/api/v1/rules", ROUTE_GET, api_rules},
    {"/api/v1/alertmanagers", ROUTE_GET, api_alertmanagers},
    {"/api/v1/targets", ROUTE_GET, api_targets},
    {"/api/v1/targets/metadata", ROUTE_GET, api_empty_list},
    {"/api/v1/failover", ROUTE_GET | ROUTE_POST, api_failover, .changes = ROUTE_POST,
     .command = "failover"},
    {"/api/v1/failover/witness", ROUTE_GET, api_witness},
    {"/api/v1/parameters", ROUTE_GET, api_parameters},
    {"/api/v1/parameters/", ROUTE_GET | ROUTE_PUT | ROUTE_DELETE, api_parameter, ROUTE_BELOW,
     .changes = ROUTE_PUT | ROUTE_DELETE, .command = "set"},
    {"/api/v1/breakers", ROUTE_GET, api_breakers},
    {API_BREAKERS, ROUTE_POST, api_breaker_report, ROUTE_BELOW | ROUTE_OPEN, .end = API_REPORT},
    {API_BREAKERS, ROUTE_GET | ROUTE_POST, api_breaker, ROUTE_BELOW, .changes = ROUTE_POST,
     .command = "breaker"},
    {"/api/v1/status/buildinfo", ROUTE_GET, api_buildinfo},
    {"/api/v1/status/runtimeinfo", ROUTE_GET, api_runtimeinfo},
    {"/api/v1/status/flags", ROUTE_GET, api_flags},
    {"/api/v1/status/config", ROUTE_GET, api_config},
    {"/api/v1/status/tsdb", ROUTE_GET, api_tsdb},
    {API_PREFIX, ROUTE_GET | ROUTE_POST, api_not_found, ROUTE_BELOW},
    {0},
};

static const char *path_of(const struct web *web, const struct route *route) {
    return (route->flags & ROUTE_TELEMETRY) != 0 ? web->telemetry_path : route->path;
}

static bool path_fits(const struct web *web, const struct route *route, struct str path) {
    if ((route->flags & ROUTE_BELOW) != 0) {
        struct str end = str_of(route->end != NULL ? route->end : "");
        return path.len > strlen(route->path) + end.len && str_starts_with(path, route->path) &&
               str_equal((struct str){path.data + path.len - end.len, end.len}, end);
    }
    return str_is(path, path_of(web, route));
}

/* The telemetry path stands first in the table: it may be "/" and then hides the landing page. */
static const struct route *find(const struct web *web, struct str path) {
    for (const struct route *route = routes; route->path != NULL; route++) {
        if (path_fits(web, route, path)) {
            return route;
        }
    }
    return NULL;
}

unsigned route_method_of(struct str method) {
    static const struct {
        const char *name;
        unsigned method;
    } methods[] = {
        {"GET", ROUTE_GET}, {"HEAD", ROUTE_GET},      {"POST", ROUTE_POST},
        {"PUT", ROUTE_PUT}, {"DELETE", ROUTE_DELETE}, {"OPTIONS", ROUTE_OPTIONS},
    };
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (str_is(method, methods[i].name)) {
            return methods[i].method;
        }
    }
    return 0;
}

/* "/db/metrics" becomes "/metrics", "/db" becomes "". Return: false when the prefix is missing. */
static bool take_prefix_off(const struct web *web, struct str *path) {
    const char *prefix = web->route_prefix;
    size_t len = strlen(prefix);
    if (!str_starts_with(*path, prefix) || (path->len > len && path->data[len] != '/')) {
        return false;
    }
    *path = (struct str){path->data + len, path->len - len};
    return true;
}

size_t routes_most_body_bytes(const struct web *web, struct str target) {
    return take_prefix_off(web, &target) && str_starts_with(target, API_PREFIX)
               ? WEB_MOST_FORM_BYTES
               : WEB_MOST_BODY_BYTES;
}

static void redirect_to_landing(const struct web *web, struct web_answer *ret) {
    ret->status = 302;
    ret->content_type = "text/plain; charset=utf-8";
    strbuf_printf(&ret->text, "the pages are at %s\n", web->landing_url);
    web_answer_header(ret, "Location", web->landing_url);
}

static const char *const allowed_methods[] = {
    [ROUTE_GET] = "GET, HEAD",
    [ROUTE_POST] = "POST",
    [ROUTE_GET | ROUTE_POST] = "GET, HEAD, POST",
    [ROUTE_GET | ROUTE_OPTIONS] = "GET, HEAD, OPTIONS",
    [ROUTE_GET | ROUTE_PUT | ROUTE_DELETE] = "GET, HEAD, PUT, DELETE",
};

static void answer_not_found(const struct web_request *request, struct str path,
                             struct web_answer *ret) {
    struct str shown = web_request_show(request, path);
    const char *near = str_suggest(path, routes, ARRAY_LEN(routes) - 1, sizeof(routes[0]));
    if (near != NULL) {
        web_answer_error(ret, 404, "there is nothing at '%.*s' (did you mean '%s'?)",
                         (int)shown.len, shown.data, near);
    } else {
        web_answer_error(ret, 404, "there is nothing at '%.*s'", (int)shown.len, shown.data);
    }
}

static void answer_wrong_method(const struct web_request *request, const struct route *route,
                                struct web_answer *ret) {
    struct str shown = web_request_show(request, request->method);
    const char *allowed = allowed_methods[route->methods];
    web_answer_error(ret, 405, "'%.*s' is not possible here, only %s", (int)shown.len, shown.data,
                     allowed);
    web_answer_header(ret, "Allow", allowed);
}

static bool is_admin(const struct web *web, const char *user) {
    for (size_t i = 0; user != NULL && i < web->n_admins; i++) {
        if (strcmp(user, web->admins[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* "application/json", with or without parameters. A form of another site, which a browser sends
 * with the password that it remembers, can have none such without asking us first. */
static bool is_json(const struct web_request *request) {
    struct str rest = web_request_header(request, "Content-Type");
    struct str type = str_trim(str_cut(&rest, ';'));
    static const char json[] = "application/json";
    return type.len == sizeof(json) - 1 && strncasecmp(type.data, json, type.len) == 0;
}

enum right { RIGHT_GRANTED, RIGHT_MISSING, RIGHT_NEEDS_JSON };

static enum right find_right(const struct web *web, const struct web_request *request,
                             const struct route *route) {
    bool changes = (route->changes & route_method_of(request->method)) != 0;
    bool open_to_all = (route->flags & ROUTE_LIFECYCLE) != 0 && web->enable_lifecycle;
    if (!changes || open_to_all || request->caller.trusted) {
        return RIGHT_GRANTED;
    }
    if (!is_admin(web, request->user)) {
        return RIGHT_MISSING;
    }
    return is_json(request) ? RIGHT_GRANTED : RIGHT_NEEDS_JSON;
}

static void answer_forbidden(const struct web *web, const struct web_request *request,
                             const struct route *route, struct web_answer *ret) {
    if (request->user != NULL && web->n_admins > 0) {
        struct str shown = web_request_show(request, str_of(request->user));
        web_answer_error(ret, 403,
                         "user '%.*s' may change nothing here: 'web.admin_users' of the "
                         "configuration names who may",
                         (int)shown.len, shown.data);
    } else if ((route->flags & ROUTE_LIFECYCLE) != 0) {
        web_answer_error(ret, 403, "'%s' is switched off: start with --web.enable-lifecycle",
                         route->path);
    } else if (web->control_path != NULL) {
        web_answer_error(ret, 403,
                         "changes are not accepted here: use 'dbvitals %s' on the daemon's host, "
                         "or the socket '%s'",
                         route->command, web->control_path);
    } else {
        web_answer_error(ret, 403,
                         "changes are not accepted here, and the daemon has no storage folder "
                         "with a socket for 'dbvitals %s': start it with --storage.path",
                         route->command);
    }
}

void routes_answer(struct web *web, struct web_request *request, struct web_answer *ret) {
    struct str whole = request->path;
    bool has_prefix = take_prefix_off(web, &request->path) || request->caller.trusted;
    if ((has_prefix && request->path.len == 0) || (!has_prefix && str_is(whole, "/"))) {
        redirect_to_landing(web, ret);
        return;
    }
    enum right right;
    const struct route *route = has_prefix ? find(web, request->path) : NULL;
    if (route == NULL) {
        answer_not_found(request, whole, ret);
    } else if ((route->methods & route_method_of(request->method)) == 0) {
        answer_wrong_method(request, route, ret);
    } else if ((right = find_right(web, request, route)) == RIGHT_MISSING) {
        answer_forbidden(web, request, route, ret);
    } else if (right == RIGHT_NEEDS_JSON) {
        web_answer_error(ret, 415, "changes need 'Content-Type: application/json'");
    } else {
        route->handle(web, request, ret);
    }
}
