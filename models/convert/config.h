// SPDX-License-Identifier: MIT
/* config.json beside a CTranslate2 Whisper model: what its weights do not say. */
#ifndef HEARKEN_CONVERT_CONFIG_H
#define HEARKEN_CONVERT_CONFIG_H

#include "complaint.h"

#include <stddef.h>
#include <stdint.h>

struct number_list {
    uint32_t *numbers;
    size_t count;
};

struct config {
    struct number_list alignment_heads;   /* layer * heads + head; of those that follow the sound */
    struct number_list suppress;          /* tokens that are never written */
    struct number_list suppress_at_begin; /* nor as the first one */
};

/*
 * Reads DIRECTORY/config.json; a list that is not there is empty. `layers` and `heads` of the
 * speller and the number of `tokens` bound what may stand in the lists. Errors: -EINVAL, -ENOMEM.
 * Owned by the caller, who calls config_finish, also after an error.
 */
int config_read(struct config *config, const char *directory, uint32_t layers, uint32_t heads,
                uint32_t tokens, struct complaint *complaint);
void config_finish(struct config *config);

#endif
