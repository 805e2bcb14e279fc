/* SPDX-License-Identifier: Apache-2.0 */

/* What the files of this folder share. */
#pragma once

#include "config/config.h"
#include "config/reader.h"

/* Parses text into *ret (initialised); secrets come from where the reader says. */
int config_read_text(struct reader *reader, struct str text, const char *file, struct config *ret);

/* One entry of `targets:`. On error *ret is as it was. */
int config_read_target(struct reader *reader, const struct yaml_node *node,
                       const struct config *config, struct target_options *ret);

/* A secret that may stand in the file (values[key]) or in a file of its own (values[key + 1]); *ret
 * is NULL when it is not given, and borrowed from the reader's sources. */
int config_find_secret(struct reader *reader, const struct key_section *section,
                       const struct key_value *values, size_t key, const char **ret);

/* The same from one value that is the path of a file; name is what the file calls it. */
int config_read_secret_file(struct reader *reader, const char *name, const struct key_value *file,
                            const char **ret);

/* A list of texts (or one text), each by the row. *ret and its texts are owned by the caller, also
 * after an error; it ends in a NULL behind *count. node may be NULL. */
int config_read_texts(struct reader *reader, const struct key *key, const struct yaml_node *node,
                      size_t most, char ***ret, size_t *count);

/* A map of certificates by the rows of a section; map may be NULL. Paths become absolute. */
int config_read_tls_options(struct reader *reader, const struct key_section *section,
                            const struct yaml_node *map, struct tls_options *ret);

/* name="value", name!=value, name=~"a|b", as Alertmanager writes them. Texts are owned by the
 * caller; nothing is when it fails. */
int config_read_matcher(struct reader *reader, const struct key_value *text, struct matcher *ret);

/* The map `notify:`; what was read is owned by the caller, also after an error. */
int config_read_notify(struct reader *reader, const struct yaml_node *map,
                       struct notify_options *ret);

/* The list `breakers:`, after the targets; list may be NULL. What was read is in the configuration
 * also after an error. */
int config_read_breakers(struct reader *reader, const struct yaml_node *list, struct config *ret);

/* The list `failover:`, when the targets are known; targets is their list in the file. What was
 * read is in the configuration also after an error. */
int config_read_failover(struct reader *reader, const struct yaml_node *list,
                         const struct yaml_node *targets, struct config *ret);

/* The rows of a section from a map, or all their fallbacks when map is NULL. */
int config_read_map(struct reader *reader, const struct key_section *section,
                    const struct yaml_node *map, struct position at, struct key_value *values);

/* A list of commands, each a list of words that begins with an absolute path; list may be NULL.
 * What was read is owned by the caller, also after an error. */
int config_read_commands(struct reader *reader, const char *key, const struct yaml_node *list,
                         struct hook_commands *ret);

/* The map `hooks:` of a failover cluster; map may be NULL. As above. */
int config_read_hooks(struct reader *reader, const struct yaml_node *map, struct position at,
                      struct hook_options *ret);

/* The map `lock:` of a failover cluster; one without keys is an error. What was read is owned by
 * the caller, also after an error. */
int config_read_lock(struct reader *reader, const struct key_value *lock,
                     struct failover_lock_options *ret);

/* What a breakers target has of its own, its url included; the file has a url. */
int config_read_app(struct reader *reader, const struct yaml_node *node,
                    const struct key_value *values, struct target_options *target);

/* The tls map of a target whose address is known; map may be NULL. */
int config_read_tls(struct reader *reader, const struct yaml_node *map,
                    struct target_options *target);

/* The databases map of a target whose kind is known; map may be NULL. */
int config_read_databases(struct reader *reader, const struct yaml_node *map,
                          struct target_options *target);

/* The collectors map of a target whose kind is known. */
int config_read_collectors(struct reader *reader, const struct yaml_node *map,
                           struct target_options *target);

/* A map of label names and values, sorted by name; *count entries are owned by the caller, also
 * after an error. */
int config_read_labels(struct reader *reader, const struct yaml_node *map,
                       struct target_label *labels, size_t *count);

/* A map of parameters and their values for a target and its type, or for all when both are NULL;
 * map may be NULL. What was read is in the configuration also after an error. */
int config_read_parameters(struct reader *reader, const struct yaml_node *map, const char *target,
                           const char *type, struct config *config);

/* What `rules:` means when it does not say which files. */
void config_default_rules(struct config *config);

/* [A-Za-z0-9][A-Za-z0-9_.-]{0,62} */
bool config_is_name(struct str text);
