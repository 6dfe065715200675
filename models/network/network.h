// SPDX-License-Identifier: MIT
/*
 * A network's weights on a backend. Shapes are written as [outputs, inputs]; every tensor has been
 * checked to have exactly the one that the parameters ask for. Immutable, shared by all streams.
 */
#ifndef HEARKEN_MODELS_NETWORK_NETWORK_H
#define HEARKEN_MODELS_NETWORK_NETWORK_H

#include "models/file/model_parameters.h"
#include "models/network/pass.h"
#include "models/text/control_tokens.h"
#include "models/text/vocabulary.h"
#include "plugins/host/plugin_host.h"

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
    struct affine pyramid; /* [memory_width, pyramid · width]; none if pyramid = 1 */
};

/* What every layer of either speller has: its look at the memory. */
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
    struct recurrent_weights recurrent;     /* of its kind only */
    struct transformer_weights transformer; /* likewise */
    struct mlp_weights mlp;                 /* none if the mlp's width is 0 */
};

struct speller_weights {
    const struct hearken_tensor *embedding; /* [vocabulary, width] */
    const struct hearken_tensor *positions; /* [positions, width]; NULL if recurrent */
    struct speller_layer *layers;           /* [layers] */
    struct norm norm;                       /* [width] */
    struct affine projection;               /* [width, width]; none if transformer */
    struct affine logits;                   /* the embedding again, with its bias if there is one */
    const struct hearken_tensor *mask;      /* [vocabulary]: -∞ for tokens that are never text */
    const struct hearken_tensor *first_mask; /* the same, at the start of a text */
    const struct hearken_tensor *next_mask;  /* the same, behind a word that stays as it is */
};

struct network {
    struct gguf *gguf; /* as long as the network lives: backends use it in place */
    bool translated;   /* of another format than GGUF: the file has no voice network */
    struct compute *compute;
    struct parameters parameters;
    struct vocabulary vocabulary;
    struct control_tokens control;
    const float *window;      /* [fft] */
    const float *mel_filters; /* [mels, fft / 2 + 1] */
    struct listener_weights listener;
    struct affine ctc; /* [vocabulary, memory_width], if there is a CTC head */
    struct speller_weights speller;

    struct hearken_tensor **tensors; /* owned */
    size_t tensor_count, tensor_room;
    void **made; /* owned: values of tensors that are not in the file as they are */
    size_t made_count, made_room;
};

/* Errors: -EINVAL names the tensor or key, -ENOMEM, -ENODEV or the backend's. */
int network_open(const char *path, const struct hearken_backend_options *options,
                 struct network **network, struct hearken_error *error);
void network_destroy(struct network *network);

/* The most steps of a memory. */
uint32_t network_max_memory_steps(const struct network *network);

/* Where in a text a token stands; what may not be written differs. */
enum place_in_text { ANYWHERE, FIRST, BEHIND_A_WORD, PLACES };

/*
 * Which tokens may not be written at a place, as what is added to their logits: 0, or -∞. `own`:
 * those that the model file suppresses; `blank`: a text may begin with what the file keeps from
 * beginnings; `listed` [vocabulary]: 1 for each token that is not wanted besides, or NULL. To
 * `mask` [vocabulary]. Errors: -EINVAL with a message.
 */
int network_fill_mask(const struct network *network, enum place_in_text place, bool own, bool blank,
                      const uint8_t *listed, float *mask, struct hearken_error *error);

#endif
