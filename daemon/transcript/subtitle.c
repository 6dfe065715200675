// SPDX-License-Identifier: MIT
/*
 * SubRip (.srt) and WebVTT (.vtt). Cues follow the rules of broadcasters: at most two lines of 42
 * characters, at most seven seconds, ended at the end of a sentence or clause or at a pause.
 */
#include "daemon/transcript/subtitle.h"

#include "include/internal/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LINE_WIDTH       42u
#define CUE_SECONDS      7.0
#define CUE_SHORTEST     1.0 /* seconds; a cue is shown this long if the next one allows it */
#define PAUSE_SECONDS    1.0 /* a longer pause ends the cue */
#define SENTENCE_WIDTH   21u /* a shorter sentence shares its cue with the next one */
#define CLAUSE_WIDTH     30u /* a full cue ends after a clause if it is at least this wide */
#define WORST_LINE_WIDTH (2 * LINE_WIDTH)

/* A word, or a part of one that is wider than a line. */
struct piece {
    const char *text;
    size_t bytes, width;
    double start, end;
    bool ends_segment;
    unsigned channel;
    size_t label; /* width of what names the channel before the text */
};

struct pieces {
    size_t count, capacity;
    struct piece *items;
};

struct cue {
    const struct piece *first;
    size_t length;
    double start, end;
};

/* ---- Words to pieces ---- */

static int add_piece(struct pieces *pieces, const struct piece *piece)
{
    if (pieces->count == pieces->capacity) {
        size_t capacity = pieces->capacity ? pieces->capacity * 2 : 64;
        struct piece *items = realloc(pieces->items, capacity * sizeof(*items));
        if (!items)
            return -ENOMEM;
        pieces->items = items;
        pieces->capacity = capacity;
    }
    pieces->items[pieces->count++] = *piece;
    return 0;
}

/* Bytes of the first `width` code points, with those that follow on the last or on none. */
static size_t bytes_of(const char *text, size_t width)
{
    size_t bytes = 0;
    for (; text[bytes]; bytes++)
        if (((unsigned char)text[bytes] & 0xc0) != 0x80 && width-- == 0)
            break;
    return bytes;
}

/* Splits a word that is wider than a line; divides its time in proportion to the widths. */
static int add_word(struct pieces *pieces, enum subtitle_format format, unsigned channel,
                    const struct transcript_word *word)
{
    size_t whole = utf8_count(word->text, strlen(word->text));
    double seconds = word->end - word->start;
    if (!word->text[strspn(word->text, " ")])
        return 0; /* a blank line would end the cue */
    for (size_t done = 0; done < whole; done += LINE_WIDTH) {
        size_t width = whole - done < LINE_WIDTH ? whole - done : LINE_WIDTH;
        size_t skipped = done ? bytes_of(word->text, done) : 0;
        struct piece piece = {
            .text = word->text + skipped,
            .bytes = bytes_of(word->text + skipped, width),
            .width = width,
            .start = word->start + seconds * (double)done / (double)whole,
            .end = word->start + seconds * (double)(done + width) / (double)whole,
            .channel = channel,
            .label = channel > 0 && format == SUBTITLE_SRT ? strlen("[1] ") : 0,
        };
        int result = add_piece(pieces, &piece);
        if (result < 0)
            return result;
    }
    return 0;
}

/* The segments of one channel. */
static int add_channel(struct pieces *pieces, enum subtitle_format format, unsigned channel,
                       const struct transcript *transcript)
{
    for (size_t i = 0; i < transcript->segment_count; i++) {
        const struct transcript_segment *segment = &transcript->segments[i];
        if (segment->channel != channel)
            continue;
        if (segment->word_count == 0 && *segment->text)
            return -ENODATA;
        for (size_t w = 0; w < segment->word_count; w++) {
            int result = add_word(pieces, format, channel, &segment->words[w]);
            if (result < 0)
                return result;
        }
        if (pieces->count > 0)
            pieces->items[pieces->count - 1].ends_segment = true;
    }
    return 0;
}

/* Channel by channel. */
static int add_transcript(struct pieces *pieces, enum subtitle_format format,
                          const struct transcript *transcript)
{
    unsigned last = 0;
    int result = 0;
    for (size_t i = 0; i < transcript->segment_count; i++)
        if (transcript->segments[i].channel > last)
            last = transcript->segments[i].channel;
    for (unsigned channel = 0; channel <= last && result == 0; channel++)
        result = add_channel(pieces, format, channel, transcript);
    return result;
}

/* ---- Pieces to cues ---- */

/* The width of `count` pieces separated by spaces. */
static size_t width_of(const struct piece *pieces, size_t count)
{
    size_t width = count > 0 ? count - 1 : 0;
    for (size_t i = 0; i < count; i++)
        width += pieces[i].width;
    return width;
}

/* The width of the wider line if the upper one has the first `first` pieces. */
static size_t wider_line(const struct piece *pieces, size_t count, size_t first)
{
    size_t upper = pieces->label + width_of(pieces, first);
    size_t lower = width_of(pieces + first, count - first);
    return upper > lower ? upper : lower;
}

static bool ends_with(const struct piece *piece, const char *marks)
{
    size_t bytes = piece->bytes;
    while (bytes > 1 && strchr("\"')]", piece->text[bytes - 1]))
        bytes--;
    return bytes > 0 && strchr(marks, piece->text[bytes - 1]);
}

/* The number of pieces in the upper line: balances the lines and prefers a break after a mark. */
static size_t upper_line(const struct piece *pieces, size_t count)
{
    size_t best = count, best_cost = wider_line(pieces, count, count);
    if (best_cost <= LINE_WIDTH)
        return count;
    best_cost = WORST_LINE_WIDTH + LINE_WIDTH;
    for (size_t first = 1; first < count; first++) {
        size_t wider = wider_line(pieces, count, first);
        size_t cost = wider + (ends_with(&pieces[first - 1], ",;:.?!") ? 0 : LINE_WIDTH / 4);
        if (wider <= LINE_WIDTH && cost < best_cost) {
            best = first;
            best_cost = cost;
        }
    }
    return best;
}

static bool fits(const struct piece *pieces, size_t count)
{
    size_t upper = upper_line(pieces, count);
    return wider_line(pieces, count, upper) <= LINE_WIDTH &&
           pieces[count - 1].end - pieces[0].start <= CUE_SECONDS;
}

/* The number of pieces in the next cue. */
static size_t cue_length(const struct piece *pieces, size_t count)
{
    size_t clause = 0;
    for (size_t n = 1; n < count; n++) {
        const struct piece *last = &pieces[n - 1];
        size_t width = width_of(pieces, n);
        if (last->ends_segment || pieces[n].start - last->end > PAUSE_SECONDS)
            return n;
        if (ends_with(last, ".?!") && width >= SENTENCE_WIDTH)
            return n;
        if (ends_with(last, ",;:.?!") && width >= CLAUSE_WIDTH)
            clause = n;
        if (!fits(pieces, n + 1))
            return clause ? clause : n;
    }
    return count;
}

/* ---- Writing ---- */

static void print_time(FILE *stream, enum subtitle_format format, double seconds)
{
    unsigned long long ms = (unsigned long long)llround(seconds * 1000);
    fprintf(stream, "%02llu:%02llu:%02llu%c%03llu", ms / 3600000, ms / 60000 % 60, ms / 1000 % 60,
            format == SUBTITLE_SRT ? ',' : '.', ms % 1000);
}

/* WebVTT has markup, which must be escaped. SubRip has no standard for it, so text is unchanged. */
static void print_text(FILE *stream, enum subtitle_format format, const struct piece *piece)
{
    for (size_t i = 0; i < piece->bytes; i++) {
        char c = piece->text[i];
        if (format == SUBTITLE_VTT && c == '&')
            fputs("&amp;", stream);
        else if (format == SUBTITLE_VTT && c == '<')
            fputs("&lt;", stream);
        else if (format == SUBTITLE_VTT && c == '>')
            fputs("&gt;", stream);
        else
            fputc(c, stream);
    }
}

static void print_lines(FILE *stream, enum subtitle_format format, const struct piece *pieces,
                        size_t count)
{
    size_t upper = upper_line(pieces, count);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            fputc(i == upper ? '\n' : ' ', stream);
        print_text(stream, format, &pieces[i]);
    }
    fputs("\n\n", stream);
}

/* Divides the pieces into cues [pieces->count]; returns how many there are. */
static size_t make_cues(const struct pieces *pieces, struct cue *cues)
{
    size_t count = 0;
    for (size_t at = 0, length; at < pieces->count; at += length) {
        const struct piece *first = &pieces->items[at];
        length = cue_length(first, pieces->count - at);
        const struct piece *last = &first[length - 1];
        const struct piece *next = at + length < pieces->count ? &first[length] : NULL;
        bool follows = count > 0 && first[-1].channel == first->channel;
        double start = fmax(first->start, follows ? cues[count - 1].end : 0);
        double end = fmax(last->end, start + CUE_SHORTEST);
        if (next && next->channel == first->channel && end > next->start)
            end = fmax(next->start, last->end);
        cues[count++] = (struct cue){first, length, start, fmax(end, start + 0.001)};
    }
    return count;
}

/* Those of several channels may overlap. */
static int compare_cues(const void *a, const void *b)
{
    const struct cue *x = a, *y = b;
    if (x->start < y->start || x->start > y->start)
        return x->start < y->start ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

static void print_cue(FILE *stream, enum subtitle_format format, const struct cue *cue)
{
    print_time(stream, format, cue->start);
    fputs(" --> ", stream);
    print_time(stream, format, cue->end);
    fputc('\n', stream);
    if (cue->first->channel > 0 && format == SUBTITLE_VTT)
        fprintf(stream, "<v Channel %u>", cue->first->channel);
    else if (cue->first->channel > 0)
        fprintf(stream, "[%u] ", cue->first->channel);
    print_lines(stream, format, cue->first, cue->length);
}

static int print_cues(FILE *stream, enum subtitle_format format, const struct pieces *pieces)
{
    struct cue *cues = calloc(pieces->count + 1, sizeof(*cues));
    if (!cues)
        return -ENOMEM;
    size_t count = make_cues(pieces, cues);
    qsort(cues, count, sizeof(*cues), compare_cues);
    for (size_t i = 0; i < count; i++) {
        if (format == SUBTITLE_SRT)
            fprintf(stream, "%zu\n", i + 1);
        print_cue(stream, format, &cues[i]);
    }
    free(cues);
    return 0;
}

int subtitle_render(FILE *stream, enum subtitle_format format, const struct transcript *transcript)
{
    struct pieces pieces = {0};
    int result = add_transcript(&pieces, format, transcript);
    if (result == 0) {
        if (format == SUBTITLE_VTT)
            fputs("WEBVTT\n\n", stream);
        result = print_cues(stream, format, &pieces);
    }
    free(pieces.items);
    return result;
}
