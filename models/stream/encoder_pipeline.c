// SPDX-License-Identifier: MIT
#include "models/stream/encoder_pipeline.h"

#include "frontend/features/logmel.h"
#include "models/network/listener.h"

#include <errno.h>
#include <stdlib.h>

/*
 * Silence after a partial segment, which usually ends within a word. With less of it, first words
 * are accepted later (docs/streaming.md).
 */
#define PARTIAL_PADDING 1.0

struct encoder_pipeline {
    const struct network *network;
    const struct logmel *tables;
    struct listener *listener;
    struct logmel_stream *logmel; /* of the segment being encoded in parts */
    float *features;              /* [max frames, mels] */
    size_t encoded_frames;        /* frames in `features`; chunk mode only */
};

int encoder_pipeline_create(const struct network *network, const struct logmel *tables,
                            struct encoder_pipeline **encoder)
{
    size_t frames = listener_max_frames(network);
    struct encoder_pipeline *e = calloc(1, sizeof(*e));
    if (!e)
        return -ENOMEM;
    *e = (struct encoder_pipeline){.network = network, .tables = tables};
    int result = -ENOMEM;
    e->features = malloc(frames * network->parameters.features.mels * sizeof(*e->features));
    if (!e->features || (result = logmel_stream_create(tables, &e->logmel)) < 0 ||
        (result = listener_create(network, &e->listener)) < 0)
        encoder_pipeline_destroy(e, NULL);
    else
        *encoder = e;
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

void encoder_pipeline_rest(struct encoder_pipeline *encoder, struct pass *pass)
{
    listener_rest(encoder->listener, pass);
}

size_t encoder_pipeline_max_samples(const struct network *network)
{
    return (size_t)listener_max_frames(network) * LOGMEL_HOP;
}

bool encoder_pipeline_is_incremental(const struct network *network)
{
    const struct parameters *p = &network->parameters;
    return p->listener.chunk > 0 && p->features.below_maximum <= 0;
}

/* ---- Features ---- */

/*
 * Samples of silence after `count` samples. A network trained on fixed windows recognises the end
 * of speech only with silence after it. Stand-ins replace most of that silence, but they need a
 * few frames of it. A network without a window gets the padding that it was trained with, whatever
 * `seconds` says.
 */
static size_t padding_for(const struct encoder_pipeline *e, size_t count, double seconds)
{
    size_t least = LISTENER_SILENCE * LOGMEL_HOP, wanted = (size_t)(seconds * HEARKEN_RATE);
    if (e->network->parameters.features.window == 0)
        wanted = (size_t)((double)e->network->parameters.listener.padding * HEARKEN_RATE);
    if (listener_needs_window(e->network) && wanted < least)
        wanted = least;
    size_t most = encoder_pipeline_max_samples(e->network);
    size_t room = count < most ? most - count : 0;
    return wanted < room ? wanted : room;
}

static void scale(const struct encoder_pipeline *e, float *features, size_t frames)
{
    const struct feature_parameters *f = &e->network->parameters.features;
    size_t count = frames * f->mels;
    if (f->below_maximum > 0)
        logmel_scale_below_maximum(features, count, f->below_maximum, f->shift, f->scale);
    else
        logmel_scale_fixed(features, count, f->floor, f->shift, f->scale);
}

/* Features [frames, mels] that end in silence → memory */
static struct encoder_output encode(struct encoder_pipeline *e, struct pass *pass, size_t frames)
{
    struct encoder_output output = {0};
    output.memory = listener_needs_window(e->network)
                        ? listener_encode_window(e->listener, pass, e->features, (uint32_t)frames,
                                                 &output.stand_ins)
                        : listener_encode(e->listener, pass, e->features, (uint32_t)frames);
    return output;
}

struct encoder_output encoder_pipeline_encode(struct encoder_pipeline *encoder, struct pass *pass,
                                              const float *samples, size_t count, double padding)
{
    size_t silence = padding_for(encoder, count, padding);
    size_t frames = logmel_frames(count + silence);
    logmel_compute(encoder->tables, samples, count, silence, encoder->features);
    scale(encoder, encoder->features, frames);
    return encode(encoder, pass, frames);
}

/* ---- Partial segments ---- */

void encoder_pipeline_begin_partial(struct encoder_pipeline *encoder)
{
    logmel_stream_restart(encoder->logmel);
    listener_begin_chunks(encoder->listener, encoder->network->parameters.listener.chunk);
    encoder->encoded_frames = 0;
}

/* Only new frames go through features and listener. */
static struct encoder_output encode_new_frames(struct encoder_pipeline *e, struct pass *pass)
{
    size_t frames = logmel_stream_frames(e->logmel);
    float *to = e->features + e->encoded_frames * e->network->parameters.features.mels;
    logmel_stream_read(e->logmel, e->encoded_frames, frames, to);
    scale(e, to, frames - e->encoded_frames);
    e->encoded_frames = frames;
    return (struct encoder_output){
        .memory = listener_encode_chunks(e->listener, pass, e->features, (uint32_t)frames, false)};
}

/* The whole segment goes through the listener again; features are only scaled again. */
static struct encoder_output encode_all_frames(struct encoder_pipeline *e, struct pass *pass,
                                               size_t count)
{
    size_t padding = padding_for(e, count, PARTIAL_PADDING);
    size_t frames = logmel_frames(count + padding);
    logmel_stream_peek(e->logmel, padding, 0, frames, e->features);
    scale(e, e->features, frames);
    return encode(e, pass, frames);
}

int encoder_pipeline_encode_partial(struct encoder_pipeline *encoder, struct pass *pass,
                                    const float *samples, size_t count,
                                    struct encoder_output *output)
{
    size_t fed = logmel_stream_samples(encoder->logmel);
    int result = logmel_stream_feed(encoder->logmel, samples + fed, count - fed);
    if (result == 0)
        *output = encoder_pipeline_is_incremental(encoder->network)
                      ? encode_new_frames(encoder, pass)
                      : encode_all_frames(encoder, pass, count);
    return result;
}
