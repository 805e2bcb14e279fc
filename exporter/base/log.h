/* SPDX-License-Identifier: Apache-2.0 */

/* The log: one line an event on stderr or into a pipe (io/log_writer), as logfmt, JSON or coloured
 * text for a terminal; or one entry an event in systemd's journal.
 *
 * A line is written whole or not at all and never waits: when nobody reads it is dropped and
 * counted. Sampler, rules, failover, actions, web, app and cli log above debug; the layers below
 * return errors. User text stands in single quotes; a failure that is ignored ends ", ignoring". */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macros.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON, LOG_FORMAT_CONSOLE, LOG_FORMAT_JOURNAL };

/* Names as in flags and configuration; NULL-terminated, indexed by the enums. */
extern const char *const log_level_names[];
extern const char *const log_format_names[];

void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Console is coloured when the output is a terminal and NO_COLOR is not set. Without a journal its
 * format is logfmt; while the journal is away, lines stand on stderr as logfmt. */
void log_set_format(enum log_format format);

/* The journal at another place. Return: 0, or negative errno and nothing has changed. */
int log_open_journal(const char *path);

/* Where lines go: pipes, terminals or sockets, borrowed. -1: stderr; errors nowhere else. */
void log_set_output(int fd, int error_fd);

/* Lines that could not be written since start. */
uint64_t log_dropped_lines(void);

/* What the lines belong to until the next call: "request_id" or "round_id" and its value, copied
 * (at most 63 bytes). NULL key: nothing. One thread, one scope: who sets it clears it before it
 * returns to the loop. */
void log_scope_set(const char *key, const char *value);
void log_scope_clear(void);

/* The target that they are about, copied likewise; cleared with the rest. */
void log_scope_target(const char *name);

void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

/* Adds ": <what the errno means>". Return: r, a negative errno. */
int log_line_errno(enum log_level level, int r, const char *format, ...) PRINTF_LIKE(3, 4);

/* Formats only what is shown. */
#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
    do {                                                                                           \
        if (log_get_level() >= LOG_LEVEL_DEBUG) {                                                  \
            log_line(LOG_LEVEL_DEBUG, __VA_ARGS__);                                                \
        }                                                                                          \
    } while (0)
#define log_error_errno(r, ...) log_line_errno(LOG_LEVEL_ERROR, r, __VA_ARGS__)
#define log_warn_errno(r, ...)  log_line_errno(LOG_LEVEL_WARN, r, __VA_ARGS__)
