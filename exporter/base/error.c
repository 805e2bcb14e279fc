/* SPDX-License-Identifier: Apache-2.0 */

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int set(struct error *err, int code, struct position at, const char *format, va_list args)
    PRINTF_LIKE(4, 0);

/* Cuts a half-written UTF-8 character off the end of a text that did not fit. */
static void trim_partial_character(char *text, size_t length) {
    size_t start = length;
    while (start > 0 && length - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80) {
        start--;
    }
    if (start == 0) {
        return;
    }
    unsigned char lead = (unsigned char)text[start - 1];
    size_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (length - (start - 1) < need) {
        text[start - 1] = '\0';
    }
}

static int set(struct error *err, int code, struct position at, const char *format, va_list args) {
    if (err == NULL || err->code != 0) {
        return code;
    }
    err->code = code;
    err->at = at;
    int length = vsnprintf(err->text, sizeof(err->text), format, args);
    if (length >= (int)sizeof(err->text)) {
        trim_partial_character(err->text, strlen(err->text));
    }
    return code;
}

int error_set(struct error *err, int code, struct position at, const char *format, ...) {
    va_list args;
    va_start(args, format);
    set(err, code, at, format, args);
    va_end(args);
    return code;
}

int error_say(struct error *err, int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    set(err, code, (struct position){0}, format, args);
    va_end(args);
    return code;
}

const char *error_format(const struct error *err, char *out, size_t size) {
    char line[16] = "", column[16] = "";
    if (err->at.line != 0) {
        snprintf(line, sizeof(line), "%u:", err->at.line);
        if (err->at.column != 0) {
            snprintf(column, sizeof(column), "%u:", err->at.column);
        }
    }
    const char *file = err->at.file != NULL ? err->at.file : "";
    snprintf(out, size, "%s%s%s%s%s%s", file, *file != '\0' ? ":" : "", line, column,
             *file != '\0' || *line != '\0' ? " " : "", err->text);
    return out;
}
