/* SPDX-License-Identifier: Apache-2.0 */

/* dbvitals breaker: shows the breakers of a running daemon, and gives them orders, over its control
 * socket. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/utc.h"
#include "cli/control.h"

#define URL "http://dbvitals/api/v1/breakers" /* the host is the socket */

/* Of the year 5138: what a daemon says is not trusted further. */
#define MOST_SECONDS 1e11

struct breaker_flags {
    const char *names[1];
    size_t n_names;
    const char *storage_path;
    bool force_open, force_closed, disable, lift;
    bool help;
};

static const struct flag breaker_flags[] = {
    {"NAME", FLAG_OPERANDS, offsetof(struct breaker_flags, names),
     .count_offset = offsetof(struct breaker_flags, n_names), .most = 1, .no_environment = true,
     .help = "The breaker. Nothing lists all."},
    {"--force-open", FLAG_BOOL, offsetof(struct breaker_flags, force_open), .no_environment = true,
     .help = "Keep it open, whatever it sees, until the order is lifted."},
    {"--force-closed", FLAG_BOOL, offsetof(struct breaker_flags, force_closed),
     .no_environment = true, .help = "Let every call pass, whatever it sees, until it is lifted."},
    {"--disable", FLAG_BOOL, offsetof(struct breaker_flags, disable), .no_environment = true,
     .help = "The same, for one that shall not be used for now."},
    {"--lift", FLAG_BOOL, offsetof(struct breaker_flags, lift), .no_environment = true,
     .help = "End the order; it begins closed."},
    {"--storage.path", FLAG_TEXT, offsetof(struct breaker_flags, storage_path), .argument = "DIR",
     .fallback = CLI_DEFAULT_STORAGE,
     .help = "The daemon's storage folder, in which its socket lies."},
    {"--help", FLAG_BOOL, offsetof(struct breaker_flags, help), .no_environment = true,
     .help = "Print this text; also -h."},
    {NULL},
};

static struct str text_of(const struct json_value *row, const char *key) {
    struct str text = json_text_of(json_member(row, key));
    return text.len > 0 ? text : str_of("-");
}

/* "2023-11-14T22:13:20Z" */
static const char *time_of(const struct json_value *row, char out[UTC_TEXT_BYTES]) {
    const struct json_value *since = json_member(row, "since");
    double seconds = since != NULL && since->kind == JSON_IS_NUMBER ? since->number : -1;
    return seconds >= 0 && seconds < MOST_SECONDS
               ? utc_format((int64_t)seconds * 1000, UTC_RFC3339, out)
               : "-";
}

static void add_head(struct strbuf *out) {
    strbuf_printf(out, "%-24s %-13s %-21s %-20s %-7s %-20s %-16s %s\n", "NAME", "STATE", "SINCE",
                  "REASON", "CIRCUIT", "TARGET", "GROUP", "OWNER");
}

static void add_row(struct strbuf *out, const struct json_value *row) {
    static const struct {
        const char *key;
        int width;
    } columns[] = {{"reason", 20}, {"circuit", 7}, {"target", 20}, {"group", 16}};
    char since[UTC_TEXT_BYTES];
    struct str name = text_of(row, "name"), state = text_of(row, "state");
    struct str owner = json_text_of(json_member(row, "owner"));
    strbuf_printf(out, "%-24.*s %-13.*s %-21s ", (int)name.len, name.data, (int)state.len,
                  state.data, time_of(row, since));
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        struct str text = text_of(row, columns[i].key);
        strbuf_printf(out, "%-*.*s ", columns[i].width, (int)text.len, text.data);
    }
    strbuf_printf(out, "%.*s\n", owner.len > 0 ? (int)owner.len : 4,
                  owner.len > 0 ? owner.data : "ours");
}

static int show(const struct breaker_flags *flags, struct str name) {
    struct arena arena = {0};
    struct strbuf out = {0};
    const struct json_value *data = NULL;
    int status =
        cli_control_ask(flags->storage_path, &(struct fetch_options){.url = URL}, &arena, &data);
    const struct json_value *list = json_member(data, "breakers");
    size_t found = 0;
    add_head(&out);
    for (size_t i = 0; status == 0 && list != NULL && i < list->n_items; i++) {
        if (name.len == 0 || str_equal(name, text_of(&list->items[i], "name"))) {
            add_row(&out, &list->items[i]);
            found++;
        }
    }
    if (status == 0 && name.len > 0 && found == 0) {
        status = cli_fail("there is no such breaker; without a name all are listed");
    } else if (status == 0) {
        status = cli_print(strbuf_view(&out));
    }
    strbuf_deinit(&out);
    arena_deinit(&arena);
    return status;
}

static bool is_name(struct str name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool legal = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!legal && strchr("_.-", c) == NULL) {
            return false;
        }
    }
    return name.len > 0;
}

static int order(const struct breaker_flags *flags, const char *name, const char *word) {
    struct arena arena = {0};
    struct strbuf out = {0}, body = {0};
    const struct json_value *data = NULL;
    struct json_writer json = {.out = &body};
    CLEANUP(mem_freep)
    char *url = mem_printf(URL "/%s", name);
    json_object_begin(&json, NULL);
    json_text(&json, "order", word);
    json_object_end(&json);
    const struct fetch_options options = {.url = url, .json = body.data, .method = "POST"};
    int status = cli_control_ask(flags->storage_path, &options, &arena, &data);
    if (status == 0) {
        const struct json_value *kept = json_member(data, "persistent");
        add_head(&out);
        add_row(&out, data);
        status = cli_print(strbuf_view(&out));
        if (kept == NULL || kept->kind != JSON_IS_BOOL || !kept->truth) {
            struct str why = text_of(data, "why_not");
            fprintf(stderr, "dbvitals: a restart will forget it: %.*s\n", (int)why.len, why.data);
            status = 1;
        }
    }
    strbuf_deinit(&out);
    strbuf_deinit(&body);
    arena_deinit(&arena);
    return status;
}

int cli_breaker(int argc, char **argv) {
    struct breaker_flags flags = {0};
    int status = 0;
    if (!cli_flags(breaker_flags,
                   "Usage: dbvitals breaker [NAME [ORDER]] [FLAGS]\n\nLists the circuit breakers "
                   "that the running daemon keeps for applications, or orders one\nof them. An "
                   "order stands over restarts. Run it as root or as the daemon's user.",
                   offsetof(struct breaker_flags, help), argc, argv, &flags, &status)) {
        return status;
    }
    const struct {
        bool given;
        const char *word;
    } orders[] = {
        {flags.force_open, "force_open"},
        {flags.force_closed, "force_closed"},
        {flags.disable, "disable"},
        {flags.lift, "lift"},
    };
    const char *word = NULL;
    size_t given = 0;
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        word = orders[i].given ? orders[i].word : word;
        given += orders[i].given;
    }
    if (given > 1) {
        return cli_fail("one order at a time");
    }
    if (given == 1 && flags.n_names == 0) {
        return cli_fail("an order needs the name of a breaker");
    }
    if (flags.n_names > 0 && !is_name(str_of(flags.names[0]))) {
        return cli_fail("a breaker's name has letters, digits, '_', '.' and '-'");
    }
    return given == 1 ? order(&flags, flags.names[0], word)
                      : show(&flags, str_of(flags.n_names > 0 ? flags.names[0] : ""));
}
