/* SPDX-License-Identifier: Apache-2.0 */

#include "base/bytes.h"

#include <errno.h>

static const struct unit {
    const char *name;
    unsigned shift;
} units[] = {{"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};

static const struct unit *find_unit(struct str name) {
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (str_is(name, units[i].name)) {
            return &units[i];
        }
    }
    return NULL;
}

int bytes_parse(struct str text, uint64_t *ret, struct error *err) {
    size_t digits = 0;
    uint64_t number;
    while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9') {
        digits++;
    }
    const struct unit *unit = find_unit((struct str){text.data + digits, text.len - digits});
    if (unit == NULL || !str_to_uint64((struct str){text.data, digits}, &number) ||
        number > UINT64_MAX >> unit->shift) {
        return error_say(err, -EINVAL, "is not a size (examples: 4096, 64KiB, 100MiB, 2GiB)");
    }
    *ret = number << unit->shift;
    return 0;
}
