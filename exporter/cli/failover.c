/* SPDX-License-Identifier: Apache-2.0 */

/* dbvitals failover: what a running daemon knows of the primaries that it watches. */
#include "cli/cli.h"

#include <stdio.h>

#include "base/duration.h"
#include "base/json_reader.h"
#include "io/fetch.h"

#define DEFAULT_URL  "http://127.0.0.1:9719"
#define TIMEOUT_USEC (40 * USEC_PER_SEC)
#define MOST_BYTES   ((size_t)64 * 1024 * 1024)

enum failover_format { FAILOVER_TABLE, FAILOVER_JSON };
static const char *const failover_format_names[] = {"table", "json", NULL};

struct failover_flags {
    const char *words[1];
    size_t n_words;
    const char *url;
    enum failover_format format;
    bool help;
};

static const struct flag failover_flags[] = {
    {"COMMAND", FLAG_OPERANDS, offsetof(struct failover_flags, words),
     .count_offset = offsetof(struct failover_flags, n_words), .most = 1, .no_environment = true,
     .help = "list: the clusters, their members, and what would have been done."},
    {"--url", FLAG_TEXT, offsetof(struct failover_flags, url), .argument = "URL",
     .fallback = DEFAULT_URL, .help = "Where the daemon listens."},
    {"--format", FLAG_CHOICE, offsetof(struct failover_flags, format),
     .choices = failover_format_names, .argument = "FORMAT", .fallback = "table",
     .no_environment = true, .help = "table for people, or json as the API gives it."},
    {"--help", FLAG_BOOL, offsetof(struct failover_flags, help), .no_environment = true,
     .help = "Print this text; also -h."},
    {NULL},
};

static const char *text_of(const struct json_value *object, const char *key, char out[128]) {
    struct str text = json_text_of(json_member(object, key));
    snprintf(out, 128, "%.*s", (int)text.len, text.data != NULL ? text.data : "");
    return out[0] != '\0' ? out : "-";
}

static void add_ready(const struct json_value *cluster, struct strbuf *out) {
    const struct json_value *ready = json_member(cluster, "ready");
    size_t before = out->len;
    for (size_t i = 0; ready != NULL && i < ready->n_items; i++) {
        if (!ready->items[i].truth) {
            strbuf_printf(out, "%s%.*s",
                          out->len > before ? "," : "no: ", (int)ready->items[i].key.len,
                          ready->items[i].key.data);
        }
    }
    strbuf_add_text(out, out->len > before ? "\n" : "yes\n");
}

static void add_member(const struct json_value *member, struct strbuf *out) {
    char name[128], role[128], position[128], obstacle[128];
    struct str words = json_text_of(json_member(member, "evidence"));
    strbuf_printf(out, "  %-20s %-8s %-14s %-14s %.*s\n", text_of(member, "target", name),
                  text_of(member, "role", role), text_of(member, "position", position),
                  text_of(member, "obstacle", obstacle), (int)words.len,
                  words.data != NULL ? words.data : "");
}

static void add_cluster(const struct json_value *cluster, struct strbuf *out) {
    const struct json_value *members = json_member(cluster, "members");
    char name[128], verdict[128], primary[128], candidate[128], mode[128];
    strbuf_printf(out, "%-20s %-14s %-20s %-20s %-9s ", text_of(cluster, "cluster", name),
                  text_of(cluster, "verdict", verdict), text_of(cluster, "primary", primary),
                  text_of(cluster, "candidate", candidate), text_of(cluster, "mode", mode));
    add_ready(cluster, out);
    for (size_t i = 0; members != NULL && i < members->n_items; i++) {
        add_member(&members->items[i], out);
    }
}

static void add_plan(const struct json_value *plan, struct strbuf *out) {
    const struct json_value *notes = json_member(plan, "notes");
    char id[128], reason[128], old[128];
    struct str text = {0};
    if (notes != NULL && notes->n_items > 0) {
        text = json_text_of(json_member(&notes->items[notes->n_items - 1], "text"));
    }
    strbuf_printf(out, "%s: '%s' was %s: %.*s\n", text_of(plan, "id", id),
                  text_of(plan, "old_primary", old), text_of(plan, "reason", reason), (int)text.len,
                  text.data != NULL ? text.data : "");
}

static int print_table(struct str body) {
    struct arena arena = {0};
    struct strbuf out = {0};
    const struct json_value *answer = NULL;
    struct error err = {0};
    if (json_read(body, &arena, &answer, &err) < 0) {
        arena_deinit(&arena);
        return cli_fail("the daemon's answer is no JSON");
    }
    const struct json_value *data = json_member(answer, "data");
    const struct json_value *clusters = json_member(data, "clusters");
    const struct json_value *plans = json_member(data, "plans");
    strbuf_printf(&out, "%-20s %-14s %-20s %-20s %-9s %s\n", "CLUSTER", "VERDICT", "PRIMARY",
                  "CANDIDATE", "MODE", "READY");
    for (size_t i = 0; clusters != NULL && i < clusters->n_items; i++) {
        add_cluster(&clusters->items[i], &out);
    }
    for (size_t i = 0; plans != NULL && i < plans->n_items; i++) {
        strbuf_add_text(&out, i == 0 ? "\n" : "");
        add_plan(&plans->items[i], &out);
    }
    int status = cli_print(strbuf_view(&out));
    strbuf_deinit(&out);
    arena_deinit(&arena);
    return status;
}

static int list(const struct failover_flags *flags) {
    struct strbuf url = {0};
    struct fetch_reply reply = {0};
    struct error err = {0};
    struct str base = str_of(flags->url);
    char text[512];
    while (base.len > 0 && base.data[base.len - 1] == '/') {
        base.len--;
    }
    strbuf_printf(&url, "%.*s/api/v1/failover", (int)base.len, base.data);
    const struct fetch_options options = {
        .url = url.data, .timeout_usec = TIMEOUT_USEC, .most_bytes = MOST_BYTES};
    int r = fetch_url(&options, &reply, &err);
    strbuf_deinit(&url);
    if (r < 0) {
        snprintf(text, sizeof(text), "'%.150s' cannot be asked: %s", flags->url, err.text);
        return cli_fail(text);
    }
    int status;
    if (reply.status != 200) {
        snprintf(text, sizeof(text), "'%.150s' answered with HTTP status %u", flags->url,
                 reply.status);
        status = cli_fail(text);
    } else if (flags->format == FAILOVER_JSON) {
        strbuf_add_char(&reply.body, '\n');
        status = cli_print(strbuf_view(&reply.body));
    } else {
        status = print_table(strbuf_view(&reply.body));
    }
    fetch_reply_deinit(&reply);
    return status;
}

int cli_failover(int argc, char **argv) {
    struct failover_flags flags = {0};
    int status = 0;
    if (!cli_flags(failover_flags,
                   "Usage: dbvitals failover list [FLAGS]\n\nShows the clusters whose primaries a "
                   "running daemon watches: what it makes of them, who\nwould follow, and what it "
                   "would have done.",
                   offsetof(struct failover_flags, help), argc, argv, &flags, &status)) {
        return status;
    }
    if (flags.n_words != 1 || strcmp(flags.words[0], "list") != 0) {
        return cli_fail("failover needs a command, and 'list' is the only one there is");
    }
    return list(&flags);
}
