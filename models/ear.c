// SPDX-License-Identifier: MIT
#include "ear.h"

#include "listener.h"
#include "logmel.h"

#include <errno.h>
#include <stdlib.h>

/* Seconds of silence behind a segment that goes on, in the middle of a word more often than not:
 * with less of it the first words are believed later (docs/streaming.md). */
#define GLANCE_PADDING 1.0

struct ear {
    const struct hearken_model *model;
    const struct network *network;
    double padding; /* seconds */
    struct listener *listener;
    struct logmel_stream *logmel; /* of the segment that is glanced at */
    float *features;              /* [max frames, mels] */
    size_t glanced;               /* frames of it that are in `features`, for chunk mode */
};

int ear_create(const struct hearken_model *model, double padding, struct ear **ear)
{
    const struct network *network = model->network;
    size_t frames = listener_max_frames(network);
    struct ear *h = calloc(1, sizeof(*h));
    if (!h)
        return -ENOMEM;
    *h = (struct ear){.model = model, .network = network, .padding = padding};
    int result = -ENOMEM;
    h->features = malloc(frames * network->parameters.features.mels * sizeof(*h->features));
    if (!h->features || (result = logmel_stream_create(model->logmel, &h->logmel)) < 0 ||
        (result = listener_create(network, &h->listener)) < 0)
        ear_destroy(h, NULL);
    else
        *ear = h;
    return result;
}

void ear_destroy(struct ear *ear, struct pass *pass)
{
    if (!ear)
        return;
    listener_destroy(ear->listener, pass);
    logmel_stream_destroy(ear->logmel);
    free(ear->features);
    free(ear);
}

size_t ear_max_samples(const struct ear *ear)
{
    return (size_t)listener_max_frames(ear->network) * LOGMEL_HOP;
}

bool ear_hears_chunks(const struct ear *ear)
{
    const struct parameters *p = &ear->network->parameters;
    return p->listener.chunk > 0 && p->features.below_maximum <= 0;
}

/* ---- Features ---- */

/*
 * Zeros behind `count` samples: a network trained on fixed windows hears the end only in silence.
 * What is not there in full is heard as stand-ins, which need a little of it as well. One without a
 * window gets what it was trained with, whatever is asked for.
 */
static size_t padding_for(const struct ear *h, size_t count, double seconds)
{
    size_t least = LISTENER_SILENCE * LOGMEL_HOP, wanted = (size_t)(seconds * HEARKEN_RATE);
    if (h->network->parameters.features.window == 0)
        wanted = (size_t)((double)h->network->parameters.listener.padding * HEARKEN_RATE);
    if (listener_wants_window(h->network) && wanted < least)
        wanted = least;
    size_t most = ear_max_samples(h);
    size_t room = count < most ? most - count : 0;
    return wanted < room ? wanted : room;
}

static void scale(const struct ear *h, float *features, size_t frames)
{
    const struct feature_parameters *f = &h->network->parameters.features;
    size_t count = frames * f->mels;
    if (f->below_maximum > 0)
        logmel_scale_below_maximum(features, count, f->below_maximum, f->shift, f->scale);
    else
        logmel_scale_fixed(features, count, f->floor, f->shift, f->scale);
}

/* Features [frames, mels] behind which nobody speaks → memory */
static struct heard hear(struct ear *h, struct pass *pass, size_t frames)
{
    struct heard heard = {0};
    heard.memory = listener_wants_window(h->network)
                       ? listener_hear_window(h->listener, pass, h->features, (uint32_t)frames,
                                              &heard.stand_ins)
                       : listener_hear(h->listener, pass, h->features, (uint32_t)frames);
    return heard;
}

struct heard ear_hear(struct ear *ear, struct pass *pass, const float *samples, size_t count)
{
    size_t padding = padding_for(ear, count, ear->padding);
    size_t frames = logmel_frames(count + padding);
    logmel_compute(ear->model->logmel, samples, count, padding, ear->features);
    scale(ear, ear->features, frames);
    return hear(ear, pass, frames);
}

/* ---- Glances ---- */

void ear_begin(struct ear *ear)
{
    logmel_stream_restart(ear->logmel);
    listener_begin_chunks(ear->listener, ear->network->parameters.listener.chunk);
    ear->glanced = 0;
}

/* Only what is new goes through features and listener. */
static struct heard hear_more(struct ear *h, struct pass *pass)
{
    size_t frames = logmel_stream_frames(h->logmel);
    float *to = h->features + h->glanced * h->network->parameters.features.mels;
    logmel_stream_read(h->logmel, h->glanced, frames, to);
    scale(h, to, frames - h->glanced);
    h->glanced = frames;
    return (struct heard){
        .memory = listener_hear_chunks(h->listener, pass, h->features, (uint32_t)frames, false)};
}

/* Everything goes through the listener again; what is known of the features is only scaled anew. */
static struct heard hear_again(struct ear *h, struct pass *pass, size_t count)
{
    size_t padding = padding_for(h, count, GLANCE_PADDING);
    size_t frames = logmel_frames(count + padding);
    logmel_stream_peek(h->logmel, padding, 0, frames, h->features);
    scale(h, h->features, frames);
    return hear(h, pass, frames);
}

int ear_glance(struct ear *ear, struct pass *pass, const float *samples, size_t count,
               struct heard *heard)
{
    size_t fed = logmel_stream_samples(ear->logmel);
    int result = logmel_stream_feed(ear->logmel, samples + fed, count - fed);
    if (result == 0)
        *heard = ear_hears_chunks(ear) ? hear_more(ear, pass) : hear_again(ear, pass, count);
    return result;
}
