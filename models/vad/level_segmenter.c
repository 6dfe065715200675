// SPDX-License-Identifier: MIT
#include "models/vad/level_segmenter.h"

/* Step of the search: the hop of the features. */
#define HOP (HEARKEN_RATE / 100)

/*
 * Longer than the closure of a stop consonant (50 to 150 ms), where a cut would split a word;
 * shorter than most pauses between phrases.
 */
#define PAUSE_HOPS 25
#define PAUSE      (PAUSE_HOPS * HOP)

/* About a pitch period of the lowest voices, so that no voiced sound falls between two frames. */
#define SILENCE_FRAME (HEARKEN_RATE / 50)

/*
 * Mean square of -70 dBFS. The noise of 16-bit samples is below -90 dBFS, that of a microphone in a
 * quiet room about -70 to -60, speech at the limit of intelligibility about -50. Below -70 there is
 * certainly none.
 */
#define SILENCE_POWER 1e-7

/* Sum and sum of squares. The energy without the mean is squares - sum * sum / count. */
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

/*
 * Sums the hops anew each time: a running sum would drift, and pauses of equal energy would differ.
 */
static double pause_energy(const struct moments *hops)
{
    struct moments total = {0, 0};
    for (size_t i = 0; i < PAUSE_HOPS; i++) {
        total.sum += hops[i].sum;
        total.squares += hops[i].squares;
    }
    return energy(total, PAUSE);
}

size_t level_segmenter_quietest(const float *samples, size_t from, size_t to)
{
    if (to < from || to - from < PAUSE)
        return from + (to > from ? (to - from) / 2 : 0);
    size_t count = (to - from) / HOP;
    struct moments ring[PAUSE_HOPS];
    double quietest = -1;
    size_t best = 0;
    for (size_t hop = 0; hop < count; hop++) {
        ring[hop % PAUSE_HOPS] = measure(samples + from + hop * HOP, HOP);
        if (hop + 1 < PAUSE_HOPS)
            continue;
        double now = pause_energy(ring);
        if (quietest < 0 || now <= quietest) {
            quietest = now;
            best = hop + 1 - PAUSE_HOPS;
        }
    }
    return from + best * HOP + PAUSE / 2;
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
