// SPDX-License-Identifier: MIT
#include "daemon/recognition/request_totals.h"

#include <stdlib.h>
#include <string.h>

const double histogram_time_bounds[HISTOGRAM_BUCKETS] = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                                         1,    2.5,   5,    10,  30};
const double histogram_length_bounds[HISTOGRAM_BUCKETS] = {0.5, 1,   2.5, 5,    10,  30,
                                                           60,  300, 900, 1800, 3600};

static void observe(struct histogram *histogram, const double *bounds, double value)
{
    unsigned bucket = 0;
    if (value < 0)
        return;
    while (bucket < HISTOGRAM_BUCKETS && value > bounds[bucket])
        bucket++;
    histogram->counts[bucket]++;
    histogram->sum += value;
}

/* NULL without memory: the request is then missing in the totals of models. */
static struct model_totals *find_model(struct request_totals *totals, const char *name)
{
    for (size_t i = 0; i < totals->model_count; i++)
        if (strcmp(totals->models[i].name, name) == 0)
            return &totals->models[i];
    struct model_totals *grown =
        realloc(totals->models, (totals->model_count + 1) * sizeof(*grown));
    if (!grown)
        return NULL;
    totals->models = grown;
    struct model_totals *added = &grown[totals->model_count];
    *added = (struct model_totals){.name = strdup(name)};
    if (!added->name)
        return NULL;
    totals->model_count++;
    return added;
}

void request_totals_add(struct request_totals *totals, const struct request_record *record)
{
    uint64_t *const counts[REQUEST_RESULTS] = {
        [REQUEST_FINISHED] = &totals->finished,
        [REQUEST_FAILED] = &totals->failed,
        [REQUEST_ABANDONED] = &totals->abandoned,
    };
    struct model_totals *model = find_model(totals, record->model);
    ++*counts[record->result];
    if (model)
        model->requests[record->protocol][record->result]++;
    totals->running--;
    totals->audio_seconds += record->audio_seconds;
    totals->busy_seconds += record->busy_seconds;
    observe(&totals->queue, histogram_time_bounds, record->queue);
    if (record->result != REQUEST_FINISHED)
        return;
    observe(&totals->duration, histogram_time_bounds, record->duration);
    observe(&totals->audio, histogram_length_bounds, record->audio_seconds);
    observe(&totals->first_text, histogram_time_bounds, record->first_text);
    observe(&totals->final_latency, histogram_time_bounds, record->final_latency);
}

void request_totals_finish(struct request_totals *totals)
{
    for (size_t i = 0; i < totals->model_count; i++)
        free(totals->models[i].name);
    free(totals->models);
    *totals = (struct request_totals){0};
}
