/* SPDX-License-Identifier: Apache-2.0 */

/* Classes of characters in patterns: \d \s \w, [:alpha:] and \p{Greek}, as PCRE2 writes them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct ascii_class;

/* 'd', 's' or 'w'. Return: NULL when it is none of them. */
const struct ascii_class *ascii_class_perl(char letter);

/* "alpha", ... Return: NULL when there is none of that name. */
const struct ascii_class *ascii_class_posix(struct str name);

/* The class between brackets; fold: under (?i), where 'k' is also the Kelvin sign. */
void ascii_class_write(const struct ascii_class *class, bool negated, bool fold,
                       struct strbuf *out);

/* The same outside of brackets. */
void ascii_class_write_alone(const struct ascii_class *class, bool negated, bool fold,
                             struct strbuf *out);

/* A category (L, Lu, ...), a script (Greek, ...) or Any.
 * Return: false when there is none of that name, or none that can be written. */
bool unicode_class_write(struct str name, bool negated, bool fold, bool in_brackets,
                         struct strbuf *out);

/* A character that stands for itself, within and outside of brackets. */
void class_write_character(struct strbuf *out, uint32_t character);
