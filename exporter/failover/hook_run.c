/* SPDX-License-Identifier: Apache-2.0 */

/* The deferred call begins, the end of a process or the timer goes on; whichever finds nothing left
 * to do tells, as the last thing it does. */
#include "failover/hook_run.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/mem.h"
#include "io/hook_environment.h"
#include "io/hook_file.h"
#include "io/process_user.h"

#define EXIT_TRY_AGAIN   75
#define MOST_ATTEMPTS    3
#define AGAIN_USEC       USEC_PER_SEC
#define MOST_VALUE_BYTES ((size_t)4096)
#define PREFIX           "DBVITALS_"

struct hook_run {
    struct processes *processes;
    enum hook_event_kind kind;
    struct hook_commands commands;
    char *user_name;
    struct process_user user;
    struct hook_environment environment;
    struct strbuf input;
    uint64_t timeout_usec;
    size_t command;         /* that is next or runs */
    unsigned attempts;      /* of it */
    uint64_t deadline_usec; /* of it */
    bool failed;
    struct strbuf text;
    size_t output_left;
    struct process *process;
    struct loop_deferred *begin;
    struct loop_timer *again;
    void (*done)(void *userdata, bool good, const char *text);
    void *userdata;
};

/* Whether the failure of one command keeps the others from being run. */
static const bool is_strict[HOOK_EVENTS] = {
    [HOOK_PRE] = true, [HOOK_FENCE] = true, [HOOK_PROMOTE] = true};

/* ---- what commands see ---- */

struct fact {
    const char *name; /* key in JSON; in capitals and with the prefix the variable */
    const char *value;
};

static void set_variable(struct hook_environment *environment, const struct fact *fact) {
    char name[64] = PREFIX;
    struct str value = str_of(fact->value != NULL ? fact->value : "");
    size_t length = strlen(PREFIX);
    for (const char *c = fact->name; *c != '\0'; c++) {
        name[length++] = (char)toupper((unsigned char)*c);
    }
    if (value.len > MOST_VALUE_BYTES) {
        value.len = MOST_VALUE_BYTES;
        while (value.len > 0 && (value.data[value.len] & 0xc0) == 0x80) {
            value.len--; /* whole characters */
        }
    }
    hook_environment_set(environment, name, value);
}

static void tell_event(struct hook_run *run, const struct hook_event *event) {
    const struct fact facts[] = {
        {"event", hook_event_names[event->kind]},
        {"cluster", event->cluster},
        {"failover_id", event->failover_id},
        {"old_primary", event->old_primary},
        {"old_primary_addr", event->old_primary_addr},
        {"new_primary", event->new_primary},
        {"new_primary_addr", event->new_primary_addr},
        {"lsn", event->lsn},
        {"timeline", event->timeline},
        {"reason", event->reason},
    };
    struct json_writer json = {.out = &run->input};
    hook_environment_init(&run->environment);
    json_object_begin(&json, NULL);
    for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
        set_variable(&run->environment, &facts[i]);
        json_text(&json, facts[i].name, facts[i].value);
    }
    hook_environment_set(&run->environment, PREFIX "DRY_RUN", str_of(event->dry_run ? "1" : "0"));
    json_bool(&json, "dry_run", event->dry_run);
    json_text(&json, "evidence", event->evidence);
    json_object_end(&json);
    strbuf_add_char(&run->input, '\n');
}

/* ---- the text ---- */

static bool is_control(struct str character) {
    unsigned char first = (unsigned char)character.data[0];
    bool c1 = first == 0xc2 && character.len == 2 && (unsigned char)character.data[1] < 0xa0;
    return first < ' ' || first == 0x7f || c1;
}

/* The next character as it may be shown. */
static struct str next_shown(struct str *rest) {
    size_t length = utf8_length(rest->data, rest->len);
    struct str shown = {rest->data, length};
    if (length == 0) {
        shown = str_of("\xef\xbf\xbd");
    } else if (is_control(shown) && shown.data[0] != '\n' && shown.data[0] != '\t') {
        shown = str_of("?");
    }
    length = length == 0 ? 1 : length;
    *rest = (struct str){rest->data + length, rest->len - length};
    return shown;
}

static void add_output(struct hook_run *run, const struct process_result *result) {
    struct str rest = str_trim(result->output);
    struct strbuf shown = {0};
    bool full = false;
    while (rest.len > 0 && !full) {
        struct str character = next_shown(&rest);
        struct str added = character.data[0] == '\n' ? str_of("\n  ") : character;
        full = shown.len + added.len > run->output_left;
        strbuf_add_str(&shown, full ? str_of("") : added);
    }
    run->output_left -= shown.len;
    if (shown.len > 0) {
        strbuf_printf(&run->text, "  %s\n", shown.data);
    }
    if (full || result->cut) {
        strbuf_add_text(&run->text, "  (there was more)\n");
    }
    strbuf_deinit(&shown);
}

static const char *program_of(const struct hook_run *run) {
    return run->commands.list[run->command].words[0];
}

static void add_end(struct hook_run *run, const struct process_result *result, bool again) {
    char how[PROCESS_TEXT_BYTES];
    bool good = result->end == PROCESS_EXITED && result->code == 0;
    strbuf_printf(&run->text, "%s: %s, it took %.3f s%s\n", program_of(run),
                  good ? "it succeeded" : process_describe(result, how),
                  (double)result->took_usec / (double)USEC_PER_SEC,
                  again ? "; it is tried again" : "");
    add_output(run, result);
}

/* ---- running ---- */

static void tell(struct hook_run *run) {
    run->done(run->userdata, !run->failed, strbuf_view(&run->text).data);
}

static void go_on(struct hook_run *run);

static void on_end(void *userdata, const struct process_result *result) {
    struct hook_run *run = userdata;
    uint64_t next_usec = loop_clock_usec() + AGAIN_USEC;
    bool good = result->end == PROCESS_EXITED && result->code == 0;
    bool again = result->end == PROCESS_EXITED && result->code == EXIT_TRY_AGAIN &&
                 run->kind != HOOK_PROMOTE && run->attempts < MOST_ATTEMPTS &&
                 next_usec < run->deadline_usec;
    run->process = NULL;
    add_end(run, result, again);
    if (again) {
        loop_timer_set(run->again, next_usec);
        return;
    }
    run->failed = run->failed || !good;
    if (result->end == PROCESS_CANCELED) {
        tell(run);
        return;
    }
    run->command++;
    run->attempts = 0;
    go_on(run);
}

/* Return: whether the command is under way. */
static bool start(struct hook_run *run) {
    struct error err = {0};
    uint64_t now_usec = loop_clock_usec();
    if (hook_file_check(program_of(run), &err) < 0) {
        strbuf_printf(&run->text, "%s: it is not run: %s\n", program_of(run), err.text);
        return false;
    }
    if (run->attempts++ == 0) {
        run->deadline_usec = now_usec + run->timeout_usec;
    }
    const struct process_request request = {
        .words = (const char *const *)run->commands.list[run->command].words,
        .environment = hook_environment_texts(&run->environment),
        .user = run->user_name != NULL ? &run->user : NULL,
        .input = strbuf_view(&run->input),
        .timeout_usec = run->deadline_usec > now_usec ? run->deadline_usec - now_usec : 1,
        .max_output_bytes = HOOK_MOST_OUTPUT_BYTES,
        .done = on_end,
        .userdata = run,
    };
    run->process = process_submit(run->processes, &request);
    return true;
}

static void go_on(struct hook_run *run) {
    while (run->command < run->commands.count && !(run->failed && is_strict[run->kind])) {
        if (start(run)) {
            return;
        }
        run->failed = true;
        run->command++;
        run->attempts = 0;
    }
    tell(run);
}

static void try_again(void *userdata) {
    go_on(userdata);
}

static bool find_user(struct hook_run *run) {
    struct error err = {0};
    if (run->user_name == NULL || run->commands.count == 0) {
        return true;
    }
    if (process_user_find(run->user_name, &run->user, &err) < 0) {
        strbuf_printf(&run->text, "no hook is run: %s\n", err.text);
        return false;
    }
    hook_environment_set(&run->environment, "USER", str_of(run->user.name));
    hook_environment_set(&run->environment, "LOGNAME", str_of(run->user.name));
    hook_environment_set(&run->environment, "HOME", str_of(run->user.home));
    return true;
}

static void begin(void *userdata) {
    struct hook_run *run = userdata;
    if (find_user(run)) {
        go_on(run);
    } else {
        run->failed = true;
        tell(run);
    }
}

/* ---- life ---- */

struct hook_run *hook_run_new(struct loop *loop, struct processes *processes,
                              const struct hook_run_request *request) {
    const struct hook_options *options = request->options;
    struct hook_run *run = mem_alloc(sizeof(*run));
    run->processes = processes;
    run->kind = request->event->kind;
    hook_commands_copy(&options->commands[run->kind], &run->commands);
    run->user_name = options->user != NULL ? mem_strdup(options->user) : NULL;
    run->timeout_usec = hook_options_timeout_usec(options, run->kind);
    run->output_left = HOOK_MOST_OUTPUT_BYTES;
    run->done = request->done;
    run->userdata = request->userdata;
    tell_event(run, request->event);
    run->again = loop_timer_new(loop, try_again, run);
    run->begin = loop_deferred_new(loop, begin, run);
    loop_deferred_arm(run->begin);
    return run;
}

struct hook_run *hook_run_free(struct hook_run *run) {
    if (run == NULL) {
        return NULL;
    }
    process_free(run->process);
    loop_deferred_free(run->begin);
    loop_timer_free(run->again);
    hook_commands_deinit(&run->commands);
    hook_environment_deinit(&run->environment);
    strbuf_deinit(&run->input);
    strbuf_deinit(&run->text);
    free(run->user_name);
    free(run);
    return NULL;
}
