/* SPDX-License-Identifier: Apache-2.0 */

/* The map `lock:` of a failover cluster. */
#include <errno.h>

#include "base/mem.h"
#include "config/parse_notify.h"
#include "config/quote.h"

/* Scheme, host and port, without anything behind them but a slash, which is taken away. */
static int check_endpoint(struct reader *reader, char *url, struct position at) {
    size_t len = strlen(url);
    if (strchr(url, '@') != NULL) {
        return error_set(reader->err, -EINVAL, at,
                         "'etcd' holds a user or a password: they have keys of their own");
    }
    int r = notify_check_url(reader, "etcd", str_of(url), at, "http://", "https://");
    if (r < 0) {
        return r;
    }
    if (url[len - 1] == '/') {
        url[len - 1] = '\0';
    }
    if (strpbrk(strstr(url, "://") + 3, "/?#") != NULL) {
        char quoted[QUOTE_SIZE];
        return error_set(reader->err, -EINVAL, at,
                         "an endpoint of 'etcd' is no more than http://HOST:PORT, found %s",
                         quote(str_of(url), quoted));
    }
    return 0;
}

static int read_endpoints(struct reader *reader, const struct key_value *list, struct position map,
                          struct failover_lock_options *ret) {
    static const struct key row = {"etcd", KEY_TEXT, .most = 300};
    int r = config_read_texts(reader, &row, list->node, FAILOVER_LOCK_MOST_ENDPOINTS,
                              &ret->endpoints, &ret->n_endpoints);
    if (r == 0 && ret->n_endpoints == 0) {
        return error_set(reader->err, -EINVAL, list->given ? list->at : map,
                         "a 'lock' without an endpoint of 'etcd' holds nothing");
    }
    for (size_t i = 0; i < ret->n_endpoints && r == 0; i++) {
        bool is_list = list->node->type == YAML_LIST;
        r = check_endpoint(reader, ret->endpoints[i],
                           is_list ? list->node->items[i]->at : list->node->at);
    }
    return r;
}

/* "/a/b": what is typed by hand elsewhere must be what is meant here. */
static int read_prefix(struct reader *reader, const struct key_value *value,
                       struct failover_lock_options *ret) {
    char quoted[QUOTE_SIZE];
    struct str text = value->text;
    bool good = text.len > 1 && text.data[0] == '/' && text.data[text.len - 1] != '/';
    for (size_t i = 0; i < text.len; i++) {
        good = good && text.data[i] > ' ' && text.data[i] < 0x7f;
    }
    if (!good) {
        return error_set(reader->err, -EINVAL, value->at,
                         "'prefix' must begin with a slash, not end with one, and have no spaces, "
                         "found %s",
                         quote(value->raw, quoted));
    }
    ret->prefix = mem_strndup(text.data, text.len);
    return 0;
}

static int read_tls(struct reader *reader, const struct key_value *tls,
                    struct failover_lock_options *ret) {
    bool https = false;
    for (size_t i = 0; i < ret->n_endpoints; i++) {
        https = https || str_starts_with(str_of(ret->endpoints[i]), "https://");
    }
    if (tls->node != NULL && !https) {
        return error_set(reader->err, -EINVAL, tls->at,
                         "'tls' needs an endpoint that begins with https://");
    }
    return config_read_tls_options(reader, &key_section_lock_tls, tls->node, &ret->tls);
}

static int read_login(struct reader *reader, const struct key_value *values, struct position map,
                      struct failover_lock_options *ret) {
    const struct key_value *user = &values[FAILOVER_LOCK_USER];
    const char *password;
    int r = config_find_secret(reader, &key_section_failover_lock, values, FAILOVER_LOCK_PASSWORD,
                               &password);
    if (r == 0 && user->given != (password != NULL)) {
        return error_set(reader->err, -EINVAL, map,
                         user->given ? "a 'user' of etcd without a password is nobody"
                                     : "a password of etcd needs its 'user'");
    }
    if (r == 0 && user->given) {
        ret->user = mem_strndup(user->text.data, user->text.len);
        ret->password = mem_strdup(password);
    }
    return r;
}

int config_read_lock(struct reader *reader, const struct key_value *lock,
                     struct failover_lock_options *ret) {
    struct key_value values[FAILOVER_LOCK_KEY_COUNT];
    if (!lock->given) {
        return 0;
    }
    int r = config_read_map(reader, &key_section_failover_lock, lock->node, lock->at, values);
    if (r < 0) {
        return r;
    }
    ret->ttl_usec = values[FAILOVER_LOCK_TTL].number;
    r = read_endpoints(reader, &values[FAILOVER_LOCK_ETCD], lock->at, ret);
    if (r == 0) {
        r = read_prefix(reader, &values[FAILOVER_LOCK_PREFIX], ret);
    }
    r = r == 0 ? read_tls(reader, &values[FAILOVER_LOCK_TLS], ret) : r;
    return r == 0 ? read_login(reader, values, lock->at, ret) : r;
}
