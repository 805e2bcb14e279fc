/* SPDX-License-Identifier: Apache-2.0 */

/* The effective configuration as YAML: what is printed parses to the same configuration again,
 * except that secrets are left out. */
#include "config/config.h"

#include "base/duration.h"
#include "base/escape.h"
#include "config/print_yaml.h"

static void add_text_line(struct strbuf *out, const char *key, const char *text) {
    if (text != NULL) {
        strbuf_printf(out, "    %s: ", key);
        yaml_print_text(out, str_of(text));
        strbuf_add_char(out, '\n');
    }
}

static void add_labels(struct strbuf *out, const struct target_label *labels, size_t count) {
    strbuf_add_text(out, "labels: {");
    for (size_t i = 0; i < count; i++) {
        strbuf_add_text(out, i != 0 ? ", " : "");
        yaml_print_text(out, str_of(labels[i].name));
        strbuf_add_text(out, ": ");
        yaml_print_text(out, str_of(labels[i].value));
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
        yaml_print_duration(out, option->name, value->number);
        break;
    case OPTION_TEXT:
        strbuf_printf(out, ", %s: ", option->name);
        yaml_print_text(out, str_of(value->text != NULL ? value->text : ""));
        break;
    }
}

static void add_collector(struct strbuf *out, const struct collector *collector,
                          const struct collector_settings *settings) {
    strbuf_printf(out, "      %s: {enabled: %s, ", collector->name,
                  settings->enabled ? "true" : "false");
    yaml_print_duration(out, "interval", settings->interval_usec);
    yaml_print_duration(out, ", timeout", settings->timeout_usec);
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
        strbuf_printf(&dsn, "%ssslpassword='%s'", dsn.len != 0 ? " " : "", PRINTED_SECRET);
    }
    strbuf_add_text(out, "    dsn: ");
    yaml_print_text(out, strbuf_view(&dsn));
    strbuf_add_char(out, '\n');
    strbuf_deinit(&dsn);
}

static void add_redis_address(struct strbuf *out, const struct redis_options *redis) {
    struct strbuf url = {0};
    strbuf_add_text(&url, redis->socket_path != NULL ? "unix://"
                          : redis->tls.enabled       ? "rediss://"
                                                     : "redis://");
    if (redis->user != NULL) {
        strbuf_add_percent(&url, str_of(redis->user), URL_UNRESERVED);
        strbuf_add_char(&url, '@');
    }
    if (redis->socket_path != NULL) {
        strbuf_add_percent(&url, str_of(redis->socket_path), URL_UNRESERVED "/");
    } else {
        const char *host = redis->host != NULL ? redis->host : "";
        bool v6 = strchr(host, ':') != NULL;
        strbuf_add_text(&url, v6 ? "[" : "");
        strbuf_add_percent(&url, str_of(host), v6 ? URL_UNRESERVED ":%" : URL_UNRESERVED);
        strbuf_printf(&url, "%s:%u", v6 ? "]" : "", (unsigned)redis->port);
    }
    strbuf_add_text(out, "    url: ");
    yaml_print_text(out, strbuf_view(&url));
    strbuf_add_char(out, '\n');
    strbuf_deinit(&url);
    if (redis->tls.enabled) {
        yaml_print_tls(out, "    tls", &redis->tls);
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
        yaml_print_text(out, str_of(patterns->list[i]));
    }
}

static bool is_for(const struct parameter_setting *setting, const char *target) {
    const char *own = setting->target != NULL ? setting->target : "";
    return strcmp(own, target != NULL ? target : "") == 0;
}

/* What was given, for a target or for all (NULL). */
static void add_parameters(struct strbuf *out, const char *indent, const struct config *config,
                           const char *target) {
    bool any = false;
    for (size_t i = 0; i < config->n_parameters; i++) {
        const struct parameter_setting *setting = &config->parameters[i];
        if (is_for(setting, target)) {
            strbuf_printf(out, "%s%s: ", any ? ", " : indent, setting->name);
            parameter_format(str_of(setting->name), setting->value, out);
            any = true;
        }
    }
    strbuf_add_text(out, any ? "}\n" : "");
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

static void add_target(struct strbuf *out, const struct config *config,
                       const struct target_options *target) {
    bool pg = target->kind == KIND_POSTGRES || target->kind == KIND_PGBOUNCER;
    strbuf_add_text(out, "  - name: ");
    yaml_print_text(out, str_of(target->name));
    strbuf_add_char(out, '\n');
    add_text_line(out, "type", target_kind_names[target->kind]);
    if (pg) {
        add_pg_address(out, &target->pg);
    } else if (target->kind == KIND_HOST) {
        add_host(out, &target->host);
    } else if (target->app.http.url != NULL) {
        add_text_line(out, "url", target->app.http.url);
    } else {
        add_redis_address(out, &target->redis);
    }
    if ((pg ? target->pg.password : target->redis.password) != NULL) {
        strbuf_add_text(out, "    password: " PRINTED_SECRET "\n");
    }
    if (target->kind == KIND_BREAKERS) {
        print_app(out, &target->app);
    }
    add_text_line(out, "cluster", target->cluster);
    add_text_line(out, "job", target->job != NULL ? target->job : target_kind_names[target->kind]);
    strbuf_add_text(out, "    ");
    add_labels(out, target->labels, target->n_labels);
    yaml_print_duration(out, "    interval", target->interval_usec);
    yaml_print_duration(out, "\n    timeout", target->timeout_usec);
    strbuf_printf(out, "\n    required: %s\n", target->required ? "true" : "false");
    if (target->failover_priority != TARGET_DEFAULT_PRIORITY) {
        strbuf_printf(out, "    failover_priority: %llu\n",
                      (unsigned long long)target->failover_priority);
    }
    strbuf_add_text(out, target->no_failover ? "    no_failover: true\n" : "");
    add_databases(out, &target->databases);
    add_parameters(out, "    parameters: {", config, target->name);
    add_collectors(out, target);
}

void config_print(const struct config *config, struct strbuf *out) {
    strbuf_add_text(out, "global:\n");
    yaml_print_duration(out, "  interval", config->interval_usec);
    yaml_print_duration(out, "\n  timeout", config->timeout_usec);
    strbuf_add_text(out, "\n  ");
    add_labels(out, config->labels, config->n_labels);
    yaml_print_duration(out, "history:\n  retention", config->history_usec);
    yaml_print_duration(out, "\n  max_retention", config->history_max_usec);
    strbuf_printf(out, "\n  bytes: %llu\nrules:\n  files: [",
                  (unsigned long long)config->history_bytes);
    for (size_t i = 0; i < config->n_rule_patterns; i++) {
        strbuf_add_text(out, i > 0 ? ", " : "");
        yaml_print_text(out, str_of(config->rule_patterns[i]));
    }
    yaml_print_duration(out, "]\n  interval", config->rules_interval_usec);
    strbuf_add_char(out, '\n');
    add_parameters(out, "  parameters: {", config, NULL);
    print_notify(out, &config->notify);
    for (size_t i = 0; i < config->n_admin_users; i++) {
        strbuf_add_text(out, i == 0 ? "web: {admin_users: [" : ", ");
        yaml_print_text(out, str_of(config->admin_users[i]));
    }
    strbuf_add_text(out, config->n_admin_users > 0 ? "]}\n" : "");
    strbuf_add_text(out, config->n_targets != 0 ? "targets:\n" : "targets: []\n");
    for (size_t i = 0; i < config->n_targets; i++) {
        add_target(out, config, &config->targets[i]);
    }
    print_breakers(out, config->breakers, config->n_breakers);
    print_failover(out, config->failover, config->n_failover);
}
