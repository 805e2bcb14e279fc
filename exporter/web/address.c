/* SPDX-License-Identifier: Apache-2.0 */

/* Reading "host:port". */
#include "web/web.h"

#include <errno.h>
#include <string.h>

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
