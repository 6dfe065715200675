// SPDX-License-Identifier: MIT
/* The JSON files that accompany a checkpoint's tensors. */
#ifndef HEARKEN_MODELS_CONVERT_JSON_LISTS_H
#define HEARKEN_MODELS_CONVERT_JSON_LISTS_H

#include "models/checkpoint/checkpoint.h"

#include <hearken/hearken.h>
#include <jansson.h>

/*
 * The keys of the lists in one format. A list that is absent, null or already filled in the
 * checkpoint stays unchanged. The numbers of heads must be set before.
 */
struct list_names {
    const char *alignment_heads, *suppress, *suppress_at_begin;
};

/* Errors: -EINVAL, named by `path`; -ENOMEM. */
int config_read_lists(struct checkpoint *checkpoint, const json_t *root, const char *path,
                      const struct list_names *names, struct hearken_error *error);

/* A whole number from 1 to 65536. Errors: -EINVAL. */
int config_read_number(const json_t *root, const char *path, const char *key, uint32_t *value,
                       struct hearken_error *error);

/* Writes DIRECTORY/NAME to `path` [MAX_PATH]. Errors: -ENAMETOOLONG. */
#define MAX_PATH 4096u
int config_path(char *path, const char *directory, const char *name, struct hearken_error *error);

/* The caller owns `root` (json_decref). Errors: -EINVAL with line and column. */
int json_file_read(const char *path, json_t **root, struct hearken_error *error);

#endif
