// SPDX-License-Identifier: MIT
#include "daemon/client/program/stream_arguments.h"

#include "daemon/client/program/commands.h"

#include <stdio.h>

int stream_arguments_read(const struct stream_arguments *arguments, const struct command *command,
                          bool local, struct stream_settings *settings)
{
    struct hearken_error error;
    char beam[32]; /* a number: the settings do not refer to its text */
    for (size_t i = 0; i < arguments->settings.count; i++)
        if (stream_settings_add(settings, arguments->settings.items[i], &error) < 0)
            return usage_error(command, "--set %s", error.message);
    snprintf(beam, sizeof(beam), "beam_width=%u", arguments->beam);
    if (arguments->beam > 0 && stream_settings_add(settings, beam, &error) < 0)
        return usage_error(command, "--beam %s", error.message);
    for (size_t i = 0; i < arguments->words.count; i++)
        if (stream_settings_add_words(settings, arguments->words.items[i], &error) < 0)
            return usage_error(command, "--custom-words: %s", error.message);
    for (size_t i = 0; i < arguments->word_files.count; i++)
        if (stream_settings_add_word_file(settings, arguments->word_files.items[i], &error) < 0)
            return usage_error(command, "--custom-words-file: %s", error.message);
    if (arguments->language &&
        stream_settings_add_text(settings, "language", arguments->language, &error) < 0)
        return usage_error(command, "--language: %s", error.message);
    if (arguments->prompt &&
        stream_settings_add_text(settings, "prompt", arguments->prompt, &error) < 0)
        return usage_error(command, "--prompt: %s", error.message);
    if (arguments->translate && stream_settings_add_text(settings, "task", "translate", &error) < 0)
        return usage_error(command, "--translate: %s", error.message);
    if (!local && stream_settings_set_model(settings, arguments->model, &error) < 0)
        return usage_error(command, "--model %s", error.message);
    return EXIT_GOOD;
}
