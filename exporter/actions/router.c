/* SPDX-License-Identifier: Apache-2.0 */

#include "actions/router.h"

#include <stdlib.h>

#include "base/duration.h"
#include "base/mem.h"

/* ---- texts ---- */

static void add_quoted(struct strbuf *out, struct str text) {
    strbuf_add_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '"' || c == '\\') {
            strbuf_add_char(out, '\\');
        }
        if (c == '\n') {
            strbuf_add_text(out, "\\n");
        } else {
            strbuf_add_char(out, c);
        }
    }
    strbuf_add_char(out, '"');
}

static void add_matchers(struct strbuf *out, const struct route_options *route) {
    strbuf_add_char(out, '{');
    for (size_t i = 0; i < route->n_matchers; i++) {
        const struct matcher *matcher = &route->matchers[i];
        strbuf_add_text(out, i > 0 ? "," : "");
        strbuf_add_str(out, matcher->name);
        strbuf_add_text(out, matcher_type_texts[matcher->type]);
        add_quoted(out, matcher->value);
    }
    strbuf_add_char(out, '}');
}

void router_group_key(const struct router_route *route, const struct label *group_labels,
                      size_t n_group_labels, struct strbuf *out) {
    strbuf_add_str(out, route->identity);
    strbuf_add_text(out, ":{");
    for (size_t i = 0; i < n_group_labels; i++) {
        strbuf_add_text(out, i > 0 ? ", " : "");
        strbuf_add_str(out, group_labels[i].name);
        strbuf_add_char(out, '=');
        add_quoted(out, group_labels[i].value);
    }
    strbuf_add_char(out, '}');
}

/* ---- making ---- */

size_t router_find(const struct router *router, struct str identity) {
    size_t i = 0;
    while (i < router->n_routes && !str_equal(router->routes[i].identity, identity)) {
        i++;
    }
    return i;
}

static struct str make_identity(struct router *router, const struct notify_options *options,
                                const struct route_options *route) {
    struct strbuf text = {0};
    add_matchers(&text, route);
    strbuf_add_char(&text, '/');
    strbuf_add_text(&text, options->receivers[route->receiver].name);
    size_t len = text.len;
    for (unsigned again = 2; router_find(router, strbuf_view(&text)) < router->n_routes; again++) {
        text.len = len;
        strbuf_printf(&text, "#%u", again);
    }
    struct str identity = arena_dup(&router->arena, strbuf_view(&text));
    strbuf_deinit(&text);
    return identity;
}

static void copy_matchers(struct router *router, const struct route_options *from,
                          struct router_route *ret) {
    struct arena *arena = &router->arena;
    ret->matchers = arena_array(arena, from->n_matchers + 1, sizeof(*ret->matchers));
    ret->n_matchers = from->n_matchers;
    for (size_t i = 0; i < from->n_matchers; i++) {
        ret->matchers[i] = (struct matcher){
            .type = from->matchers[i].type,
            .name = arena_dup(arena, from->matchers[i].name),
            .value = arena_dup(arena, from->matchers[i].value),
        };
        /* It was prepared once already, so it can be prepared again. */
        if (matcher_prepare(&ret->matchers[i], NULL) < 0) {
            abort();
        }
    }
}

static int64_t ms_of(uint64_t usec) {
    return (int64_t)(usec / USEC_PER_MSEC);
}

static void add_route(struct router *router, const struct notify_options *options,
                      const struct route_options *from) {
    struct router_route route = {
        .identity = make_identity(router, options, from),
        .receiver = from->receiver,
        .n_group_by = from->n_group_by,
        .group_by_all = from->group_by_all,
        .group_wait_ms = ms_of(from->group_wait_usec),
        .group_interval_ms = ms_of(from->group_interval_usec),
        .repeat_interval_ms = ms_of(from->repeat_interval_usec),
        .go_on = from->go_on,
    };
    copy_matchers(router, from, &route);
    route.group_by = arena_array(&router->arena, from->n_group_by + 1, sizeof(*route.group_by));
    for (size_t i = 0; i < from->n_group_by; i++) {
        route.group_by[i] = arena_dup(&router->arena, str_of(from->group_by[i]));
    }
    router->routes[router->n_routes++] = route;
}

struct router *router_new(const struct notify_options *options) {
    struct router *router = mem_alloc(sizeof(*router));
    router->routes = arena_array(&router->arena, options->n_routes + 1, sizeof(*router->routes));
    for (size_t i = 0; i < options->n_routes; i++) {
        add_route(router, options, &options->routes[i]);
    }
    return router;
}

struct router *router_free(struct router *router) {
    if (router == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < router->n_routes; i++) {
        for (size_t k = 0; k < router->routes[i].n_matchers; k++) {
            matcher_deinit(&router->routes[i].matchers[k]);
        }
    }
    arena_deinit(&router->arena);
    free(router);
    return NULL;
}

/* ---- asking ---- */

static struct str value_of(const struct label *labels, size_t n_labels, struct str name) {
    for (size_t i = 0; i < n_labels; i++) {
        if (str_equal(labels[i].name, name)) {
            return labels[i].value;
        }
    }
    return str_of("");
}

static bool takes(const struct router_route *route, const struct label *labels, size_t n_labels) {
    for (size_t i = 0; i < route->n_matchers; i++) {
        const struct matcher *matcher = &route->matchers[i];
        if (matcher_holds(matcher, value_of(labels, n_labels, matcher->name)) != 1) {
            return false;
        }
    }
    return true;
}

size_t router_match(const struct router *router, const struct label *labels, size_t n_labels,
                    size_t *ret) {
    size_t n = 0;
    for (size_t i = 0; i < router->n_routes; i++) {
        if (takes(&router->routes[i], labels, n_labels)) {
            ret[n++] = i;
            if (!router->routes[i].go_on) {
                break;
            }
        }
    }
    return n;
}

static bool groups_by(const struct router_route *route, struct str name) {
    for (size_t i = 0; i < route->n_group_by; i++) {
        if (str_equal(route->group_by[i], name)) {
            return true;
        }
    }
    return route->group_by_all;
}

size_t router_group_labels(const struct router_route *route, const struct label *labels,
                           size_t n_labels, struct label *ret) {
    size_t n = 0;
    for (size_t i = 0; i < n_labels; i++) {
        if (labels[i].value.len > 0 && groups_by(route, labels[i].name)) {
            ret[n++] = labels[i];
        }
    }
    return n;
}
