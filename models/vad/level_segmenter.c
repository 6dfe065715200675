// SPDX-License-Identifier: MIT
#include "models/vad/level_segmenter.h"

/* Steps of the search: the hop of the features. */
#define HOP (HEARKEN_RATE / 100)

/* Longer than the closure of a stop consonant (50 to 150 ms), at which a word would be cut; shorter
 * than most pauses between phrases. */
#define STRETCH_HOPS 25
#define STRETCH      (STRETCH_HOPS * HOP)

/* About a pitch period of the lowest voices, so that no voiced sound slips between two frames. */
#define SILENCE_FRAME (HEARKEN_RATE / 50)

/*
 * Mean square of -70 dBFS. The noise of 16 bit samples is below -90 dBFS, a microphone's in a quiet
 * room about -70 to -60, speech that is hard to make out about -50: at -70 there is no doubt.
 */
#define SILENCE_POWER 1e-7

/* Sum and sum of squares; their energy without the mean is squares - sum * sum / count. */
struct moments {
    double sum, squares;
};

static struct moments measure(const float *samples, size_t count)
{
    struct moments moments = {0, 0};
    for (size_t i = 0; i < count; i++) {
        moments.sum += samples[i];
        moments.squares += (double)samples[i] * samples[i];
    }
    return moments;
}

static double energy(struct moments moments, size_t count)
{
    double without_mean = moments.squares - moments.sum * moments.sum / (double)count;
    return without_mean > 0 ? without_mean : 0;
}

/* Adds the hops up anew each time: a running sum would drift, and equal stretches would differ. */
static double stretch_energy(const struct moments *hops)
{
    struct moments total = {0, 0};
    for (size_t i = 0; i < STRETCH_HOPS; i++) {
        total.sum += hops[i].sum;
        total.squares += hops[i].squares;
    }
    return energy(total, STRETCH);
}

size_t level_segmenter_quietest(const float *samples, size_t from, size_t to)
{
    if (to < from || to - from < STRETCH)
        return from + (to > from ? (to - from) / 2 : 0);
    size_t count = (to - from) / HOP;
    struct moments ring[STRETCH_HOPS];
    double quietest = -1;
    size_t best = 0;
    for (size_t hop = 0; hop < count; hop++) {
        ring[hop % STRETCH_HOPS] = measure(samples + from + hop * HOP, HOP);
        if (hop + 1 < STRETCH_HOPS)
            continue;
        double now = stretch_energy(ring);
        if (quietest < 0 || now <= quietest) {
            quietest = now;
            best = hop + 1 - STRETCH_HOPS;
        }
    }
    return from + best * HOP + STRETCH / 2;
}

static bool frame_is_silent(const float *samples, size_t count)
{
    return energy(measure(samples, count), count) <= SILENCE_POWER * (double)count;
}

bool level_segmenter_is_silent(const float *samples, size_t count)
{
    if (count < SILENCE_FRAME)
        return count == 0 || frame_is_silent(samples, count);
    for (size_t start = 0; start + SILENCE_FRAME <= count; start += SILENCE_FRAME)
        if (!frame_is_silent(samples + start, SILENCE_FRAME))
            return false;
    /* The last frame ends with the last sample and overlaps the one before. */
    return frame_is_silent(samples + (count - SILENCE_FRAME), SILENCE_FRAME);
}
