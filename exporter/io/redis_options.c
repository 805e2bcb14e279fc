/* SPDX-License-Identifier: Apache-2.0 */

/* Redis URLs. The last '@' ends the user's part, so that a raw one in a password does no harm; all
 * parts are percent-decoded once. No text of an error repeats any part of the URL: where a URL is
 * wrong, what looks like the host may be a piece of the password. */
#include "io/redis_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/mem.h"
#include "base/str.h"

#define LONGEST_URL  8192
#define LONGEST_HOST 255

static int hex_digit(char character) {
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    char lower = (char)(character | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Return: the byte of an escape at text, or -1 for a broken one and for zero, which a C string
 * cannot hold. */
static int escaped_byte(struct str text) {
    int high = text.len >= 3 ? hex_digit(text.data[1]) : -1;
    int low = text.len >= 3 ? hex_digit(text.data[2]) : -1;
    int value = high < 0 || low < 0 ? -1 : high * 16 + low;
    return value == 0 ? -1 : value;
}

/* Return: the decoded text, to be freed as a secret, or NULL and *err. */
static char *decode(struct str text, const char *what, struct error *err) {
    char *decoded = mem_alloc(text.len + 1);
    size_t len = 0;
    while (text.len > 0) {
        bool escape = text.data[0] == '%';
        int value = escape ? escaped_byte(text) : (unsigned char)text.data[0];
        if (value < 0) {
            error_say(err, -EINVAL, "%s has a '%%' that is not followed by two hex digits", what);
            mem_free_secret(decoded);
            return NULL;
        }
        decoded[len++] = (char)value;
        text.data += escape ? 3 : 1;
        text.len -= escape ? 3 : 1;
    }
    return decoded;
}

/* "user", "user:password", ":password"; empty parts are none. */
static int parse_user(struct str text, struct redis_options *options, struct error *err) {
    struct str user = str_cut(&text, ':');
    if (user.len > 0) {
        options->user = decode(user, "user name", err);
        if (options->user == NULL) {
            return -EINVAL;
        }
    }
    if (text.len > 0) {
        options->password = decode(text, "password", err);
        if (options->password == NULL) {
            return -EINVAL;
        }
    }
    return 0;
}

static int parse_port(struct str text, struct redis_options *options, struct error *err) {
    uint64_t port;
    if (!str_to_uint64(text, &port) || port == 0 || port > UINT16_MAX) {
        return error_say(err, -EINVAL, "port must be a number from 1 to 65535");
    }
    options->port = (uint16_t)port;
    return 0;
}

/* Nothing, "/" or "/0": commands of ours do not depend on the database. */
static int check_path(struct str path, struct error *err) {
    uint64_t database;
    if (memchr(path.data, '?', path.len) != NULL || memchr(path.data, '#', path.len) != NULL) {
        return error_say(err, -EINVAL, "the URL of a Redis takes no parameters");
    }
    if (path.len > 1 && !str_to_uint64((struct str){path.data + 1, path.len - 1}, &database)) {
        return error_say(err, -EINVAL,
                         "behind host and port only a database number may stand ('/0')");
    }
    return 0;
}

static bool has_strange_byte(const char *text) {
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text <= ' ' || *text == 0x7f || *text == '/' || *text == '@') {
            return true;
        }
    }
    return false;
}

/* Takes "host" or "[v6]" off *rest. */
static int parse_host(struct str *rest, struct redis_options *options, struct error *err) {
    struct str host;
    if (rest->len > 0 && rest->data[0] == '[') {
        const char *end = memchr(rest->data, ']', rest->len);
        if (end == NULL) {
            return error_say(err, -EINVAL, "'[' without ']' around the address");
        }
        host = (struct str){rest->data + 1, (size_t)(end - rest->data) - 1};
        rest->len -= host.len + 2;
        rest->data = end + 1;
    } else {
        const char *colon = rest->len > 0 ? memchr(rest->data, ':', rest->len) : NULL;
        host = (struct str){rest->data, colon != NULL ? (size_t)(colon - rest->data) : rest->len};
        rest->data += host.len;
        rest->len -= host.len;
        if (rest->len > 1 && memchr(rest->data + 1, ':', rest->len - 1) != NULL) {
            return error_say(err, -EINVAL, "an IPv6 address must stand in brackets");
        }
    }
    options->host = decode(host, "host", err);
    if (options->host == NULL) {
        return -EINVAL;
    }
    size_t len = strlen(options->host);
    if (len == 0 || len > LONGEST_HOST || has_strange_byte(options->host)) {
        return error_say(err, -EINVAL, len == 0 ? "host is missing" : "host is not a host name");
    }
    return 0;
}

static int parse_server(struct str rest, struct redis_options *options, struct error *err) {
    const char *at = memrchr(rest.data, '@', rest.len);
    if (at != NULL) {
        struct str user = {rest.data, (size_t)(at - rest.data)};
        rest.data = at + 1;
        rest.len -= user.len + 1;
        int r = parse_user(user, options, err);
        if (r < 0) {
            return r;
        }
    }
    size_t len = 0;
    while (len < rest.len && strchr("/?#", rest.data[len]) == NULL) {
        len++;
    }
    int r = check_path((struct str){rest.data + len, rest.len - len}, err);
    rest.len = len;
    if (r == 0) {
        r = parse_host(&rest, options, err);
    }
    if (r < 0 || rest.len == 0) {
        return r;
    }
    if (rest.data[0] != ':') {
        return error_say(err, -EINVAL, "between address and port must stand ':'");
    }
    return parse_port((struct str){rest.data + 1, rest.len - 1}, options, err);
}

static const char *last_at_slash(struct str text) {
    for (size_t i = text.len; i > 1; i--) {
        if (text.data[i - 2] == '@' && text.data[i - 1] == '/') {
            return text.data + i - 2;
        }
    }
    return NULL;
}

/* "/path" or "user:password@/path". */
static int parse_socket(struct str rest, struct redis_options *options, struct error *err) {
    if (rest.len > 0 && rest.data[0] != '/') {
        const char *end = last_at_slash(rest);
        if (end == NULL) {
            return error_say(err, -EINVAL, "a unix:// URL needs an absolute path");
        }
        size_t at = (size_t)(end - rest.data);
        int r = parse_user((struct str){rest.data, at}, options, err);
        if (r < 0) {
            return r;
        }
        rest.data += at + 1;
        rest.len -= at + 1;
    }
    options->socket_path = decode(rest, "socket path", err);
    if (options->socket_path == NULL) {
        return -EINVAL;
    }
    size_t len = strlen(options->socket_path);
    if (len == 0 || len >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        return error_say(err, -EINVAL,
                         len == 0 ? "a unix:// URL needs an absolute path"
                                  : "socket path is too long");
    }
    return 0;
}

static int parse(struct str url, struct redis_options *options, struct error *err) {
    static const char server[] = "redis://", secure[] = "rediss://", socket[] = "unix://";
    if (url.len > LONGEST_URL) {
        return error_say(err, -EINVAL, "URL is longer than %d bytes", LONGEST_URL);
    }
    options->tls.enabled = str_starts_with(url, secure);
    if (options->tls.enabled || str_starts_with(url, server)) {
        size_t skip = options->tls.enabled ? sizeof(secure) - 1 : sizeof(server) - 1;
        return parse_server((struct str){url.data + skip, url.len - skip}, options, err);
    }
    if (str_starts_with(url, socket)) {
        url.data += sizeof(socket) - 1;
        url.len -= sizeof(socket) - 1;
        return parse_socket(url, options, err);
    }
    return error_say(err, -EINVAL, "URL must begin with 'redis://', 'rediss://' or 'unix://'");
}

int redis_options_parse(const char *url, uint16_t default_port, struct redis_options *ret,
                        struct error *err) {
    struct redis_options options = {.port = default_port};
    int r = parse(str_of(url), &options, err);
    if (r < 0) {
        redis_options_deinit(&options);
        return r;
    }
    *ret = options;
    return 0;
}

void redis_options_deinit(struct redis_options *options) {
    /* Of a URL that was taken apart wrongly, any part may be the secret. */
    mem_free_secret(options->host);
    mem_free_secret(options->socket_path);
    mem_free_secret(options->user);
    mem_free_secret(options->password);
    tls_options_deinit(&options->tls);
    *options = (struct redis_options){0};
}

static char *copy_text(const char *text) {
    return text != NULL ? mem_strdup(text) : NULL;
}

void redis_options_copy(const struct redis_options *from, struct redis_options *ret) {
    *ret = (struct redis_options){
        .host = copy_text(from->host),
        .socket_path = copy_text(from->socket_path),
        .port = from->port,
        .user = copy_text(from->user),
        .password = copy_text(from->password),
        .sentinel = from->sentinel,
    };
    tls_options_copy(&from->tls, &ret->tls);
}

static bool same_text(const char *a, const char *b) {
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool redis_options_equal(const struct redis_options *a, const struct redis_options *b) {
    return same_text(a->host, b->host) && same_text(a->socket_path, b->socket_path) &&
           a->port == b->port && same_text(a->user, b->user) &&
           same_text(a->password, b->password) && a->sentinel == b->sentinel &&
           tls_options_equal(&a->tls, &b->tls);
}

void redis_options_instance(const struct redis_options *options, char *out, size_t size) {
    if (size == 0) {
        return;
    }
    struct strbuf text = {0};
    if (options->socket_path != NULL) {
        strbuf_add_text(&text, options->socket_path);
    } else {
        const char *host = options->host != NULL ? options->host : "";
        strbuf_printf(&text, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host,
                      (unsigned)options->port);
    }
    size_t len = text.len < size ? text.len : size - 1;
    memcpy(out, text.data, len);
    out[len] = '\0';
    strbuf_deinit(&text);
}
