/* SPDX-License-Identifier: Apache-2.0 */

#include "circuits/circuit_hooks.h"

#include <stdlib.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "circuits/circuit_json.h"
#include "io/hook_environment.h"
#include "io/hook_file.h"
#include "io/process.h"

#define EXIT_TRY_AGAIN    75
#define MOST_ATTEMPTS     3
#define AGAIN_USEC        USEC_PER_SEC
#define MOST_OUTPUT_BYTES ((size_t)16 * 1024)
#define LOGGED_BYTES      1000

/* A change of a breaker, with what its commands will see of it. */
struct event {
    bool opened;
    struct circuit_options options; /* as they were then */
    size_t command;                 /* that is next or runs */
    unsigned attempts;              /* of it */
    struct hook_environment environment;
    struct strbuf input;
};

/* The events of one breaker, by its name: it may be configured anew meanwhile. */
struct line {
    struct circuit_hooks *hooks;
    char *name;
    struct event *running, *next;
    struct process *process;
    struct loop_timer *again;
};

struct circuit_hooks {
    struct loop *loop;
    struct processes *processes;
    struct line **lines;
    size_t n_lines, capacity;
    bool stopping;
};

static const struct hook_commands *commands_of(const struct event *event) {
    return event->opened ? &event->options.open_hooks : &event->options.close_hooks;
}

/* ---- events ---- */

static struct event *event_free(struct event *event) {
    if (event != NULL) {
        circuit_options_deinit(&event->options);
        hook_environment_deinit(&event->environment);
        strbuf_deinit(&event->input);
        free(event);
    }
    return NULL;
}

static void set(struct event *event, const char *name, const char *value) {
    if (value != NULL) {
        hook_environment_set(&event->environment, name, str_of(value));
    }
}

static void set_all(struct event *event, const struct kept_circuit *kept,
                    const struct circuit_status *status) {
    hook_environment_init(&event->environment);
    set(event, "DBVITALS_EVENT", event->opened ? "breaker_open" : "breaker_close");
    set(event, "DBVITALS_BREAKER", kept->options.name);
    set(event, "DBVITALS_STATE", breaker_state_names[status->state]);
    set(event, "DBVITALS_REASON", status->reason);
    set(event, "DBVITALS_CIRCUIT", circuit_kind_names[kept->options.kind]);
    set(event, "DBVITALS_TARGET", kept->options.target);
    set(event, "DBVITALS_CLUSTER", kept->options.cluster);
    set(event, "DBVITALS_GROUP", kept->options.group);
}

static struct event *event_new(const struct kept_circuit *kept, bool opened,
                               struct circuit_time now) {
    struct event *event = mem_alloc(sizeof(*event));
    struct circuit_status status = circuits_status(kept, now);
    struct json_writer json = {.out = &event->input};
    event->opened = opened;
    circuit_options_copy(&kept->options, &event->options);
    set_all(event, kept, &status);
    json_object_begin(&json, NULL);
    json_text(&json, "event", opened ? "breaker_open" : "breaker_close");
    circuit_json_write(&json, kept, now);
    json_object_end(&json);
    strbuf_add_char(&event->input, '\n');
    return event;
}

/* ---- running ---- */

static void go_on(struct line *line);

static void log_output(const struct line *line, const char *program,
                       const struct process_result *result) {
    struct str text = str_trim(result->output);
    struct strbuf shown = {0};
    strbuf_add_utf8(&shown,
                    (struct str){text.data, text.len < LOGGED_BYTES ? text.len : LOGGED_BYTES});
    if (shown.len > 0) {
        log_info("breaker '%s': '%s' wrote: %s", line->name, program, shown.data);
    }
    strbuf_deinit(&shown);
}

static void on_end(void *userdata, const struct process_result *result) {
    struct line *line = userdata;
    struct event *event = line->running;
    const char *program = commands_of(event)->list[event->command].words[0];
    char why[PROCESS_TEXT_BYTES];
    line->process = NULL;
    if (line->hooks->stopping) {
        return;
    }
    bool good = result->end == PROCESS_EXITED && result->code == 0;
    bool again = result->end == PROCESS_EXITED && result->code == EXIT_TRY_AGAIN &&
                 event->attempts < MOST_ATTEMPTS;
    if (good) {
        log_info("breaker '%s': hook '%s' has run", line->name, program);
    } else {
        log_warn("breaker '%s': hook '%s': %s%s", line->name, program,
                 process_describe(result, why), again ? "; it is tried again" : "");
    }
    log_output(line, program, result);
    if (again) {
        loop_timer_set(line->again, loop_now_usec(line->hooks->loop) + AGAIN_USEC);
        return;
    }
    event->command++;
    event->attempts = 0;
    go_on(line);
}

/* Return: whether the next command of the event is under way. */
static bool start(struct line *line) {
    struct event *event = line->running;
    const struct hook_command *command = &commands_of(event)->list[event->command];
    struct error err = {0};
    if (hook_file_check(command->words[0], &err) < 0) {
        log_error("breaker '%s': hook '%s' is not run: %s", line->name, command->words[0],
                  err.text);
        return false;
    }
    event->attempts++;
    line->process = process_submit(line->hooks->processes,
                                   &(struct process_request){
                                       .words = (const char *const *)command->words,
                                       .environment = hook_environment_texts(&event->environment),
                                       .input = strbuf_view(&event->input),
                                       .timeout_usec = event->options.hook_timeout_usec,
                                       .max_output_bytes = MOST_OUTPUT_BYTES,
                                       .done = on_end,
                                       .userdata = line,
                                   });
    return true;
}

static void go_on(struct line *line) {
    while (line->running != NULL) {
        while (line->running->command < commands_of(line->running)->count) {
            if (start(line)) {
                return;
            }
            line->running->command++;
        }
        event_free(line->running);
        line->running = take_ptr(line->next);
    }
}

static void try_again(void *userdata) {
    go_on(userdata);
}

/* ---- lines ---- */

static struct line *line_of(struct circuit_hooks *hooks, const char *name) {
    for (size_t i = 0; i < hooks->n_lines; i++) {
        if (strcmp(hooks->lines[i]->name, name) == 0) {
            return hooks->lines[i];
        }
    }
    struct line *line = mem_alloc(sizeof(*line));
    line->hooks = hooks;
    line->name = mem_strdup(name);
    line->again = loop_timer_new(hooks->loop, try_again, line);
    hooks->lines = mem_grow(hooks->lines, hooks->n_lines, &hooks->capacity, sizeof(struct line *));
    hooks->lines[hooks->n_lines++] = line;
    return line;
}

void circuit_hooks_tell(struct circuit_hooks *hooks, const struct kept_circuit *kept, bool opened,
                        struct circuit_time now) {
    const struct circuit_options *options = &kept->options;
    if (options->open_hooks.count == 0 && options->close_hooks.count == 0) {
        return;
    }
    struct line *line = line_of(hooks, options->name);
    line->next = event_free(line->next);
    if (line->running == NULL) {
        line->running = event_new(kept, opened, now);
        go_on(line);
    } else if (line->running->opened != opened) {
        line->next = event_new(kept, opened, now);
    }
}

bool circuit_hooks_idle(const struct circuit_hooks *hooks) {
    for (size_t i = 0; i < hooks->n_lines; i++) {
        if (hooks->lines[i]->running != NULL) {
            return false;
        }
    }
    return true;
}

/* ---- life ---- */

struct circuit_hooks *circuit_hooks_new(struct loop *loop) {
    struct circuit_hooks *hooks = mem_alloc(sizeof(*hooks));
    hooks->loop = loop;
    hooks->processes = processes_new(loop, 0);
    return hooks;
}

struct circuit_hooks *circuit_hooks_free(struct circuit_hooks *hooks) {
    if (hooks == NULL) {
        return NULL;
    }
    hooks->stopping = true;
    processes_free(hooks->processes);
    for (size_t i = 0; i < hooks->n_lines; i++) {
        struct line *line = hooks->lines[i];
        event_free(line->running);
        event_free(line->next);
        loop_timer_free(line->again);
        free(line->name);
        free(line);
    }
    free(hooks->lines);
    free(hooks);
    return NULL;
}
