// SPDX-License-Identifier: MIT
/* JSON files beside a checkpoint's tensors. */
#ifndef HEARKEN_MODELS_CONVERT_JSON_LISTS_H
#define HEARKEN_MODELS_CONVERT_JSON_LISTS_H

#include "models/checkpoint/checkpoint.h"

#include <hearken/hearken.h>
#include <jansson.h>

/*
 * Lists of an object, by the names that one format has for them. One that is absent or null stays
 * as it is; so does one that the checkpoint has already. Heads have to be set before.
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

/* DIRECTORY/NAME into `path` of MAX_PATH bytes. Errors: -ENAMETOOLONG. */
#define MAX_PATH 4096u
int config_path(char *path, const char *directory, const char *name, struct hearken_error *error);

/* `root` is the caller's (json_decref). Errors: -EINVAL with the place in the file. */
int json_file_read(const char *path, json_t **root, struct hearken_error *error);

#endif
