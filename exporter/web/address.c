/* SPDX-License-Identifier: Apache-2.0 */

/* Reading "host:port", and saying where we are. */
#include "web/web.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

static int parse_port(struct str text, uint16_t *ret) {
    uint64_t port;
    if (text.len > 5 || !str_to_uint64(text, &port) || port > UINT16_MAX) {
        return -EINVAL;
    }
    *ret = (uint16_t)port;
    return 0;
}

/* The host in brackets, or what stands before the only colon. Return: false for neither. */
static bool split(struct str text, struct str *ret_host, struct str *ret_port) {
    if (text.len > 0 && text.data[0] == '[') {
        const char *end = memchr(text.data, ']', text.len);
        if (end == NULL || end + 1 == text.data + text.len || end[1] != ':') {
            return false;
        }
        *ret_host = (struct str){text.data + 1, (size_t)(end - text.data) - 1};
        *ret_port = str_of(end + 2);
        return ret_host->len > 0;
    }
    const char *colon = memchr(text.data, ':', text.len);
    if (colon == NULL || strchr(colon + 1, ':') != NULL) {
        return false;
    }
    *ret_host = (struct str){text.data, (size_t)(colon - text.data)};
    *ret_port = str_of(colon + 1);
    return true;
}

int web_address_parse(const char *address, char ret_host[256], uint16_t *ret_port,
                      struct error *err) {
    struct str host, port_text;
    uint16_t port;
    if (!split(str_of(address), &host, &port_text)) {
        return error_say(err, -EINVAL,
                         "'%.200s' is no address: use host:port, :port or [IPv6]:port", address);
    }
    if (host.len > 255 || memchr(host.data, '/', host.len) != NULL) {
        return error_say(err, -EINVAL, "'%.100s': this is no host name", address);
    }
    if (parse_port(port_text, &port) < 0) {
        return error_say(err, -EINVAL, "'%.200s': the port must be a number from 0 to 65535",
                         address);
    }
    memcpy(ret_host, host.data, host.len);
    ret_host[host.len] = '\0';
    *ret_port = port;
    return 0;
}

static uint16_t first_port(const struct web_options *options) {
    for (size_t i = 0; i < options->n_listen_addresses; i++) {
        char host[256];
        uint16_t port;
        struct error err = {0};
        if (web_address_parse(options->listen_addresses[i], host, &port, &err) == 0 && port != 0) {
            return port;
        }
    }
    return 0;
}

char *web_own_url(const struct web_options *options, const char *machine) {
    struct str url =
        str_drop_end(str_of(options->external_url != NULL ? options->external_url : ""), '/');
    struct str prefix =
        str_drop_end(str_of(options->route_prefix != NULL ? options->route_prefix : ""), '/');
    uint16_t port = first_port(options);
    const char *scheme =
        options->security != NULL && options->security->tls.enabled ? "https" : "http";
    const char *slash = prefix.len > 0 && prefix.data[0] != '/' ? "/" : "";
    if (url.len > 0) {
        return mem_strndup(url.data, url.len);
    }
    if (port == 0) {
        return mem_printf("%s://%s%s%.*s", scheme, machine, slash, (int)prefix.len, prefix.data);
    }
    return mem_printf("%s://%s:%u%s%.*s", scheme, machine, (unsigned)port, slash, (int)prefix.len,
                      prefix.data);
}

struct str web_url_host(const char *url) {
    const char *host = strstr(url, "://");
    host = host != NULL ? host + strlen("://") : url;
    return (struct str){host, strcspn(host, "/?#")};
}
