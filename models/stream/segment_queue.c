// SPDX-License-Identifier: MIT
#include "models/stream/segment_queue.h"

#include "frontend/features/logmel.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Enough that no thread waits for the oldest segment, which may be the longest. */
#define SEGMENTS_PER_THREAD 2u
#define MOST_SEGMENTS       (SEGMENTS_PER_THREAD * SEGMENT_QUEUE_THREADS)

#define SEGMENT_NICENESS 5

struct timed_text {
    struct transcript transcript;
    double start, end;
};

enum segment_state { WAITING, RUNNING, DONE };

/* A segment belongs to the queue's user while it is added and taken, to a thread while it is
 * RUNNING. `state` is guarded by the queue's lock. */
struct queued_segment {
    enum segment_state state;
    struct segment_sound sound;
    float *samples, *voice; /* of `sound`, owned */
    struct timed_text *texts;
    size_t text_count;
    int result;
};

struct segment_thread {
    struct segment_queue *queue;
    struct recognizer *recognizer; /* of the first thread: borrowed */
    pthread_t thread;
};

struct segment_queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;                        /* a state, or `stopping` */
    struct queued_segment segments[MOST_SEGMENTS]; /* a ring */
    unsigned first, count;                         /* guarded by lock */
    bool stopping;                                 /* guarded by lock */
    const atomic_bool *cancelled;
    pid_t process;
    unsigned thread_count;
    struct segment_thread threads[SEGMENT_QUEUE_THREADS];
};

static struct queued_segment *segment_at(struct segment_queue *queue, unsigned index)
{
    return &queue->segments[(queue->first + index) % MOST_SEGMENTS];
}

static void finish_segment(struct queued_segment *segment)
{
    for (size_t i = 0; i < segment->text_count; i++)
        recognizer_transcript_finish(&segment->texts[i].transcript);
    free(segment->texts);
    free(segment->samples);
    free(segment->voice);
    *segment = (struct queued_segment){0};
}

/* ---- The threads ---- */

static int keep_text(void *context, struct transcript *transcript, double start, double end)
{
    struct queued_segment *segment = context;
    struct timed_text *grown =
        realloc(segment->texts, (segment->text_count + 1) * sizeof(*segment->texts));
    if (!grown)
        return -ENOMEM;
    segment->texts = grown;
    segment->texts[segment->text_count++] = (struct timed_text){*transcript, start, end};
    *transcript = (struct transcript){0};
    return 0;
}

/* The oldest segment that waits, or NULL. Lock held. */
static struct queued_segment *find_waiting(struct segment_queue *queue)
{
    for (unsigned i = 0; i < queue->count; i++)
        if (segment_at(queue, i)->state == WAITING)
            return segment_at(queue, i);
    return NULL;
}

static void *segment_thread_main(void *argument)
{
    struct segment_thread *thread = argument;
    struct segment_queue *queue = thread->queue;
    struct queued_segment *segment;

    /* Whoever speaks now goes first: a thread's own niceness, on Linux. */
    if (getpriority(PRIO_PROCESS, (id_t)gettid()) < SEGMENT_NICENESS)
        (void)setpriority(PRIO_PROCESS, (id_t)gettid(), SEGMENT_NICENESS);
    pthread_mutex_lock(&queue->lock);
    while (!queue->stopping) {
        segment = find_waiting(queue);
        if (!segment) {
            pthread_cond_wait(&queue->changed, &queue->lock);
            continue;
        }
        segment->state = RUNNING;
        pthread_mutex_unlock(&queue->lock);
        const struct final_text final = {thread->recognizer, keep_text, segment};
        segment->result = final_text_recognise(&final, &segment->sound);
        pthread_mutex_lock(&queue->lock);
        segment->state = DONE;
        pthread_cond_broadcast(&queue->changed);
    }
    pthread_mutex_unlock(&queue->lock);
    return NULL;
}

/* The threads block all signals, which belong to the program's own threads. If some cannot be
 * started, the queue works with fewer. */
static int start_threads(struct segment_queue *queue, const struct segment_queue_setup *setup,
                         struct recognizer *first, unsigned count)
{
    sigset_t all, before;
    int result = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; queue->thread_count < count && result == 0; queue->thread_count++) {
        struct segment_thread *thread = &queue->threads[queue->thread_count];
        bool is_first = queue->thread_count == 0;
        *thread = (struct segment_thread){.queue = queue, .recognizer = is_first ? first : NULL};
        if (!is_first)
            result = recognizer_create(setup->model, setup->options, setup->words, false,
                                       setup->cancelled, &thread->recognizer, NULL);
        if (result == 0)
            result = -pthread_create(&thread->thread, NULL, segment_thread_main, thread);
        if (result < 0) {
            if (!is_first)
                recognizer_destroy(thread->recognizer);
            break;
        }
        pthread_setname_np(thread->thread, "hearken-segment");
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return queue->thread_count > 0 ? 0 : result;
}

/* ---- The user ---- */

int segment_queue_create(const struct segment_queue_setup *setup, struct recognizer *first,
                         unsigned threads, struct segment_queue **queue)
{
    struct segment_queue *q = calloc(1, sizeof(*q));
    if (!q)
        return -ENOMEM;
    q->cancelled = setup->cancelled;
    q->process = getpid();
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->changed, NULL);
    int result = start_threads(q, setup, first,
                               threads < SEGMENT_QUEUE_THREADS ? threads : SEGMENT_QUEUE_THREADS);
    if (result < 0)
        segment_queue_destroy(q);
    else
        *queue = q;
    return result;
}

void segment_queue_destroy(struct segment_queue *queue)
{
    /* A forked child has no copies of the threads, and a lock that may be held for ever. */
    if (!queue || getpid() != queue->process)
        return;
    pthread_mutex_lock(&queue->lock);
    queue->stopping = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    for (unsigned i = 0; i < queue->thread_count; i++) {
        pthread_join(queue->threads[i].thread, NULL);
        if (i > 0)
            recognizer_destroy(queue->threads[i].recognizer);
    }
    for (unsigned i = 0; i < queue->count; i++)
        finish_segment(segment_at(queue, i));
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

bool segment_queue_has_room(struct segment_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool has_room = queue->count < SEGMENTS_PER_THREAD * queue->thread_count;
    pthread_mutex_unlock(&queue->lock);
    return has_room;
}

int segment_queue_add(struct segment_queue *queue, const struct segment_sound *sound)
{
    const size_t frames = sound->voice ? sound->count / LOGMEL_HOP : 0;
    struct queued_segment segment = {
        .samples = malloc(sound->count * sizeof(float) + 1),
        .voice = sound->voice ? malloc(frames * sizeof(float) + 1) : NULL,
    };
    if (!segment.samples || (sound->voice && !segment.voice)) {
        finish_segment(&segment);
        return -ENOMEM;
    }
    memcpy(segment.samples, sound->samples, sound->count * sizeof(float));
    if (sound->voice)
        memcpy(segment.voice, sound->voice, frames * sizeof(float));
    segment.sound =
        (struct segment_sound){segment.samples, sound->count, sound->start, segment.voice};
    pthread_mutex_lock(&queue->lock);
    *segment_at(queue, queue->count) = segment;
    queue->count++;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    return 0;
}

const struct segment_sound *segment_queue_oldest(struct segment_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    const struct segment_sound *oldest = queue->count > 0 ? &segment_at(queue, 0)->sound : NULL;
    pthread_mutex_unlock(&queue->lock);
    return oldest;
}

/* Moves the oldest segment out of the queue, if it is done. */
static bool take_oldest(struct segment_queue *queue, bool wait, struct queued_segment *segment)
{
    pthread_mutex_lock(&queue->lock);
    while (wait && queue->count > 0 && segment_at(queue, 0)->state != DONE)
        pthread_cond_wait(&queue->changed, &queue->lock);
    bool is_done = queue->count > 0 && segment_at(queue, 0)->state == DONE;
    if (is_done) {
        *segment = *segment_at(queue, 0);
        *segment_at(queue, 0) = (struct queued_segment){0};
        queue->first = (queue->first + 1) % MOST_SEGMENTS;
        queue->count--;
    }
    pthread_mutex_unlock(&queue->lock);
    return is_done;
}

int segment_queue_take(struct segment_queue *queue, bool wait, final_text_callback *callback,
                       void *context)
{
    struct queued_segment segment;
    if (!take_oldest(queue, wait, &segment))
        return 0;
    int result = segment.result;
    for (size_t i = 0; i < segment.text_count && result >= 0; i++) {
        struct timed_text *text = &segment.texts[i];
        if (atomic_load(queue->cancelled))
            result = -ECANCELED;
        else
            result = callback(context, &text->transcript, text->start, text->end);
    }
    finish_segment(&segment);
    return result < 0 ? result : 1;
}
