// SPDX-License-Identifier: MIT
/*
 * Feeds recordings to streams in small pieces, as a microphone does but without waiting, and writes
 * down what they tell and what each piece cost. tests/bench/streaming runs it.
 *
 *     stream-bench MODEL [OPTION=VALUE...] <CLIPS
 *
 * CLIPS: for each recording the count of its samples (32 bits), then the samples (16 bits, mono,
 * 16 kHz), all in this machine's byte order. Each line that it writes is a JSON object: {"clip"} as
 * a recording begins; an event, `end` telling how much sound of the segment was there; {"cost",
 * "at"}: processor seconds, of all threads, of a piece that took notable time, and its end.
 */
#include <hearken/hearken.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Samples written at a time: 20 ms. */
#define PIECE 320u
/* Pieces that cost less are only collected: they wait for the next that does not. */
#define NOTABLE_SECONDS 0.0005

static double processor_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* ---- JSON ---- */

static void print_string(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20)
            printf("\\u%04x", c);
        else
            printf(c == '"' || c == '\\' ? "\\%c" : "%c", c);
    }
    putchar('"');
}

static void print_event(void *context, const struct hearken_event *event)
{
    static const char *const types[] = {"partial", "final", "end"};
    (void)context;
    printf("{\"type\": \"%s\", \"start\": %.3f, \"end\": %.3f, \"committed\": %zu, "
           "\"committed_words\": %zu, \"text\": ",
           types[event->type], event->start, event->end, event->committed, event->committed_words);
    print_string(event->text);
    printf(", \"words\": [");
    for (size_t i = 0; i < event->word_count; i++) {
        const struct hearken_word *word = &event->words[i];
        printf("%s[", i ? ", " : "");
        print_string(word->text);
        printf(", %.3f, %.3f, %.4f]", word->start, word->end, (double)word->confidence);
    }
    printf("]}\n");
}

/* ---- Streams ---- */

static int feed(struct hearken_stream *stream, const int16_t *samples, size_t count,
                struct hearken_error *error)
{
    double spent = processor_seconds();
    int result = 0;
    for (size_t at = 0; at < count && result == 0; at += PIECE) {
        size_t piece = count - at < PIECE ? count - at : PIECE;
        result = hearken_stream_write(stream, samples + at, piece, error);
        double now = processor_seconds();
        if (now - spent < NOTABLE_SECONDS)
            continue;
        printf("{\"cost\": %.6f, \"at\": %.3f}\n", now - spent,
               (double)(at + piece) / HEARKEN_RATE);
        spent = now;
    }
    if (result == 0)
        result = hearken_stream_finish(stream, error);
    printf("{\"cost\": %.6f, \"at\": %.3f}\n", processor_seconds() - spent,
           (double)count / HEARKEN_RATE);
    return result;
}

/* 1: one recording is done; 0: there is none left. */
static int run_clip(struct hearken_model *model, const struct hearken_stream_options *options,
                    size_t index, struct hearken_error *error)
{
    struct hearken_stream *stream = NULL;
    uint32_t count;
    if (fread(&count, sizeof(count), 1, stdin) != 1)
        return 0;
    int16_t *samples = malloc(count * sizeof(*samples) + 1);
    int result = -1;
    if (!samples || fread(samples, sizeof(*samples), count, stdin) != count) {
        snprintf(error->message, sizeof(error->message), "clip %zu: cut short", index);
    } else {
        printf("{\"clip\": %zu}\n", index);
        result = hearken_stream_create(model, options, print_event, NULL, &stream, error);
        if (result == 0)
            result = feed(stream, samples, count, error);
    }
    hearken_stream_destroy(stream);
    free(samples);
    return result < 0 ? result : 1;
}

/* ---- Options ---- */

static bool set_option(struct hearken_stream_options *options, const char *argument)
{
    const struct {
        const char *name;
        float *value;
    } reals[] = {
        {"partial_seconds", &options->partial_seconds},
        {"padding", &options->padding},
        {"segment_seconds", &options->segment_seconds},
        {"ctc_weight", &options->ctc_weight},
    };
    size_t length = strcspn(argument, "=");
    const char *value = argument + length + (argument[length] == '=');
    if (strncmp(argument, "beam_width", length) == 0 && length == 10) {
        options->beam_width = (unsigned)strtoul(value, NULL, 10);
        return true;
    }
    for (size_t i = 0; i < sizeof(reals) / sizeof(*reals); i++)
        if (strlen(reals[i].name) == length && strncmp(argument, reals[i].name, length) == 0) {
            *reals[i].value = strtof(value, NULL);
            return true;
        }
    fprintf(stderr, "%s: no such option\n", argument);
    return false;
}

int main(int count, char **arguments)
{
    struct hearken_stream_options options;
    struct hearken_model *model = NULL;
    struct hearken_error error;
    char path[4096];
    const char *file = hearken_find_model(count > 1 ? arguments[1] : NULL, path, sizeof(path));
    hearken_stream_options_init(&options);
    options.audio.type = HEARKEN_SAMPLE_S16;
    options.partial_seconds = 0.64f;
    options.partial_share = 0;  /* by sound alone */
    options.endpointing = true; /* segments do not hang on partial_seconds */
    for (int i = 2; i < count; i++)
        if (!set_option(&options, arguments[i]))
            return 2;
    int result = hearken_model_open(file, NULL, &model, &error);
    for (size_t i = 0; result >= 0; i++)
        if ((result = run_clip(model, &options, i, &error)) <= 0)
            break;
    if (result < 0)
        fprintf(stderr, "stream-bench: %s\n", error.message);
    hearken_model_destroy(model);
    return result < 0;
}
