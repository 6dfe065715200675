// SPDX-License-Identifier: MIT
/* CTranslate2's model.bin (layout: CTranslate2 4, src/models/model.cc) and its config.json. */
#ifndef HEARKEN_CONVERT_CT2_H
#define HEARKEN_CONVERT_CT2_H

#include "models/checkpoint/checkpoint.h"

#include <hearken/hearken.h>

/* Whether a file that starts with `data` [size] may be in this format. */
bool ct2_begins(const uint8_t *data, size_t size);

/*
 * Fills in an empty checkpoint, except its tokens; the caller finishes it, also after an error.
 * `path` is for messages, `directory` holds config.json, `mapping` must outlive the checkpoint.
 * Errors: the system's, -EINVAL, -ENOMEM.
 */
int ct2_read(struct checkpoint *checkpoint, struct mapping mapping, const char *path,
             const char *directory, struct hearken_error *error);

#endif
