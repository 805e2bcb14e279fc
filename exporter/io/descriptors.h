/* SPDX-License-Identifier: Apache-2.0 */

/* File descriptors: how many there may be, and some that no target may take.
 *
 * A fleet that is larger than the limit must not take what the daemon needs to tell that: a
 * connection from Prometheus or a supervisor, the pipes of a worker that reads the configuration.
 * So connections to targets stop short of the limit. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* Raises the limit of this process as far as it may. */
void descriptors_raise_limit(void);

/* Whether no more are left for targets; says so. err: may be NULL. */
bool descriptors_are_scarce(struct error *err);
