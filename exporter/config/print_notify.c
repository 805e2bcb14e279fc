/* SPDX-License-Identifier: Apache-2.0 */

/* The section `notify:` as YAML. Addresses of hooks are secrets too: what stands for them is still
 * an address, so that the output can be read again. */
#include "config/print_yaml.h"

#define CHANNEL_INDENT "        "

static void add_line(struct strbuf *out, const char *key, const char *text) {
    if (text != NULL) {
        strbuf_printf(out, "%s: ", key);
        yaml_print_text(out, str_of(text));
        strbuf_add_char(out, '\n');
    }
}

static void add_duration_line(struct strbuf *out, const char *key, uint64_t usec) {
    yaml_print_duration(out, key, usec);
    strbuf_add_char(out, '\n');
}

static void add_texts(struct strbuf *out, const char *key, char *const *texts, size_t count) {
    strbuf_printf(out, "%s: [", key);
    for (size_t i = 0; i < count; i++) {
        strbuf_add_text(out, i > 0 ? ", " : "");
        yaml_print_text(out, str_of(texts[i]));
    }
    strbuf_add_text(out, "]\n");
}

static void add_auth(struct strbuf *out, const char *indent, const struct http_options *http) {
    if (http->user != NULL) {
        strbuf_printf(out, "%sbasic_auth: {username: ", indent);
        yaml_print_text(out, str_of(http->user));
        strbuf_add_text(out, ", password: " PRINTED_SECRET "}\n");
    }
    if (http->credentials != NULL) {
        strbuf_printf(out, "%sauthorization: {type: ", indent);
        yaml_print_text(out, str_of(http->scheme));
        strbuf_add_text(out, ", credentials: " PRINTED_SECRET "}\n");
    }
}

static void add_alertmanager(struct strbuf *out, const struct http_options *http) {
    add_line(out, "    - url", http->url);
    add_duration_line(out, "      timeout", http->timeout_usec);
    add_auth(out, "      ", http);
    yaml_print_tls(out, "      tls_config", &http->tls);
}

static void add_step(struct strbuf *out, const struct relabel_step *step) {
    add_line(out, "    - action", relabel_action_names[step->action]);
    if (step->n_source_labels > 0) {
        add_texts(out, "      source_labels", step->source_labels, step->n_source_labels);
    }
    bool only_regex = step->action == RELABEL_LABELDROP || step->action == RELABEL_LABELKEEP;
    add_line(out, "      separator", only_regex ? NULL : step->separator);
    add_line(out, "      regex", step->pattern);
    add_line(out, "      target_label", step->target_label);
    add_line(out, "      replacement", only_regex ? NULL : step->replacement);
    if (step->modulus > 0) {
        strbuf_printf(out, "      modulus: %llu\n", (unsigned long long)step->modulus);
    }
}

/* ---- channels ---- */

static void add_secret_url(struct strbuf *out, const char *key,
                           const struct channel_options *channel) {
    bool plain = str_starts_with(str_of(channel->http.url), "http://");
    strbuf_printf(out, "%s: \"%s" PRINTED_SECRET "\"\n", key, plain ? "http://" : "https://");
}

static void add_webhook(struct strbuf *out, const struct channel_options *channel) {
    add_secret_url(out, CHANNEL_INDENT "url", channel);
    if (channel->http.n_headers > 0) {
        strbuf_add_text(out, CHANNEL_INDENT "headers: {");
        for (size_t i = 0; i < channel->http.n_headers; i++) {
            strbuf_add_text(out, i > 0 ? ", " : "");
            yaml_print_text(out, str_of(channel->http.headers[i].name));
            strbuf_add_text(out, ": " PRINTED_SECRET);
        }
        strbuf_add_text(out, "}\n");
    }
    add_auth(out, CHANNEL_INDENT, &channel->http);
}

static void add_slack(struct strbuf *out, const struct channel_options *channel) {
    add_secret_url(out, CHANNEL_INDENT "webhook_url", channel);
    add_line(out, CHANNEL_INDENT "channel", channel->slack_channel);
    add_line(out, CHANNEL_INDENT "username", channel->slack_username);
}

static void add_pagerduty(struct strbuf *out, const struct channel_options *channel) {
    strbuf_add_text(out, CHANNEL_INDENT "routing_key: " PRINTED_SECRET "\n");
    add_line(out, CHANNEL_INDENT "url", channel->http.url);
}

static void add_email(struct strbuf *out, const struct channel_options *channel) {
    add_texts(out, CHANNEL_INDENT "to", channel->to, channel->n_to);
    add_line(out, CHANNEL_INDENT "from", channel->from);
    add_line(out, CHANNEL_INDENT "smtp", channel->http.url);
    add_line(out, CHANNEL_INDENT "username", channel->http.user);
    if (channel->http.password != NULL) {
        strbuf_add_text(out, CHANNEL_INDENT "password: " PRINTED_SECRET "\n");
    }
    strbuf_printf(out, CHANNEL_INDENT "require_tls: %s\n", channel->require_tls ? "true" : "false");
}

static void add_exec(struct strbuf *out, const struct channel_options *channel) {
    size_t words = 0;
    while (channel->command[words] != NULL) {
        words++;
    }
    add_texts(out, CHANNEL_INDENT "command", channel->command, words);
}

static void (*const add_own[CHANNEL_KIND_COUNT])(struct strbuf *out,
                                                 const struct channel_options *channel) = {
    [CHANNEL_WEBHOOK] = add_webhook,     [CHANNEL_SLACK] = add_slack,
    [CHANNEL_PAGERDUTY] = add_pagerduty, [CHANNEL_EMAIL] = add_email,
    [CHANNEL_EXEC] = add_exec,
};

static void add_receiver(struct strbuf *out, const struct receiver_options *receiver) {
    add_line(out, "    - name", receiver->name);
    for (size_t i = 0; i < receiver->n_channels; i++) {
        const struct channel_options *channel = &receiver->channels[i];
        strbuf_printf(out, "      %s:\n", channel_kind_names[channel->kind]);
        strbuf_printf(out, CHANNEL_INDENT "send_resolved: %s\n",
                      channel->send_resolved ? "true" : "false");
        add_duration_line(out, CHANNEL_INDENT "timeout", channel->http.timeout_usec);
        if (channel->kind != CHANNEL_EXEC) {
            yaml_print_tls(out, CHANNEL_INDENT "tls_config", &channel->http.tls);
        }
        add_own[channel->kind](out, channel);
    }
}

/* ---- routes ---- */

static void add_matcher(struct strbuf *out, const struct matcher *matcher) {
    struct strbuf text = {0};
    strbuf_add_str(&text, matcher->name);
    strbuf_printf(&text, "%s\"", matcher_type_texts[matcher->type]);
    for (size_t i = 0; i < matcher->value.len; i++) {
        char c = matcher->value.data[i];
        strbuf_add_text(&text, c == '\\' || c == '"' || c == '\n' ? "\\" : "");
        strbuf_add_char(&text, c == '\n' ? 'n' : c);
    }
    strbuf_add_char(&text, '"');
    yaml_print_text(out, strbuf_view(&text));
    strbuf_deinit(&text);
}

static void add_route(struct strbuf *out, const struct notify_options *notify,
                      const struct route_options *route) {
    strbuf_add_text(out, "    - matchers: [");
    for (size_t i = 0; i < route->n_matchers; i++) {
        strbuf_add_text(out, i > 0 ? ", " : "");
        add_matcher(out, &route->matchers[i]);
    }
    strbuf_add_text(out, "]\n");
    add_line(out, "      receiver", notify->receivers[route->receiver].name);
    add_texts(out, "      group_by", route->group_by, route->n_group_by);
    add_duration_line(out, "      group_wait", route->group_wait_usec);
    add_duration_line(out, "      group_interval", route->group_interval_usec);
    add_duration_line(out, "      repeat_interval", route->repeat_interval_usec);
    strbuf_printf(out, "      continue: %s\n", route->go_on ? "true" : "false");
}

static void begin_list(struct strbuf *out, const char *key, size_t count) {
    strbuf_printf(out, "  %s:%s\n", key, count > 0 ? "" : " []");
}

void print_notify(struct strbuf *out, const struct notify_options *notify) {
    add_duration_line(out, "notify:\n  resend_delay", notify->resend_delay_usec);
    begin_list(out, "alertmanagers", notify->n_alertmanagers);
    for (size_t i = 0; i < notify->n_alertmanagers; i++) {
        add_alertmanager(out, &notify->alertmanagers[i]);
    }
    begin_list(out, "alert_relabel_configs", notify->n_relabel);
    for (size_t i = 0; i < notify->n_relabel; i++) {
        add_step(out, &notify->relabel[i]);
    }
    begin_list(out, "receivers", notify->n_receivers);
    for (size_t i = 0; i < notify->n_receivers; i++) {
        add_receiver(out, &notify->receivers[i]);
    }
    begin_list(out, "routes", notify->n_routes);
    for (size_t i = 0; i < notify->n_routes; i++) {
        add_route(out, notify, &notify->routes[i]);
    }
}
