/* SPDX-License-Identifier: Apache-2.0 */

/* Which parameters the rules join. */
#pragma once

#include "rules/rule_file.h"

#define PARAMETER_METRIC "dbvitals_threshold"

/* Whether a rule of the set selects dbvitals_threshold{name="..."} of this name. */
bool rule_set_reads_parameter(const struct rule_set *set, struct str name);
