/* SPDX-License-Identifier: Apache-2.0 */

/* Passwords and their bcrypt hashes, by crypt(3). */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* Whether it is a bcrypt hash that we can check, in a time that people wait for.
 * Return: 0 or -EINVAL with a sentence without its subject, which never shows the hash. */
int password_check_hash(const char *hash, struct error *err);

/* Slow by design (70 ms and more): for workers. */
bool password_fits(const char *password, const char *hash);
