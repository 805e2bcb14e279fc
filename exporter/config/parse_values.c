/* SPDX-License-Identifier: Apache-2.0 */

/* Values of more than one scalar that several sections have. */
#include "config/private.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/quote.h"

int config_read_secret_file(struct reader *reader, const char *name, const struct key_value *file,
                            const char **ret) {
    struct error inner = {0};
    char quoted[QUOTE_SIZE];
    int r = reader->secrets->find(reader->secrets->userdata, file->text.data, ret, &inner);
    return r < 0 ? error_set(reader->err, r, file->at, "'%s' %s %s", name, quote(file->raw, quoted),
                             inner.text)
                 : 0;
}

int config_find_secret(struct reader *reader, const struct key_section *section,
                       const struct key_value *values, size_t key, const char **ret) {
    const struct key_value *inlined = &values[key], *file = &values[key + 1];
    *ret = NULL;
    if (inlined->given && file->given) {
        return error_set(reader->err, -EINVAL, file->at,
                         "both '%s' and '%s' are given, and one is enough", section->keys[key].name,
                         section->keys[key + 1].name);
    }
    if (inlined->given) {
        *ret = inlined->text.data;
    }
    return file->given ? config_read_secret_file(reader, section->keys[key + 1].name, file, ret)
                       : 0;
}

int config_read_texts(struct reader *reader, const struct key *key, const struct yaml_node *node,
                      size_t most, char ***ret, size_t *count) {
    *ret = NULL;
    *count = 0;
    if (node == NULL) {
        return 0;
    }
    bool one = node->type == YAML_SCALAR;
    size_t n = one ? 1 : node->n_items;
    if (n > most) {
        return error_set(reader->err, -E2BIG, node->at, "'%s' has %zu entries, more than %zu",
                         key->name, n, most);
    }
    *ret = mem_array(n + 1, sizeof(**ret));
    for (size_t i = 0; i < n; i++) {
        struct key_value value;
        int r = reader_value(reader, key, one ? node : node->items[i], &value);
        if (r < 0) {
            return r;
        }
        (*ret)[(*count)++] = mem_strndup(value.text.data, value.text.len);
    }
    return 0;
}
