// SPDX-License-Identifier: MIT
/*
 * Segments of a recording that is there already, recognised at the same time in threads of their
 * own and taken in their order. Every recogniser is independent of the others, so the texts are
 * those that one recogniser would find, one segment after the other.
 */
#ifndef HEARKEN_MODELS_STREAM_SEGMENT_QUEUE_H
#define HEARKEN_MODELS_STREAM_SEGMENT_QUEUE_H

#include "models/stream/final_text.h"

#define SEGMENT_QUEUE_THREADS 8u /* most threads */

struct segment_queue;

/* What all recognisers are made with; everything in it must outlive the queue. */
struct segment_queue_setup {
    struct hearken_model *model;
    const struct hearken_stream_options *options;
    const struct custom_words *words; /* NULL: none */
    const atomic_bool *cancelled;
};

/*
 * `first` must outlive the queue. One thread uses the recogniser `first`, so its owner
 * may use it only while the queue is empty; the others have their own. Fewer threads do, where
 * memory is short. Errors: that of starting the first thread.
 */
int segment_queue_create(const struct segment_queue_setup *setup, struct recognizer *first,
                         unsigned threads, struct segment_queue **queue);

/* Waits for the segments that are being recognised, and drops the others: cancel before. */
void segment_queue_destroy(struct segment_queue *queue);

/* Whether there is room for another segment. */
bool segment_queue_has_room(struct segment_queue *queue);

/* Adds a segment, of which it makes a copy. There must be room. Errors: -ENOMEM. */
int segment_queue_add(struct segment_queue *queue, const struct segment_sound *sound);

/* The oldest segment, valid until it is taken; NULL: the queue is empty. */
const struct segment_sound *segment_queue_oldest(struct segment_queue *queue);

/*
 * Gives the texts of the oldest segment to the callback: with `wait` when they are there, else only
 * if they are. 1: done; 0: nothing was taken; or the error of recognising it or of the callback.
 */
int segment_queue_take(struct segment_queue *queue, bool wait, final_text_callback *callback,
                       void *context);

#endif
