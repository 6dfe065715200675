// SPDX-License-Identifier: MIT
/* Sound that comes in pieces which may end within a frame, as whole frames. */
#ifndef HEARKEN_DAEMON_RECOGNITION_WHOLE_FRAMES_H
#define HEARKEN_DAEMON_RECOGNITION_WHOLE_FRAMES_H

#include <hearken/hearken.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The start of a frame whose end is to come. All zeros: there is none. */
struct whole_frames {
    uint8_t bytes[4 * HEARKEN_CHANNELS_MAX]; /* [length] */
    size_t length;
};

/* Takes whole frames; 0 or a negative errno. */
typedef int whole_frames_sink(void *context, const uint8_t *bytes, size_t length);

/* `frame`: bytes of one. Returns what the sink returned. */
static inline int whole_frames_write(struct whole_frames *frames, size_t frame,
                                     const uint8_t *bytes, size_t length, whole_frames_sink *sink,
                                     void *context)
{
    int result = 0;
    if (frames->length > 0) {
        size_t missing = frame - frames->length, count = length < missing ? length : missing;
        memcpy(frames->bytes + frames->length, bytes, count);
        frames->length += count;
        bytes += count;
        length -= count;
        if (frames->length < frame)
            return 0;
        frames->length = 0;
        result = sink(context, frames->bytes, frame);
    }
    size_t rest = length % frame;
    memcpy(frames->bytes, bytes + length - rest, rest);
    frames->length = rest;
    return result < 0 || length == rest ? result : sink(context, bytes, length - rest);
}

#endif
