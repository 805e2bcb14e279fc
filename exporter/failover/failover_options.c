/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/failover_options.h"

#include <stdlib.h>

const char *const failover_mode_names[] = {[FAILOVER_OBSERVE] = "observe"};

void failover_options_deinit(struct failover_options *options) {
    free(options->cluster);
    hook_options_deinit(&options->hooks);
    *options = (struct failover_options){0};
}
