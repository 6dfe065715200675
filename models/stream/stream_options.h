// SPDX-License-Identifier: MIT
/* What a stream's options may be. Their defaults are hearken_stream_options_init(). */
#ifndef HEARKEN_MODELS_STREAM_STREAM_OPTIONS_H
#define HEARKEN_MODELS_STREAM_STREAM_OPTIONS_H

#include <hearken/hearken.h>

/* -EINVAL: one is out of its range; `error` names it, and what was expected. */
int stream_options_check(const struct hearken_stream_options *options, struct hearken_error *error);

#endif
