/* SPDX-License-Identifier: Apache-2.0 */

/* Reads maps of YAML by the rows of a section: unknown keys, wrong types and impossible values end
 * here; what is left to the caller are values that fit. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/yaml.h"
#include "config/keys.h"

/* Where a *_file key finds its secret: on disk, or in what was read before. */
struct secret_source {
    /* Return: 0 and the secret (borrowed from the source), or negative errno with a sentence that
     * has neither place nor key. */
    int (*find)(void *userdata, const char *path, const char **ret, struct error *err);
    void *userdata;
};

struct reader {
    struct arena *arena; /* of the tree and of expanded texts */
    const struct secret_source *secrets;
    size_t expanded_bytes; /* made from ${...} so far, under a limit */
    struct error *err;
};

/* What one key holds. Of a key that the file has not: the row's fallback, or nothing. */
struct key_value {
    bool given;
    struct str text;              /* of all scalars, ${...} replaced; ends in a zero byte */
    struct str raw;               /* the same as it stands in the file: for messages */
    uint64_t number;              /* bool, unsigned, usec, index of the choice */
    const struct yaml_node *node; /* of map and list; NULL when absent or empty */
    struct position at;           /* of the value; of an absent key, of the map */
};

/* Fills values[i] from section->keys[i]. Return: 0 or negative errno. */
int reader_section(struct reader *reader, const struct key_section *section,
                   const struct yaml_node *map, struct key_value *values);

/* One value by its row. */
int reader_value(struct reader *reader, const struct key *key, const struct yaml_node *node,
                 struct key_value *ret);

/* The text of a scalar with ${NAME} replaced from the environment. */
int reader_expand(struct reader *reader, const struct yaml_node *node, struct str *ret);

/* " (did you mean 'x'?)" or nothing. Return: out. */
const char *reader_suggestion(const char *meant, char out[96]);
