/* SPDX-License-Identifier: Apache-2.0 */

/* dbvitals query: asks a running daemon (or any Prometheus) in PromQL. */
#include "cli/cli.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/duration.h"
#include "cli/query_table.h"
#include "io/fetch.h"

#define DEFAULT_URL    "http://127.0.0.1:9719"
#define TIMEOUT_USEC   (130 * USEC_PER_SEC) /* beyond what the daemon may take */
#define MOST_BYTES     ((size_t)256 * 1024 * 1024)
#define DEFAULT_STEPS  60
#define MOST_BARS      40
#define LEAST_TERMINAL 60

enum query_format { QUERY_TABLE, QUERY_JSON };
static const char *const query_format_names[] = {"table", "json", NULL};

struct query_flags {
    const char *expressions[1];
    size_t n_expressions;
    const char *url, *time, *start, *end, *step, *timeout;
    enum query_format format;
    bool help;
};

#define TIME_HELP "Unix seconds, RFC 3339, or how long ago: -15m"

static const struct flag query_flags[] = {
    {"EXPR", FLAG_OPERANDS, offsetof(struct query_flags, expressions),
     .count_offset = offsetof(struct query_flags, n_expressions), .most = 1, .no_environment = true,
     .help = "The expression; behind -- when it begins with a dash."},
    {"--url", FLAG_TEXT, offsetof(struct query_flags, url), .argument = "URL",
     .fallback = DEFAULT_URL, .help = "Where the daemon listens."},
    {"--time", FLAG_TEXT, offsetof(struct query_flags, time), .argument = "T",
     .no_environment = true, .help = TIME_HELP "; now if not given."},
    {"--start", FLAG_TEXT, offsetof(struct query_flags, start), .argument = "T",
     .no_environment = true, .help = "Asks for a range from here on: " TIME_HELP "."},
    {"--end", FLAG_TEXT, offsetof(struct query_flags, end), .argument = "T", .no_environment = true,
     .help = "The end of the range; now if not given."},
    {"--step", FLAG_TEXT, offsetof(struct query_flags, step), .argument = "DURATION",
     .no_environment = true, .help = "Between two points; a sixtieth of the range if not given."},
    {"--timeout", FLAG_TEXT, offsetof(struct query_flags, timeout), .argument = "DURATION",
     .no_environment = true, .help = "How long the daemon may take, at most 2m; 30s if not given."},
    {"--format", FLAG_CHOICE, offsetof(struct query_flags, format), .choices = query_format_names,
     .argument = "FORMAT", .fallback = "table", .no_environment = true,
     .help = "table for people, or json as the API gives it."},
    {"--help", FLAG_BOOL, offsetof(struct query_flags, help), .no_environment = true,
     .help = "Print this text; also -h."},
    {NULL},
};

/* ---- the question ---- */

/* "-15m" as a time; anything else is the daemon's business. */
static void add_time(struct strbuf *form, const char *name, const char *text) {
    uint64_t ago;
    char absolute[32];
    if (text == NULL) {
        snprintf(absolute, sizeof(absolute), "%lld", (long long)time(NULL));
        text = absolute;
    } else if (text[0] == '-' && duration_parse(str_of(text + 1), &ago, NULL) == 0) {
        snprintf(absolute, sizeof(absolute), "%lld",
                 (long long)time(NULL) - (long long)(ago / USEC_PER_SEC));
        text = absolute;
    }
    fetch_add_parameter(form, name, str_of(text));
}

/* For a range of which nobody says how fine it is to be: "-1h" is known, other times are not. */
static void add_step(struct strbuf *form, const struct query_flags *flags) {
    uint64_t ago = 0;
    char step[32] = "15";
    if (flags->step == NULL && flags->end == NULL && flags->start[0] == '-' &&
        duration_parse(str_of(flags->start + 1), &ago, NULL) == 0) {
        uint64_t seconds = ago / USEC_PER_SEC / DEFAULT_STEPS;
        snprintf(step, sizeof(step), "%llu", (unsigned long long)(seconds > 0 ? seconds : 1));
    }
    fetch_add_parameter(form, "step", str_of(flags->step != NULL ? flags->step : step));
}

static void make_form(const struct query_flags *flags, struct strbuf *form) {
    fetch_add_parameter(form, "query", str_of(flags->expressions[0]));
    if (flags->timeout != NULL) {
        fetch_add_parameter(form, "timeout", str_of(flags->timeout));
    }
    if (flags->start != NULL) {
        add_time(form, "start", flags->start);
        add_time(form, "end", flags->end);
        add_step(form, flags);
    } else if (flags->time != NULL) {
        add_time(form, "time", flags->time);
    }
}

static int ask(const struct query_flags *flags, struct fetch_reply *ret, struct error *err) {
    struct strbuf url = {0}, form = {0};
    struct str base = str_drop_end(str_of(flags->url), '/');
    strbuf_printf(&url, "%.*s/api/v1/query%s", (int)base.len, base.data,
                  flags->start != NULL ? "_range" : "");
    make_form(flags, &form);
    const struct fetch_options options = {
        .url = url.data, .form = form.data, .timeout_usec = TIMEOUT_USEC, .most_bytes = MOST_BYTES};
    int r = fetch_url(&options, ret, err);
    strbuf_deinit(&url);
    strbuf_deinit(&form);
    return r;
}

/* ---- the answer ---- */

static void say_notes(const struct json_value *answer, const char *key) {
    const struct json_value *notes = json_member(answer, key);
    for (size_t i = 0; notes != NULL && i < notes->n_items; i++) {
        struct str note = json_text_of(&notes->items[i]);
        fprintf(stderr, "dbvitals: %.*s\n", (int)note.len, note.data);
    }
}

/* How many bars there is room for: none where nobody looks. */
static size_t count_bars(void) {
    struct winsize size;
    if (!isatty(STDOUT_FILENO)) {
        return 0;
    }
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < LEAST_TERMINAL) {
        return MOST_BARS / 4;
    }
    return size.ws_col >= 2 * LEAST_TERMINAL ? MOST_BARS : MOST_BARS / 2;
}

static int print_table(const struct json_value *answer) {
    struct strbuf out = {0};
    int status = 1;
    say_notes(answer, "warnings");
    say_notes(answer, "infos");
    if (query_render(json_member(answer, "data"), count_bars(), &out) < 0) {
        cli_fail("the answer is none that a query has");
    } else if (out.len == 0) {
        fprintf(stderr, "dbvitals: the result is empty\n");
        status = 0;
    } else {
        status = cli_print(strbuf_view(&out));
    }
    strbuf_deinit(&out);
    return status;
}

static int refuse(const struct json_value *answer, unsigned status) {
    struct str type = json_text_of(json_member(answer, "errorType"));
    struct str text = json_text_of(json_member(answer, "error"));
    fprintf(stderr, "dbvitals: %.*s%s%.*s (HTTP status %u)\n", (int)type.len, type.data,
            type.len > 0 ? ": " : "", (int)text.len, text.data, status);
    return 1;
}

static int show(const struct query_flags *flags, const struct fetch_reply *reply) {
    struct arena arena = {0};
    struct error err = {0};
    const struct json_value *answer;
    int status;
    if (json_read(strbuf_view(&reply->body), &arena, &answer, &err) < 0) {
        char text[400];
        snprintf(text, sizeof(text), "'%.200s' answered with status %u, but not with JSON",
                 flags->url, reply->status);
        status = cli_fail(text);
    } else if (reply->status != 200) {
        status = refuse(answer, reply->status);
    } else if (flags->format == QUERY_JSON) {
        status = cli_print(strbuf_view(&reply->body));
        status = status != 0 ? status : cli_print(str_of("\n"));
    } else {
        status = print_table(answer);
    }
    arena_deinit(&arena);
    return status;
}

int cli_query(int argc, char **argv) {
    struct query_flags flags = {0};
    struct fetch_reply reply = {0};
    struct error err = {0};
    int status = 0;
    if (!cli_flags(query_flags,
                   "Usage: dbvitals query EXPR [FLAGS]\n\nAsks a running daemon (or any "
                   "Prometheus) and prints a table: now, at --time, or\nfrom --start to --end.",
                   offsetof(struct query_flags, help), argc, argv, &flags, &status)) {
        return status;
    }
    if (flags.n_expressions == 0) {
        return cli_fail("query needs an EXPR (--help tells more)");
    }
    if (flags.start == NULL && (flags.end != NULL || flags.step != NULL)) {
        return cli_fail("--end and --step need --start");
    }
    if (ask(&flags, &reply, &err) < 0) {
        char text[512];
        snprintf(text, sizeof(text), "'%.150s' cannot be asked: %s", flags.url, err.text);
        return cli_fail(text);
    }
    status = show(&flags, &reply);
    fetch_reply_deinit(&reply);
    return status;
}
