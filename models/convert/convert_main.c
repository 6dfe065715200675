// SPDX-License-Identifier: MIT
/* hearken-convert: converts a Whisper checkpoint to a model file of hearken. */
#include "include/internal/option_error.h"
#include "models/checkpoint/checkpoint_export.h"
#include "models/checkpoint/gguf_writer.h"
#include "models/convert/checkpoint_input.h"
#include "models/file/installed_models.h"

#include <errno.h>
#include <getopt.h>
#include <hearken/hearken.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- The voice network's part of a model file ---- */

static bool is_voice_key(const char *name)
{
    return strncmp(name, "hearken.voice.", 14) == 0;
}

static bool is_voice_tensor(const char *name)
{
    return strncmp(name, "voice.", 6) == 0;
}

/* Keys that the writer sets itself. */
static bool is_layout_key(const char *name)
{
    return strcmp(name, "general.alignment") == 0;
}

/* Adds the parts of `from` that belong to the voice network (`voice`), or those that do not. */
static void add_parts(struct gguf_writer *writer, const struct gguf *from, bool voice)
{
    for (uint64_t i = 0; i < from->entry_count; i++)
        if (is_voice_key(from->entries[i].name) == voice && !is_layout_key(from->entries[i].name))
            gguf_add_entry(writer, &from->entries[i]);
    for (uint64_t i = 0; i < from->tensor_count; i++) {
        const struct gguf_tensor *tensor = &from->tensors[i];
        if (is_voice_tensor(tensor->name) == voice)
            gguf_add_tensor(writer, tensor->name, tensor->type, tensor->rank, tensor->shape);
    }
}

static void write_parts(struct gguf_writer *writer, const struct gguf *from, bool voice)
{
    for (uint64_t i = 0; i < from->tensor_count; i++)
        if (is_voice_tensor(from->tensors[i].name) == voice)
            gguf_write_tensor(writer, &from->tensors[i]);
}

static double number_of(const struct gguf *gguf, const char *key)
{
    const struct gguf_entry *entry = gguf_find_entry(gguf, key);
    bool number = entry && !entry->is_array && entry->type != GGUF_STRING;
    return number ? gguf_number(entry, 0) : 0;
}

/* Checks only what concerns both files; the rest is checked when the model is loaded. */
static int check(const char *model_path, const struct gguf *model, const char *voice_path,
                 const struct gguf *voice, struct hearken_error *error)
{
    double mels = number_of(model, "hearken.features.mels");
    double heard = number_of(voice, "hearken.voice.mels");
    if (heard <= 0)
        return hearken_fail(error, -EINVAL, "%s: no voice network, expected hearken.voice.mels",
                            voice_path);
    if (mels == heard)
        return 0;
    return hearken_fail(error, -EINVAL, "%s: hearken.features.mels is %g, expected the voice's %g",
                        model_path, mels, heard);
}

/* The number of mel bands that a voice network reads. Errors: as above. */
static int voice_part_mels(const char *voice, uint32_t *mels, struct hearken_error *error)
{
    struct gguf *file;
    int result = gguf_open(voice, GGUF_WHOLE, &file, error);
    if (result < 0)
        return result;
    double number = number_of(file, "hearken.voice.mels");
    *mels = number >= 1 && number <= UINT32_MAX ? (uint32_t)number : 0;
    gguf_destroy(file);
    return 0;
}

/*
 * Writes the content of `model` to `output`, with the keys hearken.voice.* and the tensors voice.*
 * of `voice` instead of its own. `output` may be `model`; on failure it stays unchanged. Errors:
 * the system's, -EINVAL for files of another kind.
 */
static int voice_part_add(const char *model, const char *voice, const char *output,
                          struct hearken_error *error)
{
    struct gguf *model_file = NULL, *voice_file = NULL;
    struct gguf_writer *writer = NULL;
    int result;
    if ((result = gguf_open(model, GGUF_WHOLE, &model_file, error)) < 0 ||
        (result = gguf_open(voice, GGUF_WHOLE, &voice_file, error)) < 0 ||
        (result = check(model, model_file, voice, voice_file, error)) < 0 ||
        (result = gguf_writer_create(output, &writer, error)) < 0)
        goto finish;
    add_parts(writer, model_file, false);
    add_parts(writer, voice_file, true);
    gguf_write_head(writer);
    write_parts(writer, model_file, false);
    write_parts(writer, voice_file, true);
    result = gguf_writer_finish(writer);
finish:
    gguf_writer_destroy(writer);
    gguf_destroy(voice_file);
    gguf_destroy(model_file);
    return result;
}

#define MAX_PATH 4096u

static const char help_text[] =
    "Usage: hearken-convert [option ...] -o OUT CHECKPOINT\n"
    "       hearken-convert --add-voice [--voice FILE] -o OUT MODEL\n"
    "Convert a Whisper checkpoint to a model file for hearken: whisper.cpp's ggml-*.bin,\n"
    "OpenAI's .pt, or a directory with CTranslate2's model.bin or Hugging Face's\n"
    "model.safetensors and their configuration. The format is detected by the content.\n"
    "With --add-voice, add a voice network to a model file of hearken, or replace it.\n"
    "\n"
    "  -o, --output OUT          the model file; replaced only when it is complete\n"
    "  -t, --type TYPE           type of large matrices: f32, f16 or q8_0 (q8_0)\n"
    "  -e, --embedding TYPE      type of the embedding: these or q5_0 (as --type)\n"
    "      --vocabulary PATH     file or directory with the tokens (beside CHECKPOINT)\n"
    "  -k, --keep FILE           keep only the tokens in FILE, one a line (all)\n"
    "  -l, --language CODE       the language of the transcripts (en)\n"
    "      --padding SECONDS     silence to append to a segment, 0 to 30 (not stated)\n"
    "      --no-window           the model was trained on segments not padded to 30 s\n"
    "      --name NAME           general.name (OUT without its directory and .gguf)\n"
    "      --description TEXT    general.description (none)\n"
    "      --license NAME        general.license (MIT, as OpenAI's checkpoints)\n"
    "      --voice FILE          the voice network, or none (the installed one)\n"
    "  -h, --help                print this\n"
    "  -V, --version             print the version\n";

enum {
    OPTION_NAME = 256,
    OPTION_DESCRIPTION,
    OPTION_LICENSE,
    OPTION_VOICE,
    OPTION_ADD_VOICE,
    OPTION_VOCABULARY,
    OPTION_PADDING,
    OPTION_NO_WINDOW,
};

#define MOST_PADDING 30.0 /* seconds: models/file/model_parameters.c takes no more */

static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"type", required_argument, NULL, 't'},
    {"embedding", required_argument, NULL, 'e'},
    {"keep", required_argument, NULL, 'k'},
    {"language", required_argument, NULL, 'l'},
    {"name", required_argument, NULL, OPTION_NAME},
    {"description", required_argument, NULL, OPTION_DESCRIPTION},
    {"license", required_argument, NULL, OPTION_LICENSE},
    {"voice", required_argument, NULL, OPTION_VOICE},
    {"vocabulary", required_argument, NULL, OPTION_VOCABULARY},
    {"add-voice", no_argument, NULL, OPTION_ADD_VOICE},
    {"padding", required_argument, NULL, OPTION_PADDING},
    {"no-window", no_argument, NULL, OPTION_NO_WINDOW},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static const struct {
    const char *name;
    enum gguf_tensor_type type;
} type_table[] = {
    {"f32", GGUF_TENSOR_F32},
    {"f16", GGUF_TENSOR_F16},
    {"q8_0", GGUF_TENSOR_Q8_0},
    {"q5_0", GGUF_TENSOR_Q5_0}, /* last: allowed only for the embedding */
};

#define TYPES (sizeof(type_table) / sizeof(*type_table))

enum action { CONVERT, ADD_VOICE, SHOW_HELP, SHOW_VERSION };

struct options {
    enum action action;
    const char *input, *output, *keep, *vocabulary;
    const char *voice; /* file, "none", or NULL */
    const char *language, *name, *description, *license;
    double padding; /* seconds; below 0: option not given */
    bool no_window;
    struct whisper_types types;
    bool has_embedding_type;
    bool has_conversion_option; /* one that --add-voice has no use for */
};

static int parse_type(const char *name, size_t types, enum gguf_tensor_type *type,
                      struct hearken_error *error)
{
    for (size_t i = 0; i < types; i++)
        if (strcmp(name, type_table[i].name) == 0) {
            *type = type_table[i].type;
            return 0;
        }
    return hearken_fail(error, -EINVAL, "type '%.40s', expected f32, f16, q8_0%s", name,
                        types == TYPES ? " or q5_0" : "");
}

static int parse_padding(const char *text, double *seconds, struct hearken_error *error)
{
    char *end;
    *seconds = strtod(text, &end);
    if (end != text && *end == 0 && *seconds >= 0 && *seconds <= MOST_PADDING)
        return 0;
    return hearken_fail(error, -EINVAL, "padding '%.40s', expected 0 to 30 seconds", text);
}

static int take_option(struct options *o, int option, const char *value,
                       struct hearken_error *error)
{
    switch (option) {
    case 'o':
        o->output = value;
        return 0;
    case 't':
        return parse_type(value, TYPES - 1, &o->types.matrices, error);
    case 'e':
        o->has_embedding_type = true;
        return parse_type(value, TYPES, &o->types.embedding, error);
    case 'k':
        o->keep = value;
        return 0;
    case 'l':
        o->language = value;
        return 0;
    case OPTION_NAME:
        o->name = value;
        return 0;
    case OPTION_DESCRIPTION:
        o->description = value;
        return 0;
    case OPTION_LICENSE:
        o->license = value;
        return 0;
    case OPTION_VOICE:
        o->voice = value;
        return 0;
    case OPTION_VOCABULARY:
        o->vocabulary = value;
        return 0;
    case OPTION_ADD_VOICE:
        o->action = ADD_VOICE;
        return 0;
    case OPTION_PADDING:
        return parse_padding(value, &o->padding, error);
    case OPTION_NO_WINDOW:
        o->no_window = true;
        return 0;
    case 'h':
        o->action = SHOW_HELP;
        return 0;
    case 'V':
        o->action = SHOW_VERSION;
        return 0;
    default:
        return -EINVAL;
    }
}

/* `option`: what getopt found, '?' or ':'. */
static int refuse_option(int option, const char *argument, struct hearken_error *error)
{
    char reason[480];
    option_error(long_options, option, argument, option_name(long_options, optopt), "a value",
                 reason, sizeof(reason));
    return hearken_fail(error, -EINVAL, "%s; see --help", reason);
}

static int parse_options(struct options *o, int count, char **arguments,
                         struct hearken_error *error)
{
    int operands = 0;
    opterr = 0;
    *o = (struct options){
        .language = "en",
        .license = "MIT",
        .padding = -1,
        .types.matrices = GGUF_TENSOR_Q8_0,
    };
    for (;;) {
        int index = optind;
        /* "-": operands are returned in order, as 1. */
        int option = getopt_long(count, arguments, "-:o:t:e:k:l:hV", long_options, NULL);
        if (option == -1)
            break;
        if (option == '?' || option == ':')
            return refuse_option(option, arguments[index], error);
        if (option == 1) {
            o->input = optarg;
            operands++;
            continue;
        }
        int result = take_option(o, option, optarg, error);
        if (result < 0 || o->action == SHOW_HELP || o->action == SHOW_VERSION)
            return result;
        o->has_conversion_option |=
            option != 'o' && option != OPTION_VOICE && option != OPTION_ADD_VOICE;
    }
    if (o->action == ADD_VOICE && o->has_conversion_option)
        return hearken_fail(error, -EINVAL, "--add-voice takes --voice and --output alone");
    if (!o->has_embedding_type)
        o->types.embedding = o->types.matrices;
    if (!o->output)
        return hearken_fail(error, -EINVAL, "-o OUT is missing; see --help");
    for (; optind < count; optind++, operands++)
        o->input = arguments[optind];
    if (operands != 1)
        return hearken_fail(error, -EINVAL, "%d %s given, expected one; see --help", operands,
                            o->action == CONVERT ? "checkpoints" : "models");
    if (!*o->input || !*o->output)
        return hearken_fail(error, -EINVAL, "%s, got an empty argument; see --help",
                            *o->output ? "expected the name of a file" : "-o: expected OUT");
    return 0;
}

/* "hearken-en" for "models/data/hearken-en.gguf". */
static char *default_name(const char *output)
{
    const char *slash = strrchr(output, '/');
    const char *base = slash ? slash + 1 : output;
    size_t length = strlen(base);
    if (length > 5 && strcmp(base + length - 5, ".gguf") == 0)
        length -= 5;
    return strndup(base, length);
}

/* ---- Voice ---- */

/* NULL if there is none. */
static const char *installed_voice(char path[MAX_PATH])
{
    return installed_file("voice.gguf", path, MAX_PATH) && access(path, R_OK) == 0 ? path : NULL;
}

static int add_voice(const struct options *o, const char *model, struct hearken_error *error)
{
    char installed[MAX_PATH];
    bool none = o->voice && strcmp(o->voice, "none") == 0;
    const char *voice = o->voice ? o->voice : installed_voice(installed);
    if (voice && !none)
        return voice_part_add(model, voice, o->output, error);
    if (o->action == CONVERT)
        return 0;
    return hearken_fail(error, -EINVAL, "%s, expected --voice FILE",
                        none ? "--voice none" : "no voice network is installed");
}

/* ---- Converting ---- */

static int write_file(const struct options *o, const struct checkpoint *checkpoint,
                      const struct whisper *whisper, struct hearken_error *error)
{
    char *made_name = o->name ? NULL : default_name(o->output);
    if (!o->name && !made_name)
        return hearken_fail(error, -ENOMEM, "out of memory");
    const float padding = (float)o->padding;
    const struct model_file model = {
        .name = o->name ? o->name : made_name,
        .description = o->description,
        .license = o->license,
        .language = o->language,
        .padding = o->padding >= 0 ? &padding : NULL,
        .no_window = o->no_window,
        .types = o->types,
        .whisper = whisper,
        .checkpoint = checkpoint,
    };
    int result = model_file_write(&model, o->output, error);
    if (result == 0)
        printf("%s: %s from %s, %u of %u tokens, listener %u and speller %u layers of width %u\n",
               o->output, model.name, checkpoint->format, checkpoint->tokens.kept_count,
               checkpoint->tokens.count, whisper->listener_layers, whisper->speller_layers,
               whisper->width);
    free(made_name);
    return result;
}

/* The installed voice network is left out if its mel bands differ from the model's; one given by
 * --voice is not, so that the mismatch is an error. */
static bool voice_fits(const struct options *o, const struct whisper *whisper)
{
    char installed[MAX_PATH];
    struct hearken_error none;
    uint32_t mels;
    const char *voice = o->voice ? NULL : installed_voice(installed);
    return !voice || voice_part_mels(voice, &mels, &none) < 0 || mels == whisper->mels;
}

static int convert(const struct options *o, struct hearken_error *error)
{
    struct checkpoint checkpoint;
    struct whisper whisper;
    int result = input_open(&checkpoint, &whisper, o->input, o->vocabulary, error);
    if (result == 0 && o->keep)
        result = tokens_keep(&checkpoint.tokens, o->keep, error);
    if (result == 0)
        result = write_file(o, &checkpoint, &whisper, error);
    if (result == 0 && voice_fits(o, &whisper))
        result = add_voice(o, o->output, error);
    checkpoint_finish(&checkpoint);
    return result;
}

int main(int count, char **arguments)
{
    struct options options;
    struct hearken_error error = {""};
    int result = parse_options(&options, count, arguments, &error);
    if (result < 0) {
        fprintf(stderr, "hearken-convert: %s\n", error.message);
        return 2;
    }
    if (options.action == SHOW_HELP)
        fputs(help_text, stdout);
    else if (options.action == SHOW_VERSION)
        puts("hearken-convert " HEARKEN_VERSION);
    else if ((options.action == ADD_VOICE ? add_voice(&options, options.input, &error)
                                          : convert(&options, &error)) < 0) {
        fprintf(stderr, "hearken-convert: %s\n", error.message);
        return 1;
    }
    return 0;
}
