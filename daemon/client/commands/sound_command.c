// SPDX-License-Identifier: MIT
#include "daemon/client/program/commands.h"
#include "daemon/client/program/standard_error.h"

#include <errno.h>
#include <hearken/hearken.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Frames of the level: 50 ms. */
#define FRAME_SAMPLES (HEARKEN_RATE / 20)

/* Frames that are this much softer than the loudest one are pauses. */
#define PAUSE_DECIBELS 30

/* Digital silence, as decibels show it. */
#define SILENCE_DECIBELS (-120.0)

struct sound {
    bool json;
    unsigned track;
};

#define FIELD(name) offsetof(struct sound, name)

static const struct command_option sound_options[] = {
    FLAG('\0', "json", FIELD(json), "one line of JSON"),
    NUMBER('\0', "track", 1, 64, FIELD(track), "the track to measure, of files with several"),
};

/* ---- Measuring ---- */

struct loudness {
    size_t samples;
    double peak;   /* magnitude */
    float *powers; /* [count]: mean square of each frame */
    size_t count, room;
};

static int add_frame(struct loudness *loudness, const float *samples, size_t count, double gain)
{
    double sum = 0;
    if (loudness->count == loudness->room) {
        size_t room = loudness->room ? 2 * loudness->room : 4096;
        float *grown = realloc(loudness->powers, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        loudness->powers = grown;
        loudness->room = room;
    }
    for (size_t i = 0; i < count; i++) {
        double sample = samples[i] / gain;
        loudness->peak = fmax(loudness->peak, fabs(sample));
        sum += sample * sample;
    }
    loudness->powers[loudness->count++] = (float)(sum / (double)count);
    loudness->samples += count;
    return 0;
}

/* Reads the source to its end. */
static int measure(struct hearken_source *source, struct loudness *loudness,
                   struct hearken_error *error)
{
    float samples[FRAME_SAMPLES];
    double gain = hearken_source_gain(source);
    for (;;) {
        size_t held = 0;
        long count = 1;
        while (held < FRAME_SAMPLES && count > 0) {
            count = hearken_source_read(source, samples + held, FRAME_SAMPLES - held, error);
            if (count < 0)
                return (int)count;
            held += (size_t)count;
        }
        if (held == 0)
            return 0;
        if (add_frame(loudness, samples, held, gain) < 0)
            return hearken_fail(error, -ENOMEM, "out of memory");
    }
}

/* Of a mean square. */
static double decibels(double power)
{
    return fmax(10 * log10(power + 1e-30), SILENCE_DECIBELS);
}

/* Mean of what is not a pause. */
static double level(const struct loudness *loudness)
{
    double loudest = 0, sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < loudness->count; i++)
        loudest = fmax(loudest, loudness->powers[i]);
    for (size_t i = 0; i < loudness->count; i++) {
        if (loudness->powers[i] < loudest * pow(10, -PAUSE_DECIBELS / 10.0))
            continue;
        sum += loudness->powers[i];
        count++;
    }
    return decibels(count > 0 ? sum / (double)count : 0);
}

/* ---- Showing ---- */

static void print_seconds(double seconds)
{
    unsigned long minutes = (unsigned long)(seconds / 60);
    if (minutes >= 60)
        printf("%lu:%02lu:%05.2f", minutes / 60, minutes % 60, seconds - 60.0 * (double)minutes);
    else
        printf("%lu:%05.2f", minutes, seconds - 60.0 * (double)minutes);
}

static void print_track(const struct hearken_source_track *track, size_t number, bool several)
{
    char name[24] = "track";
    if (several)
        snprintf(name, sizeof(name), "track %zu%s", number, track->chosen ? " *" : "");
    printf("  %-11s %s, %u Hz, %u channel%s", name, track->codec ? track->codec : "unknown",
           (unsigned)track->rate, (unsigned)track->channels, track->channels == 1 ? "" : "s");
    if (track->language)
        printf(", %s", track->language);
    putchar('\n');
}

static void print_all(const char *file, struct hearken_source *source,
                      const struct loudness *loudness)
{
    struct hearken_source_track track;
    double seconds = (double)loudness->samples / HEARKEN_RATE;
    double stated = hearken_source_duration(source);
    bool several = hearken_source_track(source, 1, &track);
    if (!hearken_source_track(source, 0, &track))
        return;
    printf("%s\n  %-11s %s\n", file, "container", track.container ? track.container : "none");
    for (size_t i = 0; hearken_source_track(source, i, &track); i++)
        print_track(&track, i + 1, several);
    printf("  %-11s ", "length");
    print_seconds(seconds);
    if (stated >= 0 && fabs(stated - seconds) >= 0.5) {
        printf(" (the file states ");
        print_seconds(stated);
        putchar(')');
    }
    printf("\n  %-11s %.1f dBFS\n  %-11s %.1f dBFS, without pauses\n", "peak",
           decibels(loudness->peak * loudness->peak), "level", level(loudness));
    if (hearken_source_gain(source) > 1)
        printf("  %-11s %.0f times before it is recognised\n", "amplified",
               (double)hearken_source_gain(source));
}

static json_t *track_object(const struct hearken_source_track *track)
{
    return json_pack("{s:s*, s:s*, s:i, s:i, s:b}", "codec", track->codec, "language",
                     track->language, "rate", (int)track->rate, "channels", (int)track->channels,
                     "chosen", track->chosen);
}

static int print_json(const char *file, struct hearken_source *source,
                      const struct loudness *loudness)
{
    struct hearken_source_track track;
    struct hearken_source_warning warning;
    json_t *tracks = json_array(), *warnings = json_array();
    for (size_t i = 0; hearken_source_track(source, i, &track); i++)
        json_array_append_new(tracks, track_object(&track));
    for (size_t i = 0; hearken_source_warning(source, i, &warning); i++)
        json_array_append_new(warnings, json_string(warning.message));
    hearken_source_track(source, 0, &track);
    json_t *all = json_pack(
        "{s:s, s:s*, s:o, s:f, s:f, s:f, s:f, s:o}", "file", file, "container", track.container,
        "tracks", tracks, "seconds", (double)loudness->samples / HEARKEN_RATE, "peak_dbfs",
        decibels(loudness->peak * loudness->peak), "level_dbfs", level(loudness), "amplified",
        (double)hearken_source_gain(source), "warnings", warnings);
    int result = all ? json_dumpf(all, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6)) : -1;
    json_decref(all);
    putchar('\n');
    return result < 0 ? -ENOMEM : 0;
}

/* ---- The command ---- */

static int inspect(const struct sound *sound, const char *file, struct hearken_error *error)
{
    char decoder[PATH_MAX];
    struct hearken_source *source;
    struct hearken_source_options options;
    struct hearken_source_warning warning;
    struct loudness loudness = {0};
    hearken_source_options_init(&options);
    options.decoder = hearken_find_decoder(decoder, sizeof(decoder));
    options.track = sound->track;
    int result = hearken_source_open(file, &options, &source, error);
    if (result < 0)
        return result;
    result = measure(source, &loudness, error);
    if (result == 0 && sound->json)
        result = print_json(file, source, &loudness);
    else if (result == 0)
        print_all(file, source, &loudness);
    for (size_t i = 0; result == 0 && !sound->json && hearken_source_warning(source, i, &warning);
         i++)
        message_error(NULL, warning.message);
    hearken_source_destroy(source);
    free(loudness.powers);
    return result;
}

static int run_sound(const struct command *command, int argc, char **argv)
{
    struct sound sound = {0};
    struct hearken_error error = {"out of memory"};
    int count = options_parse(command, argc, argv, &sound);
    int code = EXIT_GOOD;
    if (count < 0)
        return options_exit_code(count);
    for (int i = 0; i < count; i++) {
        if (i > 0 && !sound.json)
            putchar('\n');
        if (inspect(&sound, argv[i], &error) < 0) {
            message_error(NULL, error.message);
            code = EXIT_FAILED;
        }
    }
    return code;
}

const struct command sound_command = {
    .name = "sound",
    .operands = "FILE...",
    .operands_minimum = 1,
    .operands_maximum = INT_MAX,
    .summary = "Show what is in a recording",
    .description = "Container, tracks of sound, length, loudness, and what is wrong with it. With "
                   "several\ntracks, * marks the one that is taken.\n",
    .examples = "  hearken sound talk.mkv\n"
                "  hearken sound --json calls/*.amr\n",
    .options = sound_options,
    .option_count = OPTION_COUNT(sound_options),
    .run = run_sound,
};
