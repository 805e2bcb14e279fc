/* SPDX-License-Identifier: Apache-2.0 */

/* One entry of `targets:`. */
#include "config/private.h"

#include <ctype.h>
#include <errno.h>

#include "base/mem.h"
#include "config/quote.h"

#define REDIS_PORT    6379
#define SENTINEL_PORT 26379

bool config_is_name(struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool inner = c == '_' || c == '.' || c == '-';
        if (c >= 0x80 || (!isalnum(c) && (i == 0 || !inner))) {
            return false;
        }
    }
    return text.len > 0 && text.len <= TARGET_NAME_MOST;
}

static bool kind_is_pg(enum target_kind kind) {
    return kind == KIND_POSTGRES || kind == KIND_PGBOUNCER;
}

static int missing(struct reader *reader, const struct yaml_node *node, const char *what) {
    return error_set(reader->err, -EINVAL, node->at, "a target has no '%s'", what);
}

static int check_name(struct reader *reader, const char *key, const struct key_value *value) {
    if (!config_is_name(value->text)) {
        char quoted[QUOTE_SIZE];
        return error_set(reader->err, -EINVAL, value->at,
                         "'%s' must be letters, digits, '_', '.' or '-', at most %d, beginning "
                         "with a letter or digit, not %s",
                         key, TARGET_NAME_MOST, quote(value->raw, quoted));
    }
    return 0;
}

static int check_identity(struct reader *reader, const struct yaml_node *node,
                          const struct key_value *values) {
    const struct key_value *name = &values[TARGET_KEY_NAME];
    if (!name->given) {
        return missing(reader, node, "name");
    }
    int r = check_name(reader, "name", name);
    if (r == 0 && str_is(name->text, TARGET_SELF)) {
        r = error_set(reader->err, -EINVAL, name->at,
                      "the name '%s' is reserved for the daemon itself", TARGET_SELF);
    }
    if (r == 0 && values[TARGET_KEY_CLUSTER].given) {
        r = check_name(reader, "cluster", &values[TARGET_KEY_CLUSTER]);
    }
    return r == 0 && !values[TARGET_KEY_TYPE].given ? missing(reader, node, "type") : r;
}

/* Puts the password into its place, unless the address brought one. */
static int place_password(struct reader *reader, const struct key_value *values,
                          const char *address_key, char **field) {
    const char *password;
    int r = config_find_secret(reader, &key_section_target, values, TARGET_KEY_PASSWORD, &password);
    if (r < 0 || password == NULL) {
        return r;
    }
    bool inlined = values[TARGET_KEY_PASSWORD].given;
    if (*field != NULL) {
        const struct key_value *value =
            &values[inlined ? TARGET_KEY_PASSWORD : TARGET_KEY_PASSWORD_FILE];
        return error_set(reader->err, -EINVAL, value->at,
                         "both '%s' and '%s' give a password, and one is enough", address_key,
                         inlined ? "password" : "password_file");
    }
    *field = mem_strdup(password);
    return 0;
}

static int parse_address(const struct key_value *address, struct target_options *target,
                         struct error *err) {
    if (kind_is_pg(target->kind)) {
        return pg_options_parse(address->text.data, &target->pg, err);
    }
    bool sentinel = target->kind == KIND_SENTINEL;
    return redis_options_parse(address->text.data, sentinel ? SENTINEL_PORT : REDIS_PORT,
                               &target->redis, err);
}

static bool is_root(const char *path) {
    return path[strspn(path, "/")] == '\0';
}

/* An absolute path, kept without slashes at its end; *ret stays NULL when the file says nothing. */
static int read_root(struct reader *reader, const char *key, const struct key_value *value,
                     char **ret) {
    if (!value->given) {
        return 0;
    }
    if (value->text.data[0] != '/') {
        char quoted[QUOTE_SIZE];
        return error_set(reader->err, -EINVAL, value->at,
                         "'%s' must be a path that begins with '/', not %s", key,
                         quote(value->raw, quoted));
    }
    size_t len = value->text.len;
    while (len > 1 && value->text.data[len - 1] == '/') {
        len--;
    }
    *ret = is_root(value->text.data) ? mem_strdup("/") : mem_strndup(value->text.data, len);
    return 0;
}

/* A host has no address: it is the machine that the daemon runs on. */
static int read_host(struct reader *reader, const struct key_value *values,
                     struct target_options *target) {
    static const struct {
        size_t index;
        const char *key;
    } foreign[] = {
        {TARGET_KEY_DSN, "dsn"},
        {TARGET_KEY_URL, "url"},
        {TARGET_KEY_PASSWORD, "password"},
        {TARGET_KEY_PASSWORD_FILE, "password_file"},
    };
    for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
        if (values[foreign[i].index].given) {
            return error_set(reader->err, -EINVAL, values[foreign[i].index].at,
                             "a host target has no '%s': it is the machine that the daemon runs on",
                             foreign[i].key);
        }
    }
    int r = read_root(reader, "procfs", &values[TARGET_KEY_PROCFS], &target->host.procfs);
    if (r == 0) {
        r = read_root(reader, "sysfs", &values[TARGET_KEY_SYSFS], &target->host.sysfs);
    }
    if (r == 0) {
        r = read_root(reader, "rootfs", &values[TARGET_KEY_ROOTFS], &target->host.rootfs);
    }
    return r;
}

/* Keys between two rows are those of one type of targets. */
static int check_none(struct reader *reader, const struct key_value *values, size_t first,
                      size_t last, const char *kind) {
    for (size_t i = first; i <= last; i++) {
        if (values[i].given) {
            return error_set(reader->err, -EINVAL, values[i].at, "a %s target has no '%s'", kind,
                             key_section_target.keys[i].name);
        }
    }
    return 0;
}

static int check_foreign(struct reader *reader, const struct key_value *values,
                         enum target_kind kind) {
    const char *name = target_kind_names[kind];
    int r = 0;
    if (kind != KIND_HOST) {
        r = check_none(reader, values, TARGET_KEY_PROCFS, TARGET_KEY_ROOTFS, name);
    }
    if (r == 0 && kind != KIND_BREAKERS) {
        r = check_none(reader, values, TARGET_KEY_FORMAT, TARGET_KEY_STATES, name);
    }
    return r;
}

static int read_address(struct reader *reader, const struct yaml_node *node,
                        const struct key_value *values, struct target_options *target) {
    bool pg = kind_is_pg(target->kind);
    const char *key = pg ? "dsn" : "url";
    const struct key_value *address = &values[pg ? TARGET_KEY_DSN : TARGET_KEY_URL];
    const struct key_value *other = &values[pg ? TARGET_KEY_URL : TARGET_KEY_DSN];
    const char *kind = target_kind_names[target->kind];
    if (check_foreign(reader, values, target->kind) < 0) {
        return -EINVAL;
    }
    if (target->kind == KIND_HOST) {
        return read_host(reader, values, target);
    }
    if (other->given) {
        return error_set(reader->err, -EINVAL, other->at, "a %s target has a '%s', not a '%s'",
                         kind, key, pg ? "url" : "dsn");
    }
    if (!address->given) {
        return error_set(reader->err, -EINVAL, node->at, "a %s target needs a '%s'", kind, key);
    }
    struct error inner = {0};
    if (target->kind == KIND_BREAKERS) {
        int failed = config_read_app(reader, node, values, target);
        return failed != 0 ? failed : place_password(reader, values, key, &target->redis.password);
    }
    int r = parse_address(address, target, &inner);
    if (r < 0) {
        return error_set(reader->err, r, address->at, "'%s': %s", key, inner.text);
    }
    target->pg.guard_timeout_usec = target->timeout_usec;
    target->redis.sentinel = target->kind == KIND_SENTINEL;
    return place_password(reader, values, key, pg ? &target->pg.password : &target->redis.password);
}

static char *text_or_null(const struct key_value *value) {
    return value->given ? mem_strndup(value->text.data, value->text.len) : NULL;
}

static void fill_plain_values(const struct key_value *values, const struct config *config,
                              struct target_options *target) {
    const struct key_value *interval = &values[TARGET_KEY_INTERVAL];
    const struct key_value *timeout = &values[TARGET_KEY_TIMEOUT];
    target->name = text_or_null(&values[TARGET_KEY_NAME]);
    target->cluster = text_or_null(&values[TARGET_KEY_CLUSTER]);
    /* NULL means the kind's name; one spelling for one meaning keeps comparisons simple. */
    const struct key_value *job = &values[TARGET_KEY_JOB];
    target->job = str_is(job->text, target_kind_names[target->kind]) ? NULL : text_or_null(job);
    target->interval_usec = interval->given ? interval->number : config->interval_usec;
    target->timeout_usec = timeout->given ? timeout->number : config->timeout_usec;
    target->required = values[TARGET_KEY_REQUIRED].number != 0;
    target->failover_priority = values[TARGET_KEY_FAILOVER_PRIORITY].number;
    target->no_failover = values[TARGET_KEY_NO_FAILOVER].number != 0;
}

int config_read_target(struct reader *reader, const struct yaml_node *node,
                       const struct config *config, struct target_options *ret) {
    struct key_value values[TARGET_KEY_COUNT];
    if (node->type != YAML_MAP) {
        return error_set(reader->err, -EINVAL, node->at,
                         "a target should be a map such as {name: db1, type: postgres, dsn: ...}, "
                         "found %s",
                         yaml_describe(node));
    }
    int r = reader_section(reader, &key_section_target, node, values);
    if (r == 0) {
        r = check_identity(reader, node, values);
    }
    if (r < 0) {
        return r;
    }
    struct target_options target;
    target_options_init(&target, (enum target_kind)values[TARGET_KEY_TYPE].number);
    fill_plain_values(values, config, &target);
    r = read_address(reader, node, values, &target);
    if (r == 0) {
        r = config_read_tls(reader, values[TARGET_KEY_TLS].node, &target);
    }
    if (r == 0) {
        r = config_read_labels(reader, values[TARGET_KEY_LABELS].node, target.labels,
                               &target.n_labels);
    }
    if (r == 0) {
        r = config_read_collectors(reader, values[TARGET_KEY_COLLECTORS].node, &target);
    }
    if (r == 0) {
        r = config_read_databases(reader, values[TARGET_KEY_DATABASES].node, &target);
    }
    if (r < 0) {
        target_options_deinit(&target);
        return r;
    }
    *ret = target;
    return 0;
}
