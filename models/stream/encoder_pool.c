// SPDX-License-Identifier: MIT
#include "models/stream/encoder_pool.h"

#include "models/stream/encoder_pipeline.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/* One that waits for an encoder. */
struct waiter {
    struct waiter *following;
};

struct encoder_pool {
    const struct network *network;
    const struct logmel *logmel;
    pid_t process;
    unsigned most; /* in use at the same time by those that wait for one, and idle */
    pthread_mutex_t lock;
    pthread_cond_t changed;    /* `used` or `first`, or a waiter was cancelled */
    unsigned used, idle_count; /* `used`: of those; guarded by lock, as the next ones */
    struct waiter *first;      /* the line of those that wait, the oldest first */
    struct pooled_encoder *idle;
};

int encoder_pool_create(const struct network *network, const struct logmel *logmel,
                        struct encoder_pool **pool)
{
    struct encoder_pool *made = calloc(1, sizeof(*made));
    if (!made)
        return -ENOMEM;
    made->network = network;
    made->logmel = logmel;
    made->process = getpid();
    /* At least two: while one computes on a device, another makes features. */
    const unsigned parallel = compute_parallel_queues(network->compute);
    made->most = parallel > 2 ? parallel : 2;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->changed, NULL);
    *pool = made;
    return 0;
}

static void destroy_encoder(const struct encoder_pool *pool, struct pooled_encoder *encoder)
{
    encoder_pipeline_destroy(encoder->pipeline, &encoder->pass);
    compute_queue_destroy(pool->network->compute, encoder->pass.queue);
    free(encoder);
}

void encoder_pool_destroy(struct encoder_pool *pool)
{
    if (!pool)
        return;
    for (struct pooled_encoder *encoder = pool->idle, *next; encoder; encoder = next) {
        next = encoder->next;
        destroy_encoder(pool, encoder);
    }
    if (getpid() == pool->process) {
        pthread_cond_destroy(&pool->changed);
        pthread_mutex_destroy(&pool->lock);
    }
    free(pool);
}

static int create_encoder(const struct encoder_pool *pool, struct pooled_encoder **encoder)
{
    const struct compute *compute = pool->network->compute;
    struct pooled_encoder *made = calloc(1, sizeof(*made));
    if (!made)
        return -ENOMEM;
    made->pass.kernels = compute->kernels;
    int result = compute_queue_create(compute, &made->pass.queue);
    if (result < 0) {
        free(made);
        return result;
    }
    result = encoder_pipeline_create(pool->network, pool->logmel, &made->pipeline);
    if (result < 0)
        destroy_encoder(pool, made);
    else
        *encoder = made;
    return result;
}

/* Ends the use of an encoder, or a turn that came to nothing. Lock held. */
static void finish_turn(struct encoder_pool *pool, bool is_urgent)
{
    if (is_urgent)
        return;
    pool->used--;
    pthread_cond_broadcast(&pool->changed);
}

/* NULL: there is none. Lock held. */
static struct pooled_encoder *take_idle(struct encoder_pool *pool)
{
    struct pooled_encoder *found = pool->idle;
    if (found) {
        pool->idle = found->next;
        pool->idle_count--;
    }
    return found;
}

/* Waits in line until an encoder may be used. -ECANCELED: the caller does without. Lock held. */
static int wait_for_turn(struct encoder_pool *pool, const atomic_bool *cancelled)
{
    struct waiter self = {NULL}, **at = &pool->first;
    while (*at)
        at = &(*at)->following;
    *at = &self;
    while ((pool->first != &self || pool->used >= pool->most) &&
           !(cancelled && atomic_load(cancelled)))
        pthread_cond_wait(&pool->changed, &pool->lock);
    for (at = &pool->first; *at != &self;)
        at = &(*at)->following;
    *at = self.following;
    pthread_cond_broadcast(&pool->changed);
    if (cancelled && atomic_load(cancelled))
        return -ECANCELED;
    pool->used++;
    return 0;
}

int encoder_pool_take(struct encoder_pool *pool, bool is_urgent, const atomic_bool *cancelled,
                      struct pooled_encoder **encoder)
{
    const bool is_forked = getpid() != pool->process;
    struct pooled_encoder *found = NULL;
    int result = 0;
    if (!is_forked) {
        pthread_mutex_lock(&pool->lock);
        result = is_urgent ? 0 : wait_for_turn(pool, cancelled);
        if (result == 0)
            found = take_idle(pool);
        pthread_mutex_unlock(&pool->lock);
    }
    if (result < 0)
        return result;
    if (!found)
        result = create_encoder(pool, &found);
    if (result < 0 && !is_forked) {
        pthread_mutex_lock(&pool->lock);
        finish_turn(pool, is_urgent);
        pthread_mutex_unlock(&pool->lock);
    }
    if (result < 0)
        return result;
    found->is_urgent = is_urgent;
    found->pass.cancelled = cancelled;
    *encoder = found;
    return 0;
}

void encoder_pool_notice(struct encoder_pool *pool)
{
    if (getpid() != pool->process)
        return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
}

/* Whether its queue may be used again (plugin.h). */
static bool is_reusable(const struct pooled_encoder *encoder)
{
    int error = encoder->pass.error;
    return error == 0 || error == -ECANCELED || error == -EINVAL || error == -ENOMEM;
}

void encoder_pool_give(struct encoder_pool *pool, struct pooled_encoder *encoder)
{
    if (getpid() != pool->process) {
        destroy_encoder(pool, encoder);
        return;
    }
    const bool is_usable = is_reusable(encoder);
    if (is_usable) /* its stream goes on with the speller, which needs memory of its own */
        encoder_pipeline_rest(encoder->pipeline, &encoder->pass);
    pthread_mutex_lock(&pool->lock);
    const bool is_kept = is_usable && pool->idle_count < pool->most;
    if (is_kept) {
        encoder->pass.error = 0;
        encoder->pass.cancelled = NULL;
        encoder->next = pool->idle;
        pool->idle = encoder;
        pool->idle_count++;
    }
    finish_turn(pool, encoder->is_urgent);
    pthread_mutex_unlock(&pool->lock);
    if (!is_kept)
        destroy_encoder(pool, encoder);
}
