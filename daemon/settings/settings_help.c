// SPDX-License-Identifier: MIT
#include "daemon/settings/settings.h"

#include <string.h>

#define COMMENT_WIDTH 78

/* A sentence or more as "# ..." lines. */
static void print_comment(FILE *stream, const char *text)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (column > 0 && column + 1 + word > COMMENT_WIDTH) {
            fputc('\n', stream);
            column = 0;
        }
        fputs(column == 0 ? "# " : " ", stream);
        fwrite(text, 1, word, stream);
        column += word + (column == 0 ? 2 : 1);
        text += word;
        text += strspn(text, " ");
    }
    fputc('\n', stream);
}

static const char *change_words(const struct setting *setting)
{
    return setting->change == SETTING_RESTART ? "Changing it needs a restart."
                                              : "A reload changes it.";
}

/* "A whole number from 1 to 16, 4 by default. A reload changes it." */
static void describe_value(const struct setting *setting, char *text, size_t size)
{
    char expectation[160];
    setting_expectation(setting, expectation, sizeof(expectation));
    if (expectation[0] >= 'a' && expectation[0] <= 'z')
        expectation[0] = (char)(expectation[0] - 'a' + 'A');
    if (setting->meaning)
        snprintf(text, size, "%s; by default empty: %s. %s", expectation, setting->meaning,
                 change_words(setting));
    else
        snprintf(text, size, "%s; by default %s. %s", expectation, setting->standard,
                 change_words(setting));
}

void settings_print_configuration(FILE *stream)
{
    const char *section = "";
    fputs("# hearkend.conf: what hearkend does where nothing else is said. See hearkend.conf(5).\n",
          stream);
    struct setting setting;
    for (size_t i = 0; setting_at(i, &setting); i++) {
        if (strcmp(section, setting.section) != 0) {
            section = setting.section;
            fprintf(stream, "\n[%s]\n", section);
        }
        char value[400];
        describe_value(&setting, value, sizeof(value));
        fputc('\n', stream);
        print_comment(stream, setting.help);
        print_comment(stream, value);
        fprintf(stream, "#%s =%s%s\n", setting.name, *setting.standard != '\0' ? " " : "",
                setting.standard);
    }
}

/* ---- Manual page ---- */

static const char manual_head[] = //
    ".\\\" SPDX-License-Identifier: MIT\n"
    ".\\\" Made by hearkend --help-config=man from daemon/settings/settings_table.c and\n"
    ".\\\" models/stream/stream_options.c: change those.\n"
    ".Dd November 22, 2026\n"
    ".Dt HEARKEND.CONF 5\n"
    ".Os\n"
    ".Sh NAME\n"
    ".Nm hearkend.conf\n"
    ".Nd configuration of the speech recognition daemon\n"
    ".Sh DESCRIPTION\n"
    ".Xr hearkend 8\n"
    "reads one file when it starts and again at each reload: the one named by\n"
    ".Fl -config ,\n"
    "else\n"
    ".Pa $XDG_CONFIG_HOME/hearken/hearkend.conf\n"
    ".Pq Pa ~/.config/hearken/hearkend.conf ,\n"
    "else\n"
    ".Pa /etc/hearken/hearkend.conf .\n"
    "Without any of them, the defaults below are in force.\n"
    ".Pp\n"
    "The file has sections,\n"
    ".Li [section] ,\n"
    "with lines\n"
    ".Li name = value .\n"
    "Lines that start with\n"
    ".Sq #\n"
    "or\n"
    ".Sq \\&;\n"
    "are comments, as is what follows a space and\n"
    ".Sq \\&;\n"
    "in a line; there are no quotes.\n"
    "A line holds up to 198 bytes; for longer values, use\n"
    ".Fl -set .\n"
    "Of sections\n"
    ".Li [model NAME]\n"
    "there may be up to 32, each with a\n"
    ".Ic file :\n"
    "models that clients ask for by that name, of up to 40 bytes.\n"
    "They are loaded at their first use.\n"
    "A name that is not known and a value out of range are errors: at start\n"
    ".Xr hearkend 8\n"
    "then does not run, at a reload it keeps the settings it had.\n"
    ".Pp\n"
    ".Ql hearkend --help-config\n"
    "prints a file with every setting and its default;\n"
    ".Ql hearkend --check-config\n"
    "checks one.\n"
    "On the command line, a setting is\n"
    ".Fl -set Ar section.name Ns = Ns Ar value .\n";

static const char manual_tail[] = //
    ".Sh FILES\n"
    ".Bl -tag -width Ds\n"
    ".It Pa $XDG_CONFIG_HOME/hearken/hearkend.conf\n"
    "of a user.\n"
    ".It Pa /etc/hearken/hearkend.conf\n"
    "of the system.\n"
    ".El\n"
    ".Sh EXAMPLES\n"
    "A daemon for Home Assistant, on a computer of its own:\n"
    ".Bd -literal -offset indent\n"
    "[server]\n"
    "tcp = 0.0.0.0:10300\n"
    "\n"
    "[recognition]\n"
    "beam_width = 2\n"
    ".Ed\n"
    ".Pp\n"
    "Two models besides the default, and names to listen for:\n"
    ".Bd -literal -offset indent\n"
    "[model]\n"
    "release_seconds = 300\n"
    "\n"
    "[model tiny]\n"
    "file = /srv/models/tiny.en.gguf\n"
    "\n"
    "[model large]\n"
    "file = /srv/models/large-v3.gguf\n"
    "\n"
    "[recognition]\n"
    "custom_words = Kubernetes, Ada Lovelace\n"
    "custom_words_file = /etc/hearken/words\n"
    ".Ed\n"
    ".Sh SEE ALSO\n"
    ".Xr hearken 1 ,\n"
    ".Xr hearkend 8\n";

/* Text for mdoc: one sentence a line, nothing that roff would take for a command. */
static void print_roff(FILE *stream, const char *text)
{
    bool line_start = true;
    for (const char *c = text; *c != '\0'; c++) {
        if (line_start && (*c == '.' || *c == '\''))
            fputs("\\&", stream);
        line_start = false;
        if (*c == '\\') {
            fputs("\\e", stream);
        } else if (*c == ' ' && c > text && c[-1] == '.') {
            fputc('\n', stream);
            line_start = true;
        } else {
            fputc(*c, stream);
        }
    }
    fputc('\n', stream);
}

void settings_print_manual(FILE *stream)
{
    const char *section = "";
    fputs(manual_head, stream);
    struct setting setting;
    for (size_t i = 0; setting_at(i, &setting); i++) {
        if (strcmp(section, setting.section) != 0) {
            if (*section != '\0')
                fputs(".El\n", stream);
            section = setting.section;
            fprintf(stream, ".Ss Section [%s]\n.Bl -tag -width Ds\n", section);
        }
        char value[400];
        describe_value(&setting, value, sizeof(value));
        fprintf(stream, ".It Ic %s\n", setting.name);
        print_roff(stream, setting.help);
        print_roff(stream, value);
    }
    fputs(".El\n", stream);
    fputs(manual_tail, stream);
}
