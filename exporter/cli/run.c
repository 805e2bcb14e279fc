/* SPDX-License-Identifier: Apache-2.0 */

/* dbvitals run: the daemon in the foreground. */

#include "app.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "config/flags.h"

static int print_help(void) {
    struct strbuf text = {0};
    strbuf_add_text(&text, "Usage: dbvitals [run] [FLAGS]\n\n"
                           "Samples the configured servers and answers Prometheus, until SIGTERM "
                           "or SIGINT.\nSIGHUP reads the configuration again, SIGUSR1 changes the "
                           "log level, SIGUSR2 opens log files anew.\n\nFlags:\n");
    flags_help(&text);
    int status = cli_print(strbuf_view(&text));
    strbuf_deinit(&text);
    return status;
}

int cli_run(int argc, char **argv) {
    struct flags flags = {0};
    struct error err = {0};
    char text[512];
    CLEANUP(app_freep)
    struct app *app = NULL;
    if (flags_parse(argc, argv, &flags, &err) < 0) {
        return cli_fail(error_format(&err, text, sizeof(text)));
    }
    if (flags.help) {
        return print_help();
    }
    if (flags.version) {
        return cli_version(1, argv);
    }
    mem_give_back_large();
    log_set_level(flags.log_level);
    log_set_format(flags.log_format);
    if (app_new(&flags, true, &app, &err) < 0) {
        log_error("%s", error_format(&err, text, sizeof(text)));
        return 1;
    }
    return app_run(app);
}
