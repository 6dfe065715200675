// SPDX-License-Identifier: MIT
/* JSON files beside a checkpoint. */
#ifndef HEARKEN_CONVERT_JSON_FILE_H
#define HEARKEN_CONVERT_JSON_FILE_H

#include "models/checkpoint/complaint.h"

#include <jansson.h>

/* `root` is the caller's (json_decref). Errors: -EINVAL with the place in the file. */
int json_file_read(const char *path, json_t **root, struct complaint *complaint);

#endif
