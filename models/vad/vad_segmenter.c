// SPDX-License-Identifier: MIT
#include "models/vad/vad_segmenter.h"

#include "models/vad/endpoint.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define FRAMES_A_SECOND ((double)HEARKEN_RATE / LOGMEL_HOP)

/* Speech continues down to this share of the threshold that starts it. */
#define OFFSET_SHARE 0.6f

/* Shorter than any word: a click. */
#define MIN_SPEECH_SECONDS 0.08

/* Kept after speech: a word decays, and its release is hardly voiced. */
#define HANGOVER_SECONDS 0.3

/* A longer pause ends a segment of a recording. */
#define MAX_PAUSE_SECONDS 5.0

/* A pause of this length ends a segment if somebody else speaks in it. In a conversation the
 * segments are then the turns. */
#define TURN_SECONDS 1.0

/* No speech for this long is a pause. */
#define SPEAKING_SECONDS 0.1

/* A shorter segment has no room for the pause to cut in. */
#define MIN_SEGMENT_LIMIT (2 * (size_t)ENDPOINT_MIN_PAUSE * LOGMEL_HOP)

struct segmenter {
    struct logmel_stream *logmel;
    struct vad_state *vad_state;
    struct endpoint *endpoint;
    float *frame; /* [mels] */
    uint32_t mels;
    size_t frames_done;     /* frames processed */
    uint64_t samples_fed;   /* samples fed */
    uint64_t skipped;       /* samples skipped, before and between them */
    uint32_t silence, turn; /* frames that end a segment; likewise while somebody else speaks */
    bool finished;          /* all samples have been fed */
    bool endpoint_finished; /* endpoint_finish has no more to tell */
};

static uint32_t frames_of(double seconds)
{
    return (uint32_t)lround(seconds * FRAMES_A_SECOND);
}

/*
 * Recordings are divided at longer pauses than live sound: nobody waits for the text, and more
 * context improves it.
 */
static double silence_seconds(const struct hearken_stream_options *options)
{
    double seconds = (double)options->endpoint_seconds;
    bool live = options->endpointing || options->partial_seconds > 0;
    return live ? seconds : fmax(seconds, MAX_PAUSE_SECONDS);
}

static int create_endpoint(struct segmenter *s, const struct hearken_stream_options *options,
                           size_t max_samples)
{
    uint32_t frames = (uint32_t)(max_samples / LOGMEL_HOP);
    uint32_t pre_roll = frames_of((double)options->pre_roll);
    const struct endpoint_options chosen = {
        .onset = options->voice_threshold,
        .offset = options->voice_threshold * OFFSET_SHARE,
        .min_speech = frames_of(MIN_SPEECH_SECONDS),
        .pre_roll = pre_roll < frames / 2 ? pre_roll : frames / 2,
        .hangover = frames_of(HANGOVER_SECONDS),
        .min_silence = s->silence,
        .max_segment = frames < ENDPOINT_MAX_SEGMENT ? frames : ENDPOINT_MAX_SEGMENT,
    };
    return endpoint_create(&chosen, &s->endpoint);
}

int segmenter_create(const struct vad *vad, const struct logmel *logmel,
                     const struct hearken_stream_options *options, size_t max_samples,
                     struct segmenter **segmenter)
{
    *segmenter = NULL;
    if (!vad || !options->voice || max_samples < MIN_SEGMENT_LIMIT)
        return 0;
    struct segmenter *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    double silence = silence_seconds(options);
    s->silence = frames_of(silence) > 0 ? frames_of(silence) : 1;
    s->turn = s->silence < frames_of(TURN_SECONDS) ? s->silence : frames_of(TURN_SECONDS);
    s->mels = logmel_bands(logmel);
    s->frame = calloc(s->mels, sizeof(*s->frame));
    int result = s->frame ? 0 : -ENOMEM;
    if (result < 0 || (result = logmel_stream_create(logmel, &s->logmel)) < 0 ||
        (result = vad_state_create(vad, &s->vad_state)) < 0 ||
        (result = create_endpoint(s, options, max_samples)) < 0) {
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
    vad_state_destroy(segmenter->vad_state);
    endpoint_destroy(segmenter->endpoint);
    free(segmenter->frame);
    free(segmenter);
}

void segmenter_set_earliest_cut(struct segmenter *segmenter, uint64_t sample)
{
    sample -= segmenter->skipped;
    endpoint_set_earliest_cut(segmenter->endpoint, (sample + LOGMEL_HOP - 1) / LOGMEL_HOP);
}

int segmenter_feed(struct segmenter *segmenter, const float *samples, size_t count)
{
    logmel_stream_forget(segmenter->logmel, segmenter->frames_done);
    segmenter->samples_fed += count;
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

static void process_frame(struct segmenter *s)
{
    logmel_stream_read(s->logmel, s->frames_done, s->frames_done + 1, s->frame);
    float probability = vad_process(s->vad_state, s->frame);
    endpoint_feed(s->endpoint, probability, mean(s->frame, s->mels));
    s->frames_done++;
}

/* The last frame may reach past the end of the signal, because its samples are padded. */
static uint64_t sample_at(const struct segmenter *s, uint64_t frame)
{
    uint64_t sample = frame * LOGMEL_HOP;
    return s->skipped + (sample < s->samples_fed ? sample : s->samples_fed);
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
        if (s->frames_done < logmel_stream_frames(s->logmel)) {
            process_frame(s);
        } else if (s->finished && !s->endpoint_finished) {
            s->endpoint_finished = !endpoint_finish(s->endpoint);
        } else {
            return false;
        }
    }
    *event = (struct segmenter_event){types[found.type], sample_at(s, found.from),
                                      sample_at(s, found.to)};
    return true;
}

void segmenter_skip(struct segmenter *segmenter, uint64_t count)
{
    segmenter->skipped += count;
}

bool segmenter_rests(const struct segmenter *segmenter)
{
    return !endpoint_is_open(segmenter->endpoint) && !endpoint_has_candidate(segmenter->endpoint);
}

bool segmenter_hears_speech(const struct segmenter *segmenter)
{
    return endpoint_is_open(segmenter->endpoint) &&
           endpoint_silence(segmenter->endpoint) < frames_of(SPEAKING_SECONDS);
}

void segmenter_set_turn(struct segmenter *segmenter, bool others_speak)
{
    endpoint_set_min_silence(segmenter->endpoint,
                             others_speak ? segmenter->turn : segmenter->silence);
}

bool segmenter_is_open(const struct segmenter *segmenter)
{
    return endpoint_is_open(segmenter->endpoint);
}

bool segmenter_expected_segment(const struct segmenter *segmenter, uint64_t *from, uint64_t *to)
{
    if (!endpoint_expected_segment(segmenter->endpoint, from, to))
        return false;
    *from = sample_at(segmenter, *from);
    *to = sample_at(segmenter, *to);
    return true;
}

void segmenter_read_voice(const struct segmenter *segmenter, uint64_t from, float *probabilities,
                          size_t frames)
{
    for (size_t i = 0; i < frames; i++)
        probabilities[i] =
            endpoint_probability(segmenter->endpoint, (from - segmenter->skipped) / LOGMEL_HOP + i);
}

uint64_t segmenter_first_needed(const struct segmenter *segmenter)
{
    return sample_at(segmenter, endpoint_first_needed(segmenter->endpoint));
}
