// SPDX-License-Identifier: MIT
/* Opening a network: each tensor missing, of a wrong shape, of a wrong type. */
#include "models/network/network.h"
#include "tests/unit/common/expect.h"
#include "tests/unit/common/make_model.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void add_network_tests(void);

#define PARITY HEARKEN_SOURCE_ROOT "/tests/parity/"

/* ---- Helpers ---- */

static struct made_file base(enum speller_kind kind)
{
    struct model_shape shape =
        kind == SPELLER_RECURRENT ? recurrent_shape(1) : transformer_shape(1);
    return make_model(&shape);
}

/* One of the models that the trainer's parity is checked with, with its Q8_0 and F16 tensors. */
static struct made_file parity_model(const char *name)
{
    struct hearken_error error;
    struct gguf *gguf = NULL;
    char path[512];
    snprintf(path, sizeof(path), "%s%s", PARITY, name);
    int result = gguf_open(path, GGUF_WHOLE, &gguf, &error);
    EXPECT_EQUAL_FATAL(result, 0);
    struct made_file file = made_copy(gguf);
    gguf_destroy(gguf);
    return file;
}

static int open_made(const struct made_file *file, char **path, struct network **network,
                     struct hearken_error *error)
{
    struct bytes bytes = made_bytes(file);
    *path = write_temporary(bytes.data, bytes.length);
    *network = NULL;
    error->message[0] = 0;
    int result = network_open(*path, &reference_backend, network, error);
    unlink(*path);
    bytes_finish(&bytes);
    return result;
}

/* The message begins with the path and holds both parts. */
static void refuses(const struct made_file *file, const char *name, const char *part)
{
    struct hearken_error error;
    struct network *network;
    char *path;
    int result = open_made(file, &path, &network, &error);
    EXPECT_EQUAL(result, -EINVAL);
    CU_ASSERT_PTR_NULL(network);
    bool good = strncmp(error.message, path, strlen(path)) == 0 && strstr(error.message, name) &&
                strstr(error.message, part);
    CU_ASSERT(good);
    if (!good)
        printf("\n    %s, %s: '%s' ", name, part, error.message);
    network_destroy(network);
    free(path);
}

static struct network *accepts(const struct made_file *file)
{
    struct hearken_error error;
    struct network *network;
    char *path;
    EXPECT_EQUAL_FATAL(open_made(file, &path, &network, &error), 0);
    free(path);
    return network;
}

/* ---- What is right ---- */

static void test_recurrent(void)
{
    struct model_shape shape = recurrent_shape(1);
    struct made_file file = make_model(&shape);
    struct network *n = accepts(&file);
    EXPECT_EQUAL(n->parameters.speller.kind, SPELLER_RECURRENT);
    EXPECT_EQUAL(n->vocabulary.count, shape.token_count);
    /* All of the file but the features' two, and the four that are made. */
    EXPECT_EQUAL(n->tensor_count, file.tensor_count - 2 + 4);
    EXPECT_EQUAL(memcmp(n->window, made_find(&file, "features.window")->data.data, 400 * 4), 0);
    EXPECT_EQUAL(memcmp(n->mel_filters, made_find(&file, "features.mel_filters")->data.data,
                        (size_t)shape.mels * 201 * 4),
                 0);
    CU_ASSERT(n->ctc.weight && n->ctc.bias);
    CU_ASSERT(n->ctc.inputs == shape.memory_width && n->ctc.outputs == shape.token_count);
    CU_ASSERT(n->listener.pyramid.weight && n->listener.pyramid.inputs == 2 * shape.width);
    CU_ASSERT(n->speller.projection.weight && n->speller.logits.bias);
    CU_ASSERT_PTR_NULL(n->speller.positions);
    EXPECT_EQUAL(n->speller.logits.weight, n->speller.embedding);
    EXPECT_EQUAL(network_max_memory_steps(n), 75);
    network_destroy(n);
    made_finish(&file);
}

/* The layers of either kind may have an MLP; those of a recurrent speller need none. */
static void test_recurrent_with_mlp(void)
{
    struct model_shape shape = recurrent_shape(1);
    EXPECT_EQUAL(shape.speller_mlp, 0);
    shape.speller_mlp = 40;
    struct made_file file = make_model(&shape);
    struct network *n = accepts(&file);
    EXPECT_EQUAL(n->parameters.speller.mlp, 40);
    EXPECT_EQUAL(n->tensor_count, file.tensor_count - 2 + 4);
    const struct mlp_weights *mlp = &n->speller.layers[shape.speller_layers - 1].mlp;
    CU_ASSERT(mlp->norm.scale && mlp->norm.shift && mlp->up.bias && mlp->down.bias);
    CU_ASSERT(mlp->up.inputs == shape.speller_width && mlp->up.outputs == 40);
    CU_ASSERT(mlp->down.inputs == 40 && mlp->down.outputs == shape.speller_width);
    network_destroy(n);
    made_finish(&file);
}

static void test_transformer(void)
{
    struct model_shape shape = transformer_shape(1);
    struct made_file file = make_model(&shape);
    struct network *n = accepts(&file);
    EXPECT_EQUAL(n->parameters.speller.kind, SPELLER_TRANSFORMER);
    EXPECT_EQUAL(n->tensor_count, file.tensor_count - 2 + 4);
    CU_ASSERT_PTR_NULL(n->ctc.weight);
    CU_ASSERT_PTR_NULL(n->listener.pyramid.weight);
    CU_ASSERT_PTR_NULL(n->speller.projection.weight);
    CU_ASSERT_PTR_NULL(n->speller.logits.bias);
    CU_ASSERT_PTR_NOT_NULL(n->speller.positions);
    EXPECT_EQUAL(network_max_memory_steps(n), 150);
    network_destroy(n);
    network_destroy(NULL);
    made_finish(&file);
}

/* An odd number of positions still fills a whole step of the memory. */
static void test_odd_positions(void)
{
    struct model_shape shape = recurrent_shape(1);
    shape.positions = 151;
    struct made_file file = make_model(&shape);
    struct network *n = accepts(&file);
    EXPECT_EQUAL(network_max_memory_steps(n), 76);
    network_destroy(n);
    made_finish(&file);
}

/* Tensors of which the network knows nothing do no harm. */
static void test_more_than_it_needs(void)
{
    struct made_file file = base(SPELLER_RECURRENT);
    size_t tensors = file.tensor_count;
    made_tensor(&file, "something.else", GGUF_TENSOR_I32, (uint64_t[4]){2}, "12345678", 8);
    struct network *n = accepts(&file);
    EXPECT_EQUAL(n->tensor_count, tensors - 2 + 4);
    network_destroy(n);
    made_finish(&file);
}

/* ---- What is wrong: each tensor in turn ---- */

/* Without ctc.weight there is no CTC head, and nothing asks for its bias. */
static bool is_optional(const char *name)
{
    return strcmp(name, "ctc.weight") == 0;
}

static void refuse_each_missing(struct made_file (*make)(void))
{
    struct made_file file = make();
    size_t count = file.tensor_count;
    made_finish(&file);
    CU_ASSERT(count > 20);
    for (size_t i = 0; i < count; i++) {
        file = make();
        char *name = strdup(file.tensors[i].name);
        CU_ASSERT(made_remove(&file, name));
        if (is_optional(name))
            network_destroy(accepts(&file));
        else
            refuses(&file, name, "is missing");
        free(name);
        made_finish(&file);
    }
}

/* The outermost dimension one less, then one more dimension of two. */
static void refuse_each_shape(struct made_file (*make)(void))
{
    struct made_file file = make();
    for (size_t i = 0; i < file.tensor_count; i++) {
        struct made_tensor *tensor = &file.tensors[i];
        tensor->shape[tensor->rank - 1]--;
        refuses(&file, tensor->name, "expected");
        tensor->shape[tensor->rank - 1]++;
        tensor->shape[tensor->rank++] = 2;
        size_t length = tensor->data.length;
        uint8_t *copy = exact_copy(tensor->data.data, length);
        bytes_put(&tensor->data, copy, length);
        free(copy);
        refuses(&file, tensor->name, "expected");
        tensor->shape[--tensor->rank] = 1;
        tensor->data.length = length;
    }
    network_destroy(accepts(&file)); /* all is as it was */
    made_finish(&file);
}

static void refuse_each_type(struct made_file (*make)(void))
{
    struct made_file file = make();
    for (size_t i = 0; i < file.tensor_count; i++) {
        struct made_tensor *tensor = &file.tensors[i];
        uint32_t type = tensor->type;
        size_t elements = tensor->shape[0] * tensor->shape[1] * tensor->shape[2];
        size_t length = tensor->data.length;
        while (tensor->data.length < 4 * elements)
            bytes_put(&tensor->data, "", 1);
        tensor->type = GGUF_TENSOR_I32;
        refuses(&file, tensor->name, "I32");
        bool narrow = tensor->rank == 1 || strncmp(tensor->name, "features.", 9) == 0;
        tensor->type = GGUF_TENSOR_F16;
        if (narrow)
            refuses(&file, tensor->name, "expected F32");
        tensor->type = type;
        tensor->data.length = length;
    }
    network_destroy(accepts(&file));
    made_finish(&file);
}

static struct made_file made_recurrent(void)
{
    return base(SPELLER_RECURRENT);
}

static struct made_file made_transformer(void)
{
    return base(SPELLER_TRANSFORMER);
}

static struct made_file parity_recurrent(void)
{
    return parity_model("recurrent.gguf");
}

static struct made_file parity_transformer(void)
{
    return parity_model("transformer.gguf");
}

static void test_each_tensor_missing(void)
{
    refuse_each_missing(made_recurrent);
    refuse_each_missing(made_transformer);
    refuse_each_missing(parity_recurrent);
    refuse_each_missing(parity_transformer);
}

static void test_each_tensor_of_another_shape(void)
{
    refuse_each_shape(made_recurrent);
    refuse_each_shape(made_transformer);
    refuse_each_shape(parity_recurrent);
    refuse_each_shape(parity_transformer);
}

static void test_each_tensor_of_another_type(void)
{
    refuse_each_type(made_recurrent);
    refuse_each_type(made_transformer);
    refuse_each_type(parity_recurrent);
    refuse_each_type(parity_transformer);
}

/* Rows for columns: as many numbers, in another order. */
static void test_transposed(void)
{
    static const char *const names[] = {"listener.block.0.mlp_up.weight", "listener.pyramid.weight",
                                        "ctc.weight", "speller.embedding.weight"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct made_file file = base(SPELLER_RECURRENT);
        struct made_tensor *tensor = made_find(&file, names[i]);
        uint64_t columns = tensor->shape[0], rows = tensor->shape[1];
        char expected[64];
        snprintf(expected, sizeof(expected), "is %u x %u, expected %u x %u", (unsigned)columns,
                 (unsigned)rows, (unsigned)rows, (unsigned)columns);
        tensor->shape[0] = rows;
        tensor->shape[1] = columns;
        refuses(&file, names[i], expected);
        made_finish(&file);
    }
}

/* A convolution has rows of three: no blocks of 32. */
static void test_convolution_of_blocks(void)
{
    struct made_file file = base(SPELLER_RECURRENT);
    struct made_tensor *tensor = made_find(&file, "listener.conv2.weight");
    tensor->type = GGUF_TENSOR_Q8_0;
    refuses(&file, "listener.conv2.weight", "multiple of 32");
    made_finish(&file);
}

/* ---- What else is in the file ---- */

static void test_parameters_and_vocabulary_are_read(void)
{
    struct made_file file = base(SPELLER_RECURRENT);
    made_number(&file, "hearken.listener.heads", GGUF_U32, 65);
    refuses(&file, "hearken.listener.heads", "65");
    made_finish(&file);
    file = base(SPELLER_RECURRENT);
    made_string(&file, "tokenizer.ggml.model", "llama");
    refuses(&file, "tokenizer.ggml.model", "llama");
    made_finish(&file);
}

/* Lists of what is not to be said hold tokens that there are. */
static void test_suppressed_tokens(void)
{
    static const char *const keys[] = {"hearken.speller.suppress",
                                       "hearken.speller.suppress_at_begin"};
    for (size_t i = 0; i < 2; i++) {
        struct made_file file = base(SPELLER_TRANSFORMER);
        made_numbers(&file, keys[i], GGUF_I32, (const double[]){5, 20}, 2);
        refuses(&file, keys[i], "20");
        made_numbers(&file, keys[i], GGUF_I32, (const double[]){-1}, 1);
        refuses(&file, keys[i], "-1");
        made_strings(&file, keys[i], (const char *const[]){"a"}, 1);
        refuses(&file, keys[i], "array");
        made_numbers(&file, keys[i], GGUF_I32, (const double[]){5, 19}, 2);
        network_destroy(accepts(&file));
        made_finish(&file);
    }
}

static void test_paths(void)
{
    struct hearken_error error;
    struct network *network = NULL;
    EXPECT_EQUAL(network_open("/nonexistent/x.gguf", &reference_backend, &network, &error),
                 -ENOENT);
    EXPECT_CONTAINS(error.message, "/nonexistent/x.gguf");
    EXPECT_EQUAL(network_open("/tmp", &reference_backend, &network, NULL), -EINVAL);
    CU_ASSERT_PTR_NULL(network);
}

static void test_unknown_backend(void)
{
    const struct hearken_backend_options options = {.struct_size = sizeof(options),
                                                    .backend = "abacus"};
    struct hearken_error error;
    struct network *network = NULL;
    EXPECT_EQUAL(network_open(PARITY "recurrent.gguf", &options, &network, &error), -ENODEV);
    EXPECT_CONTAINS(error.message, "abacus");
    CU_ASSERT_PTR_NULL(network);
}

/* The positions are the sinusoids that the format describes. */
static void test_sinusoids(void)
{
    struct model_shape shape = recurrent_shape(1);
    struct made_file file = make_model(&shape);
    struct network *n = accepts(&file);
    double worst = 0;
    for (uint32_t t = 0; t < shape.positions; t++)
        for (uint32_t i = 0; i < shape.width / 2; i++) {
            double angle = t * pow(10000, -(double)i / (shape.width / 2 - 1));
            const float *row = (const float *)n->generated[0] + (size_t)t * shape.width;
            worst = fmax(worst, fabs((double)row[i] - sin(angle)));
            worst = fmax(worst, fabs((double)row[shape.width / 2 + i] - cos(angle)));
        }
    CU_ASSERT(worst < 2e-5);
    network_destroy(n);
    made_finish(&file);
}

void add_network_tests(void)
{
    CU_pSuite suite = CU_add_suite("network", NULL, NULL);
    CU_ADD_TEST(suite, test_recurrent);
    CU_ADD_TEST(suite, test_recurrent_with_mlp);
    CU_ADD_TEST(suite, test_transformer);
    CU_ADD_TEST(suite, test_odd_positions);
    CU_ADD_TEST(suite, test_more_than_it_needs);
    CU_ADD_TEST(suite, test_each_tensor_missing);
    CU_ADD_TEST(suite, test_each_tensor_of_another_shape);
    CU_ADD_TEST(suite, test_each_tensor_of_another_type);
    CU_ADD_TEST(suite, test_transposed);
    CU_ADD_TEST(suite, test_convolution_of_blocks);
    CU_ADD_TEST(suite, test_parameters_and_vocabulary_are_read);
    CU_ADD_TEST(suite, test_suppressed_tokens);
    CU_ADD_TEST(suite, test_paths);
    CU_ADD_TEST(suite, test_unknown_backend);
    CU_ADD_TEST(suite, test_sinusoids);
}
