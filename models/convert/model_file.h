// SPDX-License-Identifier: MIT
/* The model file of architecture "hearken-las" that a Whisper checkpoint becomes. */
#ifndef HEARKEN_CONVERT_MODEL_FILE_H
#define HEARKEN_CONVERT_MODEL_FILE_H

#include "config.h"
#include "vocabulary.h"
#include "whisper.h"

struct model_file {
    const char *name, *description, *license; /* description may be NULL */
    const char *language;                     /* its token is <|language|> */
    struct whisper_types types;
    const struct whisper *whisper;
    const struct ct2 *ct2;
    const struct config *config;
    const struct vocabulary *vocabulary;
};

/* Writes `path`, or leaves it as it is. Errors: the system's, -EINVAL with what is missing. */
int model_file_write(const struct model_file *model, const char *path, struct complaint *complaint);

#endif
