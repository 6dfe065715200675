// SPDX-License-Identifier: MIT
/* What OpenAI's own code knows of its models and files of theirs do not say. */
#ifndef HEARKEN_MODELS_CHECKPOINT_WHISPER_KNOWN_H
#define HEARKEN_MODELS_CHECKPOINT_WHISPER_KNOWN_H

#include "models/checkpoint/checkpoint.h"
#include "models/checkpoint/whisper_checkpoint.h"

/*
 * Fills in what the checkpoint leaves empty: the heads that follow the sound, for models of
 * OpenAI's sizes; the tokens that are not speech, by their text. Errors: -ENOMEM.
 */
int known_fill_in(struct checkpoint *checkpoint, const struct whisper *whisper,
                  struct complaint *complaint);

#endif
