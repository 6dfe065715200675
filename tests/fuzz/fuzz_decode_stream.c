// SPDX-License-Identifier: MIT
/* Any bytes as the records of hearken-decode, whose writer has read a foreign recording. */
#include "frontend/sound/decode_stream.h"
#include "frontend/sound/decoder.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* What a pipe holds. */
#define SIZE_MAX_FED 65536u

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* Returns how many frames came. */
static uint64_t read_all(struct decoder *decoder)
{
    struct hearken_error error;
    struct decoder_block block;
    uint64_t frames = 0;
    do {
        must(decoder->class->read(decoder, &block, &error) == 0);
        frames += block.frames;
        if (block.frames == 0)
            break;
        must(decoder_check_format(NULL, &block.format, NULL) == 0);
        const float *samples = block.samples;
        size_t last = block.frames * block.format.channels - 1;
        volatile float sample = samples[last]; /* the sanitizer sees that it is there */
        (void)sample;
    } while (true);
    return frames;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input input = {.fd = -1, .name = "fuzz"};
    struct hearken_error error = {""};
    struct decoder *decoder;
    int ends[2];
    if (size > SIZE_MAX_FED || pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    must(write(ends[1], bytes, size) == (ssize_t)size);
    close(ends[1]);
    if (decoder_open_records(&input, ends[0], &decoder, &error) < 0) {
        must(error.message[0] != '\0');
        return 0;
    }
    must(!isnan(decoder->duration));
    for (uint32_t i = 0; i < decoder->track_count; i++)
        must(!isnan(decoder->tracks[i].seconds));
    uint64_t frames = read_all(decoder);
    if (decoder->class->rewind(decoder))
        must(read_all(decoder) == frames);
    decoder_destroy(decoder);
    return 0;
}
