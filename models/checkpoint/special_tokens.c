// SPDX-License-Identifier: MIT
/* Whisper's special tokens, for files that hold only those of text (OpenAI's whisper/tokenizer.py).
 */
#include "models/checkpoint/checkpoint_tokens.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* In the order of their tokens; the last came with large-v3. */
static const char languages[][4] = {
    "en", "zh", "de", "es",  "ru", "ko", "fr", "ja", "pt", "tr",  "pl", "ca", "nl", "ar", "sv",
    "it", "id", "hi", "fi",  "vi", "he", "uk", "el", "ms", "cs",  "ro", "da", "hu", "ta", "no",
    "th", "ur", "hr", "bg",  "lt", "la", "mi", "ml", "cy", "sk",  "te", "fa", "lv", "bn", "sr",
    "az", "sl", "kn", "et",  "mk", "br", "eu", "is", "hy", "ne",  "mn", "bs", "kk", "sq", "sw",
    "gl", "mr", "pa", "si",  "km", "sn", "yo", "so", "af", "oc",  "ka", "be", "tg", "sd", "gu",
    "am", "yi", "lo", "uz",  "fo", "ht", "ps", "tk", "nn", "mt",  "sa", "lb", "my", "bo", "tl",
    "mg", "as", "tt", "haw", "ln", "ha", "ba", "jw", "su", "yue",
};

#define LANGUAGES (sizeof(languages) / sizeof(*languages))

static const char *const before[] = {"<|endoftext|>", "<|startoftranscript|>"};
static const char *const behind[] = {"<|translate|>",   "<|transcribe|>", "<|startoflm|>",
                                     "<|startofprev|>", "<|nospeech|>",   "<|notimestamps|>"};

#define BEFORE (sizeof(before) / sizeof(*before))
#define BEHIND (sizeof(behind) / sizeof(*behind))
#define OTHERS (BEFORE + BEHIND + TIME_TOKENS)

int tokens_add_times(struct tokens *tokens, struct complaint *complaint)
{
    int result = 0;
    for (uint32_t i = 0; result == 0 && i < TIME_TOKENS; i++) {
        char name[32]; /* steps of 20 ms */
        snprintf(name, sizeof(name), "<|%" PRIu32 ".%02" PRIu32 "|>", i / 50, i % 50 * 2);
        result = tokens_add(tokens, name, complaint);
    }
    return result;
}

int tokens_add_special(struct tokens *tokens, uint32_t count, struct complaint *complaint)
{
    uint64_t text = tokens->count;
    int result = 0;
    if (count < text + OTHERS + LANGUAGES - 1 || count > text + OTHERS + LANGUAGES)
        return complain(complaint, -EINVAL,
                        "%" PRIu32 " tokens, of which %" PRIu64 " are text: expected %zu or %zu "
                        "special ones more",
                        count, text, OTHERS + LANGUAGES - 1, OTHERS + LANGUAGES);
    uint64_t spoken = count - text - OTHERS;
    for (size_t i = 0; result == 0 && i < BEFORE; i++)
        result = tokens_add(tokens, before[i], complaint);
    for (size_t i = 0; result == 0 && i < spoken; i++) {
        char name[16];
        snprintf(name, sizeof(name), "<|%.3s|>", languages[i]);
        result = tokens_add(tokens, name, complaint);
    }
    for (size_t i = 0; result == 0 && i < BEHIND; i++)
        result = tokens_add(tokens, behind[i], complaint);
    return result < 0 ? result : tokens_add_times(tokens, complaint);
}
