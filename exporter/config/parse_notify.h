/* SPDX-License-Identifier: Apache-2.0 */

/* What the readers of `notify:` share. */
#pragma once

#include "config/private.h"

/* A copy of a text, or NULL when there is none. */
char *notify_text(const struct key_value *value);

/* Whether a list is too long. */
int notify_list(struct reader *reader, const struct yaml_node *list, size_t most, const char *what);

/* "'url' is missing" */
int notify_missing(struct reader *reader, const struct yaml_node *map, const char *key);

/* Whether it is FIRST or SECOND ("https://") and a host; nothing of it is repeated. */
int notify_check_url(struct reader *reader, const char *key, struct str url, struct position at,
                     const char *first, const char *second);

/* The maps basic_auth and authorization. */
int notify_read_auth(struct reader *reader, const struct key_value *basic,
                     const struct key_value *authorization, struct http_options *ret);

/* A list of relabelling steps; what was read is owned by the caller, also after an error. */
int notify_read_relabel(struct reader *reader, const struct yaml_node *list,
                        struct relabel_step **ret, size_t *count);

int notify_read_receivers(struct reader *reader, const struct yaml_node *list,
                          struct notify_options *ret);
