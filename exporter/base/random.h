/* SPDX-License-Identifier: Apache-2.0 */

/* Randomness for jitter and identifiers; nothing secret is made from it. */
#pragma once

#include <stdint.h>

uint64_t random_u64(void);

/* Evenly from [0, 1). */
double random_unit(void);
