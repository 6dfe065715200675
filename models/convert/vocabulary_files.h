// SPDX-License-Identifier: MIT
/* Reads vocabularies of all supported formats. */
#ifndef HEARKEN_MODELS_CONVERT_VOCABULARY_FILES_H
#define HEARKEN_MODELS_CONVERT_VOCABULARY_FILES_H

#include "models/checkpoint/checkpoint.h"

#include <hearken/hearken.h>

/*
 * Reads a vocabulary into empty tokens: from a file, or from one of these in a directory:
 * vocabulary.json (CTranslate2: an array of strings), vocabulary.txt (a line a token),
 * tokenizer.json or vocab.json with added_tokens.json (Hugging Face), multilingual.tiktoken or
 * gpt2.tiktoken (OpenAI: bytes in base64 and a number). The format is detected by the content.
 * Missing special tokens are added, up to `count` tokens in total. Errors: the system's, -EINVAL,
 * -ENOMEM.
 */
int vocabulary_files_read(struct tokens *tokens, const char *path, uint32_t count,
                          struct hearken_error *error);

#endif
