// SPDX-License-Identifier: MIT
/* Subtitles of a transcript. */
#ifndef HEARKEN_DAEMON_TRANSCRIPT_SUBTITLE_H
#define HEARKEN_DAEMON_TRANSCRIPT_SUBTITLE_H

#include "daemon/transcript/transcript.h"

#include <stdio.h>

enum subtitle_format {
    SUBTITLE_SRT, /* SubRip */
    SUBTITLE_VTT, /* WebVTT */
};

/* Renders into a memory stream. Errors: -ENOMEM; -ENODATA: the transcript has text without times.
 */
int subtitle_render(FILE *stream, enum subtitle_format format, const struct transcript *transcript);

#endif
