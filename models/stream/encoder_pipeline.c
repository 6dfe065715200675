// SPDX-License-Identifier: MIT
#include "models/stream/encoder_pipeline.h"

#include "frontend/features/logmel.h"
#include "models/network/listener.h"

#include <errno.h>
#include <stdlib.h>

/* Seconds of silence behind a segment that goes on, in the middle of a word more often than not:
 * with less of it the first words are believed later (docs/streaming.md). */
#define GLANCE_PADDING 1.0

struct encoder_pipeline {
    const struct hearken_model *model;
    const struct network *network;
    double padding; /* seconds */
    struct listener *listener;
    struct logmel_stream *logmel; /* of the segment that is glanced at */
    float *features;              /* [max frames, mels] */
    size_t glanced;               /* frames of it that are in `features`, for chunk mode */
};

int encoder_pipeline_create(const struct hearken_model *model, double padding,
                            struct encoder_pipeline **encoder)
{
    const struct network *network = model->network;
    size_t frames = listener_max_frames(network);
    struct encoder_pipeline *h = calloc(1, sizeof(*h));
    if (!h)
        return -ENOMEM;
    *h = (struct encoder_pipeline){.model = model, .network = network, .padding = padding};
    int result = -ENOMEM;
    h->features = malloc(frames * network->parameters.features.mels * sizeof(*h->features));
    if (!h->features || (result = logmel_stream_create(model->logmel, &h->logmel)) < 0 ||
        (result = listener_create(network, &h->listener)) < 0)
        encoder_pipeline_destroy(h, NULL);
    else
        *encoder = h;
    return result;
}

void encoder_pipeline_destroy(struct encoder_pipeline *encoder, struct pass *pass)
{
    if (!encoder)
        return;
    listener_destroy(encoder->listener, pass);
    logmel_stream_destroy(encoder->logmel);
    free(encoder->features);
    free(encoder);
}

size_t encoder_pipeline_max_samples(const struct encoder_pipeline *encoder)
{
    return (size_t)listener_max_frames(encoder->network) * LOGMEL_HOP;
}

bool encoder_pipeline_is_incremental(const struct encoder_pipeline *encoder)
{
    const struct parameters *p = &encoder->network->parameters;
    return p->listener.chunk > 0 && p->features.below_maximum <= 0;
}

/* ---- Features ---- */

/*
 * Zeros behind `count` samples: a network trained on fixed windows hears the end only in silence.
 * What is not there in full is heard as stand-ins, which need a little of it as well. One without a
 * window gets what it was trained with, whatever is asked for.
 */
static size_t padding_for(const struct encoder_pipeline *h, size_t count, double seconds)
{
    size_t least = LISTENER_SILENCE * LOGMEL_HOP, wanted = (size_t)(seconds * HEARKEN_RATE);
    if (h->network->parameters.features.window == 0)
        wanted = (size_t)((double)h->network->parameters.listener.padding * HEARKEN_RATE);
    if (listener_wants_window(h->network) && wanted < least)
        wanted = least;
    size_t most = encoder_pipeline_max_samples(h);
    size_t room = count < most ? most - count : 0;
    return wanted < room ? wanted : room;
}

static void scale(const struct encoder_pipeline *h, float *features, size_t frames)
{
    const struct feature_parameters *f = &h->network->parameters.features;
    size_t count = frames * f->mels;
    if (f->below_maximum > 0)
        logmel_scale_below_maximum(features, count, f->below_maximum, f->shift, f->scale);
    else
        logmel_scale_fixed(features, count, f->floor, f->shift, f->scale);
}

/* Features [frames, mels] behind which nobody speaks → memory */
static struct encoder_output hear(struct encoder_pipeline *h, struct pass *pass, size_t frames)
{
    struct encoder_output heard = {0};
    heard.memory = listener_wants_window(h->network)
                       ? listener_encode_window(h->listener, pass, h->features, (uint32_t)frames,
                                                &heard.stand_ins)
                       : listener_encode(h->listener, pass, h->features, (uint32_t)frames);
    return heard;
}

struct encoder_output encoder_pipeline_encode(struct encoder_pipeline *encoder, struct pass *pass,
                                              const float *samples, size_t count)
{
    size_t padding = padding_for(encoder, count, encoder->padding);
    size_t frames = logmel_frames(count + padding);
    logmel_compute(encoder->model->logmel, samples, count, padding, encoder->features);
    scale(encoder, encoder->features, frames);
    return hear(encoder, pass, frames);
}

/* ---- Glances ---- */

void encoder_pipeline_begin(struct encoder_pipeline *encoder)
{
    logmel_stream_restart(encoder->logmel);
    listener_begin_chunks(encoder->listener, encoder->network->parameters.listener.chunk);
    encoder->glanced = 0;
}

/* Only what is new goes through features and listener. */
static struct encoder_output hear_more(struct encoder_pipeline *h, struct pass *pass)
{
    size_t frames = logmel_stream_frames(h->logmel);
    float *to = h->features + h->glanced * h->network->parameters.features.mels;
    logmel_stream_read(h->logmel, h->glanced, frames, to);
    scale(h, to, frames - h->glanced);
    h->glanced = frames;
    return (struct encoder_output){
        .memory = listener_encode_chunks(h->listener, pass, h->features, (uint32_t)frames, false)};
}

/* Everything goes through the listener again; what is known of the features is only scaled anew. */
static struct encoder_output hear_again(struct encoder_pipeline *h, struct pass *pass, size_t count)
{
    size_t padding = padding_for(h, count, GLANCE_PADDING);
    size_t frames = logmel_frames(count + padding);
    logmel_stream_peek(h->logmel, padding, 0, frames, h->features);
    scale(h, h->features, frames);
    return hear(h, pass, frames);
}

int encoder_pipeline_encode_partial(struct encoder_pipeline *encoder, struct pass *pass,
                                    const float *samples, size_t count,
                                    struct encoder_output *heard)
{
    size_t fed = logmel_stream_samples(encoder->logmel);
    int result = logmel_stream_feed(encoder->logmel, samples + fed, count - fed);
    if (result == 0)
        *heard = encoder_pipeline_is_incremental(encoder) ? hear_more(encoder, pass)
                                                          : hear_again(encoder, pass, count);
    return result;
}
