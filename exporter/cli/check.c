/* SPDX-License-Identifier: Apache-2.0 */

/* dbvitals check: one round of every target, shown in one of several formats. Exit status 0 when
 * all is well, 1 when a collector failed, 2 when a target is down, 3 when the check itself failed.
 */
#include <stdio.h>

#include "app.h"
#include "base/log.h"
#include "cli/check_format.h"
#include "cli/cli.h"
#include "config/flags.h"
#include "config/quote.h"

struct check_flags {
    const char *config_file, *target;
    enum check_format format;
    bool help;
};

static const struct flag check_flags[] = {
    {"--config.file", FLAG_TEXT, offsetof(struct check_flags, config_file), .argument = "FILE",
     .help = "Configuration to check; without it what `dbvitals run` would use."},
    {"--target", FLAG_TEXT, offsetof(struct check_flags, target), .argument = "NAME",
     .help = "Only this target."},
    {"--format", FLAG_CHOICE, offsetof(struct check_flags, format), .choices = check_format_names,
     .argument = "FORMAT", .fallback = "table", .no_environment = true,
     .help = "table for people, nagios for a monitoring plugin's line with performance data, or "
             "json."},
    {"--help", FLAG_BOOL, offsetof(struct check_flags, help), .no_environment = true,
     .help = "Print this text; also -h."},
    {NULL},
};

/* A plugin's words go to standard output, where its caller reads them. */
static int fail(enum check_format format, const char *why) {
    if (format != CHECK_NAGIOS) {
        cli_fail(why);
        return CHECK_UNKNOWN;
    }
    struct strbuf out = {0};
    check_render_failure(why, &out);
    cli_print(strbuf_view(&out));
    strbuf_deinit(&out);
    return CHECK_UNKNOWN;
}

/* What is to be done when there was nothing to look at. */
static int fail_without_target(const struct check_flags *given, const struct check_count *count) {
    char quoted[QUOTE_SIZE], text[256];
    if (count->targets > 0) {
        return fail(given->format,
                    "no server was found: name them in a file (--config.file), or say where they "
                    "are in PGHOST, PGPORT, PGUSER and REDIS_URL");
    }
    if (given->target == NULL) {
        return fail(given->format, "the configuration names no targets");
    }
    snprintf(text, sizeof(text),
             "there is no target %s in the configuration; 'dbvitals check' without --target shows "
             "all",
             quote(str_of(given->target), quoted));
    return fail(given->format, text);
}

static int print(const struct sampler *sampler, const struct check_flags *given) {
    struct strbuf out = {0};
    struct check_count count;
    int status = (int)check_render(sampler, given->target, given->format, &out, &count);
    bool found = count.targets > count.absent;
    /* A plugin's answer is one; people and programs also see what was looked for. */
    bool shown = found || (count.targets > 0 && given->format != CHECK_NAGIOS);
    if (shown && cli_print(strbuf_view(&out)) != 0) {
        status = CHECK_UNKNOWN;
    }
    if (!found) {
        status = fail_without_target(given, &count);
    }
    strbuf_deinit(&out);
    return status;
}

int cli_check(int argc, char **argv) {
    struct check_flags given = {0};
    struct flags flags = {0};
    struct error err = {0};
    char text[512];
    int status;
    CLEANUP(app_freep)
    struct app *app = NULL;
    if (!cli_flags(check_flags,
                   "Usage: dbvitals check [FLAGS]\n\n"
                   "Samples every target once and shows what came of it.\n"
                   "Exit status: 0 all is well, 1 a collector failed, 2 a target is down, 3 the "
                   "check failed\nor found no server.",
                   offsetof(struct check_flags, help), argc, argv, &given, &status)) {
        return status != 0 ? CHECK_UNKNOWN : CHECK_OK;
    }
    flags.config_file = given.config_file;
    log_set_level(LOG_LEVEL_ERROR);
    if (app_new(&flags, false, &app, &err) < 0) {
        return fail(given.format, error_format(&err, text, sizeof(text)));
    }
    app_run_one_round(app);
    return print(app_sampler(app), &given);
}
