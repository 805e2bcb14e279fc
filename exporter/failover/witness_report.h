/* SPDX-License-Identifier: Apache-2.0 */

/* What another daemon answers when it is asked for its primary. */
#pragma once

#include "base/error.h"
#include "base/str.h"
#include "failover/cluster.h"

/* {"status": "success", "data": {"cluster": "orders", "answered_ms_ago": 12, "fails": false,
 * "system": "7..."}}; answered_ms_ago is null when it was never answered. Foreign bytes, limited by
 * the caller. Return: 0, or -EPROTO with a sentence. */
int witness_report_read(struct str body, const char *cluster, struct witness_report *ret,
                        struct error *err);
