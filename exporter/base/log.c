/* SPDX-License-Identifier: Apache-2.0 */

#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log_journal.h"
#include "base/str.h"
#include "base/utc.h"

/* A pipe that is ready takes this much at once (PIPE_BUF), so a shorter line never waits. */
#define LONGEST_LINE 4096

const char *const log_level_names[] = {"error", "warn", "info", "debug", NULL};
const char *const log_format_names[] = {"logfmt", "json", "console", "journal", NULL};

/* The level and its companions are the program's only mutable globals: every layer logs. */
static struct {
    enum log_level level;
    enum log_format format;
    bool colour;
    int output, error_output; /* -1: stderr; none */
    uint64_t dropped;
    struct log_journal journal; /* of its format */
    const char *scope_key;
    char scope_value[64];
    char scope_target[64]; /* empty: none */
} state = {.level = LOG_LEVEL_INFO, .output = -1, .error_output = -1, .journal.fd = -1};

void log_set_level(enum log_level level) {
    state.level = level;
}

enum log_level log_get_level(void) {
    return state.level;
}

static int main_output(void) {
    return state.output >= 0 ? state.output : STDERR_FILENO;
}

static void choose_colour(void) {
    const char *no_colour = getenv("NO_COLOR");
    state.colour = isatty(main_output()) && (no_colour == NULL || *no_colour == '\0');
}

int log_open_journal(const char *path) {
    struct log_journal journal;
    int r = log_journal_open(&journal, path);
    if (r < 0) {
        return r;
    }
    log_journal_close(&state.journal);
    state.journal = journal;
    state.format = LOG_FORMAT_JOURNAL;
    return 0;
}

void log_set_format(enum log_format format) {
    if (format == LOG_FORMAT_JOURNAL) {
        if (log_open_journal(LOG_JOURNAL_SOCKET) == 0) {
            return;
        }
        format = LOG_FORMAT_LOGFMT;
    }
    log_journal_close(&state.journal);
    state.format = format;
    choose_colour();
}

void log_set_output(int fd, int error_fd) {
    state.output = fd;
    state.error_output = error_fd;
    choose_colour();
}

uint64_t log_dropped_lines(void) {
    return state.dropped;
}

void log_scope_set(const char *key, const char *value) {
    state.scope_key = key;
    snprintf(state.scope_value, sizeof(state.scope_value), "%s", value != NULL ? value : "");
}

void log_scope_target(const char *name) {
    snprintf(state.scope_target, sizeof(state.scope_target), "%s", name);
}

void log_scope_clear(void) {
    state.scope_key = NULL;
    state.scope_target[0] = '\0';
}

/* The log has its own look at the wall clock: a line's time is when it was written, and nothing is
 * decided by it. */
static void format_time(char out[UTC_TEXT_BYTES]) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    utc_format_ms((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, out);
}

static void format_logfmt(struct strbuf *line, enum log_level level, struct str text) {
    char time_text[UTC_TEXT_BYTES];
    format_time(time_text);
    strbuf_printf(line, "time=%s level=%s msg=", time_text, log_level_names[level]);
    json_escape(line, text);
    if (state.scope_key != NULL) {
        strbuf_printf(line, " %s=", state.scope_key);
        json_escape(line, str_of(state.scope_value));
    }
    if (state.scope_target[0] != '\0') {
        strbuf_add_text(line, " target=");
        json_escape(line, str_of(state.scope_target));
    }
}

static void format_json(struct strbuf *line, enum log_level level, struct str text) {
    char time_text[UTC_TEXT_BYTES];
    format_time(time_text);
    struct json_writer json = {.out = line};
    json_object_begin(&json, NULL);
    json_text(&json, "time", time_text);
    json_text(&json, "level", log_level_names[level]);
    json_str(&json, "msg", text);
    if (state.scope_key != NULL) {
        json_text(&json, state.scope_key, state.scope_value);
    }
    if (state.scope_target[0] != '\0') {
        json_text(&json, "target", state.scope_target);
    }
    json_object_end(&json);
}

/* Bytes of foreign servers must not steer the terminal: neither ASCII's control characters nor
 * those of U+0080 to U+009F, alone or as UTF-8. */
static void add_printable(struct strbuf *line, struct str text) {
    for (size_t i = 0; i < text.len;) {
        const char *at = text.data + i;
        unsigned char c = (unsigned char)*at;
        size_t len = utf8_length(at, text.len - i);
        if (len == 0) {
            strbuf_add_text(line, "?");
        } else if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)at[1] < 0xa0)) {
            strbuf_add_char(line, ' ');
        } else {
            strbuf_add(line, at, len);
        }
        i += len != 0 ? len : 1;
    }
}

static void format_console(struct strbuf *line, enum log_level level, struct str text) {
    static const char *const colours[] = {"\033[31m", "\033[33m", "", "\033[2m"};
    char time_text[UTC_TEXT_BYTES];
    format_time(time_text);
    strbuf_printf(line, "%s%.12s %-5s ", state.colour ? colours[level] : "", time_text + 11,
                  log_level_names[level]);
    add_printable(line, text);
    strbuf_add_text(line, state.colour ? "\033[0m" : "");
}

static void format_line(struct strbuf *line, enum log_level level, struct str text) {
    switch (state.format) {
    case LOG_FORMAT_JOURNAL: /* when it is gone */
    case LOG_FORMAT_LOGFMT:
        format_logfmt(line, level, text);
        break;
    case LOG_FORMAT_JSON:
        format_json(line, level, text);
        break;
    case LOG_FORMAT_CONSOLE:
        format_console(line, level, text);
        break;
    }
    strbuf_add_char(line, '\n');
}

static struct str half_of(struct str text) {
    text.len /= 2;
    while (text.len > 0 && ((unsigned char)text.data[text.len] & 0xc0) == 0x80) {
        text.len--;
    }
    return text;
}

/* Names of scopes as names of fields: "round_id" is ROUND_ID. */
static void upper_case(const char *name, char out[32]) {
    size_t len = 0;
    for (; name[len] != '\0' && len < 31; len++) {
        out[len] = (char)(name[len] >= 'a' && name[len] <= 'z' ? name[len] - 'a' + 'A' : name[len]);
    }
    out[len] = '\0';
}

/* Return: whether that is all; when the journal is gone, the line shall go to stderr. */
static bool write_entry(enum log_level level, struct str text) {
    static const char *const priorities[] = {"3", "4", "6", "7"};
    char scope[32];
    size_t count = 3;
    struct log_field fields[5] = {
        {"PRIORITY", str_of(priorities[level])},
        {"SYSLOG_IDENTIFIER", str_of("dbvitals")},
        {"MESSAGE", text},
    };
    if (state.scope_key != NULL) {
        upper_case(state.scope_key, scope);
        fields[count++] = (struct log_field){scope, str_of(state.scope_value)};
    }
    if (state.scope_target[0] != '\0') {
        fields[count++] = (struct log_field){"TARGET", str_of(state.scope_target)};
    }
    int r = log_journal_send(&state.journal, fields, count);
    state.dropped += r == -EAGAIN || r == -ENOBUFS ? 1 : 0;
    return r == 0 || r == -EAGAIN || r == -ENOBUFS;
}

static void write_to(int fd, const struct strbuf *line) {
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0 ||
        write(fd, line->data, line->len) != (ssize_t)line->len) {
        state.dropped++;
    }
}

static void write_line(enum log_level level, struct str text) {
    struct strbuf line = {0};
    if (state.format == LOG_FORMAT_JOURNAL && write_entry(level, text)) {
        return;
    }
    format_line(&line, level, text);
    /* The text is cut, not the line: what reads it wants whole JSON. */
    while (line.len > LONGEST_LINE && text.len > 0) {
        text = half_of(text);
        strbuf_clear(&line);
        format_line(&line, level, text);
    }
    write_to(main_output(), &line);
    if (level == LOG_LEVEL_ERROR && state.error_output >= 0) {
        write_to(state.error_output, &line);
    }
    strbuf_deinit(&line);
}

void log_line(enum log_level level, const char *format, ...) {
    if (level > state.level) {
        return;
    }
    char text[LONGEST_LINE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    write_line(level, str_of(text));
}

int log_line_errno(enum log_level level, int r, const char *format, ...) {
    if (level > state.level) {
        return r;
    }
    char text[LONGEST_LINE];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len >= 0 && (size_t)len < sizeof(text)) {
        const char *meaning = strerrordesc_np(-r);
        snprintf(text + len, sizeof(text) - (size_t)len, ": %s",
                 meaning != NULL ? meaning : "unknown error");
    }
    write_line(level, str_of(text));
    return r;
}
