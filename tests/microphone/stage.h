// SPDX-License-Identifier: MIT
/* A service with two models, `` and `second`, that are loaded already; its loop; and those who
 * listen, each with a journal of what it was told. */
#ifndef HEARKEN_TESTS_MICROPHONE_STAGE_H
#define HEARKEN_TESTS_MICROPHONE_STAGE_H

#include "daemon/microphone/microphone_hub.h"
#include "daemon/recognition/service.h"
#include "tests/microphone/fakes.h"

#define MODELS 2

struct stage {
    uv_loop_t loop;
    struct log log;
    struct service service;
    struct served_model models[MODELS];
};

struct stage *stage_create(void);
void stage_destroy(struct stage *stage);

/* What a reload does: the model under this name is another, or gone. */
void stage_replace_model(struct stage *stage, unsigned index);
void stage_remove_second_model(struct stage *stage);

/* Turns the loop until nothing is due at once. */
void stage_turn(struct stage *stage);

/* How long the next attempt to open a microphone is away, in milliseconds; 0: none is planned. */
uint64_t stage_retry(struct stage *stage);

/* Makes it come now. */
void stage_retry_now(struct stage *stage);

/* ---- One that listens ---- */

struct client {
    struct subscriber subscriber;
    struct transcribe_event transcribe;
    struct microphone_hub *hub;
    char journal[4000];                     /* a line for each thing that it was told */
    unsigned over;                          /* how often it was */
    void (*at_over)(struct client *client); /* NULL: nothing */
    struct client *other;                   /* for that */
};

/* One that has not joined. */
void client_init(struct client *client, struct stage *stage);

/* It joins, which succeeds; that is taken off its journal. */
void client_join(struct client *client, struct stage *stage, bool hold);

/* Holds if the journal is this; empties it. */
void client_was_told(struct client *client, const char *lines);

#endif
