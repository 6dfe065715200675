// SPDX-License-Identifier: MIT
#include "models/stream/stream_options.h"

#include "frontend/sound/pcm.h"
#include "models/search/beam_search.h"

#include <errno.h>
#include <string.h>

/* ---- The table ---- */

#define MEMBER(name_)                                                                              \
    .name = #name_, .offset = offsetof(struct hearken_stream_options, name_),                      \
    .size = sizeof(((struct hearken_stream_options *)0)->name_)

/* The default is written once: as a number and as text it is the same. */
#define NUMBER(name_, low, high, standard_, help_)                                                 \
    {                                                                                              \
        MEMBER(name_), .type = HEARKEN_OPTION_NUMBER, .minimum = (low), .maximum = (high),         \
                       .standard = (standard_), .standard_text = #standard_, .help = (help_)       \
    }
#define COUNT(name_, low, high, standard_, help_)                                                  \
    {                                                                                              \
        MEMBER(name_), .type = HEARKEN_OPTION_COUNT, .minimum = (low), .maximum = (high),          \
                       .standard = (standard_), .standard_text = #standard_, .help = (help_)       \
    }
#define SWITCH(name_, standard_, help_)                                                            \
    {                                                                                              \
        MEMBER(name_), .type = HEARKEN_OPTION_SWITCH, .maximum = 1, .standard = (standard_),       \
                       .standard_text = (standard_) ? "on" : "off", .help = (help_)                \
    }
#define TEXT(name_, standard_, meaning_, help_)                                                    \
    {                                                                                              \
        MEMBER(name_), .type = HEARKEN_OPTION_TEXT, .standard_text = (standard_),                  \
                       .meaning = (meaning_), .help = (help_)                                      \
    }

/* In the order of enum hearken_task. */
static const char *const tasks[] = {"transcribe", "translate", NULL};

/* In the order of enum hearken_channels. */
static const char *const channel_choices[] = {"mix", "each", "auto", NULL};

static const struct hearken_option table[] = {
    COUNT(beam_width, 1, BEAM_MAX_WIDTH, 4,
          "Hypotheses that the beam search keeps. More is slower and seldom better."),
    NUMBER(length_penalty, 0, 2, 1,
           "A hypothesis scores its log-probability divided by its length to this power."),
    NUMBER(ctc_weight, 0, 1, 0.3,
           "Share of the CTC prefix score, for models that have a CTC head."),
    NUMBER(padding, -1, 30, -1,
           "Seconds of silence behind the speech that a model trained on windows gets in full; a "
           "few stand-ins represent the rest of its window. -1 leaves it to the model file, and "
           "means 1 if that says nothing. 30 is the whole window, as in training."),
    NUMBER(segment_seconds, 2, 28, 28, "The longest piece of sound that is recognised at once."),
    NUMBER(no_speech_threshold, 0, 1, 0.6,
           "If the network gives a higher probability than this that nobody speaks, a text is "
           "already dropped at half of log_probability_threshold. 1 turns this off."),
    NUMBER(log_probability_threshold, -100, 0, -0.9,
           "Text whose tokens have a mean log-probability below this is considered invented and "
           "dropped. -100 turns this off."),
    NUMBER(compression_threshold, 1, 1000, 2.4,
           "Text that compresses by more than this factor is considered a loop and dropped."),
    NUMBER(partial_seconds, 0, 28, 0,
           "Clients that ask for segments get the text so far at least after this much new sound. "
           "0: they get final text only."),
    NUMBER(partial_share, 0, 1, 0.5,
           "Live sound gets partial text more often than partial_seconds says, as long as that "
           "takes no more than this share of a core. 0: partial_seconds alone decides."),
    SWITCH(voice, true,
           "Recognise only what the model's voice network considers speech. The rest takes no "
           "time, and no text is invented for it. Without a voice network, a model recognises all "
           "sound."),
    NUMBER(voice_threshold, 0.05, 0.95, 0.5,
           "Speech begins where the voice network's probability reaches this, and lasts until it "
           "falls below three fifths of this. A lower threshold finds softer speech, and more "
           "noise."),
    NUMBER(pre_roll, 0, 2, 0.5,
           "Seconds before the detected start of speech that are recognised with it, so that its "
           "first sound is not lost."),
    NUMBER(endpoint_seconds, 0.1, 10, 0.6,
           "Silence that ends a segment of live speech: with partial_seconds or endpointing. "
           "Otherwise silence of up to 5 seconds does not end one."),
    SWITCH(endpointing, false,
           "End segments after endpoint_seconds of silence even without partial text, for speakers "
           "who wait for the result. Recordings are recognised better and faster without it."),
    TEXT(language, "", "the one in the model file",
         "The language of the speech: a code such as de, or auto to detect it. A request may name "
         "another one."),
    {MEMBER(task), .type = HEARKEN_OPTION_CHOICE, .maximum = HEARKEN_TRANSLATE, .choices = tasks,
     .standard = HEARKEN_TRANSCRIBE, .standard_text = "transcribe",
     .help = "Write the speech as it is, or translate it to English. Only some models can "
             "translate."},
    SWITCH(timestamps, false,
           "Let the model write times, and split text at them. Needs a model with timestamp tokens "
           "and no partial text. Words have times without it."),
    SWITCH(previous_text, false,
           "Give each segment the text before it as context. Spellings stay the same, and so do "
           "mistakes. Needs a model with a token for it."),
    TEXT(prompt, "", "none",
         "Text that stands before all that is recognised, with the names and the style to expect. "
         "Needs a model with a token for it."),
    TEXT(suppress_tokens, "-1", NULL,
         "Tokens that are never written: their numbers, separated by commas. -1 stands for the "
         "model's own list, which in Whisper holds symbols that are not speech, such as notes and "
         "brackets."),
    SWITCH(suppress_blank, true, "A text begins neither with a lone space nor with its end."),
    NUMBER(temperature_step, 0, 1, 0,
           "Text that would be dropped is first sampled again at random, at temperatures of once, "
           "twice, three times this and so on up to 1, until one is good. Whisper uses 0.2. 0: no "
           "sampling."),
    COUNT(seed, 0, 4294967295, 0,
          "Seed of that sampling: the same seed and sound give the same text."),
    SWITCH(exact, false,
           "Compute and search as Whisper's authors do: silence up to the full window instead of "
           "padding, and no limit on a text but its length. Slower."),
    NUMBER(custom_words_boost, 0, 10, 0.6,
           "What each character of a custom word adds to the log-probability of a text. A word or "
           "phrase that is a whole short text gets that of four more. A higher value finds more of "
           "the words; too high a value finds them where nobody said them."),
    {MEMBER(channels), .type = HEARKEN_OPTION_CHOICE, .maximum = HEARKEN_CHANNELS_AUTO,
     .choices = channel_choices, .standard = HEARKEN_CHANNELS_MIX, .standard_text = "mix",
     .help = "What becomes of several channels. mix: they are mixed. each: each is recognised on "
             "its own, for recordings with one speaker per channel; at most 8 channels. auto: as "
             "each if there are 2 to 4 channels that hold different sound, else mix. With each and "
             "auto, what a channel picks up of a louder one is left out."},
};

#define TABLE_COUNT (sizeof(table) / sizeof(table[0]))

const struct hearken_option *hearken_stream_option(size_t index)
{
    return index < TABLE_COUNT ? &table[index] : NULL;
}

const struct hearken_option *hearken_stream_option_find(const char *name, size_t length)
{
    for (size_t i = 0; i < TABLE_COUNT; i++)
        if (strlen(table[i].name) == length && memcmp(table[i].name, name, length) == 0)
            return &table[i];
    return NULL;
}

/* ---- Defaults and ranges ---- */

void hearken_stream_options_init_sized(struct hearken_stream_options *options, size_t struct_size)
{
    memset(options, 0, struct_size);
    options->struct_size = struct_size;
    options->audio = (struct hearken_audio_format){HEARKEN_RATE, 1, HEARKEN_SAMPLE_F32};
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (table[i].offset + table[i].size > struct_size)
            continue;
        void *member = (char *)options + table[i].offset;
        switch (table[i].type) {
        case HEARKEN_OPTION_NUMBER:
            *(float *)member = (float)table[i].standard;
            break;
        case HEARKEN_OPTION_COUNT:
        case HEARKEN_OPTION_CHOICE:
            *(unsigned *)member = (unsigned)table[i].standard;
            break;
        case HEARKEN_OPTION_SWITCH:
            *(bool *)member = table[i].standard > 0;
            break;
        case HEARKEN_OPTION_TEXT:
            strcpy(member, table[i].standard_text);
            break;
        }
    }
}

static int check_range(const struct hearken_option *option, double value,
                       struct hearken_error *error)
{
    if (value >= option->minimum && value <= option->maximum)
        return 0;
    return hearken_fail(error, -EINVAL, "%s is %g, expected %g to %g", option->name, value,
                        option->minimum, option->maximum);
}

static int check_option(const struct hearken_option *option,
                        const struct hearken_stream_options *options, struct hearken_error *error)
{
    const void *member = (const char *)options + option->offset;
    switch (option->type) {
    case HEARKEN_OPTION_NUMBER:
        return check_range(option, (double)*(const float *)member, error);
    case HEARKEN_OPTION_COUNT:
    case HEARKEN_OPTION_CHOICE:
        return check_range(option, *(const unsigned *)member, error);
    case HEARKEN_OPTION_TEXT:
        if (!memchr(member, 0, option->size))
            return hearken_fail(error, -EINVAL, "%s is longer than %zu bytes", option->name,
                                option->size - 1);
        break;
    case HEARKEN_OPTION_SWITCH:
        break;
    }
    return 0;
}

int stream_options_check(const struct hearken_stream_options *options, struct hearken_error *error)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        int result = check_option(&table[i], options, error);
        if (result < 0)
            return result;
    }
    int result = pcm_format_check(&options->audio, error);
    if (result == 0 && options->channels == HEARKEN_CHANNELS_EACH &&
        options->audio.channels > HEARKEN_CHANNELS_EACH_MAX)
        return hearken_fail(error, -EINVAL,
                            "channels is each with %u channels, expected at most %u",
                            (unsigned)options->audio.channels, HEARKEN_CHANNELS_EACH_MAX);
    return result;
}
