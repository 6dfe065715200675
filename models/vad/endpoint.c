// SPDX-License-Identifier: MIT
#include "models/vad/endpoint.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* Most events of one frame: a stop and a segment. */
#define MAX_EVENTS 2u

/* Resolution of mean probabilities: among places within one step the quietest is taken. */
#define PROBABILITY_STEP 0.05

/*
 * The certainties that start speech, as a share of `min_speech`. When a microphone opens, the noise
 * of a quiet room looks a little like speech at first, but is never certain
 * (docs/voice-activity.md).
 */
#define CERTAIN_SHARE 0.5f

/* Doubtful speech is kept for so many frames more than `min_speech`. */
#define MAX_DOUBTFUL 200u

struct frame {
    float probability, loudness;
};

struct endpoint {
    struct endpoint_options options;
    struct frame *frames;      /* [max_segment], frame t at t mod max_segment */
    uint64_t count;            /* frames fed */
    uint64_t done_until;       /* frames before it belong to finished segments */
    uint64_t candidate;        /* first frame of possible speech */
    uint32_t candidate_frames; /* frames of possible speech so far, 0: none */
    float certainty;           /* sum of theirs */
    uint64_t lead;             /* first frame of doubtful speech before, which the segment keeps */
    uint64_t lead_ends;        /* one past the last, 0: none */
    bool open;
    uint64_t from;         /* first frame of the open segment */
    uint64_t earliest_cut; /* no cut before this frame */
    uint64_t speech_ends;  /* one past the last frame of speech in the open segment */
    struct endpoint_event events[MAX_EVENTS];
    uint32_t event_count, taken;
};

/* The frames from <= t < to. */
struct span {
    uint64_t from, to;
};

static bool is_probability(float value)
{
    return value >= 0 && value <= 1;
}

int endpoint_create(const struct endpoint_options *options, struct endpoint **endpoint)
{
    const struct endpoint_options *o = options;
    if (!is_probability(o->onset) || !is_probability(o->offset) || o->offset > o->onset ||
        o->min_speech < 1 || o->min_silence < 1 || o->max_segment < 2 * ENDPOINT_MIN_PAUSE ||
        o->max_segment > ENDPOINT_MAX_SEGMENT || o->min_speech > o->max_segment / 2 ||
        o->pre_roll > o->max_segment / 2)
        return -EINVAL;
    struct endpoint *created = calloc(1, sizeof(*created));
    if (!created)
        return -ENOMEM;
    created->frames = calloc(o->max_segment, sizeof(*created->frames));
    if (!created->frames) {
        free(created);
        return -ENOMEM;
    }
    created->options = *o;
    *endpoint = created;
    return 0;
}

void endpoint_destroy(struct endpoint *endpoint)
{
    if (!endpoint)
        return;
    free(endpoint->frames);
    free(endpoint);
}

static void add_event(struct endpoint *e, enum endpoint_event_type type, uint64_t from, uint64_t to)
{
    e->events[e->event_count++] = (struct endpoint_event){type, from, to};
}

static const struct frame *frame_at(const struct endpoint *e, uint64_t t)
{
    return &e->frames[t % e->options.max_segment];
}

/* Whether speech continues. NaN counts as silence. */
static bool is_speech(const struct endpoint *e, float probability)
{
    return probability >= e->options.offset;
}

static uint64_t min_frame(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The frame `frames` before `t`, but never one of a finished segment. */
static uint64_t earlier_frame(const struct endpoint *e, uint64_t t, uint32_t frames)
{
    uint64_t back = t > frames ? t - frames : 0;
    return back > e->done_until ? back : e->done_until;
}

/* ---- Cutting long segments ---- */

/* The longest pause within the window that speech follows; empty if there is none. */
static struct span longest_pause(const struct endpoint *e, struct span window)
{
    struct span best = {window.from, window.from};
    uint64_t from = window.from;
    for (uint64_t t = window.from; t < window.to; t++) {
        if (!is_speech(e, frame_at(e, t)->probability))
            continue;
        if (t - from > best.to - best.from)
            best = (struct span){from, t};
        from = t + 1;
    }
    return best;
}

/*
 * Centre of the ENDPOINT_MIN_PAUSE frames that are least like speech; among equals, of the
 * quietest.
 */
static uint64_t find_least_speech(const struct endpoint *e, struct span window)
{
    if (window.to - window.from < ENDPOINT_MIN_PAUSE)
        return window.from + (window.to - window.from) / 2;
    uint64_t best = window.from;
    double least = INFINITY, softest = INFINITY;
    for (uint64_t t = window.from; t + ENDPOINT_MIN_PAUSE <= window.to; t++) {
        double probability = 0, loudness = 0;
        for (uint64_t i = t; i < t + ENDPOINT_MIN_PAUSE; i++) {
            probability += (double)frame_at(e, i)->probability / ENDPOINT_MIN_PAUSE;
            loudness += (double)frame_at(e, i)->loudness;
        }
        double level = floor(probability / PROBABILITY_STEP);
        if (level > least || (level == least && loudness >= softest))
            continue;
        least = level;
        softest = loudness;
        best = t;
    }
    return best + ENDPOINT_MIN_PAUSE / 2;
}

static void end_speech(struct endpoint *e)
{
    uint64_t to = min_frame(e->speech_ends + e->options.hangover, e->count);
    add_event(e, ENDPOINT_STOPPED, e->speech_ends, e->speech_ends);
    if (e->speech_ends > e->from) { /* false if the last cut was after the last word */
        add_event(e, ENDPOINT_SEGMENT, e->from, to);
        e->done_until = to;
    }
    e->open = false;
    e->candidate_frames = 0;
}

/*
 * Cuts in the second half of the segment and not before earliest_cut, so that the rest of a long
 * sentence has more than a word or two.
 */
static void cut(struct endpoint *e)
{
    struct span window = {e->from + e->options.max_segment / 2, e->count};
    if (e->earliest_cut > window.from)
        window.from = min_frame(e->earliest_cut, e->count);
    struct span pause = longest_pause(e, window);
    uint64_t pause_frames = pause.to - pause.from, trailing = e->count - e->speech_ends;
    if (trailing >= ENDPOINT_MIN_PAUSE && trailing >= pause_frames) {
        end_speech(e);
        return;
    }
    uint64_t end, begin;
    if (pause_frames >= ENDPOINT_MIN_PAUSE) {
        uint64_t middle = pause.from + pause_frames / 2;
        end = min_frame(middle, pause.from + e->options.hangover);
        e->done_until = middle;
        begin = earlier_frame(e, pause.to, e->options.pre_roll);
    } else {
        end = begin = find_least_speech(e, window);
    }
    add_event(e, ENDPOINT_SEGMENT, e->from, end);
    e->done_until = end;
    e->from = begin;
}

/* ---- Frame by frame ---- */

/* With the pre-roll less than a segment of maximum length, unless min_speech is half of it. */
static uint32_t max_doubtful(const struct endpoint_options *o)
{
    uint32_t half = o->max_segment / 2 - 1, most = o->min_speech + MAX_DOUBTFUL;
    most = most < half ? most : half;
    return most > o->min_speech ? most : o->min_speech;
}

/*
 * Keeps doubtful speech until a pause ends it or it is too old. It belongs to the segment of the
 * speech that follows: the network recognises a soft beginning better with the sound before it.
 */
static void update_lead(struct endpoint *e)
{
    const struct endpoint_options *o = &e->options;
    if (e->lead_ends > 0 &&
        (e->count - e->lead > max_doubtful(o) || e->count - e->lead_ends >= o->min_silence))
        e->lead_ends = 0;
    if (e->candidate_frames < o->min_speech)
        return;
    if (e->lead_ends == 0)
        e->lead = e->candidate;
    e->lead_ends = e->count;
}

/* 0 at the offset, 1 at twice the onset, or at probability 1. */
static float certainty_of(const struct endpoint_options *o, float probability)
{
    float range = fminf(1, 2 * o->onset) - o->offset;
    return range > 0 ? (probability - o->offset) / range : 1;
}

static void start_speech(struct endpoint *e, uint64_t from, uint64_t to)
{
    e->open = true;
    e->from = earlier_frame(e, e->lead, e->options.pre_roll);
    e->lead_ends = 0;
    e->speech_ends = to;
    add_event(e, ENDPOINT_STARTED, from, from);
}

static void detect_start(struct endpoint *e, float probability)
{
    const struct endpoint_options *o = &e->options;
    if (e->candidate_frames >= max_doubtful(o) || !is_speech(e, probability))
        e->candidate_frames = 0;
    if (e->candidate_frames == 0 && probability >= o->onset) {
        e->candidate = e->count - 1;
        e->candidate_frames = 1;
        e->certainty = 0;
    } else if (e->candidate_frames > 0) {
        e->candidate_frames++;
    }
    if (e->candidate_frames > 0)
        e->certainty += certainty_of(o, probability);
    update_lead(e);
    if (e->candidate_frames < o->min_speech || e->certainty < CERTAIN_SHARE * (float)o->min_speech)
        return;
    start_speech(e, e->candidate, e->count);
}

void endpoint_set_earliest_cut(struct endpoint *endpoint, uint64_t frame)
{
    endpoint->earliest_cut = frame;
}

void endpoint_set_min_silence(struct endpoint *endpoint, uint32_t frames)
{
    endpoint->options.min_silence = frames;
}

void endpoint_feed(struct endpoint *endpoint, float probability, float loudness)
{
    struct endpoint *e = endpoint;
    e->frames[e->count % e->options.max_segment] = (struct frame){probability, loudness};
    e->count++;
    e->event_count = e->taken = 0;
    if (!e->open) {
        detect_start(e, probability);
        return;
    }
    if (is_speech(e, probability))
        e->speech_ends = e->count;
    if (e->count - e->speech_ends >= e->options.min_silence)
        end_speech(e);
    else if (e->count - e->from >= e->options.max_segment)
        cut(e);
}

bool endpoint_finish(struct endpoint *endpoint)
{
    endpoint->event_count = endpoint->taken = 0;
    if (endpoint->open) {
        end_speech(endpoint);
    } else if (endpoint->lead_ends > 0 &&
               endpoint->count - endpoint->lead_ends <= endpoint->options.hangover) {
        /* Doubtful speech at the end may be a word that was cut short. */
        start_speech(endpoint, endpoint->lead, endpoint->lead_ends);
        return true;
    }
    return false;
}

bool endpoint_next(struct endpoint *endpoint, struct endpoint_event *event)
{
    if (endpoint->taken == endpoint->event_count)
        return false;
    *event = endpoint->events[endpoint->taken++];
    return true;
}

bool endpoint_is_open(const struct endpoint *endpoint)
{
    return endpoint->open;
}

bool endpoint_has_candidate(const struct endpoint *endpoint)
{
    return !endpoint->open && (endpoint->candidate_frames > 0 || endpoint->lead_ends > 0);
}

uint64_t endpoint_silence(const struct endpoint *endpoint)
{
    return endpoint->open ? endpoint->count - endpoint->speech_ends : 0;
}

bool endpoint_expected_segment(const struct endpoint *endpoint, uint64_t *from, uint64_t *to)
{
    const struct endpoint *e = endpoint;
    *from = e->from;
    *to = e->speech_ends + e->options.hangover;
    return e->open && e->speech_ends > e->from && *to <= e->count;
}

float endpoint_probability(const struct endpoint *endpoint, uint64_t frame)
{
    const struct endpoint *e = endpoint;
    bool known = frame < e->count && e->count - frame <= e->options.max_segment;
    return known ? frame_at(e, frame)->probability : 0;
}

uint64_t endpoint_first_needed(const struct endpoint *endpoint)
{
    const struct endpoint *e = endpoint;
    if (e->open)
        return e->from;
    uint64_t first = e->candidate_frames > 0 ? e->candidate : e->count;
    return earlier_frame(e, e->lead_ends > 0 ? e->lead : first, e->options.pre_roll);
}
