/* SPDX-License-Identifier: Apache-2.0 */

#include "actions/notify_options.h"

#include <stdlib.h>
#include <string.h>

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

void channel_options_deinit(struct channel_options *channel) {
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
    *channel = (struct channel_options){0};
}

/* ---- copies ---- */

static char *copy_text(const char *text) {
    return text != NULL ? mem_strdup(text) : NULL;
}

static bool same_text(const char *a, const char *b) {
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static size_t count_words(char *const *words) {
    size_t n = 0;
    while (words != NULL && words[n] != NULL) {
        n++;
    }
    return n;
}

/* With a NULL behind. */
static char **copy_texts(char *const *texts, size_t count) {
    char **copy = mem_array(count + 1, sizeof(char *));
    for (size_t i = 0; i < count; i++) {
        copy[i] = mem_strdup(texts[i]);
    }
    return copy;
}

static bool same_texts(char *const *a, size_t n_a, char *const *b, size_t n_b) {
    bool same = n_a == n_b;
    for (size_t i = 0; same && i < n_a; i++) {
        same = strcmp(a[i], b[i]) == 0;
    }
    return same;
}

void channel_options_copy(const struct channel_options *from, struct channel_options *ret) {
    *ret = (struct channel_options){
        .kind = from->kind,
        .send_resolved = from->send_resolved,
        .routing_key = copy_text(from->routing_key),
        .slack_channel = copy_text(from->slack_channel),
        .slack_username = copy_text(from->slack_username),
        .to = from->to != NULL ? copy_texts(from->to, from->n_to) : NULL,
        .n_to = from->n_to,
        .from = copy_text(from->from),
        .require_tls = from->require_tls,
        .command =
            from->command != NULL ? copy_texts(from->command, count_words(from->command)) : NULL,
    };
    http_options_copy(&from->http, &ret->http);
}

bool channel_options_equal(const struct channel_options *a, const struct channel_options *b) {
    return a->kind == b->kind && a->send_resolved == b->send_resolved &&
           http_options_equal(&a->http, &b->http) && same_text(a->routing_key, b->routing_key) &&
           same_text(a->slack_channel, b->slack_channel) &&
           same_text(a->slack_username, b->slack_username) &&
           same_texts(a->to, a->n_to, b->to, b->n_to) && same_text(a->from, b->from) &&
           a->require_tls == b->require_tls &&
           same_texts(a->command, count_words(a->command), b->command, count_words(b->command));
}

/* ---- all of it ---- */

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
