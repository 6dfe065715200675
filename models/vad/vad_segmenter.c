// SPDX-License-Identifier: MIT
#include "models/vad/vad_segmenter.h"

#include "models/vad/endpoint.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define FRAMES_A_SECOND (HEARKEN_RATE / LOGMEL_HOP)

/* Speech goes on down to this share of the threshold that begins it. */
#define OFF_SHARE 0.6f

/* Less than any word: a click. */
#define SHORTEST_SECONDS 0.08

/* Kept behind the last speech: the decay of a word, and its release that is hardly voice. */
#define HANG_OVER_SECONDS 0.3

/* A longer pause parts the segments of a recording. */
#define JOINED_SECONDS 5.0

/* In less there is no room for a pause to cut in. */
#define SHORTEST_LONGEST (2 * (size_t)ENDPOINT_STRETCH * LOGMEL_HOP)

struct segmenter {
    struct logmel_stream *logmel;
    struct vad_state *voice;
    struct endpoint *endpoint;
    float *frame; /* [mels] */
    uint32_t mels;
    size_t heard;  /* frames */
    uint64_t fed;  /* samples */
    bool finished; /* all samples are there */
    bool ended;    /* and the endpoint knows */
};

static uint32_t frames_of(double seconds)
{
    return (uint32_t)lround(seconds * FRAMES_A_SECOND);
}

/* Without an ear that waits, text is better with what was said before. */
static double silence_seconds(const struct hearken_stream_options *options)
{
    double seconds = (double)options->endpoint_seconds;
    bool live = options->endpointing || options->partial_seconds > 0;
    return live ? seconds : fmax(seconds, JOINED_SECONDS);
}

static int create_endpoint(const struct hearken_stream_options *options, size_t longest,
                           struct endpoint **endpoint)
{
    uint32_t frames = (uint32_t)(longest / LOGMEL_HOP);
    uint32_t pre_roll = frames_of((double)options->pre_roll);
    uint32_t silence = frames_of(silence_seconds(options));
    const struct endpoint_options chosen = {
        .on = options->voice_threshold,
        .off = options->voice_threshold * OFF_SHARE,
        .shortest = frames_of(SHORTEST_SECONDS),
        .pre_roll = pre_roll < frames / 2 ? pre_roll : frames / 2,
        .hang_over = frames_of(HANG_OVER_SECONDS),
        .silence = silence > 0 ? silence : 1,
        .longest = frames < ENDPOINT_LONGEST ? frames : ENDPOINT_LONGEST,
    };
    return endpoint_create(&chosen, endpoint);
}

int segmenter_create(const struct vad *vad, const struct logmel *logmel,
                     const struct hearken_stream_options *options, size_t longest,
                     struct segmenter **segmenter)
{
    *segmenter = NULL;
    if (!vad || !options->voice || longest < SHORTEST_LONGEST)
        return 0;
    struct segmenter *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->mels = logmel_bands(logmel);
    s->frame = calloc(s->mels, sizeof(*s->frame));
    int result = s->frame ? 0 : -ENOMEM;
    if (result < 0 || (result = logmel_stream_create(logmel, &s->logmel)) < 0 ||
        (result = vad_state_create(vad, &s->voice)) < 0 ||
        (result = create_endpoint(options, longest, &s->endpoint)) < 0) {
        segmenter_destroy(s);
        return result;
    }
    *segmenter = s;
    return 0;
}

void segmenter_destroy(struct segmenter *segmenter)
{
    if (!segmenter)
        return;
    logmel_stream_destroy(segmenter->logmel);
    vad_state_destroy(segmenter->voice);
    endpoint_destroy(segmenter->endpoint);
    free(segmenter->frame);
    free(segmenter);
}

void segmenter_hold(struct segmenter *segmenter, uint64_t sample)
{
    endpoint_hold(segmenter->endpoint, (sample + LOGMEL_HOP - 1) / LOGMEL_HOP);
}

int segmenter_feed(struct segmenter *segmenter, const float *samples, size_t count)
{
    logmel_stream_forget(segmenter->logmel, segmenter->heard);
    segmenter->fed += count;
    return logmel_stream_feed(segmenter->logmel, samples, count);
}

int segmenter_finish(struct segmenter *segmenter)
{
    segmenter->finished = true;
    return logmel_stream_finish(segmenter->logmel, 0);
}

static float mean(const float *values, uint32_t count)
{
    float sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += values[i];
    return sum / (float)count;
}

static void hear_frame(struct segmenter *s)
{
    logmel_stream_read(s->logmel, s->heard, s->heard + 1, s->frame);
    float probability = vad_process(s->voice, s->frame);
    endpoint_feed(s->endpoint, probability, mean(s->frame, s->mels));
    s->heard++;
}

/* What is shorter than a frame is made as long as one, so a frame may reach beyond the end. */
static uint64_t sample_at(const struct segmenter *s, uint64_t frame)
{
    uint64_t sample = frame * LOGMEL_HOP;
    return sample < s->fed ? sample : s->fed;
}

static const enum segmenter_event_type types[] = {
    [ENDPOINT_STARTED] = SEGMENTER_STARTED,
    [ENDPOINT_STOPPED] = SEGMENTER_STOPPED,
    [ENDPOINT_SEGMENT] = SEGMENTER_SEGMENT,
};

bool segmenter_next(struct segmenter *segmenter, struct segmenter_event *event)
{
    struct segmenter *s = segmenter;
    struct endpoint_event found;
    while (!endpoint_next(s->endpoint, &found)) {
        if (s->heard < logmel_stream_frames(s->logmel)) {
            hear_frame(s);
        } else if (s->finished && !s->ended) {
            endpoint_finish(s->endpoint);
            s->ended = true;
        } else {
            return false;
        }
    }
    *event = (struct segmenter_event){types[found.type], sample_at(s, found.from),
                                      sample_at(s, found.to)};
    return true;
}

bool segmenter_is_open(const struct segmenter *segmenter)
{
    return endpoint_is_open(segmenter->endpoint);
}

bool segmenter_may_end(const struct segmenter *segmenter, uint64_t *from, uint64_t *to)
{
    if (!endpoint_may_end(segmenter->endpoint, from, to))
        return false;
    *from = sample_at(segmenter, *from);
    *to = sample_at(segmenter, *to);
    return true;
}

uint64_t segmenter_keeps(const struct segmenter *segmenter)
{
    return sample_at(segmenter, endpoint_keeps(segmenter->endpoint));
}
