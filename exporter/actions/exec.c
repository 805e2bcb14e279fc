/* SPDX-License-Identifier: Apache-2.0 */

/* A command is run for each notification: the webhook's body on its standard input, the most wanted
 * of it in its environment. Exit code 0 is delivered, 75 (EX_TEMPFAIL) try again. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "actions/channel_type.h"
#include "actions/wording.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/hook_environment.h"

#define EXIT_TRY_AGAIN    75
#define MOST_VALUE_BYTES  4096
#define MOST_OUTPUT_BYTES ((size_t)16 * 1024)
#define LOGGED_BYTES      2000

static void set(struct hook_environment *environment, const char *name, struct str value) {
    struct strbuf text = {0};
    wording_add(&text, value, MOST_VALUE_BYTES);
    hook_environment_set(environment, name, strbuf_view(&text));
    strbuf_deinit(&text);
}

PRINTF_LIKE(3, 4)
static void set_format(struct hook_environment *environment, const char *name, const char *format,
                       ...) {
    char text[64];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    set(environment, name, str_of(text));
}

static void set_all(struct hook_environment *environment, const struct channel *channel,
                    const struct notification *notification) {
    size_t firing = notification_firing(notification);
    char key[CHANNEL_KEY_BYTES];
    struct strbuf title = {0};
    channel_key(notification, key);
    wording_title(notification, &title);
    hook_environment_init(environment);
    set(environment, "DBVITALS_EVENT", str_of("alert"));
    set(environment, "DBVITALS_RECEIVER", str_of(channel->receiver));
    set(environment, "DBVITALS_STATUS", str_of(wording_status(firing == 0)));
    set(environment, "DBVITALS_GROUP_KEY", notification->group_key);
    set(environment, "DBVITALS_IDEMPOTENCY_KEY", str_of(key));
    set(environment, "DBVITALS_TITLE", strbuf_view(&title));
    set(environment, "DBVITALS_SEVERITY", str_of(severity_names[severity_worst(notification)]));
    set(environment, "DBVITALS_ALERT_NAME", wording_common(notification, "alertname"));
    set(environment, "DBVITALS_CLUSTER", wording_common(notification, "cluster"));
    set(environment, "DBVITALS_TARGET", wording_common(notification, "target"));
    set(environment, "DBVITALS_EXTERNAL_URL", channel->parts.external_url);
    set_format(environment, "DBVITALS_ALERT_COUNT", "%zu",
               notification->n_alerts + notification->left_out);
    set_format(environment, "DBVITALS_FIRING_COUNT", "%zu", firing);
    set_format(environment, "DBVITALS_RESOLVED_COUNT", "%zu", notification->n_alerts - firing);
    strbuf_deinit(&title);
}

/* ---- its end ---- */

static enum channel_outcome outcome_of_exit(int code) {
    return code == 0 ? CHANNEL_DELIVERED : code == EXIT_TRY_AGAIN ? CHANNEL_RETRY : CHANNEL_REFUSED;
}

/* A file that is not there or no program is a mistake of ours; what we lack comes back. */
static enum channel_outcome outcome_of_errno(int os_errno) {
    static const int lasting[] = {ENOENT, EACCES, EPERM, ENOEXEC, ENOTDIR, ELOOP, E2BIG};
    for (size_t i = 0; i < ARRAY_LEN(lasting); i++) {
        if (os_errno == lasting[i]) {
            return CHANNEL_REFUSED;
        }
    }
    return CHANNEL_RETRY;
}

static enum channel_outcome outcome_of(const struct process_result *result) {
    switch (result->end) {
    case PROCESS_EXITED:
        return outcome_of_exit(result->code);
    case PROCESS_NOT_STARTED:
        return outcome_of_errno(result->code);
    default:
        return CHANNEL_RETRY;
    }
}

static void log_output(const struct channel *channel, const struct process_result *result) {
    struct strbuf line = {0};
    if (result->output.len > 0) {
        wording_add_line(&line, str_trim(result->output), LOGGED_BYTES);
        log_info("receiver '%s': '%s' wrote: %s", channel->receiver, channel->options->command[0],
                 strbuf_view(&line).data);
    }
    strbuf_deinit(&line);
}

static void on_end(void *userdata, const struct process_result *result) {
    struct channel *channel = userdata;
    enum channel_outcome outcome = outcome_of(result);
    char text[PROCESS_TEXT_BYTES];
    struct strbuf why = {0};
    if (outcome != CHANNEL_DELIVERED) {
        strbuf_add_text(&why, process_describe(result, text));
        log_output(channel, result);
    }
    channel_end(channel, outcome, strbuf_view(&why).data, 0);
    strbuf_deinit(&why);
}

static void exec_start(struct channel *channel, const struct notification *notification) {
    if (channel->parts.processes == NULL) {
        channel_end_later(channel, "no commands are run here");
        return;
    }
    struct hook_environment environment = {0};
    struct strbuf body = {0};
    set_all(&environment, channel, notification);
    webhook_write(channel, notification, &body);
    channel->process = process_submit(channel->parts.processes,
                                      &(struct process_request){
                                          .words = (const char *const *)channel->options->command,
                                          .environment = hook_environment_texts(&environment),
                                          .input = strbuf_view(&body),
                                          .timeout_usec = channel_timeout_usec(channel),
                                          .max_output_bytes = MOST_OUTPUT_BYTES,
                                          .done = on_end,
                                          .userdata = channel,
                                      });
    strbuf_deinit(&body);
    hook_environment_deinit(&environment);
}

const struct channel_type channel_exec = {.start = exec_start};
