/* SPDX-License-Identifier: Apache-2.0 */

/* Checksums that others have defined. Not for secrets. */
#pragma once

#include <stdint.h>

#include "base/str.h"

/* The last eight bytes of MD5, the most significant first: what Prometheus' hashmod counts with. */
uint64_t digest_md5_tail(struct str text);
