/* SPDX-License-Identifier: Apache-2.0 */

/* dbvitals check-config: reads the configuration as the daemon would and prints what it means. */
#include "cli/cli.h"

#include <unistd.h>

#include "config/config.h"

struct check_config_flags {
    const char *file;
    bool help;
};

static const struct flag check_config_flags[] = {
    {"--config.file", FLAG_TEXT, offsetof(struct check_config_flags, file), .argument = "FILE",
     .help = "Configuration file; without it " CONFIG_DEFAULT_FILE " if it exists, else what "
             "would be watched without a file."},
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
    }
    return r;
}

int cli_check_config(int argc, char **argv) {
    struct check_config_flags flags = {0};
    int status = 0;
    if (!cli_flags(check_config_flags,
                   "Usage: dbvitals check-config [FLAGS]\n\nChecks the configuration and prints "
                   "it with all defaults, secrets left out.\nExits with 1 and one line on stderr "
                   "when it cannot be used.",
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
    if (load(flags.file, &config, message, sizeof(message)) < 0) {
        status = cli_fail(message);
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
