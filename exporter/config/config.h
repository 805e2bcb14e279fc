/* SPDX-License-Identifier: Apache-2.0 */

/* The configuration: flags, environment and one YAML file become plain option structs.
 *
 * Every key is a row of a const table (config/keys.h) with its type, bounds, default and one
 * sentence; validation, `check-config` and the documentation come from there. What is wrong is
 * said with file, line, column and, for a misspelt word, a suggestion. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "actions/notify_options.h"
#include "base/error.h"
#include "base/str.h"
#include "circuits/circuit_options.h"
#include "failover/failover_options.h"
#include "rules/parameters.h"
#include "sampler/target_options.h"

#define CONFIG_DEFAULT_FILE    "/etc/dbvitals/dbvitals.yml"
#define CONFIG_DEFAULT_RULES   "/usr/share/dbvitals/alerts/*.yml"
#define CONFIG_MOST_BYTES      ((size_t)1024 * 1024)
#define CONFIG_MOST_TARGETS    2000
#define CONFIG_MOST_SECRET     ((size_t)4096)               /* bytes of a secret file */
#define CONFIG_MOST_SECRETS    (CONFIG_MOST_TARGETS + 2000) /* and those of receivers */
#define CONFIG_MOST_PATH       ((size_t)4096)
#define CONFIG_MOST_PATTERNS   100 /* of rule files */
#define CONFIG_MOST_RULE_FILES 1000
#define CONFIG_MOST_ADMINS     64
#define CONFIG_MOST_PARAMETERS 200                        /* of one map */
#define CONFIG_MOST_RULE_BYTES ((size_t)16 * 1024 * 1024) /* of all of them */
#define CONFIG_MOST_PACKED                                                                         \
    (CONFIG_MOST_RULE_BYTES + CONFIG_MOST_RULE_FILES * (CONFIG_MOST_PATH + 8) +                    \
     CONFIG_MOST_BYTES + CONFIG_MOST_SECRETS * (CONFIG_MOST_SECRET + CONFIG_MOST_PATH + 8) +       \
     CONFIG_MOST_PATH + 64)

struct config {
    uint64_t interval_usec, timeout_usec;           /* global */
    struct target_label labels[TARGET_MOST_LABELS]; /* global.labels: external labels */
    size_t n_labels;
    struct target_options *targets;
    size_t n_targets;

    uint64_t history_usec, history_max_usec, history_bytes;
    uint64_t rules_interval_usec;
    char **rule_patterns; /* as they stand in the file */
    size_t n_rule_patterns;
    struct config_rule_file *rule_files; /* what they matched, sorted; of config_parse() */
    size_t n_rule_files;
    struct notify_options notify;
    struct circuit_options *breakers;
    size_t n_breakers;
    char **admin_users; /* of web: who may change something over HTTP; NULL behind the last */
    size_t n_admin_users;
    struct parameter_setting *parameters; /* of the rules, for all targets and for single ones */
    size_t n_parameters, parameters_capacity;
    struct failover_options *failover;
    size_t n_failover;
};

struct config_rule_file {
    char *path;
    char *text;
    size_t length;
};

void config_init(struct config *config);
void config_deinit(struct config *config);

/* Forgets the texts of rule files, after the rules were made of them. */
void config_drop_rule_files(struct config *config);

/* Text of a file (and of the secret files and rule files that it names) as read before: parsing
 * touches no disk. */
struct config_files;

/* Reads a configuration file and every file that a `*_file` key in it names. May block: call it in
 * a worker, or at start. It has to parse the file for that, so that everything that is wrong with
 * it shows here already. Return: 0, or negative errno with *err (file missing, larger than
 * CONFIG_MOST_BYTES, not readable: says which file and what to do); err->at.file may borrow path.
 */
int config_files_read(const char *path, struct config_files **ret, struct error *err);

/* Without a configuration file: the rule files of the default pattern alone. */
int config_files_guess(struct config_files **ret, struct error *err);
struct config_files *config_files_free(struct config_files *files); /* wipes secrets */
DEFINE_CLEANUP(struct config_files, config_files_free);

/* A number that differs when the text of the file differs; secrets do not count. */
uint64_t config_files_fingerprint(const struct config_files *files);
bool config_files_have_secrets(const struct config_files *files);

/* To carry them from a worker to the daemon, in at most CONFIG_MOST_PACKED bytes. The caller wipes
 * what was packed. */
void config_files_pack(const struct config_files *files, struct strbuf *out);
int config_files_unpack(struct str packed, struct config_files **ret, struct error *err);

/* Parses; `${NAME}` in scalars is replaced from the environment (an unset one is an error, `$$` is
 * a dollar). ret need not be initialised; on error it is untouched. Return: 0 or negative errno
 * with *err, whose text begins with the place, so that it may outlive files. */
int config_parse(const struct config_files *files, struct config *ret, struct error *err);

/* Without a file: what the environment and the usual local addresses suggest. Guessed targets are
 * not required, and hidden until they answered once. */
void config_guess(struct config *ret);

/* Writes the effective configuration as YAML, defaults included, secrets as `<secret>`. */
void config_print(const struct config *config, struct strbuf *out);
