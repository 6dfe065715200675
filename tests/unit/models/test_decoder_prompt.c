// SPDX-License-Identifier: MIT
/* What starts a text: languages, tasks, text before it; and which language is found. */
#include "models/search/decoder_prompt.h"
#include "tests/unit/common/expect.h"
#include "tests/unit/common/make_model.h"
#include "tests/unit/common/stream_session.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void add_decoder_prompt_tests(void);

static struct network *open_whisper(void)
{
    struct made_file file = make_whisper(3);
    struct network *network = open_network(&file);
    made_finish(&file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(network);
    return network;
}

static struct hearken_stream_options plain(void)
{
    struct hearken_stream_options options;
    hearken_stream_options_init(&options);
    return options;
}

static struct decoder_prompt *open_text(const struct network *network,
                                        const struct hearken_stream_options *options)
{
    struct decoder_prompt *prompt = NULL;
    struct hearken_error error = {""};
    if (decoder_prompt_create(network, options, &prompt, &error) < 0)
        printf("\n    %s ", error.message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(prompt);
    return prompt;
}

static void starts(struct decoder_prompt *prompt, bool times, const uint32_t *tokens,
                   uint32_t count, uint32_t first)
{
    struct speller_start start = decoder_prompt_tokens(prompt, times);
    EXPECT_EQUAL_FATAL(start.count, count);
    EXPECT_EQUAL(memcmp(start.tokens, tokens, count * sizeof(*tokens)), 0);
    EXPECT_EQUAL(start.first, first);
}

#define STARTS(prompt, times, first, ...)                                                          \
    starts(prompt, times, (const uint32_t[]){__VA_ARGS__},                                         \
           sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), first)

static void test_language_and_task(void)
{
    struct network *network = open_whisper();
    struct hearken_stream_options options = plain();
    struct decoder_prompt *prompt = open_text(network, &options);
    STARTS(prompt, false, 0, W_START, W_ENGLISH, W_TRANSCRIBE, W_NO_TIMESTAMPS);
    EXPECT_EQUAL_STRING(decoder_prompt_language(prompt), "en");
    CU_ASSERT(!decoder_prompt_needs_language(prompt));
    decoder_prompt_destroy(prompt);
    strcpy(options.language, "DE-at");
    options.task = HEARKEN_TRANSLATE;
    options.timestamps = true;
    prompt = open_text(network, &options);
    STARTS(prompt, true, 0, W_START, W_GERMAN, W_TRANSLATE);
    STARTS(prompt, false, 0, W_START, W_GERMAN, W_TRANSLATE, W_NO_TIMESTAMPS);
    decoder_prompt_destroy(prompt);
    strcpy(options.language, "auto");
    prompt = open_text(network, &options);
    CU_ASSERT(decoder_prompt_needs_language(prompt));
    decoder_prompt_set_language(prompt, 2);
    STARTS(prompt, true, 0, W_START, W_HAWAIIAN, W_TRANSLATE);
    EXPECT_EQUAL_STRING(decoder_prompt_language(prompt), "haw");
    decoder_prompt_destroy(prompt);
    network_destroy(network);
}

static void test_text_before(void)
{
    struct network *network = open_whisper();
    struct hearken_stream_options options = plain();
    options.previous_text = true;
    strcpy(options.prompt, "  a b ");
    struct decoder_prompt *prompt = open_text(network, &options);
    uint32_t text[] = {W_TEXT + 9, W_TEXT + 8, W_TEXT + 1}; /* " a", " ", "b" */
    STARTS(prompt, false, 5, W_PREVIOUS, text[0], text[1], text[2], text[1], W_START, W_ENGLISH,
           W_TRANSCRIBE, W_NO_TIMESTAMPS);
    decoder_prompt_set_previous(prompt, text, 1);
    decoder_prompt_set_previous(prompt, text + 1, 1);
    STARTS(prompt, false, 7, W_PREVIOUS, text[0], text[1], text[2], text[1], text[0], text[1],
           W_START, W_ENGLISH, W_TRANSCRIBE, W_NO_TIMESTAMPS);
    decoder_prompt_set_previous(prompt, NULL, 0);
    EXPECT_EQUAL(decoder_prompt_tokens(prompt, false).first, 5);
    decoder_prompt_destroy(prompt);
    network_destroy(network);
}

/* Half of the positions, the mark included: what was said last, then the prompt's end. */
static void test_room_before(void)
{
    struct network *network = open_whisper();
    struct hearken_stream_options options = plain();
    uint32_t said[100], half = network->parameters.speller.positions / 2;
    options.previous_text = true;
    memset(options.prompt, 'b', 50);
    for (uint32_t i = 0; i < 100; i++)
        said[i] = W_TEXT + i % 3;
    struct decoder_prompt *prompt = open_text(network, &options);
    struct speller_start start = decoder_prompt_tokens(prompt, false);
    CU_ASSERT(start.first == half && start.count == half + 4 && start.tokens[0] == W_PREVIOUS);
    decoder_prompt_set_previous(prompt, said, 5);
    start = decoder_prompt_tokens(prompt, false);
    EXPECT_EQUAL(start.first, half);
    EXPECT_EQUAL(memcmp(start.tokens + half - 5, said, 5 * sizeof(*said)), 0);
    EXPECT_EQUAL(start.tokens[half - 6], W_TEXT + 1);
    decoder_prompt_set_previous(prompt, said, 100);
    start = decoder_prompt_tokens(prompt, false);
    EXPECT_EQUAL(memcmp(start.tokens + 1, said + 100 - (half - 1), (half - 1) * 4), 0);
    decoder_prompt_destroy(prompt);
    network_destroy(network);
}

static void refuses(const struct network *network, const struct hearken_stream_options *options,
                    const char *part)
{
    struct decoder_prompt *prompt = NULL;
    struct hearken_error error = {""};
    EXPECT_EQUAL(decoder_prompt_create(network, options, &prompt, &error), -EINVAL);
    EXPECT_CONTAINS(error.message, part);
    if (!strstr(error.message, part))
        printf("\n    '%s' does not say '%s' ", error.message, part);
}

/* A file may leave hardly more positions than its own start takes. */
static void test_few_positions(void)
{
    struct network *network = open_whisper();
    struct speller_parameters *p = &network->parameters.speller;
    struct hearken_stream_options options = plain();
    uint32_t said[20];
    for (uint32_t i = 0; i < 20; i++)
        said[i] = W_TEXT + i % 3;
    options.previous_text = true;
    memset(options.prompt, 'b', 50);
    for (p->positions = 5; p->positions < 7; p->positions++)
        refuses(network, &options, "no room for text before");
    for (; p->positions < 20; p->positions++) {
        struct decoder_prompt *prompt = open_text(network, &options);
        CU_ASSERT(decoder_prompt_tokens(prompt, false).count < p->positions);
        decoder_prompt_set_previous(prompt, said, 20);
        CU_ASSERT(decoder_prompt_tokens(prompt, false).count < p->positions);
        decoder_prompt_destroy(prompt);
    }
    network_destroy(network);
}

static void test_what_there_is_not(void)
{
    struct network *whisper = open_whisper();
    struct made_file file;
    struct hearken_stream_options options = plain();
    strcpy(options.language, "tlh");
    refuses(whisper, &options, "language is tlh, this model knows: en, de, haw");
    network_destroy(whisper);

    struct model_shape shape = transformer_shape(3);
    file = make_model(&shape);
    struct network *small = open_network(&file);
    made_finish(&file);
    strcpy(options.language, "de");
    refuses(small, &options, "this model knows: en");
    options = plain();
    options.task = HEARKEN_TRANSLATE;
    refuses(small, &options, "translate");
    options = plain();
    options.timestamps = true;
    refuses(small, &options, "timestamps");
    options = plain();
    strcpy(options.prompt, "x");
    refuses(small, &options, "prompt");
    options = plain();
    options.previous_text = true;
    refuses(small, &options, "previous_text");
    options = plain();
    strcpy(options.language, "auto");
    struct decoder_prompt *prompt = open_text(small, &options);
    CU_ASSERT(!decoder_prompt_needs_language(prompt)); /* it writes one language alone */
    EXPECT_EQUAL_STRING(decoder_prompt_language(prompt), "en");
    decoder_prompt_destroy(prompt);
    network_destroy(small);
}

/* A model without tokens for languages writes what its file says. */
static void test_listed_languages(void)
{
    static const char *const codes[] = {"fr", "it"};
    struct model_shape shape = recurrent_shape(3);
    struct made_file file = make_model(&shape);
    made_strings(&file, "general.languages", codes, 2);
    struct network *network = open_network(&file);
    made_finish(&file);
    struct hearken_stream_options options = plain();
    strcpy(options.language, "fr-FR");
    decoder_prompt_destroy(open_text(network, &options));
    strcpy(options.language, "en");
    refuses(network, &options, "this model knows: fr, it");
    network_destroy(network);
}

/* The likeliest behind <|startoftranscript|>, whatever the texts start with. */
static void test_detection(void)
{
    struct session s;
    open_session(&s, open_whisper());
    srand(5);
    for (int round = 0; round < 8; round++) {
        listen_to_noise(&s, 20);
        const struct speller_start start = {(const uint32_t[]){W_START}, 1, 0};
        const struct speller_start before = speller_set_start(s.speller, start);
        float *row = malloc(s.vocabulary * sizeof(*row)), probability;
        pass_read(&s.pass, speller_start(s.speller, &s.pass), row);
        speller_set_start(s.speller, before);
        uint32_t likeliest = 0;
        for (uint32_t i = 1; i < 3; i++)
            if (row[W_ENGLISH + i] > row[W_ENGLISH + likeliest])
                likeliest = i;
        EXPECT_EQUAL(language_detect(s.network, s.speller, &s.pass, &probability), likeliest);
        CU_ASSERT(probability > 1.0f / 3 && probability <= 1);
        free(row);
    }
    close_session(&s);
}

/* Long starts go through the layers in pieces, and give what one token after the other gives. */
static void test_long_start(void)
{
    struct session s;
    uint32_t tokens[45];
    open_session(&s, open_whisper());
    srand(6);
    listen_to_noise(&s, 20);
    for (uint32_t i = 0; i < 45; i++)
        tokens[i] = W_TEXT + i % 11;
    tokens[40] = W_START;
    float *together = malloc(s.vocabulary * sizeof(*together));
    float *single = malloc(s.vocabulary * sizeof(*single));
    speller_set_start(s.speller, (struct speller_start){tokens, 45, 40});
    EXPECT_EQUAL(speller_max_tokens(s.speller), 60 - 45);
    pass_read(&s.pass, speller_start(s.speller, &s.pass), together);
    float no_speech = speller_no_speech(s.speller);
    speller_set_start(s.speller, (struct speller_start){tokens, 1, 0});
    struct hearken_matrix logits = speller_start(s.speller, &s.pass);
    for (uint32_t i = 1; i < 45; i++) {
        logits = speller_step(s.speller, &s.pass, &(uint32_t){0}, &tokens[i], 1);
        if (i != 40)
            continue;
        pass_log_softmax(&s.pass, logits, NULL);
        pass_read(&s.pass, logits, single);
        EXPECT_CLOSE(expf(single[W_NO_SPEECH]), no_speech, 1e-5);
    }
    pass_read(&s.pass, logits, single);
    for (uint32_t i = 0; i < s.vocabulary; i++)
        EXPECT_CLOSE(together[i], single[i], 1e-4);
    free(together);
    free(single);
    close_session(&s);
}

void add_decoder_prompt_tests(void)
{
    CU_pSuite suite = CU_add_suite("opening", NULL, NULL);
    CU_add_test(suite, "language and task", test_language_and_task);
    CU_add_test(suite, "text before", test_text_before);
    CU_add_test(suite, "room for text before", test_room_before);
    CU_add_test(suite, "few positions", test_few_positions);
    CU_add_test(suite, "what a model does not have", test_what_there_is_not);
    CU_add_test(suite, "languages without tokens", test_listed_languages);
    CU_add_test(suite, "which language", test_detection);
    CU_add_test(suite, "long starts", test_long_start);
}
