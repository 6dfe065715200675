// SPDX-License-Identifier: MIT
/*
 * What can be set, in one table, of which the library's options of streams are a part: it makes the
 * parser, `hearkend --help-config`, the manual page hearkend.conf(5) and the check of what a client
 * may ask for.
 *
 * A struct settings belongs to one thread (the loop's).
 */
#ifndef HEARKEN_DAEMON_SETTINGS_SETTINGS_H
#define HEARKEN_DAEMON_SETTINGS_SETTINGS_H

#include <hearken/hearken.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* When the microphone is given back. */
enum capture_release {
    CAPTURE_WHEN_IDLE, /* nobody has asked to listen */
    CAPTURE_WHEN_HELD, /* nobody listens just now */
    CAPTURE_NEVER,
};

/* Who may listen to the microphone. */
enum capture_clients {
    CAPTURE_NONE,
    CAPTURE_LOCAL, /* those on the Unix socket */
    CAPTURE_ALL,
};

/* [model NAME] of the configuration. */
struct named_model {
    char *name, *file;
};

#define SETTINGS_MODELS_MAX 32
#define SETTINGS_NAME_MAX   40 /* bytes of a model's name; a section holds little more */

struct settings {
    char *model_file;            /* "": the one installed with the program */
    bool model_keep;             /* loaded, also when nobody uses it */
    float model_release_seconds; /* 0: never */
    struct named_model *models;  /* [model_count]: besides it */
    size_t model_count;

    char *backend;
    char *plugin_directory; /* "": the library's default */
    char *cpu_mask;         /* "": nothing withheld */
    unsigned threads;       /* 0: the backend's choice */

    struct hearken_stream_options recognition; /* but audio, alignment and voice_events,
                                               which requests set */
    char *custom_words;                        /* between commas */
    char *custom_words_file;                   /* "": none */
    char *listed_words; /* both, made by settings_load_custom_words; NULL: none */

    char *capture_device;                    /* "": the system's default */
    unsigned capture_rate, capture_channels; /* 0: the device's own */
    float capture_buffer_seconds;
    unsigned capture_release; /* enum capture_release */
    unsigned capture_clients; /* enum capture_clients */

    char *socket; /* "": in the runtime directory */
    unsigned socket_mode;
    char *tcp;        /* "": none */
    unsigned workers; /* 0: one for each processor */
    char *agent;      /* "": none */

    char *http;             /* "": none */
    char *http_tokens_file; /* "": any key will do */
    bool http_allow_anonymous;
    char *http_allow_origins; /* between spaces */
    unsigned http_upload_mib;
    char *http_decoder; /* path of hearken-decode, "none", or "": where it belongs */
    unsigned http_requests;
    char *http_model_aliases; /* between spaces */
    bool http_strict_models;

    unsigned connections;
    float audio_seconds;
    unsigned audio_queue_kib;
    unsigned result_queue_kib;

    float idle_seconds; /* 0: never */
    float stall_seconds;
    float lame_duck_seconds;
    float drain_seconds;

    unsigned log_level; /* enum hearken_log_level */
};

enum setting_type {
    SETTING_TEXT,   /* char * */
    SETTING_STRING, /* char [maximum + 1] */
    SETTING_COUNT,  /* unsigned */
    SETTING_MODE,   /* unsigned, written in octal */
    SETTING_NUMBER, /* float */
    SETTING_CHOICE, /* unsigned: index of one of the words */
    SETTING_SWITCH, /* bool, written on or off */
};

enum setting_change {
    SETTING_RESTART, /* takes effect at the next start */
    SETTING_RELOAD,  /* takes effect at a reload */
    SETTING_MODEL,   /* a reload opens the model again */
};

struct setting {
    const char *section;
    const char *name;
    enum setting_type type;
    enum setting_change change;
    size_t offset; /* in struct settings */
    double minimum, maximum;
    const char *const *words; /* of a choice; NULL after the last */
    const char *standard;     /* default, as it would be written */
    const char *meaning;      /* of an empty default; NULL if it is not empty */
    const char *help;         /* sentences */
};

/* Setting `index`, counted from 0; false past the last one. Sections are contiguous. */
bool setting_at(size_t index, struct setting *setting);

/* False: there is none of that name. */
bool setting_find(const char *section, const char *name, struct setting *setting);

/* What a value must be: "a number from 0 to 2". */
void setting_expectation(const struct setting *setting, char *text, size_t size);

/* All defaults. Errors: -ENOMEM. */
int settings_init(struct settings *settings);

/* Accepts what init failed on, and one that is all zeros. */
void settings_finish(struct settings *settings);

/* Errors: -EINVAL with "got X, expected Y", -ENOMEM. */
int setting_assign(const struct setting *setting, struct settings *settings, const char *value,
                   struct hearken_error *error);

/* As above, for a number that came as one. */
int setting_assign_number(const struct setting *setting, struct settings *settings, double value,
                          struct hearken_error *error);

bool setting_equal(const struct setting *setting, const struct settings *a,
                   const struct settings *b);

/* What sets a model of its own: the name behind "model " in a section's, or NULL. */
const char *settings_model_name(const char *section);

/* Sets `name` of [model MODEL], which is made if need be. Errors: -EINVAL with the reason, -ENOMEM.
 */
int settings_assign_model(struct settings *settings, const char *model, const char *name,
                          const char *value, struct hearken_error *error);

/* All of it; `to` is as init leaves it, or all zeros. Errors: -ENOMEM; `to` is finished then. */
int settings_copy(struct settings *to, const struct settings *from);

/* Gives `to` the value that `from` has. Errors: -ENOMEM. */
int setting_copy(const struct setting *setting, struct settings *to, const struct settings *from);

/* Takes one line that says where and what. */
typedef void setting_problem_callback(void *context, const char *problem);

/*
 * Reads an INI file over the settings. Each problem is reported as "FILE:LINE: name: got X,
 * expected Y"; all of the file is read. Errors: the system's for the file, -ENOMEM, -EINVAL if
 * there was any other problem; the settings are then good for finish only.
 */
int settings_read_file(struct settings *settings, const char *path,
                       setting_problem_callback *callback, void *context);

/* Applies "section.name=value" as from the command line. Errors as above. */
int settings_apply_override(struct settings *settings, const char *assignment,
                            setting_problem_callback *callback, void *context);

/* The nearest of the known names to one that is not known; false if none is near. */
bool setting_suggest(const char *section, const char *name, struct setting *nearest);

/* Makes the list of custom words that the settings ask for: puts it into `listed_words`, and
 * `recognition` refers to it. Errors, after a report: -EINVAL, -ENOMEM, or the system's for the
 * file. */
int settings_load_custom_words(struct settings *settings, setting_problem_callback *callback,
                               void *context);

/* A configuration file of all defaults, commented; and the text of hearkend.conf(5). */
void settings_print_configuration(FILE *stream);
void settings_print_manual(FILE *stream);

#endif
