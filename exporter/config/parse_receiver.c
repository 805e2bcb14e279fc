/* SPDX-License-Identifier: Apache-2.0 */

/* The receivers below `notify:`: each has channels, one of a kind. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/parse_notify.h"
#include "config/quote.h"

#define MOST_HEADERS    16
#define MOST_RECIPIENTS 64
#define MOST_WORDS      64

/* What all kinds have. */
static int read_common(struct reader *reader, const struct key_value *values,
                       struct channel_options *ret) {
    ret->send_resolved = values[CHANNEL_KEY_SEND_RESOLVED].number != 0;
    ret->http.timeout_usec = values[CHANNEL_KEY_TIMEOUT].number;
    if (ret->kind == CHANNEL_EXEC) {
        return 0;
    }
    return config_read_tls_options(reader, &key_section_notify_tls, values[CHANNEL_KEY_TLS].node,
                                   &ret->http.tls);
}

/* A url that may be a secret, and so may stand in a file. */
static int read_secret_url(struct reader *reader, const struct key_section *section,
                           const struct yaml_node *map, const struct key_value *values, size_t key,
                           struct channel_options *ret) {
    const char *url;
    int r = config_find_secret(reader, section, values, key, &url);
    if (r < 0) {
        return r;
    }
    if (url == NULL) {
        return notify_missing(reader, map, section->keys[key].name);
    }
    size_t from = values[key].given ? key : key + 1;
    ret->http.url = mem_strdup(url);
    return notify_check_url(reader, section->keys[from].name, str_of(url), values[from].at,
                            "http://", "https://");
}

/* ---- webhook ---- */

/* RFC 9110's tokens, without those that the request makes itself. */
static int check_header_name(struct reader *reader, const struct yaml_node *key, struct str name) {
    static const char *const ours[] = {"Content-Type", "Content-Length", "Host", "Authorization",
                                       "Idempotency-Key"};
    char quoted[QUOTE_SIZE];
    bool legal = name.len > 0 && name.len <= 128;
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.data[i];
        legal &= c > ' ' && c < 0x7f && strchr("()<>@,;:\\\"/[]?={}", c) == NULL;
    }
    if (!legal) {
        return error_set(reader->err, -EINVAL, key->at, "%s is no name of a header",
                         quote(key->scalar, quoted));
    }
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        if (name.len == strlen(ours[i]) && strncasecmp(name.data, ours[i], name.len) == 0) {
            return error_set(reader->err, -EINVAL, key->at, "header '%s' is set by us%s", ours[i],
                             strcmp(ours[i], "Authorization") == 0
                                 ? ": see 'authorization' and 'basic_auth'"
                                 : "");
        }
    }
    return 0;
}

static int read_header(struct reader *reader, const struct yaml_pair *pair,
                       struct http_header *ret) {
    static const struct str suffix = {"_file", 5};
    static const struct key plain = {"header", KEY_SECRET, KEY_MAY_BE_EMPTY},
                            path = {"header", KEY_SECRET_FILE};
    struct str name = pair->key->scalar;
    bool in_file = name.len > suffix.len &&
                   str_equal(suffix, (struct str){name.data + name.len - suffix.len, suffix.len});
    struct key_value value;
    name.len -= in_file ? suffix.len : 0;
    int r = check_header_name(reader, pair->key, name);
    if (r == 0) {
        r = reader_value(reader, in_file ? &path : &plain, pair->value, &value);
    }
    const char *text = r == 0 ? value.text.data : NULL;
    if (r == 0 && in_file) {
        r = config_read_secret_file(reader, "headers", &value, &text);
    }
    if (r < 0) {
        return r;
    }
    if (text[strcspn(text, "\r\n")] != '\0') {
        return error_set(reader->err, -EINVAL, pair->value->at, "a header is one line");
    }
    *ret = (struct http_header){mem_strndup(name.data, name.len), mem_strdup(text)};
    return 0;
}

static int read_headers(struct reader *reader, const struct yaml_node *map,
                        struct http_options *ret) {
    if (map->n_pairs > MOST_HEADERS) {
        return error_set(reader->err, -E2BIG, map->at, "%zu headers are more than %d", map->n_pairs,
                         MOST_HEADERS);
    }
    ret->headers = mem_array(map->n_pairs + 1, sizeof(*ret->headers));
    for (size_t i = 0; i < map->n_pairs; i++) {
        int r = read_header(reader, &map->pairs[i], &ret->headers[ret->n_headers]);
        if (r < 0) {
            return r;
        }
        ret->n_headers++;
    }
    return 0;
}

static int read_webhook(struct reader *reader, const struct yaml_node *map,
                        const struct key_value *values, struct channel_options *ret) {
    int r = read_secret_url(reader, &key_section_webhook, map, values, WEBHOOK_KEY_URL, ret);
    if (r == 0) {
        r = notify_read_auth(reader, &values[WEBHOOK_KEY_BASIC_AUTH],
                             &values[WEBHOOK_KEY_AUTHORIZATION], &ret->http);
    }
    return r == 0 && values[WEBHOOK_KEY_HEADERS].node != NULL
               ? read_headers(reader, values[WEBHOOK_KEY_HEADERS].node, &ret->http)
               : r;
}

/* ---- Slack, PagerDuty ---- */

static int read_slack(struct reader *reader, const struct yaml_node *map,
                      const struct key_value *values, struct channel_options *ret) {
    ret->slack_channel = notify_text(&values[SLACK_KEY_CHANNEL]);
    ret->slack_username = notify_text(&values[SLACK_KEY_USERNAME]);
    return read_secret_url(reader, &key_section_slack, map, values, SLACK_KEY_WEBHOOK_URL, ret);
}

static int read_pagerduty(struct reader *reader, const struct yaml_node *map,
                          const struct key_value *values, struct channel_options *ret) {
    const char *key;
    const struct key_value *url = &values[PAGERDUTY_KEY_URL];
    int r =
        config_find_secret(reader, &key_section_pagerduty, values, PAGERDUTY_KEY_ROUTING_KEY, &key);
    if (r < 0) {
        return r;
    }
    if (key == NULL) {
        return notify_missing(reader, map, "routing_key");
    }
    ret->routing_key = mem_strdup(key);
    ret->http.url = notify_text(url);
    return notify_check_url(reader, "url", url->text, url->at, "http://", "https://");
}

/* ---- e-mail ---- */

/* Enough that nothing of a mail's headers or of the protocol can be written into an address. */
static bool is_address(struct str text) {
    const char *at = memchr(text.data, '@', text.len);
    bool legal = at != NULL && at != text.data && at != text.data + text.len - 1 && text.len <= 320;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        legal &= c > ' ' && c != 0x7f && strchr("<>\",;:()[]\\", c) == NULL;
    }
    return legal;
}

static int check_address(struct reader *reader, const char *key, const char *address,
                         struct position at) {
    char quoted[QUOTE_SIZE];
    return is_address(str_of(address))
               ? 0
               : error_set(
                     reader->err, -EINVAL, at,
                     "'%s': %s is no mail address (only name@host, without the person's name)", key,
                     quote(str_of(address), quoted));
}

static int read_addresses(struct reader *reader, const struct yaml_node *map,
                          const struct key_value *values, struct channel_options *ret) {
    static const struct key address = {"address", KEY_TEXT, .most = 320};
    const struct key_value *to = &values[EMAIL_KEY_TO], *from = &values[EMAIL_KEY_FROM];
    const struct yaml_node *list = to->node != NULL ? to->node : yaml_map_find(map, "to");
    int r = to->given && list != NULL
                ? config_read_texts(reader, &address, list, MOST_RECIPIENTS, &ret->to, &ret->n_to)
                : 0;
    if (r == 0 && ret->n_to == 0) {
        return notify_missing(reader, map, "to");
    }
    for (size_t i = 0; i < ret->n_to && r == 0; i++) {
        r = check_address(reader, "to", ret->to[i], to->at);
    }
    ret->from = notify_text(from);
    return r == 0 && ret->from != NULL ? check_address(reader, "from", ret->from, from->at) : r;
}

static int read_login(struct reader *reader, const struct yaml_node *map,
                      const struct key_value *values, struct channel_options *ret) {
    const char *password;
    int r = config_find_secret(reader, &key_section_email, values, EMAIL_KEY_PASSWORD, &password);
    if (r < 0) {
        return r;
    }
    if ((password != NULL) != values[EMAIL_KEY_USERNAME].given) {
        return notify_missing(reader, map, password != NULL ? "username" : "password");
    }
    ret->http.user = notify_text(&values[EMAIL_KEY_USERNAME]);
    ret->http.password = password != NULL ? mem_strdup(password) : NULL;
    return 0;
}

static int read_email(struct reader *reader, const struct yaml_node *map,
                      const struct key_value *values, struct channel_options *ret) {
    const struct key_value *smtp = &values[EMAIL_KEY_SMTP];
    if (!smtp->given) {
        return notify_missing(reader, map, "smtp");
    }
    ret->http.url = notify_text(smtp);
    ret->require_tls = values[EMAIL_KEY_REQUIRE_TLS].number != 0;
    int r = notify_check_url(reader, "smtp", smtp->text, smtp->at, "smtp://", "smtps://");
    if (r == 0) {
        r = read_login(reader, map, values, ret);
    }
    return r == 0 ? read_addresses(reader, map, values, ret) : r;
}

/* ---- exec ---- */

static int read_exec(struct reader *reader, const struct yaml_node *map,
                     const struct key_value *values, struct channel_options *ret) {
    static const struct key word = {"command", KEY_TEXT, KEY_MAY_BE_EMPTY, .most = 4096};
    const struct key_value *command = &values[EXEC_KEY_COMMAND];
    size_t words;
    int r = config_read_texts(reader, &word, command->node, MOST_WORDS, &ret->command, &words);
    if (r == 0 && words == 0) {
        return notify_missing(reader, map, "command");
    }
    if (r == 0 && ret->command[0][0] != '/') {
        return error_set(reader->err, -EINVAL, command->at,
                         "'command' must begin with the absolute path of a program");
    }
    return r;
}

/* ---- receivers ---- */

#define MOST_CHANNEL_KEYS 16
_Static_assert((int)WEBHOOK_KEY_COUNT <= MOST_CHANNEL_KEYS &&
                   (int)EMAIL_KEY_COUNT <= MOST_CHANNEL_KEYS,
               "values of a channel need room");

static const struct channel_reader {
    const struct key_section *section;
    int (*read)(struct reader *reader, const struct yaml_node *map, const struct key_value *values,
                struct channel_options *ret);
} channel_readers[CHANNEL_KIND_COUNT] = {
    [CHANNEL_WEBHOOK] = {&key_section_webhook, read_webhook},
    [CHANNEL_SLACK] = {&key_section_slack, read_slack},
    [CHANNEL_PAGERDUTY] = {&key_section_pagerduty, read_pagerduty},
    [CHANNEL_EMAIL] = {&key_section_email, read_email},
    [CHANNEL_EXEC] = {&key_section_exec, read_exec},
};

static int read_channel(struct reader *reader, enum channel_kind kind, const struct yaml_node *map,
                        struct channel_options *ret) {
    const struct channel_reader *kind_reader = &channel_readers[kind];
    struct key_value values[MOST_CHANNEL_KEYS];
    ret->kind = kind;
    int r = reader_section(reader, kind_reader->section, map, values);
    if (r == 0) {
        r = read_common(reader, values, ret);
    }
    return r == 0 ? kind_reader->read(reader, map, values, ret) : r;
}

static int check_name(struct reader *reader, const struct key_value *name,
                      const struct notify_options *options) {
    char quoted[QUOTE_SIZE];
    if (!config_is_name(name->text)) {
        return error_set(reader->err, -EINVAL, name->at,
                         "%s is no name (letters, digits, '_', '.', '-', at most 63)",
                         quote(name->raw, quoted));
    }
    for (size_t i = 0; i < options->n_receivers; i++) {
        if (options->receivers[i].name != NULL && str_is(name->text, options->receivers[i].name)) {
            return error_set(reader->err, -EEXIST, name->at, "receiver %s is defined twice",
                             quote(name->raw, quoted));
        }
    }
    return 0;
}

static int read_receiver(struct reader *reader, const struct yaml_node *map,
                         const struct notify_options *options, struct receiver_options *ret) {
    struct key_value values[RECEIVER_KEY_COUNT];
    int r = reader_section(reader, &key_section_receiver, map, values);
    if (r < 0) {
        return r;
    }
    if (!values[RECEIVER_KEY_NAME].given) {
        return notify_missing(reader, map, "name");
    }
    r = check_name(reader, &values[RECEIVER_KEY_NAME], options);
    ret->name = notify_text(&values[RECEIVER_KEY_NAME]);
    ret->channels = mem_array(CHANNEL_KIND_COUNT, sizeof(*ret->channels));
    for (size_t kind = 0; kind < CHANNEL_KIND_COUNT && r == 0; kind++) {
        const struct yaml_node *channel = values[RECEIVER_KEY_WEBHOOK + kind].node;
        if (channel != NULL) {
            r = read_channel(reader, (enum channel_kind)kind, channel,
                             &ret->channels[ret->n_channels++]);
        }
    }
    if (r == 0 && ret->n_channels == 0) {
        return error_set(reader->err, -EINVAL, map->at,
                         "the receiver has none of webhook, slack, pagerduty, email, exec");
    }
    return r;
}

int notify_read_receivers(struct reader *reader, const struct yaml_node *list,
                          struct notify_options *ret) {
    int r = notify_list(reader, list, NOTIFY_MOST_RECEIVERS, "receivers");
    ret->receivers = mem_array(list->n_items + 1, sizeof(*ret->receivers));
    for (size_t i = 0; i < list->n_items && r == 0; i++) {
        if (list->items[i]->type != YAML_MAP) {
            return error_set(reader->err, -EINVAL, list->items[i]->at,
                             "a receiver is a map, found %s", yaml_describe(list->items[i]));
        }
        r = read_receiver(reader, list->items[i], ret, &ret->receivers[ret->n_receivers++]);
    }
    return r;
}
