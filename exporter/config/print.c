/* SPDX-License-Identifier: Apache-2.0 */

/* The effective configuration as YAML: what is printed parses to the same configuration again,
 * except that secrets are left out. */
#include "config/config.h"

#include "base/duration.h"

#define SECRET "<secret>"

/* Words that other readers of YAML take for something else than text. */
static const char *const special_words[] = {"true", "false", "yes", "no", "on",
                                            "off",  "null",  "y",   "n"};

static bool is_plain(struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        bool inner = (c >= '0' && c <= '9') || c == '-' || c == '.';
        if (!letter && (i == 0 || !inner)) {
            return false;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(special_words); i++) {
        if (text.len == strlen(special_words[i]) &&
            strncasecmp(text.data, special_words[i], text.len) == 0) {
            return false;
        }
    }
    return text.len > 0;
}

static uint32_t code_point(const char *data, size_t length) {
    static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = (unsigned char)data[0] & masks[length];
    for (size_t i = 1; i < length; i++) {
        code = code << 6 | ((unsigned char)data[i] & 0x3f);
    }
    return code;
}

/* What a reader of YAML would refuse or take for a line break. */
static bool must_be_escaped(uint32_t code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
           code == 0xfeff || code == 0xfffe || code == 0xffff;
}

static void add_character(struct strbuf *out, const char *data, size_t length) {
    uint32_t code = length != 0 ? code_point(data, length) : (unsigned char)data[0];
    if (length == 0 || (must_be_escaped(code) && code <= 0xff)) {
        strbuf_printf(out, "\\x%02x", (unsigned)code);
    } else if (must_be_escaped(code)) {
        strbuf_printf(out, "\\u%04x", (unsigned)code);
    } else if (code == '"' || code == '\\') {
        strbuf_printf(out, "\\%c", (char)code);
    } else if (code == '$') {
        strbuf_add_text(out, "$$"); /* else ${...} would be expanded */
    } else {
        strbuf_add(out, data, length);
    }
}

static void add_text(struct strbuf *out, struct str text) {
    if (is_plain(text)) {
        strbuf_add_str(out, text);
        return;
    }
    strbuf_add_char(out, '"');
    for (size_t i = 0; i < text.len;) {
        size_t length = utf8_length(text.data + i, text.len - i);
        add_character(out, text.data + i, length);
        i += length != 0 ? length : 1;
    }
    strbuf_add_char(out, '"');
}

static void add_text_line(struct strbuf *out, const char *key, const char *text) {
    if (text != NULL) {
        strbuf_printf(out, "    %s: ", key);
        add_text(out, str_of(text));
        strbuf_add_char(out, '\n');
    }
}

static void add_duration(struct strbuf *out, const char *key, uint64_t usec) {
    char text[32];
    strbuf_printf(out, "%s: %s", key, duration_format(usec, text));
}

static void add_labels(struct strbuf *out, const struct target_label *labels, size_t count) {
    strbuf_add_text(out, "labels: {");
    for (size_t i = 0; i < count; i++) {
        strbuf_add_text(out, i != 0 ? ", " : "");
        add_text(out, str_of(labels[i].name));
        strbuf_add_text(out, ": ");
        add_text(out, str_of(labels[i].value));
    }
    strbuf_add_text(out, "}\n");
}

static void add_option(struct strbuf *out, const struct option *option,
                       const struct option_value *value) {
    switch (option->type) {
    case OPTION_BOOL:
        strbuf_printf(out, ", %s: %s", option->name, value->number != 0 ? "true" : "false");
        break;
    case OPTION_UNSIGNED:
        strbuf_printf(out, ", %s: %llu", option->name, (unsigned long long)value->number);
        break;
    case OPTION_DURATION:
        strbuf_add_text(out, ", ");
        add_duration(out, option->name, value->number);
        break;
    case OPTION_TEXT:
        strbuf_printf(out, ", %s: ", option->name);
        add_text(out, str_of(value->text != NULL ? value->text : ""));
        break;
    }
}

static void add_collector(struct strbuf *out, const struct collector *collector,
                          const struct collector_settings *settings) {
    strbuf_printf(out, "      %s: {enabled: %s, ", collector->name,
                  settings->enabled ? "true" : "false");
    add_duration(out, "interval", settings->interval_usec);
    add_duration(out, ", timeout", settings->timeout_usec);
    const struct option *option = collector->options;
    for (size_t i = 0; option != NULL && option[i].name != NULL && i < COLLECTOR_MOST_OPTIONS;
         i++) {
        add_option(out, &option[i], &settings->options[i]);
    }
    strbuf_add_text(out, "}\n");
}

static void add_collectors(struct strbuf *out, const struct target_options *target) {
    bool any = false;
    for (size_t i = 0; i < TARGET_MOST_COLLECTORS && collector_list[i] != NULL; i++) {
        if (collector_list[i]->kind == target->kind) {
            strbuf_add_text(out, any ? "" : "    collectors:\n");
            add_collector(out, collector_list[i], &target->collectors[i]);
            any = true;
        }
    }
    if (!any) {
        strbuf_add_text(out, "    collectors: {}\n");
    }
}

static void add_pg_address(struct strbuf *out, const struct pg_options *pg) {
    struct strbuf dsn = {0};
    strbuf_add_text(&dsn, pg->dsn != NULL ? pg->dsn : "");
    if (pg->key_password != NULL) {
        strbuf_printf(&dsn, "%ssslpassword='%s'", dsn.len != 0 ? " " : "", SECRET);
    }
    strbuf_add_text(out, "    dsn: ");
    add_text(out, strbuf_view(&dsn));
    strbuf_add_char(out, '\n');
    strbuf_deinit(&dsn);
}

/* Percent-encodes what has a meaning in a URL. */
static void add_url_part(struct strbuf *url, const char *text, const char *legal) {
    for (const char *c = text; *c != '\0'; c++) {
        bool alnum =
            (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        if (alnum || strchr(legal, *c) != NULL) {
            strbuf_add_char(url, *c);
        } else {
            strbuf_printf(url, "%%%02X", (unsigned)(unsigned char)*c);
        }
    }
}

static void add_tls(struct strbuf *out, const struct tls_options *tls) {
    const struct {
        const char *key, *text;
    } rows[] = {
        {"ca_file", tls->ca_file},
        {"cert_file", tls->cert_file},
        {"key_file", tls->key_file},
        {"server_name", tls->server_name},
    };
    strbuf_add_text(out, "    tls: {");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].text != NULL) {
            strbuf_printf(out, "%s: ", rows[i].key);
            add_text(out, str_of(rows[i].text));
            strbuf_add_text(out, ", ");
        }
    }
    strbuf_printf(out, "insecure_skip_verify: %s}\n", tls->insecure_skip_verify ? "true" : "false");
}

static void add_redis_address(struct strbuf *out, const struct redis_options *redis) {
    struct strbuf url = {0};
    strbuf_add_text(&url, redis->socket_path != NULL ? "unix://"
                          : redis->tls.enabled       ? "rediss://"
                                                     : "redis://");
    if (redis->user != NULL) {
        add_url_part(&url, redis->user, "-._~");
        strbuf_add_char(&url, '@');
    }
    if (redis->socket_path != NULL) {
        add_url_part(&url, redis->socket_path, "-._~/");
    } else {
        const char *host = redis->host != NULL ? redis->host : "";
        bool v6 = strchr(host, ':') != NULL;
        strbuf_add_text(&url, v6 ? "[" : "");
        add_url_part(&url, host, v6 ? "-._~:%" : "-._~");
        strbuf_printf(&url, "%s:%u", v6 ? "]" : "", (unsigned)redis->port);
    }
    strbuf_add_text(out, "    url: ");
    add_text(out, strbuf_view(&url));
    strbuf_add_char(out, '\n');
    strbuf_deinit(&url);
    if (redis->tls.enabled) {
        add_tls(out, &redis->tls);
    }
}

static void add_host(struct strbuf *out, const struct host_options *host) {
    add_text_line(out, "procfs", host->procfs != NULL ? host->procfs : HOST_DEFAULT_PROCFS);
    add_text_line(out, "sysfs", host->sysfs != NULL ? host->sysfs : HOST_DEFAULT_SYSFS);
    add_text_line(out, "rootfs", host->rootfs != NULL ? host->rootfs : HOST_DEFAULT_ROOTFS);
}

static void add_patterns(struct strbuf *out, const struct database_patterns *patterns) {
    for (size_t i = 0; i < patterns->count; i++) {
        strbuf_add_text(out, i != 0 ? ", " : "");
        add_text(out, str_of(patterns->list[i]));
    }
}

static void add_databases(struct strbuf *out, const struct database_options *databases) {
    if (databases->given) {
        strbuf_add_text(out, "    databases: {include: [");
        add_patterns(out, &databases->include);
        strbuf_add_text(out, "], exclude: [");
        add_patterns(out, &databases->exclude);
        strbuf_add_text(out, "]}\n");
    }
}

static void add_target(struct strbuf *out, const struct target_options *target) {
    bool pg = target->kind == KIND_POSTGRES || target->kind == KIND_PGBOUNCER;
    strbuf_add_text(out, "  - name: ");
    add_text(out, str_of(target->name));
    strbuf_add_char(out, '\n');
    add_text_line(out, "type", target_kind_names[target->kind]);
    if (pg) {
        add_pg_address(out, &target->pg);
    } else if (target->kind == KIND_HOST) {
        add_host(out, &target->host);
    } else {
        add_redis_address(out, &target->redis);
    }
    if ((pg ? target->pg.password : target->redis.password) != NULL) {
        strbuf_add_text(out, "    password: " SECRET "\n");
    }
    add_text_line(out, "cluster", target->cluster);
    add_text_line(out, "job", target->job != NULL ? target->job : target_kind_names[target->kind]);
    strbuf_add_text(out, "    ");
    add_labels(out, target->labels, target->n_labels);
    add_duration(out, "    interval", target->interval_usec);
    add_duration(out, "\n    timeout", target->timeout_usec);
    strbuf_printf(out, "\n    required: %s\n", target->required ? "true" : "false");
    add_databases(out, &target->databases);
    add_collectors(out, target);
}

void config_print(const struct config *config, struct strbuf *out) {
    strbuf_add_text(out, "global:\n");
    add_duration(out, "  interval", config->interval_usec);
    add_duration(out, "\n  timeout", config->timeout_usec);
    strbuf_add_text(out, "\n  ");
    add_labels(out, config->labels, config->n_labels);
    add_duration(out, "history:\n  retention", config->history_usec);
    add_duration(out, "\n  max_retention", config->history_max_usec);
    strbuf_printf(out, "\n  bytes: %llu\nrules:\n  files: [",
                  (unsigned long long)config->history_bytes);
    for (size_t i = 0; i < config->n_rule_patterns; i++) {
        strbuf_add_text(out, i > 0 ? ", " : "");
        add_text(out, str_of(config->rule_patterns[i]));
    }
    add_duration(out, "]\n  interval", config->rules_interval_usec);
    strbuf_add_char(out, '\n');
    strbuf_add_text(out, config->n_targets != 0 ? "targets:\n" : "targets: []\n");
    for (size_t i = 0; i < config->n_targets; i++) {
        add_target(out, &config->targets[i]);
    }
}
