// SPDX-License-Identifier: MIT
#include "models/vad/endpoint.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* Of one frame at most: a stop and a segment. */
#define MAX_EVENTS 2u

/* Mean probabilities are told apart in steps of this; within one, the quieter place is taken. */
#define PROBABILITY_STEP 0.05

struct frame {
    float probability, loudness;
};

struct endpoint {
    struct endpoint_options options;
    struct frame *frames; /* [longest], frame t at t mod longest */
    uint64_t count;       /* frames fed */
    uint64_t free_from;   /* frames before it belong to segments that are done */
    uint64_t candidate;   /* first frame of what may become speech */
    uint32_t heard;       /* frames of it, 0: none */
    bool open;
    uint64_t from;        /* first frame of the open segment */
    uint64_t held;        /* frames before it are not to be cut */
    uint64_t speech_ends; /* one behind the last frame of speech in it */
    struct endpoint_event events[MAX_EVENTS];
    uint32_t event_count, taken;
};

/* A part of the signal. */
struct stretch {
    uint64_t from, to;
};

static bool is_probability(float value)
{
    return value >= 0 && value <= 1;
}

int endpoint_create(const struct endpoint_options *options, struct endpoint **endpoint)
{
    const struct endpoint_options *o = options;
    if (!is_probability(o->on) || !is_probability(o->off) || o->off > o->on || o->shortest < 1 ||
        o->silence < 1 || o->longest < 2 * ENDPOINT_STRETCH || o->longest > ENDPOINT_LONGEST ||
        o->shortest > o->longest / 2 || o->pre_roll > o->longest / 2)
        return -EINVAL;
    struct endpoint *created = calloc(1, sizeof(*created));
    if (!created)
        return -ENOMEM;
    created->frames = calloc(o->longest, sizeof(*created->frames));
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

static void tell(struct endpoint *e, enum endpoint_event_type type, uint64_t from, uint64_t to)
{
    e->events[e->event_count++] = (struct endpoint_event){type, from, to};
}

static const struct frame *frame_at(const struct endpoint *e, uint64_t t)
{
    return &e->frames[t % e->options.longest];
}

/* Once it has begun. What is no number is none. */
static bool is_speech(const struct endpoint *e, float probability)
{
    return probability >= e->options.off;
}

static uint64_t minimum(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* `frames` before `t`, but nothing of the segments that are done. */
static uint64_t back_from(const struct endpoint *e, uint64_t t, uint32_t frames)
{
    uint64_t back = t > frames ? t - frames : 0;
    return back > e->free_from ? back : e->free_from;
}

/* ---- Cutting what is too long ---- */

/* The longest pause that begins and ends within the window; empty if there is none. */
static struct stretch longest_pause(const struct endpoint *e, struct stretch window)
{
    struct stretch best = {window.from, window.from};
    uint64_t from = window.from;
    for (uint64_t t = window.from; t < window.to; t++) {
        if (!is_speech(e, frame_at(e, t)->probability))
            continue;
        if (t - from > best.to - best.from)
            best = (struct stretch){from, t};
        from = t + 1;
    }
    return best;
}

/* The centre of the stretch that is least like speech; of those that are alike, the quietest. */
static uint64_t quietest(const struct endpoint *e, struct stretch window)
{
    if (window.to - window.from < ENDPOINT_STRETCH)
        return window.from + (window.to - window.from) / 2;
    uint64_t best = window.from;
    double least = INFINITY, softest = INFINITY;
    for (uint64_t t = window.from; t + ENDPOINT_STRETCH <= window.to; t++) {
        double probability = 0, loudness = 0;
        for (uint64_t i = t; i < t + ENDPOINT_STRETCH; i++) {
            probability += (double)frame_at(e, i)->probability / ENDPOINT_STRETCH;
            loudness += (double)frame_at(e, i)->loudness;
        }
        double likeness = floor(probability / PROBABILITY_STEP);
        if (likeness > least || (likeness == least && loudness >= softest))
            continue;
        least = likeness;
        softest = loudness;
        best = t;
    }
    return best + ENDPOINT_STRETCH / 2;
}

static void end_speech(struct endpoint *e)
{
    uint64_t to = minimum(e->speech_ends + e->options.hang_over, e->count);
    tell(e, ENDPOINT_STOPPED, e->speech_ends, e->speech_ends);
    if (e->speech_ends > e->from) { /* not so where the last cut lay behind the last word */
        tell(e, ENDPOINT_SEGMENT, e->from, to);
        e->free_from = to;
    }
    e->open = false;
    e->heard = 0;
}

/* Behind what is held and in its second half, so that what is left of a long sentence is not a word
 * or two. */
static void cut(struct endpoint *e)
{
    struct stretch window = {e->from + e->options.longest / 2, e->count};
    if (e->held > window.from)
        window.from = minimum(e->held, e->count);
    struct stretch pause = longest_pause(e, window);
    uint64_t paused = pause.to - pause.from, trailing = e->count - e->speech_ends;
    if (trailing >= ENDPOINT_STRETCH && trailing >= paused) {
        end_speech(e);
        return;
    }
    uint64_t end, begin;
    if (paused >= ENDPOINT_STRETCH) {
        uint64_t middle = pause.from + paused / 2;
        end = minimum(middle, pause.from + e->options.hang_over);
        e->free_from = middle;
        begin = back_from(e, pause.to, e->options.pre_roll);
    } else {
        end = begin = quietest(e, window);
    }
    tell(e, ENDPOINT_SEGMENT, e->from, end);
    e->free_from = end;
    e->from = begin;
}

/* ---- Frame by frame ---- */

static void listen_for_start(struct endpoint *e, float probability)
{
    const struct endpoint_options *o = &e->options;
    uint64_t t = e->count - 1;
    if (e->heard == 0 && probability >= o->on)
        e->candidate = t;
    if (!(e->heard > 0 ? is_speech(e, probability) : probability >= o->on)) {
        e->heard = 0;
        return;
    }
    if (++e->heard < o->shortest)
        return;
    e->open = true;
    e->from = back_from(e, e->candidate, o->pre_roll);
    e->speech_ends = e->count;
    tell(e, ENDPOINT_STARTED, e->candidate, e->candidate);
}

void endpoint_hold(struct endpoint *endpoint, uint64_t frame)
{
    endpoint->held = frame;
}

void endpoint_feed(struct endpoint *endpoint, float probability, float loudness)
{
    struct endpoint *e = endpoint;
    e->frames[e->count % e->options.longest] = (struct frame){probability, loudness};
    e->count++;
    e->event_count = e->taken = 0;
    if (!e->open) {
        listen_for_start(e, probability);
        return;
    }
    if (is_speech(e, probability))
        e->speech_ends = e->count;
    if (e->count - e->speech_ends >= e->options.silence)
        end_speech(e);
    else if (e->count - e->from >= e->options.longest)
        cut(e);
}

void endpoint_finish(struct endpoint *endpoint)
{
    endpoint->event_count = endpoint->taken = 0;
    if (endpoint->open)
        end_speech(endpoint);
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

bool endpoint_may_end(const struct endpoint *endpoint, uint64_t *from, uint64_t *to)
{
    const struct endpoint *e = endpoint;
    *from = e->from;
    *to = e->speech_ends + e->options.hang_over;
    return e->open && e->speech_ends > e->from && *to <= e->count;
}

uint64_t endpoint_keeps(const struct endpoint *endpoint)
{
    const struct endpoint *e = endpoint;
    if (e->open)
        return e->from;
    return back_from(e, e->heard > 0 ? e->candidate : e->count, e->options.pre_roll);
}
