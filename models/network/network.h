// SPDX-License-Identifier: MIT
/*
 * A network's weights on a backend. Shapes are [outputs, inputs]; every tensor has been checked to
 * have the shape that the parameters require. Immutable, shared by all streams.
 */
#ifndef HEARKEN_MODELS_NETWORK_NETWORK_H
#define HEARKEN_MODELS_NETWORK_NETWORK_H

#include "models/file/model_parameters.h"
#include "models/network/pass.h"
#include "models/text/control_tokens.h"
#include "models/text/vocabulary.h"
#include "plugins/host/plugin_host.h"

struct step_scheduler;

struct listener_block {
    struct norm attention_norm;  /* [width] */
    struct affine qkv;           /* [3 · width, width] */
    struct affine attention_out; /* [width, width] */
    struct norm mlp_norm;        /* [width] */
    struct affine mlp_up;        /* [mlp, width] */
    struct affine mlp_down;      /* [width, mlp] */
};

struct listener_weights {
    struct affine conv1;                    /* [width, mels, 3]; `inputs` = mels */
    struct affine conv2;                    /* [width, width, 3] */
    const struct hearken_tensor *positions; /* [positions, width]: the sinusoids */
    struct listener_block *blocks;          /* [layers] */
    struct norm norm;                       /* [width] */
    struct affine pyramid; /* [memory_width, pyramid · width]; empty if pyramid = 1 */
};

/* Cross-attention to the memory, in every layer of either speller. */
struct attention_weights {
    struct norm norm;    /* [width] */
    struct affine query; /* [width, width] */
    struct affine key;   /* [width, memory_width] */
    struct affine value; /* [width, memory_width] */
    struct affine out;   /* [width, width] */
};

struct recurrent_weights {
    struct norm norm;    /* [width] */
    struct affine input; /* [4 · width, width] */
    struct affine hidden;
};

struct transformer_weights {
    struct norm self_norm;  /* [width] */
    struct affine self_qkv; /* [3 · width, width] */
    struct affine self_out; /* [width, width] */
};

struct mlp_weights {
    struct norm norm;   /* [width] */
    struct affine up;   /* [mlp, width] */
    struct affine down; /* [width, mlp] */
};

struct speller_layer {
    struct attention_weights attention;
    struct recurrent_weights recurrent;     /* recurrent speller only */
    struct transformer_weights transformer; /* transformer speller only */
    struct mlp_weights mlp;                 /* empty if its width is 0 */
};

struct speller_weights {
    const struct hearken_tensor *embedding; /* [vocabulary, width] */
    const struct hearken_tensor *positions; /* [positions, width]; NULL if recurrent */
    struct speller_layer *layers;           /* [layers] */
    struct norm norm;                       /* [width] */
    struct affine projection;               /* [width, width]; empty for a transformer */
    struct affine logits; /* the embedding as output layer, with a bias if there is one */
    const struct hearken_tensor *mask;       /* [vocabulary]: -∞ for suppressed tokens, else 0 */
    const struct hearken_tensor *first_mask; /* the same for the first token */
    const struct hearken_tensor *next_mask;  /* the same after committed words */
};

struct network {
    struct gguf *gguf; /* kept open, because backends use its data in place */
    bool converted;    /* the file is not GGUF, so it has no voice activity network */
    struct compute *compute;
    struct parameters parameters;
    struct vocabulary vocabulary;
    struct control_tokens control;
    const float *window;      /* [fft] */
    const float *mel_filters; /* [mels, fft / 2 + 1] */
    struct listener_weights listener;
    struct affine ctc; /* [vocabulary, memory_width], if there is a CTC head */
    struct speller_weights speller;

    /* Of streams that somebody listens to, and of the others, which may wait for each other longer.
     */
    struct step_scheduler *live_steps, *steps;

    struct hearken_tensor **tensors; /* owned */
    size_t tensor_count, tensor_room;
    void **generated; /* owned: values of tensors that the file does not contain */
    size_t generated_count, generated_room;
};

/* Errors: -EINVAL names the tensor or key, -ENOMEM, -ENODEV or the backend's. */
int network_open(const char *path, const struct hearken_backend_options *options,
                 struct network **network, struct hearken_error *error);
void network_destroy(struct network *network);

/* Maximum length of the memory, steps. */
uint32_t network_max_memory_steps(const struct network *network);

/*
 * Position of a token in a text, which decides what is suppressed. AFTER_WORD: after a finished
 * word that must not be continued.
 */
enum text_position { WITHIN_TEXT, TEXT_START, AFTER_WORD, TEXT_POSITIONS };

/*
 * Fills `mask` [vocabulary], to be added to logits: -∞ for tokens suppressed at a position, else 0.
 * `own`: suppress those that the model file lists; `blank`: allow at the start of a text what the
 * file suppresses only there; `listed` [vocabulary]: 1 for each further token to suppress, or NULL.
 * Errors: -EINVAL with a message.
 */
int network_fill_mask(const struct network *network, enum text_position position, bool own,
                      bool blank, const uint8_t *listed, float *mask, struct hearken_error *error);

#endif
