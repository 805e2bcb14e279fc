/* SPDX-License-Identifier: Apache-2.0 */

/* Sizes as people write them: 4096, 64KiB, 100MiB, 2GiB. */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

/* Return: 0, or -EINVAL with a text that says what a size looks like (no place). */
int bytes_parse(struct str text, uint64_t *ret, struct error *err);
