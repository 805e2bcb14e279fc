/* SPDX-License-Identifier: Apache-2.0 */

#include "config/web_file.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/pack.h"
#include "base/yaml.h"
#include "config/keys_web.h"
#include "config/private.h"
#include "config/quote.h"
#include "config/read_file.h"
#include "web/password.h"

#define MOST_PEMS 3
#define NAME_MOST 255

struct web_file_pem {
    char *path; /* as it stands in the file, expanded */
    char *text;
    size_t length;
};

struct web_file {
    char *path;
    char *text;
    size_t length;
    struct web_file_pem pems[MOST_PEMS];
    size_t n_pems;
};

static void free_text(char *text, size_t length) {
    if (text != NULL) {
        explicit_bzero(text, length);
    }
    free(text);
}

struct web_file *web_file_free(struct web_file *file) {
    if (file == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < file->n_pems; i++) {
        free_text(file->pems[i].text, file->pems[i].length);
        free(file->pems[i].path);
    }
    free_text(file->text, file->length);
    free(file->path);
    free(file);
    return NULL;
}

/* ---- files that are named ---- */

static const struct web_file_pem *find_pem(const struct web_file *file, const char *path) {
    for (size_t i = 0; i < file->n_pems; i++) {
        if (strcmp(file->pems[i].path, path) == 0) {
            return &file->pems[i];
        }
    }
    return NULL;
}

/* A relative path begins at the folder of the file. */
static char *resolve_path(const char *file, const char *path) {
    const char *slash = strrchr(file, '/');
    if (path[0] == '/' || slash == NULL) {
        return mem_strdup(path);
    }
    return mem_printf("%.*s/%s", (int)(slash - file), file, path);
}

/* Texts that hold a zero byte end there, as anything else than PEM would do. */
static int find_on_disk(void *userdata, const char *path, const char **ret, struct error *err) {
    struct web_file *file = userdata;
    const struct web_file_pem *known = find_pem(file, path);
    if (known != NULL) {
        *ret = known->text;
        return 0;
    }
    struct web_file_pem *pem = &file->pems[file->n_pems];
    char *full = resolve_path(file->path, path);
    int r = read_file(full, WEB_FILE_MOST_PEM_BYTES, &pem->text, &pem->length, err);
    free(full);
    if (r == 0) {
        pem->path = mem_strdup(path);
        *ret = pem->text;
        file->n_pems++;
    }
    return r;
}

static int find_in_file(void *userdata, const char *path, const char **ret, struct error *err) {
    const struct web_file_pem *pem = find_pem(userdata, path);
    if (pem == NULL) {
        /* Only when the environment changed in between. */
        return error_say(err, -ENOENT, "was not read");
    }
    *ret = pem->text;
    return 0;
}

/* ---- tls_server_config ---- */

/* One of a text and a file, at values[key] and the next. */
static int read_pem(struct reader *reader, const struct key_value *values, size_t key,
                    struct web_pem *ret) {
    const char *text = NULL;
    int r = config_find_secret(reader, &key_section_web_tls, values, key, &text);
    if (r == 0 && text != NULL) {
        *ret = (struct web_pem){
            .text = mem_strdup(text),
            .length = strlen(text),
            .at = values[values[key].given ? key : key + 1].at,
        };
    }
    return r;
}

static bool is_given(const struct key_value *values, size_t key) {
    return values[key].given || values[key + 1].given;
}

static int read_names(struct reader *reader, const struct key_value *value, const char *name,
                      const char *const *choices, size_t most, unsigned char *ret, size_t *count) {
    const struct key key = {name, KEY_CHOICE, .choices = choices};
    for (size_t i = 0; value->node != NULL && i < value->node->n_items; i++) {
        struct key_value item;
        if (*count == most) {
            return error_set(reader->err, -E2BIG, value->at, "'%s' has more than %zu entries", name,
                             most);
        }
        int r = reader_value(reader, &key, value->node->items[i], &item);
        if (r < 0) {
            return r;
        }
        ret[(*count)++] = (unsigned char)item.number;
    }
    return 0;
}

static unsigned version_of(const struct key_value *value, const char *fallback) {
    unsigned index = (unsigned)value->number;
    for (unsigned i = 0; !value->given && web_tls_version_names[i] != NULL; i++) {
        index = strcmp(web_tls_version_names[i], fallback) == 0 ? i : index;
    }
    return index;
}

static int read_agreement(struct reader *reader, const struct key_value *values,
                          struct web_tls_options *ret) {
    const struct key_value *suites = &values[WEB_TLS_KEY_CIPHER_SUITES];
    const struct key_value *max = &values[WEB_TLS_KEY_MAX_VERSION];
    const struct key_value *min = &values[WEB_TLS_KEY_MIN_VERSION];
    ret->min_version = version_of(min, "TLS12");
    ret->max_version = version_of(max, "TLS13");
    ret->client_order = values[WEB_TLS_KEY_PREFER_SERVER_CIPHER_SUITES].number == 0;
    ret->suites_at = suites->at;
    if (ret->min_version > ret->max_version) {
        return error_set(reader->err, -EINVAL, max->given ? max->at : min->at,
                         "'max_version' is older than 'min_version'");
    }
    int r = read_names(reader, suites, "cipher_suites", web_tls_suite_names, WEB_MOST_SUITES,
                       ret->suites, &ret->n_suites);
    return r < 0 ? r
                 : read_names(reader, &values[WEB_TLS_KEY_CURVE_PREFERENCES], "curve_preferences",
                              web_tls_curve_names, WEB_MOST_CURVES, ret->curves, &ret->n_curves);
}

static int check_clients(struct reader *reader, const struct key_value *values,
                         const struct web_tls_options *options) {
    const struct key_value *type = &values[WEB_TLS_KEY_CLIENT_AUTH_TYPE];
    enum web_client_auth auth = options->client_auth;
    bool verifies = auth == WEB_CLIENT_VERIFY_IF_GIVEN || auth == WEB_CLIENT_REQUIRE_AND_VERIFY;
    bool requires = auth == WEB_CLIENT_REQUIRE_ANY || auth == WEB_CLIENT_REQUIRE_AND_VERIFY;
    if (is_given(values, WEB_TLS_KEY_CLIENT_CA) && auth == WEB_CLIENT_NONE) {
        return error_set(reader->err, -EINVAL, options->client_ca.at,
                         "authorities for clients mean nothing without a 'client_auth_type' such "
                         "as RequireAndVerifyClientCert");
    }
    if (verifies && options->client_ca.text == NULL) {
        return error_set(reader->err, -EINVAL, type->at,
                         "'%s' needs 'client_ca_file': without it every authority that the system "
                         "trusts could let clients in",
                         web_client_auth_names[auth]);
    }
    if (options->n_allowed_sans > 0 && !requires) {
        return error_set(reader->err, -EINVAL, values[WEB_TLS_KEY_CLIENT_ALLOWED_SANS].at,
                         "'client_allowed_sans' needs a 'client_auth_type' of "
                         "RequireAnyClientCert or RequireAndVerifyClientCert");
    }
    return 0;
}

static int read_clients(struct reader *reader, const struct key_value *values,
                        struct web_tls_options *ret) {
    static const struct key san = {"client_allowed_sans", KEY_TEXT, .most = NAME_MOST};
    size_t auth = values[WEB_TLS_KEY_CLIENT_AUTH_TYPE].number;
    ret->client_auth =
        auth > WEB_CLIENT_REQUIRE_AND_VERIFY ? WEB_CLIENT_REQUIRE_ANY : (enum web_client_auth)auth;
    int r = config_read_texts(reader, &san, values[WEB_TLS_KEY_CLIENT_ALLOWED_SANS].node,
                              WEB_MOST_SANS, &ret->allowed_sans, &ret->n_allowed_sans);
    r = r < 0 ? r : read_pem(reader, values, WEB_TLS_KEY_CLIENT_CA, &ret->client_ca);
    return r < 0 ? r : check_clients(reader, values, ret);
}

static int read_tls(struct reader *reader, const struct yaml_node *map,
                    struct web_tls_options *ret) {
    struct key_value values[WEB_TLS_KEY_COUNT];
    int r = reader_section(reader, &key_section_web_tls, map, values);
    if (r < 0 || map->n_pairs == 0) {
        return r;
    }
    if (!is_given(values, WEB_TLS_KEY_CERT) || !is_given(values, WEB_TLS_KEY_KEY)) {
        return error_set(reader->err, -EINVAL, map->at, "'%s' is missing",
                         is_given(values, WEB_TLS_KEY_CERT) ? "key_file" : "cert_file");
    }
    if ((r = read_pem(reader, values, WEB_TLS_KEY_CERT, &ret->certificate)) < 0 ||
        (r = read_pem(reader, values, WEB_TLS_KEY_KEY, &ret->key)) < 0 ||
        (r = read_clients(reader, values, ret)) < 0 ||
        (r = read_agreement(reader, values, ret)) < 0) {
        return r;
    }
    ret->enabled = true;
    return 0;
}

/* ---- http_server_config, basic_auth_users ---- */

/* A line feed would end the header and begin another. */
static bool is_printable(struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static int read_headers(struct reader *reader, const struct yaml_node *map,
                        struct web_security_options *ret) {
    struct key_value values[WEB_HEADER_COUNT];
    int r = reader_section(reader, &key_section_web_headers, map, values);
    for (size_t i = 0; r == 0 && i < WEB_HEADER_COUNT; i++) {
        const char *name = key_section_web_headers.keys[i].name;
        if (!is_printable(values[i].text)) {
            return error_set(reader->err, -EINVAL, values[i].at,
                             "'%s' holds a character that a header cannot", name);
        }
        if (values[i].text.len > 0) {
            ret->headers[ret->n_headers++] = (struct web_header){
                mem_strdup(name), mem_strndup(values[i].text.data, values[i].text.len)};
        }
    }
    return r;
}

static int read_http(struct reader *reader, const struct yaml_node *map,
                     struct web_security_options *ret, struct web_file_notes *notes) {
    struct key_value values[WEB_HTTP_KEY_COUNT];
    int r = reader_section(reader, &key_section_web_http, map, values);
    if (r == 0) {
        notes->http2 = values[WEB_HTTP_KEY_HTTP2].number != 0;
    }
    return r < 0 || values[WEB_HTTP_KEY_HEADERS].node == NULL
               ? r
               : read_headers(reader, values[WEB_HTTP_KEY_HEADERS].node, ret);
}

/* The hash is not expanded: each has dollars. */
static int read_user(struct reader *reader, const struct yaml_pair *pair, struct web_user *ret) {
    struct str name = pair->key->scalar, hash = pair->value->scalar;
    char quoted[QUOTE_SIZE];
    struct error why = {0};
    if (name.len == 0 || name.len > NAME_MOST || memchr(name.data, ':', name.len) != NULL ||
        memchr(name.data, '\0', name.len) != NULL) {
        return error_set(reader->err, -EINVAL, pair->key->at,
                         "%s can be no user: a name has 1 to %d characters and no colon",
                         quote(name, quoted), NAME_MOST);
    }
    if (pair->value->type != YAML_SCALAR) {
        return error_set(reader->err, -EINVAL, pair->value->at,
                         "the password of user %s should be a bcrypt hash, found %s",
                         quote(name, quoted), yaml_describe(pair->value));
    }
    char *text = mem_strndup(hash.data, hash.len);
    if (strlen(text) != hash.len || password_check_hash(text, &why) < 0) {
        mem_free_secret(text);
        return error_set(reader->err, -EINVAL, pair->value->at, "the password of user %s %s",
                         quote(name, quoted), why.code != 0 ? why.text : "is no bcrypt hash");
    }
    *ret = (struct web_user){mem_strndup(name.data, name.len), text};
    return 0;
}

static int read_users(struct reader *reader, const struct yaml_node *map,
                      struct web_security_options *ret) {
    if (map->n_pairs > WEB_MOST_USERS) {
        return error_set(reader->err, -E2BIG, map->at, "%zu users are more than %d", map->n_pairs,
                         WEB_MOST_USERS);
    }
    ret->users = mem_array(map->n_pairs, sizeof(*ret->users));
    for (size_t i = 0; i < map->n_pairs; i++) {
        int r = read_user(reader, &map->pairs[i], &ret->users[ret->n_users]);
        if (r < 0) {
            return r;
        }
        ret->n_users++;
    }
    return 0;
}

/* ---- the file ---- */

static int read_text(struct reader *reader, const struct web_file *file,
                     struct web_security_options *ret, struct web_file_notes *notes) {
    const struct yaml_node *root;
    struct key_value values[WEB_KEY_COUNT];
    int r = yaml_parse((struct str){file->text, file->length}, ret->path, &yaml_limits_default,
                       reader->arena, &root, reader->err);
    if (r < 0) {
        return r;
    }
    if (root->type != YAML_MAP) {
        return error_set(reader->err, -EINVAL, root->at,
                         "a web configuration is a map with keys such as 'tls_server_config', "
                         "found %s",
                         yaml_describe(root));
    }
    r = reader_section(reader, &key_section_web_file, root, values);
    if (r == 0 && values[WEB_KEY_TLS].node != NULL) {
        r = read_tls(reader, values[WEB_KEY_TLS].node, &ret->tls);
    }
    if (r == 0 && values[WEB_KEY_HTTP].node != NULL) {
        r = read_http(reader, values[WEB_KEY_HTTP].node, ret, notes);
    }
    if (r == 0 && values[WEB_KEY_USERS].node != NULL) {
        r = read_users(reader, values[WEB_KEY_USERS].node, ret);
    }
    notes->rate_limit = values[WEB_KEY_RATE_LIMIT].node != NULL;
    return r;
}

static int parse(const struct web_file *file, const struct secret_source *secrets,
                 struct web_security_options *ret, struct web_file_notes *notes,
                 struct error *err) {
    struct arena arena = {0};
    struct error inner = {0};
    struct web_security_options options = {.path = mem_strdup(file->path)};
    struct web_file_notes found = {0};
    struct reader reader = {.arena = &arena, .secrets = secrets, .err = &inner};
    char text[sizeof(inner.text) * 2];
    int r = read_text(&reader, file, &options, &found);
    arena_deinit(&arena);
    if (r < 0) {
        error_say(err, r, "%s", error_format(&inner, text, sizeof(text)));
        web_security_options_deinit(&options);
        return r;
    }
    *ret = options;
    if (notes != NULL) {
        *notes = found;
    }
    return 0;
}

int web_file_read(const char *path, struct web_file **ret, struct error *err) {
    CLEANUP(web_file_freep)
    struct web_file *file = mem_alloc(sizeof(*file));
    struct error inner = {0};
    struct web_security_options options;
    file->path = mem_strdup(path);
    int r = read_file(path, WEB_FILE_MOST_BYTES, &file->text, &file->length, &inner);
    if (r < 0) {
        return error_say(err, r, "web configuration file '%.120s' %s", path, inner.text);
    }
    r = parse(file, &(struct secret_source){find_on_disk, file}, &options, NULL, err);
    if (r == 0) {
        web_security_options_deinit(&options);
        *ret = take_ptr(file);
    }
    return r;
}

int web_file_parse(const struct web_file *file, struct web_security_options *ret,
                   struct web_file_notes *notes, struct error *err) {
    /* find_in_file() only reads. */
    struct secret_source secrets = {find_in_file, (void *)(uintptr_t)file};
    return parse(file, &secrets, ret, notes, err);
}

/* ---- through a pipe ---- */

void web_file_pack(const struct web_file *file, struct strbuf *out) {
    pack_str(out, str_of(file->path));
    pack_str(out, (struct str){file->text, file->length});
    pack_u64(out, file->n_pems);
    for (size_t i = 0; i < file->n_pems; i++) {
        pack_str(out, str_of(file->pems[i].path));
        pack_str(out, (struct str){file->pems[i].text, file->pems[i].length});
    }
}

static char *unpack_text(struct unpacker *in, size_t *ret_length) {
    struct str text = unpack_str(in);
    *ret_length = text.len;
    return mem_strndup(text.len > 0 ? text.data : "", text.len);
}

int web_file_unpack(struct str packed, struct web_file **ret, struct error *err) {
    CLEANUP(web_file_freep)
    struct web_file *file = mem_alloc(sizeof(*file));
    struct unpacker in = {.rest = packed};
    size_t length;
    file->path = unpack_text(&in, &length);
    file->text = unpack_text(&in, &file->length);
    uint64_t count = unpack_u64(&in);
    for (uint64_t i = 0; i < count && i < MOST_PEMS; i++) {
        struct web_file_pem *pem = &file->pems[file->n_pems++];
        pem->path = unpack_text(&in, &length);
        pem->text = unpack_text(&in, &pem->length);
    }
    if (in.bad || count > MOST_PEMS || in.rest.len != 0) {
        return error_say(err, -EBADMSG, "what the worker read of the web configuration is damaged");
    }
    *ret = take_ptr(file);
    return 0;
}
