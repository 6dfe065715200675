// SPDX-License-Identifier: MIT
#include "daemon/client/recognition/recognition.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <string.h>

#define BLOCK_SAMPLES 1024

static void put_sample(uint8_t *bytes, float sample)
{
    double scaled = rint((double)sample * 2147483648.0);
    int32_t value = 0; /* also for NaN */
    if (scaled >= INT32_MAX)
        value = INT32_MAX;
    else if (scaled <= INT32_MIN)
        value = INT32_MIN;
    else if (scaled == scaled)
        value = (int32_t)scaled;
    for (int i = 0; i < RECOGNITION_WIDTH; i++)
        bytes[i] = (uint8_t)((uint32_t)value >> 8 * i);
}

long recognition_read(struct recognition *recognition, uint8_t *bytes, size_t count,
                      struct hearken_error *error)
{
    float samples[BLOCK_SAMPLES];
    size_t done = 0;
    long got = BLOCK_SAMPLES; /* a short read from a pipe ends the loop */
    while (done < count && got == BLOCK_SAMPLES) {
        size_t wanted = count - done < BLOCK_SAMPLES ? count - done : BLOCK_SAMPLES;
        got = hearken_source_read(recognition->source, samples, wanted, error);
        if (got < 0)
            return got;
        if (recognition->picture &&
            picture_add_samples(recognition->picture, samples, (size_t)got) < 0)
            return hearken_fail(error, -ENOMEM, "%s", strerror(ENOMEM));
        for (size_t i = 0; i < (size_t)got; i++)
            put_sample(bytes + (done + i) * RECOGNITION_WIDTH, samples[i]);
        done += (size_t)got;
    }
    recognition->seconds += (double)done / HEARKEN_RATE;
    recognition->progress(recognition->context, recognition->seconds);
    return (long)done;
}

int recognition_report_segment(struct recognition *recognition, struct transcript_segment *segment,
                               const struct hearken_alignment *alignment)
{
    recognition->has_segments = true;
    if (recognition->picture && picture_add(recognition->picture, segment, alignment) < 0)
        return -ENOMEM;
    return recognition->segment(recognition->context, segment);
}

bool recognition_interrupted(const struct recognition *recognition)
{
    struct pollfd poller = {.fd = recognition->interrupt, .events = POLLIN};
    return poll(&poller, 1, 0) > 0;
}
