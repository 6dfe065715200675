// SPDX-License-Identifier: MIT
/* A service with two loaded models, `` and `second`, its loop, and clients that record what they
 * are sent. */
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

/* The effects of a reload: another model under this name, or none. */
void stage_replace_model(struct stage *stage, unsigned index);
void stage_remove_second_model(struct stage *stage);

/* Runs the loop until nothing is due. */
void stage_turn(struct stage *stage);

/* Milliseconds until the next attempt to open the microphone; 0: none is scheduled. */
uint64_t stage_retry(struct stage *stage);

/* Runs the scheduled attempt now. */
void stage_retry_now(struct stage *stage);

/* ---- Clients ---- */

struct client {
    struct subscriber subscriber;
    struct transcribe_event transcribe;
    struct microphone_hub *hub;
    char journal[4000];                    /* one line per event */
    unsigned ended_calls;                  /* calls of `ended` */
    void (*at_end)(struct client *client); /* NULL: nothing */
    struct client *other;                  /* for at_end */
};

/* Initialises a client that has not joined. */
void client_init(struct client *client, struct stage *stage);

/* Joins, which must succeed, and removes hearken-listening from the journal. */
void client_join(struct client *client, struct stage *stage, bool hold);

/* Checks that the journal has these lines, and clears it. */
void client_was_told(struct client *client, const char *lines);

#endif
