// SPDX-License-Identifier: MIT
/* Any bytes as a recording. */
#include "frontend/sound/wav.h"

#include <fcntl.h>
#include <hearken/hearken.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Four seconds: a few bytes may decode to hours of silence. */
#define SAMPLES_MAX 64000

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
/* The sanitizer looks for it from outside. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);

/* libsndfile 1.2 leaks what libvorbis has allocated when it refuses a truncated Ogg file. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libvorbis";
}

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* The result for a prefix of the file must also hold for longer ones. */
static void check_wav(const uint8_t *bytes, size_t size)
{
    struct wav_layout whole, part;
    enum wav_result result = wav_parse(bytes, size, &whole);
    if (result == WAV_PCM)
        must(whole.data_at <= size && whole.format.channels > 0);
    for (size_t length = 0; length < size && length < 256; length++) {
        enum wav_result speculative = wav_parse(bytes, length, &part);
        must(speculative == WAV_MORE || speculative == result);
        must(speculative != WAV_PCM || part.data_at == whole.data_at);
    }
}

static void check_source(const char *path, const struct hearken_audio_format *raw)
{
    static float samples[1000];
    struct hearken_error error = {""};
    struct hearken_source *source;
    struct hearken_source_options options;
    hearken_source_options_init(&options);
    options.raw = raw;
    if (hearken_source_open(path, &options, &source, &error) < 0) {
        must(error.message[0] != '\0');
        return;
    }
    must(!isnan(hearken_source_duration(source)));
    long total = 0, count = 1;
    while (count > 0 && total < SAMPLES_MAX) {
        count = hearken_source_read(source, samples, 1000, &error);
        must(count <= 1000 && (count >= 0 || error.message[0] != '\0'));
        for (long i = 0; i < count; i++)
            must(isfinite(samples[i]));
        total += count > 0 ? count : 0;
    }
    hearken_source_destroy(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    check_wav(bytes, size);
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    must(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    check_source(path, NULL);
    /* The sum of the bytes picks a raw format, within range and beyond. */
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum = sum * 31 + bytes[i];
    struct hearken_audio_format raw = {sum % 800000, sum / 7 % 67,
                                       (enum hearken_sample_type)(sum % 6)};
    check_source(path, &raw);
    close(fd);
    return 0;
}
