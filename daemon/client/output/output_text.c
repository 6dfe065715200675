// SPDX-License-Identifier: MIT
#include "daemon/client/output/output.h"

#include <errno.h>

static void print_name(FILE *stream, const struct output_style *style, const char *file)
{
    if (style->with_file_name)
        fprintf(stream, "%s: ", file);
}

/* Columns as awk and cut like them: start, end, confidence, word. */
static int render_words(FILE *stream, const struct output_style *style, const char *file,
                        const struct transcript_segment *segment)
{
    if (segment->word_count == 0 && *segment->text)
        return -ENODATA;
    for (size_t i = 0; i < segment->word_count; i++) {
        const struct transcript_word *word = &segment->words[i];
        print_name(stream, style, file);
        fprintf(stream, "%.2f\t%.2f\t%.3f\t%s\n", word->start, word->end, word->confidence,
                word->text);
    }
    return 0;
}

int text_render_segment(FILE *stream, const struct output_style *style, const char *file,
                        const struct transcript_segment *segment)
{
    if (style->with_words)
        return render_words(stream, style, file, segment);
    print_name(stream, style, file);
    fprintf(stream, "%s\n", segment->text);
    return 0;
}
