// SPDX-License-Identifier: MIT
#include "models/stream/channel.h"

#include "include/internal/monotonic_clock.h"
#include "models/stream/event_emitter.h"
#include "models/stream/partial_schedule.h"
#include "models/stream/partial_text.h"
#include "models/stream/speculative_final.h"
#include "models/vad/level_segmenter.h"
#include "models/vad/vad_segmenter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A segment of maximum length is cut in its last seconds, at most in its last half. */
#define CUT_WINDOW_SECONDS 10.0
/* A shorter segment is not recognised again in halves when its text repeats itself. */
#define MIN_RETRY_SECONDS 4.0

struct channel {
    struct hearken_stream_options options;
    struct event_emitter emitter;
    struct recognizer *recognizer;
    struct partial_text *partial;
    struct speculative_final speculative;
    struct partial_schedule schedule;
    struct segmenter *segmenter; /* NULL: segments are cut at quiet places */

    float *samples; /* [count], of the current segment */
    size_t count, room;
    uint64_t origin; /* position of samples[0] in the stream */

    float *voice; /* [voice_room]: probability of speech in the frames of a segment */
    size_t voice_room;

    bool audible; /* the segment is not all silence */
};

/* ---- Creating ---- */

int channel_create(const struct channel_setup *setup, uint32_t number, struct channel **channel,
                   struct hearken_error *error)
{
    struct hearken_model *model = setup->model;
    const struct hearken_stream_options *options = &setup->options;
    const struct vocabulary *vocabulary = &model->network->vocabulary;
    struct channel *s = calloc(1, sizeof(*s));
    if (!s)
        return hearken_fail(error, -ENOMEM, "out of memory");
    s->options = *options;
    partial_schedule_init(&s->schedule, (double)options->partial_seconds,
                          (double)options->partial_share);
    int result = recognizer_create(model, &s->options, setup->words, setup->cancelled,
                                   &s->recognizer, error);
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
    partial_text_begin(s->partial);
    *channel = s;
    return 0;
}

void channel_destroy(struct channel *channel)
{
    if (!channel)
        return;
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

static int recognise(struct channel *s, size_t from, size_t to, const struct beam_draft *draft);

/* Recognises in two halves a segment whose text repeats itself: shorter sound seldom loops. */
static int recognise_halves(struct channel *s, size_t from, size_t to)
{
    const struct beam_draft none = {0};
    size_t quarter = (to - from) / 4;
    size_t cut = level_segmenter_quietest(s->samples, from + quarter, to - quarter);
    int result = recognise(s, from, cut, &none);
    return result < 0 ? result : recognise(s, cut, to, &none);
}

/*
 * Whether a text leaves out speech beside a pause. The speller sometimes skips a sentence that
 * follows a pause.
 */
static bool loses_words(const struct transcript *transcript, const struct beam_draft *draft)
{
    return draft->forced == 0 && transcript->words.count > 0 && transcript->words.lost_pause > 0 &&
           transcript_is_incomplete(transcript);
}

/* Recognises apart what is before and behind a pause, seconds in the stream. */
static int recognise_apart(struct channel *s, size_t from, size_t to, double pause)
{
    const struct beam_draft none = {0};
    /* Within the segment, as there is speech on both sides of the pause. */
    size_t cut = (size_t)(pause * HEARKEN_RATE) - s->origin;
    int result = recognise(s, from, cut, &none);
    return result < 0 ? result : recognise(s, cut, to, &none);
}

/* As recognise_halves, but keeps the committed words and recognises only the sound after them. */
static int recognise_rest(struct channel *s, size_t from, size_t to,
                          const struct transcript *committed)
{
    const struct beam_draft none = {0};
    size_t cut = from + (size_t)(partial_text_committed_seconds(s->partial) * HEARKEN_RATE);
    if (cut > to)
        cut = to;
    recognizer_set_previous(s->recognizer, committed);
    int result =
        event_emitter_final(&s->emitter, committed, seconds_at(s, from), seconds_at(s, cut));
    return result < 0 ? result : recognise(s, cut, to, &none);
}

static int recognise(struct channel *s, size_t from, size_t to, const struct beam_draft *draft)
{
    struct transcript transcript;
    double start = seconds_at(s, from), end = seconds_at(s, to);
    if (!speculative_final_take(&s->speculative, s->origin + from, s->origin + to, &transcript)) {
        struct segment_sound sound;
        int failed = describe_sound(s, from, to, &sound);
        if (failed == 0)
            failed = recognizer_recognise(s->recognizer, &sound, draft, &transcript);
        if (failed < 0)
            return failed;
    }
    int result = 0;
    if (transcript.looped && draft->forced > 0) {
        result = recognise_rest(s, from, to, &transcript);
    } else if (transcript.looped && end - start >= MIN_RETRY_SECONDS) {
        result = recognise_halves(s, from, to);
    } else if (loses_words(&transcript, draft)) {
        result = recognise_apart(s, from, to, transcript.words.lost_pause);
    } else {
        recognizer_set_previous(s->recognizer, &transcript);
        result = event_emitter_final(&s->emitter, &transcript, start, end);
    }
    recognizer_transcript_finish(&transcript);
    return result;
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
    partial_text_begin(s->partial);
    partial_schedule_begin_segment(&s->schedule, (double)s->count / HEARKEN_RATE);
}

/* Recognises the first `count` samples and discards them. */
static int end_segment(struct channel *s, size_t count)
{
    const struct beam_draft committed = partial_text_committed(s->partial);
    int result = recognise(s, 0, count, &committed);
    if (result < 0)
        return result;
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
    if (result < 0)
        return result;
    result = s->segmenter ? recognise_speech(s, count, false) : recognise_full_segments(s);
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
    if (result < 0)
        return result;
    if (s->segmenter)
        return recognise_speech(s, count, true);
    if ((result = recognise_full_segments(s)) < 0)
        return result;
    return s->count > 0 ? end_segment(s, s->count) : 0;
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
