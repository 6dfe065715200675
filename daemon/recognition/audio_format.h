// SPDX-License-Identifier: MIT
/* The format of audio as Wyoming states it: rate, width in bytes, channels. */
#ifndef HEARKEN_DAEMON_RECOGNITION_AUDIO_FORMAT_H
#define HEARKEN_DAEMON_RECOGNITION_AUDIO_FORMAT_H

#include "daemon/common/wyoming.h"

#include <hearken/hearken.h>
#include <stdint.h>

/*
 * Reads it from the data of audio-start or audio-chunk. `known` is the format so far, for what the
 * event leaves out; NULL: it must say everything. Errors: -EINVAL, with what was expected.
 */
int audio_format_read(const struct wyoming_event *event, const struct hearken_audio_format *known,
                      struct hearken_audio_format *format, struct hearken_error *error);

/* Bytes of one sample, 1 to 4. */
uint32_t audio_format_width(enum hearken_sample_type type);

#endif
