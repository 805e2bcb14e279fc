/* SPDX-License-Identifier: Apache-2.0 */

#include "actions/notify_options.h"

#include <stdlib.h>

#include "base/mem.h"

const char *const channel_kind_names[] = {
    [CHANNEL_WEBHOOK] = "webhook", [CHANNEL_SLACK] = "slack", [CHANNEL_PAGERDUTY] = "pagerduty",
    [CHANNEL_EMAIL] = "email",     [CHANNEL_EXEC] = "exec",   [CHANNEL_KIND_COUNT] = NULL,
};

static void free_texts(char **texts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(texts[i]);
    }
    free(texts);
}

void http_options_deinit(struct http_options *options) {
    for (size_t i = 0; i < options->n_headers; i++) {
        free(options->headers[i].name);
        mem_free_secret(options->headers[i].value);
    }
    free(options->headers);
    mem_free_secret(options->url);
    free(options->user);
    mem_free_secret(options->password);
    free(options->scheme);
    mem_free_secret(options->credentials);
    tls_options_deinit(&options->tls);
    *options = (struct http_options){0};
}

static void channel_options_deinit(struct channel_options *channel) {
    http_options_deinit(&channel->http);
    mem_free_secret(channel->routing_key);
    free(channel->slack_channel);
    free(channel->slack_username);
    free_texts(channel->to, channel->n_to);
    free(channel->from);
    size_t words = 0;
    while (channel->command != NULL && channel->command[words] != NULL) {
        words++;
    }
    free_texts(channel->command, words);
}

static void route_options_deinit(struct route_options *route) {
    for (size_t i = 0; i < route->n_matchers; i++) {
        matcher_deinit(&route->matchers[i]);
        free((char *)(uintptr_t)route->matchers[i].name.data);
        free((char *)(uintptr_t)route->matchers[i].value.data);
    }
    free(route->matchers);
    free_texts(route->group_by, route->n_group_by);
}

void notify_options_deinit(struct notify_options *options) {
    for (size_t i = 0; i < options->n_alertmanagers; i++) {
        http_options_deinit(&options->alertmanagers[i]);
    }
    free(options->alertmanagers);
    for (size_t i = 0; i < options->n_relabel; i++) {
        relabel_step_deinit(&options->relabel[i]);
    }
    free(options->relabel);
    for (size_t i = 0; i < options->n_receivers; i++) {
        struct receiver_options *receiver = &options->receivers[i];
        free(receiver->name);
        for (size_t k = 0; k < receiver->n_channels; k++) {
            channel_options_deinit(&receiver->channels[k]);
        }
        free(receiver->channels);
    }
    free(options->receivers);
    for (size_t i = 0; i < options->n_routes; i++) {
        route_options_deinit(&options->routes[i]);
    }
    free(options->routes);
    *options = (struct notify_options){0};
}
