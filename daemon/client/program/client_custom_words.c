// SPDX-License-Identifier: MIT
#include "daemon/client/program/stream_settings.h"
#include "daemon/common/custom_word_list.h"

#include <errno.h>

static int check(const struct stream_settings *settings, struct hearken_error *error)
{
    int count = settings->words ? hearken_custom_words_check(settings->words, error) : 0;
    return count < 0 ? count : 0;
}

int stream_settings_add_words(struct stream_settings *settings, const char *words,
                              struct hearken_error *error)
{
    if (custom_word_list_add_between_commas(&settings->words, words) < 0)
        return hearken_fail(error, -ENOMEM, "out of memory");
    return check(settings, error);
}

int stream_settings_add_word_file(struct stream_settings *settings, const char *path,
                                  struct hearken_error *error)
{
    int result = custom_word_list_add_file(&settings->words, path, error);
    return result < 0 ? result : check(settings, error);
}
