/* SPDX-License-Identifier: Apache-2.0 */

/* dbvitals check-config: reads the configuration as the daemon would and prints what it means. */
#include "cli/cli.h"

#include <stdio.h>
#include <unistd.h>

#include "alerting.h"
#include "breakers.h"
#include "config/config.h"
#include "config/web_file.h"
#include "web/web.h"

struct check_config_flags {
    const char *file, *web_file;
    bool help;
};

static const struct flag check_config_flags[] = {
    {"--config.file", FLAG_TEXT, offsetof(struct check_config_flags, file), .argument = "FILE",
     .help = "Configuration file; without it " CONFIG_DEFAULT_FILE " if it exists, else what "
             "would be watched without a file."},
    {"--web.config.file", FLAG_TEXT, offsetof(struct check_config_flags, web_file),
     .argument = "FILE", .help = "Web configuration file to check as well."},
    {"--help", FLAG_BOOL, offsetof(struct check_config_flags, help), .no_environment = true,
     .help = "Print this text; also -h."},
    {NULL},
};

/* Fills *ret from the file, or by guessing without one. */
static int load(const char *file, struct config *ret, char *message, size_t size) {
    if (file == NULL) {
        config_guess(ret);
        return 0;
    }
    CLEANUP(config_files_freep)
    struct config_files *files = NULL;
    struct error err = {0};
    int r = config_files_read(file, &files, &err);
    if (r == 0) {
        r = config_parse(files, ret, &err);
    }
    if (r < 0) {
        error_format(&err, message, size); /* while the file's name lives */
    } else if ((r = breakers_check(ret, &err)) < 0) {
        error_format(&err, message, size);
    }
    return r;
}

/* The rule files, as the daemon would read them. Return: exit status. */
static int check_rules(const struct config *config) {
    struct error_list errors = {0};
    struct rule_set *set = alerting_read_rules(config, &errors);
    for (size_t i = 0; i < errors.n; i++) {
        char text[1024];
        (void)cli_fail(error_format(&errors.errors[i], text, sizeof(text)));
    }
    if (errors.more > 0) {
        char text[64];
        (void)snprintf(text, sizeof(text), "and %zu more mistakes", errors.more);
        (void)cli_fail(text);
    }
    error_list_deinit(&errors);
    bool good = set != NULL;
    rule_set_free(set);
    return good ? 0 : 1;
}

/* Return: 0, or negative errno with what is wrong with the web configuration file, if there is one.
 */
static int check_web_file(const char *path, char *message, size_t size) {
    CLEANUP(web_file_freep)
    struct web_file *file = NULL;
    struct web_security_options options = {0};
    struct error err = {0};
    int64_t expires;
    if (path == NULL) {
        return 0;
    }
    int r = web_file_read(path, &file, &err);
    r = r < 0 ? r : web_file_parse(file, &options, NULL, &err);
    r = r < 0 ? r : web_check_security(&options, &expires, &err);
    if (r < 0) {
        error_format(&err, message, size); /* while the file's name lives */
    }
    web_security_options_deinit(&options);
    return r;
}

int cli_check_config(int argc, char **argv) {
    struct check_config_flags flags = {0};
    int status = 0;
    if (!cli_flags(check_config_flags,
                   "Usage: dbvitals check-config [FLAGS]\n\nChecks the configuration and its rule "
                   "files, and prints it with all defaults, secrets left out.\nExits with 1 and a "
                   "line on stderr for each mistake when it cannot be used.",
                   offsetof(struct check_config_flags, help), argc, argv, &flags, &status)) {
        return status;
    }
    struct config config;
    char message[1024];
    config_init(&config);
    if (flags.file == NULL && access(CONFIG_DEFAULT_FILE, F_OK) == 0) {
        flags.file = CONFIG_DEFAULT_FILE;
    }
    bool guessed = flags.file == NULL;
    if (check_web_file(flags.web_file, message, sizeof(message)) < 0 ||
        load(flags.file, &config, message, sizeof(message)) < 0) {
        status = cli_fail(message);
    } else if (check_rules(&config) != 0) {
        status = 1;
    } else {
        struct strbuf text = {0};
        strbuf_add_text(&text,
                        guessed ? "# There is no configuration file: this is looked for.\n" : "");
        config_print(&config, &text);
        status = cli_print(strbuf_view(&text));
        strbuf_deinit(&text);
    }
    config_deinit(&config);
    return status;
}
