/* SPDX-License-Identifier: Apache-2.0 */

/* What a target of type breakers has of its own, as YAML. */
#include "config/keys.h"
#include "config/print_yaml.h"

static void add_text(struct strbuf *out, const char *key, const char *text) {
    if (text != NULL) {
        strbuf_printf(out, "%s: ", key);
        yaml_print_text(out, str_of(text));
    }
}

static void add_auth(struct strbuf *out, const struct http_options *http) {
    if (http->user != NULL) {
        add_text(out, "    basic_auth: {username", http->user);
        strbuf_add_text(out, ", password: " PRINTED_SECRET "}\n");
    }
    if (http->credentials != NULL) {
        add_text(out, "    authorization: {type", http->scheme);
        strbuf_add_text(out, ", credentials: " PRINTED_SECRET "}\n");
    }
}

static void add_items(struct strbuf *out, const char *key, const struct key_section *section,
                      size_t first_pointer, const struct app_item *items, size_t count) {
    strbuf_printf(out, count > 0 ? "    %s:\n" : "", key);
    for (size_t i = 0; i < count; i++) {
        add_text(out, "      - {name", items[i].name);
        add_text(out, ", layer", items[i].layer);
        for (size_t k = first_pointer; k + 1 < section->n_keys; k++) {
            const char *pointer = items[i].pointers[k - first_pointer];
            if (pointer != NULL) {
                strbuf_printf(out, ", %s: ", section->keys[k].name);
                yaml_print_text(out, str_of(pointer));
            }
        }
        strbuf_printf(out, ", percent: %s}\n", items[i].percent ? "true" : "false");
    }
}

static void add_keys(struct strbuf *out, const struct app_options *app) {
    for (size_t i = 0; i < app->n_keys; i++) {
        strbuf_add_text(out, i == 0 ? "    keys: [" : ", ");
        yaml_print_text(out, str_of(app->keys[i]));
    }
    strbuf_add_text(out, app->n_keys > 0 ? "]\n" : "");
    add_text(out, "    pattern", app->pattern);
    strbuf_add_text(out, app->pattern != NULL ? "\n" : "");
}

void print_app(struct strbuf *out, const struct app_options *app) {
    strbuf_printf(out, "    format: %s\n", app_format_names[app->format]);
    add_auth(out, &app->http);
    if (app->format != APP_REDIS && str_starts_with(str_of(app->http.url), "https://")) {
        yaml_print_tls(out, "    tls", &app->http.tls);
    }
    add_keys(out, app);
    add_items(out, "breakers", &key_section_app_breaker, APP_BREAKER_KEY_STATE, app->breakers,
              app->n_breakers);
    add_items(out, "caches", &key_section_app_cache, APP_CACHE_KEY_HITS, app->caches,
              app->n_caches);
    for (size_t i = 0; i < app->n_words; i++) {
        strbuf_add_text(out, i == 0 ? "    states: {" : ", ");
        yaml_print_text(out, str_of(app->words[i].word));
        strbuf_printf(out, ": %s", app_state_names[app->words[i].state]);
    }
    strbuf_add_text(out, app->n_words > 0 ? "}\n" : "");
}
