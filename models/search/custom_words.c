// SPDX-License-Identifier: MIT
#include "models/search/custom_words.h"

#include "include/internal/utf8.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

/* Special nodes. OUTSIDE: within a word that is not listed; BEGIN: where a word may begin. */
enum { OUTSIDE, BEGIN, FIRST_NODE };

struct node {
    uint32_t child, sibling; /* 0: none */
    uint32_t fail;           /* longest proper suffix of its path that is a path too */
    uint16_t characters;     /* characters of its path */
    uint16_t complete; /* characters of the longest word complete before the end of its path */
    uint16_t longest;  /* characters of the longest word through it */
    uint8_t byte;
    bool is_word;
    bool is_unspaced; /* its last character is of a script without spaces between words */
};

struct custom_words {
    const struct vocabulary *vocabulary;
    struct node *nodes;
    uint32_t count, room;
    uint32_t begins[256];         /* children of BEGIN by byte */
    uint32_t *by_byte;            /* tokens with text, sorted by their first byte */
    uint32_t byte_ends[256];      /* end of the tokens of each byte in by_byte */
    uint32_t *first, *after_word; /* tokens that begin a custom word: at the start of a text; after
                                     another word */
    uint32_t first_count, after_word_count;
    uint32_t *marks; /* tokens of punctuation that may follow a word */
    uint32_t marks_count;
    uint16_t longest; /* characters of the longest word */
};

/* ---- Bytes ---- */

/* Chinese, Japanese: U+3000 to U+9FFF. */
static bool starts_unspaced(uint8_t byte)
{
    return byte >= 0xe3 && byte <= 0xe9;
}

/* Whether the byte separates words: ASCII other than letters and digits, and U+2000 to U+2FFF. */
static bool separates_words(uint8_t byte)
{
    bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    return byte == 0xe2 || (byte < 0x80 && !letter && !(byte >= '0' && byte <= '9'));
}

static bool starts_character(uint8_t byte)
{
    return (byte & 0xc0) != 0x80;
}

/* ---- The trie ---- */

static uint32_t find_child(const struct custom_words *w, uint32_t node, uint8_t byte)
{
    if (node == BEGIN)
        return w->begins[byte];
    uint32_t child = w->nodes[node].child;
    while (child && w->nodes[child].byte != byte)
        child = w->nodes[child].sibling;
    return child;
}

static uint32_t add_node(struct custom_words *w)
{
    if (w->count == w->room) {
        uint32_t room = 2 * w->room + 1024;
        struct node *grown = realloc(w->nodes, room * sizeof(*grown));
        if (!grown)
            return 0;
        w->nodes = grown;
        w->room = room;
    }
    w->nodes[w->count] = (struct node){0};
    return w->count++;
}

static uint32_t add_child(struct custom_words *w, uint32_t parent, uint8_t byte)
{
    uint32_t child = add_node(w);
    if (!child)
        return 0;
    struct node *n = &w->nodes[child], *p = &w->nodes[parent];
    n->byte = byte;
    n->characters = (uint16_t)(p->characters + starts_character(byte));
    n->is_unspaced = starts_character(byte) ? starts_unspaced(byte) : p->is_unspaced;
    n->sibling = p->child;
    p->child = child;
    if (parent == BEGIN)
        w->begins[byte] = child;
    return child;
}

static uint16_t count_characters(const char *text)
{
    uint16_t count = 0;
    for (; *text; text++)
        count = (uint16_t)(count + starts_character((uint8_t)*text));
    return count;
}

static int add_path(struct custom_words *w, const char *text)
{
    uint16_t characters = count_characters(text);
    uint32_t node = BEGIN;
    if (w->longest < characters)
        w->longest = characters;
    for (; *text; text++) {
        uint32_t child = find_child(w, node, (uint8_t)*text);
        if (!child)
            child = add_child(w, node, (uint8_t)*text);
        if (!child)
            return -ENOMEM;
        node = child;
        if (w->nodes[node].longest < characters)
            w->nodes[node].longest = characters;
    }
    w->nodes[node].is_word = true;
    return 0;
}

static bool completes_word(const struct node *node, uint8_t next)
{
    return node->is_word && (node->is_unspaced || separates_words(next));
}

static uint32_t follow(const struct custom_words *w, uint32_t node, uint8_t byte, uint32_t *earned)
{
    uint32_t child = find_child(w, node, byte);
    uint32_t most = 0;
    while (!child && node != OUTSIDE) {
        const struct node *n = &w->nodes[node];
        uint32_t earned_here = completes_word(n, byte) ? n->characters : n->complete;
        most = earned_here > most ? earned_here : most;
        node = n->fail;
        child = find_child(w, node, byte);
    }
    *earned += most;
    if (child)
        return child;
    if (separates_words(byte))
        return BEGIN;
    return starts_unspaced(byte) ? w->begins[byte] : OUTSIDE;
}

/* Breadth first: the links of shorter paths must exist. */
static int link_failures(struct custom_words *w)
{
    uint32_t *queue = malloc(w->count * sizeof(*queue));
    if (!queue)
        return -ENOMEM;
    uint32_t first = 0, last = 0;
    queue[last++] = BEGIN;
    while (first < last) {
        uint32_t parent = queue[first++];
        const struct node *p = &w->nodes[parent];
        for (uint32_t child = p->child; child; child = w->nodes[child].sibling) {
            struct node *n = &w->nodes[child];
            uint32_t within = 0; /* characters of a word that begins and ends within this path */
            if (parent == BEGIN)
                n->fail = separates_words(n->byte) ? BEGIN : OUTSIDE;
            else
                n->fail = follow(w, p->fail, n->byte, &within);
            n->complete = completes_word(p, n->byte) ? p->characters : p->complete;
            if (n->complete < within)
                n->complete = (uint16_t)within;
            queue[last++] = child;
        }
    }
    free(queue);
    return 0;
}

/* ---- Words ---- */

static size_t encode_utf8(uint32_t c, char *to)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = size; i-- > 1; c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)((0xf0u << (4 - size)) | c);
    return size;
}

enum letter_case { LOWER_CASE, SENTENCE_CASE, TITLE_CASE };

/*
 * `text`: valid UTF-8; `to`: twice its size. The first word of a sentence gets a capital, in a
 * title each word.
 */
static void change_case(const char *text, enum letter_case letter_case, locale_t locale, char *to)
{
    size_t length = strlen(text);
    bool start = true;
    for (size_t i = 0; i < length;) {
        uint32_t c = 0;
        i += utf8_decode(text + i, length - i, &c);
        bool between = c < 0x80 && separates_words((uint8_t)c);
        if (locale && letter_case == LOWER_CASE)
            c = (uint32_t)towlower_l((wint_t)c, locale);
        else if (locale && start)
            c = (uint32_t)towupper_l((wint_t)c, locale);
        to += encode_utf8(c, to);
        start = between && letter_case == TITLE_CASE;
    }
    *to = 0;
}

static int add_word(struct custom_words *w, const char *text, locale_t locale)
{
    char other[2 * CUSTOM_WORD_MAX_BYTES + 1];
    int result = add_path(w, text);
    for (enum letter_case letter_case = LOWER_CASE; result == 0 && letter_case <= TITLE_CASE;
         letter_case++) {
        change_case(text, letter_case, locale, other);
        result = add_path(w, other);
    }
    return result;
}

/* ---- The list ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The line must be valid UTF-8 without control characters other than tab. */
static int check_text(const char *line, size_t length, unsigned number, struct hearken_error *error)
{
    for (size_t i = 0; i < length;) {
        uint32_t c;
        size_t size = utf8_decode(line + i, length - i, &c);
        if (size == 0)
            return hearken_fail(error, -EINVAL, "custom words: line %u is not text in UTF-8",
                                number);
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return hearken_fail(error, -EINVAL,
                                "custom words: line %u has a control character, byte 0x%02x",
                                number, (unsigned)c);
        i += size;
    }
    return 0;
}

/* Copies a line, with spaces trimmed at its ends and single within. */
static void copy_line(const char *line, size_t length, char *word)
{
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        bool space = is_space(line[i]);
        if (!space)
            word[used++] = line[i];
        else if (used > 0 && word[used - 1] != ' ')
            word[used++] = ' ';
    }
    while (used > 0 && word[used - 1] == ' ')
        used--;
    word[used] = 0;
}

/* Some editors put this at the start of a text. */
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* Reading position in a list. */
struct lines {
    const char *at;
    unsigned number; /* lines read */
    unsigned count;  /* words read */
};

/* Reads the next word. 1: there is one; 0: the list has ended. */
static int next_word(struct lines *lines, char word[CUSTOM_WORD_MAX_BYTES + 1],
                     struct hearken_error *error)
{
    const char *line;
    size_t length = 0;
    while (length == 0) {
        if (!*lines->at)
            return 0;
        line = lines->at;
        length = strcspn(line, "\n");
        lines->at += length + (line[length] == '\n');
        lines->number++;
        if (length >= strlen(BYTE_ORDER_MARK) &&
            memcmp(line, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0) {
            line += strlen(BYTE_ORDER_MARK);
            length -= strlen(BYTE_ORDER_MARK);
        }
        while (length > 0 && is_space(line[length - 1]))
            length--;
        while (length > 0 && is_space(*line)) {
            line++;
            length--;
        }
    }
    if (check_text(line, length, lines->number, error) < 0)
        return -EINVAL;
    if (length > CUSTOM_WORD_MAX_BYTES)
        return hearken_fail(error, -EINVAL,
                            "custom words: line %u has %zu bytes, expected up to %u", lines->number,
                            length, CUSTOM_WORD_MAX_BYTES);
    if (++lines->count > HEARKEN_CUSTOM_WORDS_MAX)
        return hearken_fail(error, -EINVAL, "custom words: there are more than %u",
                            HEARKEN_CUSTOM_WORDS_MAX);
    copy_line(line, length, word);
    return 1;
}

int hearken_custom_words_check(const char *text, struct hearken_error *error)
{
    char word[CUSTOM_WORD_MAX_BYTES + 1];
    struct lines lines = {.at = text};
    int result;
    while ((result = next_word(&lines, word, error)) == 1)
        continue;
    return result < 0 ? result : (int)lines.count;
}

static int add_lines(struct custom_words *w, const char *text, unsigned *count,
                     struct hearken_error *error)
{
    char word[CUSTOM_WORD_MAX_BYTES + 1];
    struct lines lines = {.at = text};
    locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    int result;
    while ((result = next_word(&lines, word, error)) == 1)
        if ((result = add_word(w, word, locale)) < 0)
            break;
    if (locale)
        freelocale(locale);
    *count = lines.count;
    return result;
}

/* ---- Tokens ---- */

static int order_tokens(struct custom_words *w)
{
    const struct vocabulary *v = w->vocabulary;
    uint32_t from[256] = {0}, sum = 0;
    w->by_byte = malloc(((size_t)v->count + 1) * sizeof(*w->by_byte));
    if (!w->by_byte)
        return -ENOMEM;
    for (uint32_t i = 0; i < v->count; i++)
        if (!v->tokens[i].control && v->tokens[i].length > 0)
            from[(uint8_t)v->tokens[i].text[0]]++;
    for (size_t byte = 0; byte < 256; byte++) {
        sum += from[byte];
        w->byte_ends[byte] = sum;
        from[byte] = sum - from[byte];
    }
    for (uint32_t i = 0; i < v->count; i++)
        if (!v->tokens[i].control && v->tokens[i].length > 0)
            w->by_byte[from[(uint8_t)v->tokens[i].text[0]]++] = i;
    return 0;
}

/* Lists the tokens that lead from `node` into a custom word. */
static int list_tokens(struct custom_words *w, uint32_t node, bool after_other_word,
                       uint32_t **tokens, uint32_t *count)
{
    const struct vocabulary *v = w->vocabulary;
    *tokens = malloc(((size_t)v->count + 1) * sizeof(**tokens));
    if (!*tokens)
        return -ENOMEM;
    for (uint32_t i = 0; i < v->count; i++) {
        const struct vocabulary_token *t = &v->tokens[i];
        struct word_match match = {node, 0};
        if (t->control || t->length == 0)
            continue;
        if (!after_other_word && separates_words((uint8_t)t->text[0]))
            continue;
        if (custom_words_within(custom_words_advance(w, match, i)))
            (*tokens)[(*count)++] = i;
    }
    return 0;
}

static int list_marks(struct custom_words *w)
{
    const struct vocabulary *v = w->vocabulary;
    w->marks = malloc(((size_t)v->count + 1) * sizeof(*w->marks));
    if (!w->marks)
        return -ENOMEM;
    for (uint32_t i = 0; i < v->count; i++)
        if (vocabulary_follows_word(v, i) && !vocabulary_starts_word(v, i))
            w->marks[w->marks_count++] = i;
    return 0;
}

static int prepare_tokens(struct custom_words *w)
{
    int result = order_tokens(w);
    if (result == 0)
        result = list_marks(w);
    if (result == 0)
        result = list_tokens(w, BEGIN, false, &w->first, &w->first_count);
    if (result == 0)
        result = list_tokens(w, OUTSIDE, true, &w->after_word, &w->after_word_count);
    return result;
}

/* ---- Interface ---- */

int custom_words_create(const char *text, const struct vocabulary *vocabulary,
                        struct custom_words **words, struct hearken_error *error)
{
    unsigned count = 0;
    *words = NULL;
    struct custom_words *w = calloc(1, sizeof(*w));
    if (!w)
        return hearken_fail(error, -ENOMEM, "out of memory");
    w->vocabulary = vocabulary;
    uint32_t outside = add_node(w), begin = outside == OUTSIDE ? add_node(w) : outside;
    int result = outside == OUTSIDE && begin == BEGIN ? 0 : -ENOMEM;
    if (result == 0)
        result = add_lines(w, text, &count, error);
    if (result == 0 && count > 0) {
        result = link_failures(w);
        if (result == 0)
            result = prepare_tokens(w);
    }
    if (result == -ENOMEM)
        hearken_fail(error, result, "out of memory");
    if (result < 0 || count == 0)
        custom_words_destroy(w);
    else
        *words = w;
    return result;
}

void custom_words_destroy(struct custom_words *words)
{
    if (!words)
        return;
    free(words->nodes);
    free(words->by_byte);
    free(words->first);
    free(words->after_word);
    free(words->marks);
    free(words);
}

struct word_match custom_words_begin(void)
{
    return (struct word_match){BEGIN, 0};
}

struct word_match custom_words_advance(const struct custom_words *words, struct word_match match,
                                       uint32_t token)
{
    const struct vocabulary_token *t = &words->vocabulary->tokens[token];
    for (size_t i = 0; !t->control && i < t->length; i++)
        match.node = follow(words, match.node, (uint8_t)t->text[i], &match.earned);
    return match;
}

uint32_t custom_words_earned(const struct custom_words *words, struct word_match match)
{
    return match.earned + words->nodes[match.node].complete;
}

uint32_t custom_words_earned_at_end(const struct custom_words *words, struct word_match match)
{
    /* Separates words and is in none, so that "New" earns though "New York" could follow. */
    follow(words, match.node, '\n', &match.earned);
    return match.earned;
}

uint32_t custom_words_max_characters(const struct custom_words *words)
{
    return words->longest;
}

uint32_t custom_words_written(const struct custom_words *words, struct word_match match)
{
    return match.earned + words->nodes[match.node].characters;
}

uint32_t custom_words_potential(const struct custom_words *words, struct word_match match)
{
    return match.earned + words->nodes[match.node].longest;
}

bool custom_words_within(struct word_match match)
{
    return match.node >= FIRST_NODE;
}

bool custom_words_is_whole(const struct custom_words *words, struct word_match match)
{
    return words->nodes[match.node].is_word;
}

const uint32_t *custom_words_marks(const struct custom_words *words, uint32_t *count)
{
    *count = words->marks_count;
    return words->marks;
}

/* Whether the whole token lies on a path from the node. */
static bool lies_on_path(const struct custom_words *w, uint32_t node, uint32_t token)
{
    const struct vocabulary_token *t = &w->vocabulary->tokens[token];
    for (size_t i = 0; node && i < t->length; i++)
        node = find_child(w, node, (uint8_t)t->text[i]);
    return node != 0;
}

uint32_t custom_words_continuations(const struct custom_words *words, struct word_match match,
                                    bool may_begin, uint32_t *tokens)
{
    const struct custom_words *w = words;
    uint32_t count = 0;
    if (match.node == BEGIN) {
        memcpy(tokens, w->first, w->first_count * sizeof(*tokens));
        count = w->first_count;
    }
    for (uint32_t child = match.node == BEGIN ? 0 : w->nodes[match.node].child; child;
         child = w->nodes[child].sibling) {
        uint8_t byte = w->nodes[child].byte;
        for (uint32_t i = byte ? w->byte_ends[byte - 1] : 0; i < w->byte_ends[byte]; i++)
            if (lies_on_path(w, match.node, w->by_byte[i]))
                tokens[count++] = w->by_byte[i];
    }
    if (may_begin) {
        memcpy(tokens + count, w->after_word, w->after_word_count * sizeof(*tokens));
        count += w->after_word_count;
    }
    return count;
}
