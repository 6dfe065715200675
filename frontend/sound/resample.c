// SPDX-License-Identifier: MIT
#include "frontend/sound/resample.h"

#include <errno.h>
#include <soxr.h>
#include <stdlib.h>
#include <string.h>

/* Input samples passed to soxr at a time. soxr copies them to its queue, so passing a long
 * recording at once would hold it twice. */
#define RESAMPLER_BLOCK 8192

struct resampler {
    uint32_t rate;
    uint64_t taken, given; /* samples since the start */
    soxr_t soxr;           /* NULL at HEARKEN_RATE */
};

int resampler_create(uint32_t rate, struct resampler **resampler)
{
    if (rate < HEARKEN_RATE_MIN || rate > HEARKEN_RATE_MAX)
        return -EINVAL;
    struct resampler *created = calloc(1, sizeof(*created));
    if (!created)
        return -ENOMEM;
    created->rate = rate;
    if (rate != HEARKEN_RATE) {
        soxr_io_spec_t samples = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
        soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
        soxr_runtime_spec_t runtime = soxr_runtime_spec(1);
        created->soxr = soxr_create(rate, HEARKEN_RATE, 1, NULL, &samples, &quality, &runtime);
        if (!created->soxr) {
            free(created);
            return -ENOMEM;
        }
    }
    *resampler = created;
    return 0;
}

void resampler_destroy(struct resampler *resampler)
{
    if (!resampler)
        return;
    soxr_delete(resampler->soxr);
    free(resampler);
}

/* round(count · HEARKEN_RATE / rate) */
static uint64_t converted(uint64_t count, uint32_t rate)
{
    return count / rate * HEARKEN_RATE + (count % rate * HEARKEN_RATE + rate / 2) / rate;
}

/* At most one sample more than the input's duration: the filter is causal, and soxr compensates its
 * delay. */
size_t resampler_room(const struct resampler *resampler, size_t count)
{
    uint64_t most = converted(resampler->taken + count, resampler->rate) + 1;
    return most > resampler->given ? (size_t)(most - resampler->given) : 0;
}

static long process_block(struct resampler *resampler, const float *in, size_t count, float *out)
{
    size_t room = resampler_room(resampler, count);
    size_t given = 0;
    if (soxr_process(resampler->soxr, in, count, NULL, out, room, &given))
        return -ENOMEM;
    resampler->taken += count;
    resampler->given += given;
    return (long)given;
}

long resampler_process(struct resampler *resampler, const float *in, size_t count, float *out)
{
    if (!resampler->soxr) {
        if (count > 0)
            memcpy(out, in, count * sizeof(*out));
        resampler->taken += count;
        resampler->given += count;
        return (long)count;
    }
    long total = 0;
    while (count > 0) {
        size_t block = count < RESAMPLER_BLOCK ? count : RESAMPLER_BLOCK;
        long given = process_block(resampler, in, block, out + total);
        if (given < 0)
            return given;
        total += given;
        in += block;
        count -= block;
    }
    return total;
}

/* Drains soxr, truncating or zero-padding the output to `due` samples. */
static long drain(struct resampler *resampler, float *out, size_t due)
{
    size_t total = 0;
    while (total < due) {
        size_t given = 0;
        if (soxr_process(resampler->soxr, NULL, 0, NULL, out + total, due - total, &given))
            return -ENOMEM;
        if (given == 0)
            break;
        total += given;
    }
    memset(out + total, 0, (due - total) * sizeof(*out));
    return soxr_clear(resampler->soxr) ? -ENOMEM : (long)due;
}

long resampler_flush(struct resampler *resampler, float *out)
{
    uint64_t whole = converted(resampler->taken, resampler->rate);
    size_t due = whole > resampler->given ? (size_t)(whole - resampler->given) : 0;
    resampler->taken = resampler->given = 0;
    return resampler->soxr ? drain(resampler, out, due) : 0;
}
