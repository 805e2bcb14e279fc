/* SPDX-License-Identifier: Apache-2.0 */

/* The map `notify:`: Alertmanagers and routes. Receivers are in parse_receiver.c. */
#include "config/parse_notify.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/quote.h"

#define MOST_MATCHERS 32
#define MOST_GROUP_BY 32

char *notify_text(const struct key_value *value) {
    return value->text.data != NULL ? mem_strndup(value->text.data, value->text.len) : NULL;
}

int notify_list(struct reader *reader, const struct yaml_node *list, size_t most,
                const char *what) {
    return list->n_items > most ? error_set(reader->err, -E2BIG, list->at,
                                            "%zu %s are more than %zu", list->n_items, what, most)
                                : 0;
}

int notify_missing(struct reader *reader, const struct yaml_node *map, const char *key) {
    return error_set(reader->err, -EINVAL, map->at, "'%s' is missing", key);
}

/* Of "host:port", "[::1]:port" or without a port. */
static bool has_good_port(struct str authority) {
    for (size_t i = authority.len; i > 0 && authority.data[i - 1] != ']'; i--) {
        if (authority.data[i - 1] == ':') {
            struct str digits = {authority.data + i, authority.len - i};
            uint64_t port;
            return str_to_uint64(digits, &port) && port >= 1 && port <= 65535;
        }
    }
    return true;
}

/* Whether it is "SCHEME://HOST..." without spaces, user or password; first or second scheme. */
int notify_check_url(struct reader *reader, const char *key, struct str url, struct position at,
                     const char *first, const char *second) {
    const char *scheme = str_starts_with(url, first) ? first : second;
    if (!str_starts_with(url, scheme)) {
        return error_set(reader->err, -EINVAL, at, "'%s' must begin with %s or %s", key, first,
                         second);
    }
    struct str rest = {url.data + strlen(scheme), url.len - strlen(scheme)};
    size_t host = 0;
    while (host < rest.len && strchr("/?#", rest.data[host]) == NULL) {
        host++;
    }
    if (host == 0 || memchr(rest.data, '@', host) != NULL) {
        return error_set(reader->err, -EINVAL, at,
                         host == 0 ? "'%s' names no host"
                                   : "'%s' holds a user or a password: they have keys of their own",
                         key);
    }
    if (!has_good_port((struct str){rest.data, host})) {
        return error_set(reader->err, -EINVAL, at, "'%s' has a port that is none", key);
    }
    for (size_t i = 0; i < rest.len; i++) {
        if ((unsigned char)rest.data[i] <= ' ' || (unsigned char)rest.data[i] == 0x7f) {
            return error_set(reader->err, -EINVAL, at, "'%s' has spaces or control characters",
                             key);
        }
    }
    return 0;
}

static int read_basic_auth(struct reader *reader, const struct yaml_node *map,
                           struct http_options *ret) {
    struct key_value values[BASIC_AUTH_KEY_COUNT];
    const char *password = NULL;
    int r = reader_section(reader, &key_section_basic_auth, map, values);
    if (r == 0) {
        r = config_find_secret(reader, &key_section_basic_auth, values, BASIC_AUTH_PASSWORD,
                               &password);
    }
    if (r < 0) {
        return r;
    }
    if (!values[BASIC_AUTH_USERNAME].given) {
        return notify_missing(reader, map, "username");
    }
    ret->user = notify_text(&values[BASIC_AUTH_USERNAME]);
    ret->password = mem_strdup(password != NULL ? password : "");
    return 0;
}

static int read_authorization(struct reader *reader, const struct yaml_node *map,
                              struct http_options *ret) {
    struct key_value values[AUTHORIZATION_KEY_COUNT];
    const char *credentials = NULL;
    int r = reader_section(reader, &key_section_authorization, map, values);
    if (r == 0) {
        r = config_find_secret(reader, &key_section_authorization, values,
                               AUTHORIZATION_CREDENTIALS, &credentials);
    }
    if (r < 0) {
        return r;
    }
    if (credentials == NULL) {
        return notify_missing(reader, map, "credentials");
    }
    ret->scheme = notify_text(&values[AUTHORIZATION_TYPE]);
    ret->credentials = mem_strdup(credentials);
    return 0;
}

int notify_read_auth(struct reader *reader, const struct key_value *basic,
                     const struct key_value *authorization, struct http_options *ret) {
    if (basic->node != NULL && authorization->node != NULL) {
        return error_set(reader->err, -EINVAL, authorization->at,
                         "both 'basic_auth' and 'authorization' are given, and one is enough");
    }
    int r = basic->node != NULL ? read_basic_auth(reader, basic->node, ret) : 0;
    if (r == 0 && authorization->node != NULL) {
        r = read_authorization(reader, authorization->node, ret);
    }
    return r;
}

/* ---- Alertmanagers ---- */

/* The url with the path before the API, and one slash between both. */
static char *join_prefix(struct str url, struct str prefix) {
    url = str_drop_end(url, '/');
    while (prefix.len > 0 && prefix.data[0] == '/') {
        prefix.data++;
        prefix.len--;
    }
    return mem_printf("%.*s%s%.*s", (int)url.len, url.data, prefix.len > 0 ? "/" : "",
                      (int)prefix.len, prefix.data);
}

static int read_alertmanager(struct reader *reader, const struct yaml_node *node,
                             struct http_options *ret) {
    const struct key *url_key = &key_section_alertmanager.keys[ALERTMANAGER_KEY_URL];
    struct key_value values[ALERTMANAGER_KEY_COUNT];
    struct yaml_node nothing = {.type = YAML_MAP, .at = node->at};
    bool only_url = node->type == YAML_SCALAR;
    if (node->type == YAML_LIST) {
        return error_set(reader->err, -EINVAL, node->at,
                         "an Alertmanager is a map with 'url', found a list");
    }
    int r = reader_section(reader, &key_section_alertmanager, only_url ? &nothing : node, values);
    if (r == 0 && only_url) {
        r = reader_value(reader, url_key, node, &values[ALERTMANAGER_KEY_URL]);
    }
    if (r < 0) {
        return r;
    }
    const struct key_value *url = &values[ALERTMANAGER_KEY_URL];
    if (!url->given) {
        return notify_missing(reader, node, "url");
    }
    ret->url = join_prefix(url->text, values[ALERTMANAGER_KEY_PATH_PREFIX].text);
    ret->timeout_usec = values[ALERTMANAGER_KEY_TIMEOUT].number;
    r = notify_check_url(reader, "url", url->text, url->at, "http://", "https://");
    if (r == 0) {
        r = notify_read_auth(reader, &values[ALERTMANAGER_KEY_BASIC_AUTH],
                             &values[ALERTMANAGER_KEY_AUTHORIZATION], ret);
    }
    return r == 0 ? config_read_tls_options(reader, &key_section_notify_tls,
                                            values[ALERTMANAGER_KEY_TLS].node, &ret->tls)
                  : r;
}

static int read_alertmanagers(struct reader *reader, const struct yaml_node *list,
                              struct notify_options *ret) {
    int r = notify_list(reader, list, NOTIFY_MOST_ALERTMANAGERS, "Alertmanagers");
    ret->alertmanagers = mem_array(list->n_items + 1, sizeof(*ret->alertmanagers));
    for (size_t i = 0; i < list->n_items && r == 0; i++) {
        r = read_alertmanager(reader, list->items[i], &ret->alertmanagers[ret->n_alertmanagers++]);
    }
    return r;
}

/* ---- routes ---- */

static int read_matchers(struct reader *reader, const struct yaml_node *node,
                         struct route_options *ret) {
    static const struct key matcher = {"matcher", KEY_TEXT, .most = 4096};
    bool one = node->type == YAML_SCALAR;
    size_t count = one ? 1 : node->n_items;
    if (count > MOST_MATCHERS) {
        return error_set(reader->err, -E2BIG, node->at, "%zu matchers are more than %d", count,
                         MOST_MATCHERS);
    }
    ret->matchers = mem_array(count + 1, sizeof(*ret->matchers));
    for (size_t i = 0; i < count; i++) {
        struct key_value value;
        int r = reader_value(reader, &matcher, one ? node : node->items[i], &value);
        if (r == 0) {
            r = config_read_matcher(reader, &value, &ret->matchers[ret->n_matchers]);
        }
        if (r < 0) {
            return r;
        }
        ret->n_matchers++;
    }
    return 0;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_group_by(struct reader *reader, const struct key_value *value,
                         struct route_options *ret) {
    static const struct key label = {"label", KEY_TEXT, .most = 128};
    if (!value->given) {
        ret->group_by = mem_array(1, sizeof(*ret->group_by));
        ret->group_by[ret->n_group_by++] = mem_strdup("alertname");
        return 0;
    }
    int r = config_read_texts(reader, &label, value->node, MOST_GROUP_BY, &ret->group_by,
                              &ret->n_group_by);
    for (size_t i = 0; r == 0 && i < ret->n_group_by; i++) {
        ret->group_by_all |= strcmp(ret->group_by[i], "...") == 0;
    }
    if (r == 0 && ret->group_by_all && ret->n_group_by > 1) {
        return error_set(reader->err, -EINVAL, value->at,
                         "'...' stands for all labels: others beside it mean nothing");
    }
    if (r == 0 && ret->n_group_by > 0) {
        qsort(ret->group_by, ret->n_group_by, sizeof(*ret->group_by), by_text);
    }
    return r;
}

static int find_receiver(struct reader *reader, const struct key_value *name,
                         const struct notify_options *options, size_t *ret) {
    char quoted[QUOTE_SIZE], suggestion[96];
    for (size_t i = 0; i < options->n_receivers; i++) {
        if (str_is(name->text, options->receivers[i].name)) {
            *ret = i;
            return 0;
        }
    }
    const char *meant = str_suggest(name->raw, &options->receivers[0].name, options->n_receivers,
                                    sizeof(options->receivers[0]));
    return error_set(reader->err, -EINVAL, name->at, "there is no receiver %s%s",
                     quote(name->raw, quoted), reader_suggestion(meant, suggestion));
}

static int read_route(struct reader *reader, const struct yaml_node *map,
                      const struct notify_options *options, struct route_options *ret) {
    struct key_value values[ROUTE_KEY_COUNT];
    int r = reader_section(reader, &key_section_route, map, values);
    if (r < 0) {
        return r;
    }
    if (!values[ROUTE_KEY_RECEIVER].given) {
        return notify_missing(reader, map, "receiver");
    }
    ret->group_wait_usec = values[ROUTE_KEY_GROUP_WAIT].number;
    ret->group_interval_usec = values[ROUTE_KEY_GROUP_INTERVAL].number;
    ret->repeat_interval_usec = values[ROUTE_KEY_REPEAT_INTERVAL].number;
    ret->go_on = values[ROUTE_KEY_CONTINUE].number != 0;
    r = find_receiver(reader, &values[ROUTE_KEY_RECEIVER], options, &ret->receiver);
    if (r == 0 && values[ROUTE_KEY_MATCHERS].node != NULL) {
        r = read_matchers(reader, values[ROUTE_KEY_MATCHERS].node, ret);
    }
    return r == 0 ? read_group_by(reader, &values[ROUTE_KEY_GROUP_BY], ret) : r;
}

static int read_routes(struct reader *reader, const struct yaml_node *list,
                       struct notify_options *ret) {
    int r = notify_list(reader, list, NOTIFY_MOST_ROUTES, "routes");
    ret->routes = mem_array(list->n_items + 1, sizeof(*ret->routes));
    for (size_t i = 0; i < list->n_items && r == 0; i++) {
        if (list->items[i]->type != YAML_MAP) {
            return error_set(reader->err, -EINVAL, list->items[i]->at, "a route is a map, found %s",
                             yaml_describe(list->items[i]));
        }
        r = read_route(reader, list->items[i], ret, &ret->routes[ret->n_routes++]);
    }
    return r;
}

int config_read_notify(struct reader *reader, const struct yaml_node *map,
                       struct notify_options *ret) {
    struct key_value values[NOTIFY_KEY_COUNT];
    int r = reader_section(reader, &key_section_notify, map, values);
    if (r < 0) {
        return r;
    }
    ret->resend_delay_usec = values[NOTIFY_RESEND_DELAY].number;
    if (values[NOTIFY_ALERTMANAGERS].node != NULL) {
        r = read_alertmanagers(reader, values[NOTIFY_ALERTMANAGERS].node, ret);
    }
    if (r == 0 && values[NOTIFY_RELABEL].node != NULL) {
        r = notify_read_relabel(reader, values[NOTIFY_RELABEL].node, &ret->relabel,
                                &ret->n_relabel);
    }
    if (r == 0 && values[NOTIFY_RECEIVERS].node != NULL) {
        r = notify_read_receivers(reader, values[NOTIFY_RECEIVERS].node, ret);
    }
    /* After the receivers, wherever they stand in the file: routes name them. */
    if (r == 0 && values[NOTIFY_ROUTES].node != NULL) {
        r = read_routes(reader, values[NOTIFY_ROUTES].node, ret);
    }
    return r;
}
