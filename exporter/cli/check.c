/* SPDX-License-Identifier: Apache-2.0 */

/* dbvitals check: one round of every target, shown as a table for people. Exit status 0 when all is
 * well, 1 when a collector failed, 2 when a target is down, 3 when the check itself failed. */

#include <stdio.h>
#include <string.h>

#include "app.h"
#include "base/log.h"
#include "cli/cli.h"
#include "config/flags.h"
#include "sampler/service.h"

enum { STATUS_OK, STATUS_WARNING, STATUS_CRITICAL, STATUS_UNKNOWN };

struct check_flags {
    const char *config_file, *target;
    bool help;
};

static const struct flag check_flags[] = {
    {"--config.file", FLAG_TEXT, offsetof(struct check_flags, config_file), .argument = "FILE",
     .help = "Configuration to check; without it what `dbvitals run` would use."},
    {"--target", FLAG_TEXT, offsetof(struct check_flags, target), .argument = "NAME",
     .help = "Only this target."},
    {"--help", FLAG_BOOL, offsetof(struct check_flags, help), .no_environment = true,
     .help = "Print this text; also -h."},
    {NULL},
};

static void add_collectors(const struct target_view *target, struct strbuf *out) {
    for (size_t i = 0; i < sampler_target_collectors(target); i++) {
        const struct collector_view *view = sampler_target_collector(target, i);
        if (view->enabled && error_is_set(&view->failure.error)) {
            strbuf_printf(out, "  collector '%s': %s: %s\n", view->collector->name,
                          client_reason_names[view->failure.reason], view->failure.error.text);
        }
    }
}

static size_t count_samples(const struct target_view *target) {
    size_t samples = 0;
    for (size_t i = 0; i < sampler_target_collectors(target); i++) {
        samples += sampler_target_collector(target, i)->samples;
    }
    return samples;
}

static int add_target(const struct target_view *target, struct strbuf *out) {
    const struct target_options *options = target->options;
    int64_t role = ROLE_UNKNOWN;
    facts_get(&target->facts, FACT_ROLE, &role);
    strbuf_printf(out, "%-20s %-10s %-28s ", options->name, target_kind_names[options->kind],
                  target->instance);
    if (target->health == TARGET_PENDING) {
        strbuf_add_text(out, "pending  no round has ended\n");
        return STATUS_UNKNOWN;
    }
    if (target->health == TARGET_DOWN) {
        strbuf_printf(out, "down     %s: %s\n", client_reason_names[target->last_failure.reason],
                      target->last_failure.error.text);
        return STATUS_CRITICAL;
    }
    strbuf_printf(out, "up       %-8s %6.1f ms %6zu samples", server_role_names[role],
                  target->last_round_seconds * 1000.0, count_samples(target));
    double usage;
    if (service_pool_usage_percent(options->kind, &target->facts, &usage)) {
        strbuf_printf(out, "  pool %.0f %%", usage);
    }
    if (target->pooler) {
        strbuf_add_text(out, "  (through a pooler)");
    }
    strbuf_add_char(out, '\n');
    add_collectors(target, out);
    return target->failed_collectors > 0 ? STATUS_WARNING : STATUS_OK;
}

static int print_table(const struct sampler *sampler, const char *only) {
    struct strbuf out = {0};
    int worst = STATUS_OK;
    bool found = false;
    strbuf_printf(&out, "%-20s %-10s %-28s %s\n", "TARGET", "TYPE", "ADDRESS", "STATE");
    for (size_t i = 0; i < sampler_targets(sampler); i++) {
        const struct target_view *target = sampler_target(sampler, i);
        if (only != NULL && strcmp(only, target->options->name) != 0) {
            continue;
        }
        int status = add_target(target, &out);
        worst = status > worst ? status : worst;
        found = true;
    }
    if (!found) {
        strbuf_deinit(&out);
        cli_fail(only != NULL ? "there is no such target in the configuration"
                              : "the configuration names no targets");
        return STATUS_UNKNOWN;
    }
    int failed = cli_print(strbuf_view(&out));
    strbuf_deinit(&out);
    return failed ? STATUS_UNKNOWN : worst;
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
                   "Usage: dbvitals check [FLAG]...\n\n"
                   "Samples every target once and shows what came of it.\n"
                   "Exit status: 0 all is well, 1 a collector failed, 2 a target is down, 3 the "
                   "check failed.",
                   offsetof(struct check_flags, help), argc, argv, &given, &status)) {
        return status != 0 ? STATUS_UNKNOWN : STATUS_OK;
    }
    flags.config_file = given.config_file;
    log_set_level(LOG_LEVEL_ERROR);
    if (app_new(&flags, false, &app, &err) < 0) {
        cli_fail(error_format(&err, text, sizeof(text)));
        return STATUS_UNKNOWN;
    }
    app_run_one_round(app);
    return print_table(app_sampler(app), given.target);
}
