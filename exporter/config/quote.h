/* SPDX-License-Identifier: Apache-2.0 */

/* Foreign text for one-line messages. */
#pragma once

#include "base/str.h"

/* Room for two quotes, about sixty bytes of text, an ellipsis. */
#define QUOTE_SIZE 80

/* Writes text in single quotes: control characters and bytes that are no UTF-8 become '?', what is
 * longer than fits ends in "...". Return: out. */
const char *quote(struct str text, char out[QUOTE_SIZE]);
