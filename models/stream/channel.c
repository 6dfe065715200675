// SPDX-License-Identifier: MIT
#include "models/stream/channel.h"

#include "include/internal/monotonic_clock.h"
#include "models/stream/event_emitter.h"
#include "models/stream/final_text.h"
#include "models/stream/partial_schedule.h"
#include "models/stream/partial_text.h"
#include "models/stream/segment_queue.h"
#include "models/stream/speculative_final.h"
#include "models/vad/level_segmenter.h"
#include "models/vad/vad_segmenter.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A segment of maximum length is cut in its last seconds, at most in its last half. */
#define CUT_WINDOW_SECONDS 10.0

/* Segments of a recording before several are recognised at the same time. A short one is not worth
 * the memory of another recogniser. */
#define QUEUE_SEGMENTS 4u

struct channel {
    const struct channel_setup *setup;
    struct hearken_stream_options options;
    struct event_emitter emitter;
    struct recognizer *recognizer;
    struct partial_text *partial;
    struct speculative_final speculative;
    struct partial_schedule schedule;
    struct segmenter *segmenter; /* NULL: segments are cut at quiet places */
    struct segment_queue *queue; /* NULL: not needed so far */
    unsigned queue_threads;      /* taken from the model for the queue */
    bool may_queue;              /* else segments are recognised here, one after the other */
    unsigned ended_segments;     /* at most QUEUE_SEGMENTS */

    float *samples; /* [count], of the current segment */
    size_t count, room;
    uint64_t origin; /* position of samples[0] in the stream */

    float *voice; /* [voice_room]: probability of speech in the frames of a segment */
    size_t voice_room;

    bool audible; /* the segment is not all silence */

    uint64_t resume;   /* segments that begin before this position are not recognised */
    uint64_t last_end; /* of the last segment whose texts were emitted */
};

/* ---- Creating ---- */

/*
 * Whether segments may be recognised at the same time: not where a text depends on the one before,
 * or where an event must not wait for the texts of earlier segments.
 */
static bool may_queue(const struct channel *s)
{
    const struct hearken_stream_options *o = &s->options;
    bool is_mixed = o->audio.channels == 1 || o->channels == HEARKEN_CHANNELS_MIX;
    return is_mixed && channel_is_independent(s) && !o->endpointing &&
           !recognizer_is_incremental(s->recognizer);
}

int channel_create(const struct channel_setup *setup, uint32_t number, struct channel **channel,
                   struct hearken_error *error)
{
    struct hearken_model *model = setup->model;
    const struct hearken_stream_options *options = &setup->options;
    const struct vocabulary *vocabulary = &model->network->vocabulary;
    struct channel *s = calloc(1, sizeof(*s));
    if (!s)
        return hearken_fail(error, -ENOMEM, "out of memory");
    s->setup = setup;
    s->options = *options;
    partial_schedule_init(&s->schedule, (double)options->partial_seconds,
                          (double)options->partial_share);
    int result = recognizer_create(model, &s->options, setup->words, setup->is_urgent,
                                   setup->cancelled, &s->recognizer, error);
    if (result < 0) {
        channel_destroy(s);
        return result;
    }
    if ((result = partial_text_create(s->recognizer, vocabulary, &s->partial)) < 0 ||
        (result = segmenter_create(model->vad, model->logmel, options,
                                   recognizer_max_samples(s->recognizer), &s->segmenter)) < 0) {
        channel_destroy(s);
        return hearken_fail(error, result, "cannot create a stream: %s", strerror(-result));
    }
    s->emitter = (struct event_emitter){
        .callback = setup->callback,
        .context = setup->context,
        .vocabulary = vocabulary,
        .step_seconds = recognizer_step_seconds(s->recognizer),
        .alignment = options->alignment,
        .channel = number,
    };
    s->may_queue = may_queue(s);
    partial_text_begin(s->partial);
    *channel = s;
    return 0;
}

void channel_destroy(struct channel *channel)
{
    if (!channel)
        return;
    segment_queue_destroy(channel->queue);
    model_give_segment_threads(channel->setup->model, channel->queue_threads);
    speculative_final_drop(&channel->speculative);
    segmenter_destroy(channel->segmenter);
    partial_text_destroy(channel->partial);
    recognizer_destroy(channel->recognizer);
    free(channel->samples);
    free(channel->voice);
    free(channel);
}

void channel_add_idle(struct channel *channel, double seconds)
{
    partial_schedule_add_idle(&channel->schedule, seconds);
}

void channel_set_waiting(struct channel *channel, double seconds)
{
    channel->may_queue = false; /* texts are emitted as soon as they can be */
    partial_schedule_set_waiting(&channel->schedule, seconds);
}

void channel_set_urgent(struct channel *channel, bool is_urgent)
{
    if (!channel->queue) /* which uses the recogniser */
        recognizer_set_urgent(channel->recognizer, is_urgent);
}

void channel_count(const struct channel *channel, struct hearken_stream_counters *counters)
{
    counters->partial_updates += channel->schedule.passes;
    counters->partial_skipped += channel->schedule.skipped;
    counters->partial_seconds += channel->schedule.spent;
    counters->early_finals += channel->speculative.taken;
}

static double seconds_at(const struct channel *s, size_t sample)
{
    return (double)(s->origin + sample) / HEARKEN_RATE;
}

/* ---- Segments ---- */

/* Samples from <= i < to, with what the voice network said of them. Errors: -ENOMEM. */
static int describe_sound(struct channel *s, size_t from, size_t to, struct segment_sound *sound)
{
    size_t frames = (to - from) / LOGMEL_HOP;
    *sound = (struct segment_sound){s->samples + from, to - from, seconds_at(s, from), NULL};
    if (!s->segmenter)
        return 0;
    if (frames > s->voice_room) {
        float *grown = realloc(s->voice, frames * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        s->voice = grown;
        s->voice_room = frames;
    }
    segmenter_read_voice(s->segmenter, s->origin + from, s->voice, frames);
    sound->voice = s->voice;
    return 0;
}

static int emit_final(void *context, struct transcript *transcript, double start, double end)
{
    struct channel *s = context;
    return event_emitter_final(&s->emitter, transcript, start, end);
}

/* A text with committed words that repeats itself: keeps these, and recognises only the sound after
 * them. */
static int recognise_rest(struct channel *s, const struct final_text *final,
                          const struct segment_sound *sound, struct transcript *committed)
{
    size_t cut = (size_t)(partial_text_committed_seconds(s->partial) * HEARKEN_RATE);
    if (cut > sound->count)
        cut = sound->count;
    const struct segment_sound rest = final_text_part(sound, cut, sound->count);
    recognizer_set_previous(s->recognizer, committed);
    int result = emit_final(s, committed, sound->start, rest.start);
    recognizer_transcript_finish(committed);
    return result < 0 ? result : final_text_recognise(final, &rest);
}

/* Recognises the first `count` samples. */
static int recognise(struct channel *s, size_t count)
{
    const struct beam_draft committed = partial_text_committed(s->partial);
    const struct final_text final = {s->recognizer, emit_final, s};
    struct transcript transcript;
    struct segment_sound sound;
    int result = describe_sound(s, 0, count, &sound);
    if (result == 0 &&
        !speculative_final_take(&s->speculative, s->origin, s->origin + count, &transcript))
        result = recognizer_recognise(s->recognizer, &sound, &committed, &transcript);
    if (result < 0)
        return result;
    if (transcript.looped && committed.forced > 0)
        return recognise_rest(s, &final, &sound, &transcript);
    return final_text_complete(&final, &sound, committed.forced, &transcript);
}

/* ---- Segments that are recognised at the same time ---- */

static uint64_t sample_at(double seconds)
{
    return (uint64_t)llround(seconds * HEARKEN_RATE);
}

/* Emits the texts of the oldest segment in the queue. As segment_queue_take. */
static int take_queued(struct channel *s, bool wait)
{
    const struct segment_sound *oldest = segment_queue_oldest(s->queue);
    if (!oldest)
        return 0;
    uint64_t end = sample_at(oldest->start) + oldest->count;
    int result = segment_queue_take(s->queue, wait, emit_final, s);
    if (result > 0)
        s->last_end = end;
    return result;
}

/* Emits the texts that are there in the queue, or with `wait` those of all segments. */
static int drain_queue(struct channel *s, bool wait)
{
    int result = s->queue ? 1 : 0;
    while (result > 0)
        result = take_queued(s, wait);
    return result;
}

/* Whether the next segment is recognised in the queue. Live, texts would wait for more sound. */
static bool wants_queue(struct channel *s)
{
    if (!s->may_queue || s->ended_segments < QUEUE_SEGMENTS || partial_schedule_waits(&s->schedule))
        return false;
    if (s->queue)
        return true;
    const struct segment_queue_setup setup = {s->setup->model, &s->options, s->setup->words,
                                              s->setup->cancelled};
    s->queue_threads = model_take_segment_threads(s->setup->model, SEGMENT_QUEUE_THREADS);
    if (s->queue_threads > 0)
        channel_set_urgent(s, false);
    if (s->queue_threads == 0 ||
        segment_queue_create(&setup, s->recognizer, s->queue_threads, &s->queue) == 0)
        return s->queue_threads > 0;
    model_give_segment_threads(s->setup->model, s->queue_threads);
    s->queue_threads = 0;
    s->may_queue = false;
    return false;
}

/* Has the first `count` samples recognised. */
static int queue_segment(struct channel *s, size_t count)
{
    struct segment_sound sound;
    int result = describe_sound(s, 0, count, &sound);
    while (result >= 0 && !segment_queue_has_room(s->queue))
        result = take_queued(s, true);
    return result < 0 ? result : segment_queue_add(s->queue, &sound);
}

static void discard(struct channel *s, size_t count)
{
    if (count == 0)
        return;
    s->count -= count;
    memmove(s->samples, s->samples + count, s->count * sizeof(*s->samples));
    s->origin += count;
}

static void begin_segment(struct channel *s)
{
    s->audible = !level_segmenter_is_silent(s->samples, s->count);
    if (s->options.partial_seconds > 0)
        partial_text_begin(s->partial); /* else the queue may be using the recogniser */
    partial_schedule_begin_segment(&s->schedule, (double)s->count / HEARKEN_RATE);
}

/* Recognises the first `count` samples, unless an earlier stream has, and discards them. */
static int end_segment(struct channel *s, size_t count)
{
    bool is_known = s->origin < s->resume;
    bool queued = !is_known && wants_queue(s);
    int result = queued ? queue_segment(s, count) : drain_queue(s, true);
    if (result == 0 && !queued && !is_known)
        result = recognise(s, count);
    if (result < 0)
        return result;
    s->ended_segments += s->ended_segments < QUEUE_SEGMENTS;
    if (!queued)
        s->last_end = s->origin + count;
    discard(s, count);
    begin_segment(s);
    return 0;
}

/* Without a voice network: ends segments of maximum length at their quietest place, after the
 * committed words. */
static int recognise_full_segments(struct channel *s)
{
    size_t most = recognizer_max_samples(s->recognizer);
    size_t back = (size_t)(CUT_WINDOW_SECONDS * HEARKEN_RATE);
    if (back > most / 2)
        back = most / 2;
    while (s->count >= most) {
        size_t from = (size_t)(partial_text_committed_seconds(s->partial) * HEARKEN_RATE);
        if (from < most - back)
            from = most - back;
        int result = end_segment(s, level_segmenter_quietest(s->samples, from, most));
        if (result < 0)
            return result;
    }
    return 0;
}

/* ---- Segments of speech ---- */

static int handle_segmenter_event(struct channel *s, const struct segmenter_event *event)
{
    switch (event->type) {
    case SEGMENTER_STARTED:
        discard(s, segmenter_first_needed(s->segmenter) - s->origin);
        begin_segment(s);
        if (s->options.voice_events)
            event_emitter_voice(&s->emitter, HEARKEN_EVENT_VOICE_STARTED, event->from);
        break;
    case SEGMENTER_STOPPED:
        if (s->options.voice_events)
            event_emitter_voice(&s->emitter, HEARKEN_EVENT_VOICE_STOPPED, event->from);
        break;
    case SEGMENTER_SEGMENT:
        discard(s, event->from - s->origin);
        return end_segment(s, event->to - s->origin);
    }
    return 0;
}

/*
 * Feeds the last `added` samples to the segmenter; recognises finished segments and discards their
 * samples and all non-speech.
 */
static int recognise_speech(struct channel *s, size_t added, bool last)
{
    struct segmenter_event event;
    double committed = partial_text_committed_seconds(s->partial) * HEARKEN_RATE;
    segmenter_set_earliest_cut(s->segmenter, s->origin + (uint64_t)committed);
    int result = segmenter_feed(s->segmenter, s->samples + s->count - added, added);
    if (result == 0 && last)
        result = segmenter_finish(s->segmenter);
    while (result == 0 && segmenter_next(s->segmenter, &event))
        result = handle_segmenter_event(s, &event);
    if (result == 0)
        discard(s, last ? s->count : segmenter_first_needed(s->segmenter) - s->origin);
    return result;
}

/*
 * Recognises the final text of a segment that will end unless speech goes on (speculative_final.h).
 * Not for a listener that encodes chunks: its state belongs to the partial texts.
 */
static int update_speculative_final(struct channel *s)
{
    uint64_t from, to;
    if (!s->segmenter || !(s->options.endpointing || s->options.partial_seconds > 0))
        return 0;
    const struct beam_draft committed = partial_text_committed(s->partial);
    if (!segmenter_expected_segment(s->segmenter, &from, &to) || from < s->origin ||
        !partial_schedule_is_live(&s->schedule) || recognizer_is_incremental(s->recognizer)) {
        speculative_final_drop(&s->speculative);
        return 0;
    }
    if (speculative_final_is_ready(&s->speculative, from, to))
        return 0;
    struct segment_sound sound;
    int result = describe_sound(s, from - s->origin, to - s->origin, &sound);
    if (result < 0)
        return result;
    return speculative_final_make(&s->speculative, s->recognizer, &sound, from, to, &committed);
}

/* ---- Partial texts ---- */

/*
 * Whether the segment has more than silence. Checks the last `added` samples, and 20 ms before
 * them.
 */
static bool update_audible(struct channel *s, size_t added)
{
    size_t from = s->count - added > HEARKEN_RATE / 50 ? s->count - added - HEARKEN_RATE / 50 : 0;
    if (!s->audible)
        s->audible = !level_segmenter_is_silent(s->samples + from, s->count - from);
    return s->audible;
}

/* `added`: samples since the last call. */
static int update_partial(struct channel *s, size_t added)
{
    if (!update_audible(s, added))
        return 0;
    partial_schedule_add_audio(&s->schedule, (double)added / HEARKEN_RATE);
    if (!partial_schedule_is_due(&s->schedule))
        return 0;
    struct transcript transcript;
    double start = seconds_at(s, 0), began = clock_seconds();
    int result = partial_text_update(s->partial, s->samples, s->count, start, &transcript);
    if (result < 0 || result == PARTIAL_UNCHANGED)
        return result < 0 ? result : 0;
    partial_schedule_add_pass(&s->schedule, clock_seconds() - began);
    if (result == PARTIAL_REJECTED)
        return 0;
    result = event_emitter_text(&s->emitter, HEARKEN_EVENT_PARTIAL, &transcript, start,
                                seconds_at(s, s->count));
    recognizer_transcript_finish(&transcript);
    return result;
}

/* ---- Samples ---- */

/* Makes room for `more` samples. */
static int reserve(struct channel *s, size_t more)
{
    if (s->count + more <= s->room)
        return 0;
    size_t room = s->room * 2 > s->count + more ? s->room * 2 : s->count + more;
    float *grown = realloc(s->samples, room * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    s->samples = grown;
    s->room = room;
    return 0;
}

static int append(struct channel *s, const float *samples, size_t count)
{
    int result = reserve(s, count);
    if (result == 0 && count > 0)
        memcpy(s->samples + s->count, samples, count * sizeof(*samples));
    s->count += result == 0 ? count : 0;
    return result;
}

int channel_write(struct channel *channel, const float *samples, size_t count)
{
    struct channel *s = channel;
    int result = append(s, samples, count);
    if (result == 0)
        result = s->segmenter ? recognise_speech(s, count, false) : recognise_full_segments(s);
    if (result == 0)
        result = drain_queue(s, false);
    if (result < 0 || (s->segmenter && !segmenter_is_open(s->segmenter)))
        return result;
    if ((result = update_speculative_final(s)) < 0 || s->speculative.ready)
        return result;
    return update_partial(s, s->count < count ? s->count : count);
}

int channel_finish(struct channel *channel, const float *samples, size_t count)
{
    struct channel *s = channel;
    int result = append(s, samples, count);
    if (result == 0)
        result = s->segmenter ? recognise_speech(s, count, true) : recognise_full_segments(s);
    if (result == 0 && !s->segmenter && s->count > 0)
        result = end_segment(s, s->count);
    return result < 0 ? result : drain_queue(s, true);
}

/* ---- Going on where another stream ended ---- */

void channel_resume(struct channel *channel, uint64_t sample)
{
    channel->resume = sample;
}

uint64_t channel_first_needed(const struct channel *channel)
{
    const struct segment_sound *oldest =
        channel->queue ? segment_queue_oldest(channel->queue) : NULL;
    return oldest ? sample_at(oldest->start) : channel->origin;
}

uint64_t channel_last_end(const struct channel *channel)
{
    return channel->last_end;
}

bool channel_is_independent(const struct channel *channel)
{
    return channel->options.partial_seconds <= 0 && !channel->options.voice_events &&
           recognizer_is_independent(channel->recognizer);
}

/* ---- Beside other channels ---- */

void channel_skip(struct channel *channel, size_t count)
{
    channel->origin += count;
    if (channel->segmenter)
        segmenter_skip(channel->segmenter, count);
}

bool channel_rests(const struct channel *channel)
{
    return channel->segmenter && segmenter_rests(channel->segmenter);
}

bool channel_is_speaking(const struct channel *channel)
{
    return channel->segmenter && segmenter_hears_speech(channel->segmenter);
}

void channel_set_turn(struct channel *channel, bool others_speak)
{
    if (channel->segmenter)
        segmenter_set_turn(channel->segmenter, others_speak);
}
