/* SPDX-License-Identifier: Apache-2.0 */

#include "io/hook_environment.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"

void hook_environment_init(struct hook_environment *environment) {
    static const char *const inherited[] = {"HOME", "USER", "LOGNAME", "TZ"};
    *environment = (struct hook_environment){0};
    hook_environment_set(environment, "PATH",
                         str_of("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
    hook_environment_set(environment, "LANG", str_of("C.UTF-8"));
    for (size_t i = 0; i < ARRAY_LEN(inherited); i++) {
        const char *value = getenv(inherited[i]);
        if (value != NULL) {
            hook_environment_set(environment, inherited[i], str_of(value));
        }
    }
}

void hook_environment_deinit(struct hook_environment *environment) {
    for (size_t i = 0; i < environment->count; i++) {
        free(environment->texts[i]);
    }
    *environment = (struct hook_environment){0};
}

static size_t find(const struct hook_environment *environment, const char *name) {
    size_t length = strlen(name), i = 0;
    while (i < environment->count && (strncmp(environment->texts[i], name, length) != 0 ||
                                      environment->texts[i][length] != '=')) {
        i++;
    }
    return i;
}

void hook_environment_set(struct hook_environment *environment, const char *name,
                          struct str value) {
    size_t i = find(environment, name);
    if (i == HOOK_MOST_VARIABLES) {
        return;
    }
    free(environment->texts[i]);
    environment->texts[i] = mem_printf("%s=%.*s", name, (int)value.len, value.data);
    environment->count += i == environment->count ? 1 : 0;
}

const char *const *hook_environment_texts(const struct hook_environment *environment) {
    return (const char *const *)environment->texts;
}
