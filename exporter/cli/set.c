/* SPDX-License-Identifier: Apache-2.0 */

/* dbvitals set: changes parameters of the rules in a running daemon, over its control socket. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "cli/control.h"
#include "rules/parameter_table.h"

#define URL "http://dbvitals/api/v1/parameters" /* the host is the socket */

struct set_flags {
    const char *settings[1];
    size_t n_settings;
    const char *target, *storage_path;
    bool help;
};

static const struct flag set_flags[] = {
    {"NAME=VALUE", FLAG_OPERANDS, offsetof(struct set_flags, settings),
     .count_offset = offsetof(struct set_flags, n_settings), .most = 1, .no_environment = true,
     .help = "The parameter and its value: 5, 1m30s, 16MiB. NAME= goes back to what the "
             "configuration says. Nothing lists all."},
    {"--target", FLAG_TEXT, offsetof(struct set_flags, target), .argument = "TARGET",
     .no_environment = true, .help = "For this target alone; for all that have it if not given."},
    {"--storage.path", FLAG_TEXT, offsetof(struct set_flags, storage_path), .argument = "DIR",
     .fallback = CLI_DEFAULT_STORAGE,
     .help = "The daemon's storage folder, in which its socket lies."},
    {"--help", FLAG_BOOL, offsetof(struct set_flags, help), .no_environment = true,
     .help = "Print this text; also -h."},
    {NULL},
};

/* ---- the list ---- */

/* A value as people write it, or a dash. */
static char *show(struct str name, const struct json_value *value) {
    struct strbuf text = {0};
    if (value != NULL && value->kind == JSON_IS_NUMBER) {
        parameter_format(name, value->number, &text);
    } else {
        strbuf_add_char(&text, '-');
    }
    return strbuf_take(&text);
}

static void add_row(struct strbuf *out, struct str name, struct str target,
                    const struct json_value *row, const struct json_value *fallback) {
    char *in_force = show(name, json_member(row, "value"));
    char *usual = show(name, fallback);
    char *configured = show(name, json_member(row, "configured"));
    char *changed = show(name, json_member(row, "changed"));
    struct str at = json_text_of(json_member(row, "changed_at"));
    strbuf_printf(out, "%-38.*s %-20.*s %-10s %-10s %-10s %-10s %.*s\n", (int)name.len, name.data,
                  (int)target.len, target.data, in_force, usual, configured, changed, (int)at.len,
                  at.data != NULL ? at.data : "");
    while (out->data[out->len - 2] == ' ') {
        out->data[--out->len - 1] = '\n';
    }
    free(in_force);
    free(usual);
    free(configured);
    free(changed);
}

static int print_list(const struct json_value *data) {
    const struct json_value *list = json_member(data, "parameters");
    const struct json_value *persistent = json_member(data, "persistent");
    struct strbuf out = {0};
    strbuf_printf(&out, "%-38s %-20s %-10s %-10s %-10s %-10s %s\n", "NAME", "TARGET", "VALUE",
                  "DEFAULT", "CONFIGURED", "CHANGED", "AT");
    for (size_t i = 0; list != NULL && i < list->n_items; i++) {
        const struct json_value *one = &list->items[i];
        const struct json_value *targets = json_member(one, "targets");
        const struct json_value *fallback = json_member(one, "default");
        struct str name = json_text_of(json_member(one, "name"));
        add_row(&out, name, str_of("*"), one, fallback);
        for (size_t k = 0; targets != NULL && k < targets->n_items; k++) {
            const struct json_value *target = &targets->items[k];
            add_row(&out, name, json_text_of(json_member(target, "target")), target, fallback);
        }
    }
    if (persistent != NULL && persistent->kind == JSON_IS_BOOL && !persistent->truth) {
        fprintf(stderr, "dbvitals: the daemon keeps changes in memory only\n");
    }
    int status = cli_print(strbuf_view(&out));
    strbuf_deinit(&out);
    return status;
}

static int list_all(const struct set_flags *flags) {
    struct arena arena = {0};
    struct strbuf url = {0};
    const struct json_value *data = NULL;
    strbuf_add_text(&url, URL);
    if (flags->target != NULL) {
        struct strbuf parameter = {0};
        fetch_add_parameter(&parameter, "target", str_of(flags->target));
        strbuf_printf(&url, "?%s", parameter.data);
        strbuf_deinit(&parameter);
    }
    int status = cli_control_ask(flags->storage_path, &(struct fetch_options){.url = url.data},
                                 &arena, &data);
    status = status == 0 ? print_list(data) : status;
    strbuf_deinit(&url);
    arena_deinit(&arena);
    return status;
}

/* ---- a change ---- */

static int print_change(const struct json_value *data) {
    struct str name = json_text_of(json_member(data, "name"));
    struct str target = json_text_of(json_member(data, "target"));
    struct str reason = json_text_of(json_member(data, "reason"));
    const struct json_value *persistent = json_member(data, "persistent");
    const struct json_value *others = json_member(data, "others");
    char *now = show(name, json_member(data, "value"));
    char *before = show(name, json_member(data, "previous"));
    struct strbuf out = {0};
    strbuf_printf(&out, "%.*s of %.*s is %s, it was %s\n", (int)name.len, name.data,
                  target.len > 0 ? (int)target.len : 11,
                  target.len > 0 ? target.data : "all targets", now, before);
    for (size_t i = 0; others != NULL && i < others->n_items; i++) {
        struct str other = json_text_of(&others->items[i]);
        strbuf_printf(&out, "%.*s has a value of its own\n", (int)other.len, other.data);
    }
    int status = cli_print(strbuf_view(&out));
    if (persistent == NULL || persistent->kind != JSON_IS_BOOL || !persistent->truth) {
        fprintf(stderr, "dbvitals: a restart will forget it: %.*s\n", (int)reason.len,
                reason.data != NULL ? reason.data : "");
        status = 1;
    }
    free(now);
    free(before);
    strbuf_deinit(&out);
    return status;
}

static void write_wish(const struct set_flags *flags, struct str value, struct strbuf *out) {
    struct json_writer json = {.out = out};
    json_object_begin(&json, NULL);
    if (value.len > 0) {
        json_str(&json, "value", value);
    }
    if (flags->target != NULL) {
        json_text(&json, "target", flags->target);
    }
    json_object_end(&json);
}

static int change(const struct set_flags *flags, struct str name, struct str value) {
    struct arena arena = {0};
    struct strbuf url = {0}, body = {0};
    const struct json_value *data = NULL;
    strbuf_printf(&url, URL "/%.*s", (int)name.len, name.data);
    write_wish(flags, value, &body);
    const struct fetch_options options = {
        .url = url.data, .json = body.data, .method = value.len > 0 ? "PUT" : "DELETE"};
    int status = cli_control_ask(flags->storage_path, &options, &arena, &data);
    status = status == 0 ? print_change(data) : status;
    strbuf_deinit(&url);
    strbuf_deinit(&body);
    arena_deinit(&arena);
    return status;
}

int cli_set(int argc, char **argv) {
    struct set_flags flags = {0};
    int status = 0;
    if (!cli_flags(set_flags,
                   "Usage: dbvitals set [NAME=[VALUE]] [FLAGS]\n\nChanges a parameter (a "
                   "threshold) of the rules in the running daemon, at once and over\nrestarts; "
                   "without NAME lists all. Run it as root or as the daemon's user.",
                   offsetof(struct set_flags, help), argc, argv, &flags, &status)) {
        return status;
    }
    if (flags.n_settings == 0) {
        return list_all(&flags);
    }
    struct str value = str_of(flags.settings[0]);
    struct str name = str_trim(str_cut(&value, '='));
    if (strchr(flags.settings[0], '=') == NULL) {
        return cli_fail("set needs NAME=VALUE, or NAME= to go back to the configuration's value");
    }
    if (!parameter_is_name(name)) {
        return cli_fail("a parameter's name has small letters, digits and '_', and does not begin "
                        "with a digit");
    }
    return change(&flags, name, str_trim(value));
}
