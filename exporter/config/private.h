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

/* What `rules:` means when it does not say which files. */
void config_default_rules(struct config *config);

/* [A-Za-z0-9][A-Za-z0-9_.-]{0,62} */
bool config_is_name(struct str text);
