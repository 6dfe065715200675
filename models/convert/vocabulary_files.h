// SPDX-License-Identifier: MIT
/* The files that vocabularies come in. */
#ifndef HEARKEN_MODELS_CONVERT_VOCABULARY_FILES_H
#define HEARKEN_MODELS_CONVERT_VOCABULARY_FILES_H

#include "models/checkpoint/checkpoint.h"

#include <hearken/hearken.h>

/*
 * Reads a vocabulary into empty tokens: from a file, or from one of these in a directory:
 * vocabulary.json (CTranslate2: an array of strings), vocabulary.txt (a line a token),
 * tokenizer.json or vocab.json with added_tokens.json (Hugging Face), multilingual.tiktoken or
 * gpt2.tiktoken (OpenAI: bytes in base64 and a number). What it is tells its content. Special
 * tokens that are not in it are added, up to `count` in all. Errors: the system's, -EINVAL,
 * -ENOMEM.
 */
int vocabulary_files_read(struct tokens *tokens, const char *path, uint32_t count,
                          struct hearken_error *error);

#endif
