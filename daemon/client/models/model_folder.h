// SPDX-License-Identifier: MIT
/* Where models are kept that were got by name. */
#ifndef HEARKEN_DAEMON_CLIENT_MODELS_MODEL_FOLDER_H
#define HEARKEN_DAEMON_CLIENT_MODELS_MODEL_FOLDER_H

#include <hearken/hearken.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a SHA-256 in hexadecimal, with its 0. */
#define SHA256_TEXT 65

/* A file in hearken_models_folder(): its path, or NULL if there is none or it does not fit. */
char *model_folder_file(const char *name, char *path, size_t size);

/* The path of a model that is there, in any of the folders, or NULL. */
char *model_folder_find(const char *name, char *path, size_t size);

/* Makes the folder, with those above it. Errors: the system's. */
int model_folder_make(struct hearken_error *error);

/* The SHA-256 of a file. Errors: the system's. */
int model_folder_hash(const char *path, char sha256[SHA256_TEXT], uint64_t *size,
                      struct hearken_error *error);

/* Whether this is how a model begins; needs 4 bytes. */
bool model_folder_is_model(const void *bytes, size_t size);

#endif
