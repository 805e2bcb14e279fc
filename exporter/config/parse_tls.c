/* SPDX-License-Identifier: Apache-2.0 */

/* Maps that say how TLS is checked. The files that it names are not read here: they may be replaced
 * at any time, and are read when a connection is made. */
#include "config/private.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

/* A relative path begins at the folder of the configuration file, whatever our own folder is when
 * the file is opened. */
static char *absolute_path(const struct key_value *value) {
    const char *file = value->at.file != NULL ? value->at.file : "";
    const char *slash = strrchr(file, '/');
    char *here = NULL;
    if (value->text.data[0] != '/' && file[0] != '/') {
        here = getcwd(NULL, 0);
    }
    char *path;
    if (value->text.data[0] == '/') {
        path = mem_strdup(value->text.data);
    } else if (slash == NULL) {
        path = mem_printf("%s/%s", here != NULL ? here : ".", value->text.data);
    } else {
        path = mem_printf("%s%s%.*s/%s", here != NULL ? here : "", here != NULL ? "/" : "",
                          (int)(slash - file), file, value->text.data);
    }
    free(here);
    return path;
}

static char *path_or_null(const struct key_value *value) {
    return value->given ? absolute_path(value) : NULL;
}

/* libcurl takes the name as a part of a URL, and none but names there. */
static bool fits_a_url(unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_';
}

static int check(struct reader *reader, const struct key_section *section,
                 const struct yaml_node *map, const struct key_value *values) {
    const bool http = section != &key_section_tls;
    const struct key_value *certificate = &values[TLS_KEY_CERT_FILE];
    const struct key_value *key = &values[TLS_KEY_KEY_FILE];
    const struct key_value *name = &values[TLS_KEY_SERVER_NAME];
    if (certificate->given != key->given) {
        return error_set(reader->err, -EINVAL, map->at,
                         "'cert_file' and 'key_file' belong together, and '%s' is missing",
                         certificate->given ? "key_file" : "cert_file");
    }
    for (size_t i = 0; i < name->text.len; i++) {
        unsigned char c = (unsigned char)name->text.data[i];
        if (http ? !fits_a_url(c) : c <= ' ' || c >= 0x7f || c == '/' || c == '@') {
            return error_set(reader->err, -EINVAL, name->at, "'server_name' must be a host name%s",
                             http ? "" : " or an address");
        }
    }
    return 0;
}

int config_read_tls_options(struct reader *reader, const struct key_section *section,
                            const struct yaml_node *map, struct tls_options *ret) {
    struct key_value values[TLS_KEY_COUNT];
    if (map == NULL) {
        return 0;
    }
    int r = reader_section(reader, section, map, values);
    if (r == 0) {
        r = check(reader, section, map, values);
    }
    if (r < 0) {
        return r;
    }
    const struct key_value *name = &values[TLS_KEY_SERVER_NAME];
    ret->ca_file = path_or_null(&values[TLS_KEY_CA_FILE]);
    ret->cert_file = path_or_null(&values[TLS_KEY_CERT_FILE]);
    ret->key_file = path_or_null(&values[TLS_KEY_KEY_FILE]);
    ret->server_name = name->given ? mem_strndup(name->text.data, name->text.len) : NULL;
    ret->insecure_skip_verify = values[TLS_KEY_INSECURE_SKIP_VERIFY].number != 0;
    return 0;
}

int config_read_tls(struct reader *reader, const struct yaml_node *map,
                    struct target_options *target) {
    if (map == NULL) {
        return 0;
    }
    if (target->kind == KIND_HOST) {
        return error_set(reader->err, -EINVAL, map->at, "a host target has no 'tls'");
    }
    if (target->app.http.url != NULL) {
        if (!str_starts_with(str_of(target->app.http.url), "https://")) {
            return error_set(reader->err, -EINVAL, map->at,
                             "'tls' needs a 'url' that begins with 'https://'");
        }
        return config_read_tls_options(reader, &key_section_notify_tls, map, &target->app.http.tls);
    }
    if (target->kind != KIND_BREAKERS && target->kind != KIND_REDIS &&
        target->kind != KIND_SENTINEL) {
        return error_set(reader->err, -EINVAL, map->at,
                         "a %s target has no 'tls': its 'dsn' says sslmode, sslrootcert, sslcert "
                         "and sslkey",
                         target_kind_names[target->kind]);
    }
    if (!target->redis.tls.enabled) {
        return error_set(reader->err, -EINVAL, map->at,
                         "'tls' needs a 'url' that begins with 'rediss://'");
    }
    return config_read_tls_options(reader, &key_section_tls, map, &target->redis.tls);
}
