// SPDX-License-Identifier: MIT
/* The voice network of one GGUF file, put into a model file. */
#ifndef HEARKEN_MODELS_CONVERT_VAD_PART_H
#define HEARKEN_MODELS_CONVERT_VAD_PART_H

#include <hearken/hearken.h>
#include <stdint.h>

/*
 * Writes to `output` what is in `model`, with the keys hearken.voice.* and the tensors voice.* of
 * `voice` in place of its own, if it has any. `output` may be `model`; it is whole or as it was.
 * Errors: the system's; -EINVAL for what is no such file.
 */
int voice_part_add(const char *model, const char *voice, const char *output,
                   struct hearken_error *error);

/* How many mel bands a voice network hears. Errors: as above. */
int voice_part_mels(const char *voice, uint32_t *mels, struct hearken_error *error);

#endif
