// SPDX-License-Identifier: MIT
#include "models/stream/separator.h"

#include "frontend/sound/pcm.h"
#include "models/stream/leak_estimate.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HOP      SEPARATOR_HOP
#define CHANNELS HEARKEN_CHANNELS_EACH_MAX

/* Channels are compared after a filter that takes the weight off the low frequencies: hum and
 * rumble are alike in all of them, and vowels of two speakers nearly so. */
#define SHARPENING 0.9f

/* Hops in which the delay of a copy is looked for. At the best delay so much of two speakers
 * correlates by 0.1 at most, and by 0.34 at least of one speaker in an echoing room. */
#define SEARCH_HOPS 6u
#define SEARCH_MIN  0.22

/* Two speakers do so now and then by chance, or because a copy is part of what there is. A copy
 * through a room does so evenly. It is believed after so many windows: if the mean correlation of
 * late is so high, by itself and beside the best, and this share of the windows was within 3 dB of
 * the mean level. */
#define WINDOWS_MIN 5u
#define USUAL_FADE  0.9
#define USUAL_MIN   0.27
#define USUAL_SHARE 0.6
#define EVEN_SHARE  0.7
#define EVEN_LEVEL  3.0
#define MEAN_FADE   0.8

/*
 * A copy through a room correlates by about what was best of late. With its neighbours, a hop is a
 * copy if it correlates by the first share of that. The second suffices if it is also no louder
 * than copies are, but for 4 dB.
 */
#define BEST_FADE    0.99
#define COPY_SHARE   0.65
#define LEVEL_SHARE  0.3
#define LEVEL_ROOM   2.5
#define LEVEL_WEIGHT 0.3

/*
 * Where nothing but a delay and a gain is between the channels, both have to be nearly exact: what
 * differs is the channel's own. The level may rise by 0.4 dB a second.
 */
#define EXACT_SHARE 0.93
#define EXACT_ROOM  1.5
#define LEVEL_RISE  1.03

/* A window that correlates by more is all copy, and needs no search if it does so at the delay that
 * is known. Its gain is then exact. */
#define CERTAIN 0.9

/* A louder copy is the same sound, and not taken away. */
#define GAIN_MAX 0.5f

/* The energy of an echo after a hop. */
#define ECHO 0.25

/* Hops of copy, with nothing of its own between, that silence a channel. Less is a coincidence, or
 * masked by what the channel has itself. */
#define COPY_HOPS 4u

/* Hops that are looked at ahead. */
#define AHEAD_HOPS 5u

/* What is compared reaches a hop and a delay to both sides. */
#define DELAY_HOPS (SEARCH_HOPS + AHEAD_HOPS + 2u)

/* Energy of a hop, sharpened, below which it is silence: about -75 dBFS. */
#define SILENCE (HOP * 3e-8)

/* A hop is sound if it is louder than the noise by this factor, 6 dB. The noise follows what is
 * softer at once, and else rises by 0.7 dB a second. */
#define ABOVE_NOISE 4.0
#define NOISE_RISE  1.01

/* Ratios of energies: clearly louder, 6 dB; of like level, 10 dB. */
#define LOUDER 4.0
#define ALIKE  10.0

/* Windows of SEARCH_HOPS with sound that decide whether the channels hold the same: the first, and
 * how many of the last to change it. */
#define VOTES_FIRST  4u
#define VOTES        16u
#define VOTES_CHANGE 14u

/* A window votes if it is at most this much softer than the loudest: 25 dB. The loudest is
 * forgotten by 1 dB a second. */
#define VOTE_SHARE   0.00316
#define LOUDEST_FADE 0.92

/* Hops of the start that are kept until it is known what leaks from channel to channel, 2.5 s. */
#define START_HOPS 42u

/* Hops kept at most while nothing is decided, 8 s. */
#define UNDECIDED_HOPS 133u

/* Hops kept before the next: for a window, its delay and the neighbours. */
#define BEFORE_HOPS (SEARCH_HOPS + 2u)
#define ROOM_HOPS   (2 * (BEFORE_HOPS + DELAY_HOPS + 2u))

/* A lane changes between sound and silence in 5 ms. */
#define FADE 80u

enum content {
    CONTENT_QUIET, /* nothing louder than its noise */
    CONTENT_OWN,
    CONTENT_COPY,
};

struct track {
    float *samples;    /* [room, HOP] */
    float *sharp;      /* [room, HOP]: sharpened */
    float last;        /* the last sample */
    double *energy;    /* [room] of the sharpened hops */
    double *noise;     /* [room]: energy of a hop's noise */
    double echo;       /* energy of the last hops and their echo */
    uint8_t *contents; /* [room]: enum content */
    bool silenced;     /* the last hop was */
    uint32_t copies;   /* hops of copy up to the next hop, with nothing of its own between */
};

struct lane {
    bool open;     /* the last hop was not silenced */
    float *buffer; /* [HOP]: a hop that is not as it came */
};

/* How the sound of a channel gets into another one. */
struct path {
    unsigned windows;   /* that were searched */
    double sum, weight; /* of their correlations, fading */
    double even;        /* windows of the mean level, fading likewise */
    double mean;        /* of the levels, dB, fading */
    double best;        /* correlation; 0: no copy was found yet */
    int delay;          /* samples */
    double level;       /* energy of a copy, as a share of the energy of what is copied */
    bool exact;         /* there was a window of nothing but an exact copy */
    struct leak leak;   /* what is taken away where both have sound; gain 0: nothing */
};

/* Two channels, a < b. */
struct pair {
    struct path paths[2]; /* from b to a, from a to b */
    bool b_is_louder;     /* until the other one is clearly louder */
    struct leak_estimate estimate;
};

struct separator {
    uint32_t channels;
    bool automatic, finished;
    struct track tracks[CHANNELS];
    struct lane lanes[SEPARATOR_LANES];
    struct pair pairs[CHANNELS][CHANNELS]; /* [a][b], a < b */
    struct mixer mixer;
    float *interleaved; /* [HOP, channels] */

    /* Hops, counted from the start. `first` is at the start of the arrays. */
    size_t room;
    uint64_t first, fed, searched, sorted, next;
    size_t partial; /* samples of hop `fed` so far */
    size_t missing; /* samples that the last hop lacks; known once it is finished */

    bool decided, apart; /* apart: the channels hold different sound */
    double loudest;      /* window so far */
    unsigned votes, votes_apart;
    bool vote[VOTES]; /* the last ones: apart */
};

/* ---- Creating ---- */

int separator_create(uint32_t channels, bool automatic, struct separator **separator)
{
    struct separator *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->channels = channels;
    s->automatic = automatic;
    s->decided = s->apart = !automatic;
    s->room = ROOM_HOPS + 2 * (automatic ? UNDECIDED_HOPS : START_HOPS);
    const struct hearken_audio_format format = {HEARKEN_RATE, channels, HEARKEN_SAMPLE_F32};
    mixer_init(&s->mixer, &format);
    s->interleaved = malloc(sizeof(*s->interleaved) * HOP * channels);
    bool good = s->interleaved;
    for (uint32_t c = 0; c < channels; c++) {
        struct track *t = &s->tracks[c];
        t->samples = calloc(s->room * HOP, sizeof(*t->samples));
        t->sharp = calloc(s->room * HOP, sizeof(*t->sharp));
        t->energy = calloc(s->room, sizeof(*t->energy));
        t->noise = calloc(s->room, sizeof(*t->noise));
        t->contents = calloc(s->room, sizeof(*t->contents));
        good = good && t->samples && t->sharp && t->energy && t->noise && t->contents;
    }
    for (uint32_t i = 0; i <= channels; i++) {
        s->lanes[i].buffer = malloc(sizeof(*s->lanes[i].buffer) * HOP);
        good = good && s->lanes[i].buffer;
    }
    if (!good) {
        separator_destroy(s);
        return -ENOMEM;
    }
    *separator = s;
    return 0;
}

void separator_destroy(struct separator *separator)
{
    if (!separator)
        return;
    for (uint32_t c = 0; c < CHANNELS; c++) {
        struct track *t = &separator->tracks[c];
        free(t->samples);
        free(t->sharp);
        free(t->energy);
        free(t->noise);
        free(t->contents);
    }
    for (uint32_t i = 0; i < SEPARATOR_LANES; i++)
        free(separator->lanes[i].buffer);
    free(separator->interleaved);
    free(separator);
}

/* ---- Samples in ---- */

/* Drops hops that are no longer needed, when the arrays are full. */
static void make_room(struct separator *s)
{
    if (s->fed - s->first < s->room)
        return;
    uint64_t keep = s->next > BEFORE_HOPS ? s->next - BEFORE_HOPS : 0;
    size_t dropped = (size_t)(keep - s->first), left = s->room - dropped;
    for (uint32_t c = 0; c < s->channels; c++) {
        struct track *t = &s->tracks[c];
        memmove(t->samples, t->samples + dropped * HOP, left * HOP * sizeof(*t->samples));
        memmove(t->sharp, t->sharp + dropped * HOP, left * HOP * sizeof(*t->sharp));
        memmove(t->energy, t->energy + dropped, left * sizeof(*t->energy));
        memmove(t->noise, t->noise + dropped, left * sizeof(*t->noise));
        memmove(t->contents, t->contents + dropped, left * sizeof(*t->contents));
    }
    s->first = keep;
}

static void end_hop(struct separator *s)
{
    size_t at = (size_t)(s->fed - s->first);
    for (uint32_t c = 0; c < s->channels; c++) {
        struct track *t = &s->tracks[c];
        double energy = 0, noise = at > 0 ? t->noise[at - 1] * NOISE_RISE : SILENCE;
        for (size_t i = 0; i < HOP; i++)
            energy += (double)t->sharp[at * HOP + i] * (double)t->sharp[at * HOP + i];
        t->energy[at] = energy;
        t->noise[at] = fmax(fmin(noise, energy), SILENCE);
    }
    s->fed++;
    s->partial = 0;
}

void separator_feed(struct separator *separator, float *const *channels, size_t count)
{
    struct separator *s = separator;
    for (size_t done = 0; done < count;) {
        make_room(s);
        size_t room = HOP - s->partial, more = count - done < room ? count - done : room;
        size_t at = (size_t)(s->fed - s->first) * HOP + s->partial;
        for (uint32_t c = 0; c < s->channels; c++) {
            struct track *t = &s->tracks[c];
            const float *in = channels[c] + done;
            memcpy(t->samples + at, in, more * sizeof(*in));
            for (size_t i = 0; i < more; i++)
                t->sharp[at + i] = in[i] - SHARPENING * (i > 0 ? in[i - 1] : t->last);
            t->last = in[more - 1];
        }
        done += more;
        s->partial += more;
        if (s->partial == HOP)
            end_hop(s);
    }
}

void separator_finish(struct separator *separator)
{
    struct separator *s = separator;
    s->finished = true;
    if (s->partial == 0)
        return;
    make_room(s);
    s->missing = HOP - s->partial;
    size_t at = (size_t)(s->fed - s->first) * HOP + s->partial;
    for (uint32_t c = 0; c < s->channels; c++) {
        memset(s->tracks[c].samples + at, 0, s->missing * sizeof(float));
        memset(s->tracks[c].sharp + at, 0, s->missing * sizeof(float));
    }
    end_hop(s);
}

/* ---- Comparing ---- */

/* Eight partial sums let the compiler use vectors without reordering additions. */
static double product(const float *a, const float *b, size_t count)
{
    float sums[8] = {0};
    double total = 0;
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (size_t lane = 0; lane < 8; lane++)
            sums[lane] += a[i + lane] * b[i + lane];
    for (; i < count; i++)
        total += (double)(a[i] * b[i]);
    for (size_t lane = 0; lane < 8; lane++)
        total += (double)sums[lane];
    return total;
}

/* Hops from <= h < to, within those that are there, as samples of the arrays. */
struct window {
    size_t from, count;
};

static struct window window_of(const struct separator *s, uint64_t from, uint64_t to)
{
    from = from < s->first ? s->first : from;
    to = to > s->fed ? s->fed : to;
    return (struct window){(size_t)(from - s->first) * HOP, (size_t)(to - from) * HOP};
}

/* Normalised correlation, 0..1, of a window of channel `soft` with the sound of `loud` that is
 * `delay` samples before it. */
static double correlation(const struct separator *s, uint32_t soft, uint32_t loud,
                          struct window window, int delay)
{
    size_t end = (size_t)(s->fed - s->first) * HOP;
    if (delay > 0 && window.from < (size_t)delay) {
        window.count -= (size_t)delay - window.from;
        window.from = (size_t)delay;
    }
    if (delay < 0 && window.from + window.count + (size_t)-delay > end)
        window.count = end - window.from - (size_t)-delay;
    const float *a = s->tracks[soft].sharp + window.from;
    const float *b = s->tracks[loud].sharp + window.from - delay;
    double energy = product(a, a, window.count) * product(b, b, window.count);
    return energy > 0 ? fabs(product(a, b, window.count)) / sqrt(energy) : 0;
}

static double energy_of(const struct separator *s, uint32_t channel, uint64_t from, uint64_t to)
{
    double energy = 0;
    for (uint64_t h = from; h < to && h < s->fed; h++)
        if (h >= s->first)
            energy += s->tracks[channel].energy[h - s->first];
    return energy;
}

static double noise_at(const struct separator *s, uint32_t channel, uint64_t hop)
{
    return s->tracks[channel].noise[hop - s->first];
}

/* The part of a window that has a partner at all delays; a window has at least a hop. */
static struct window inner(const struct separator *s, struct window window)
{
    size_t all = (size_t)(s->fed - s->first) * HOP, end = window.from + window.count;
    size_t from = window.from > LEAK_MAX_DELAY ? window.from : LEAK_MAX_DELAY;
    if (end > all - LEAK_MAX_DELAY)
        end = all - LEAK_MAX_DELAY;
    return (struct window){from, end - from};
}

/* The sums of a(t) b(t - delay) in a window. */
static void multiply(const struct separator *s, uint32_t a, uint32_t b, struct window window,
                     float products[LEAK_DELAYS])
{
    window = inner(s, window);
    for (int i = 0; i < LEAK_DELAYS; i++) {
        const float *other = s->tracks[b].sharp + window.from + LEAK_MAX_DELAY - i;
        products[i] = (float)product(s->tracks[a].sharp + window.from, other, window.count);
    }
}

/* The delay, from -LEAK_MAX_DELAY on, with the largest product. */
static int largest(const float products[LEAK_DELAYS])
{
    int best = 0;
    for (int i = 1; i < LEAK_DELAYS; i++)
        if (fabsf(products[i]) > fabsf(products[best]))
            best = i;
    return best - LEAK_MAX_DELAY;
}

/* The result of a search, if the channels correlate: `found` at `delay`. */
static void learn_path(struct path *path, int delay, double found, double level)
{
    bool known = path->best > 0;
    path->best = fmax(path->best * BEST_FADE, found);
    path->delay = delay;
    path->exact = path->exact || found >= CERTAIN;
    if (!known || (found >= CERTAIN && path->level > level))
        path->level = level;
    else if (path->exact)
        path->level = fmin(path->level * LEVEL_RISE, level);
    else if (found >= COPY_SHARE * path->best) /* otherwise there is more than the copy */
        path->level += LEVEL_WEIGHT * (level - path->level);
}

static void count_search(struct path *path, double found, double level)
{
    double decibels = 10 * log10(level);
    bool even = path->windows > 0 && fabs(decibels - path->mean) <= EVEN_LEVEL;
    path->mean = path->windows > 0 ? MEAN_FADE * path->mean + (1 - MEAN_FADE) * decibels : decibels;
    path->windows++;
    path->sum = USUAL_FADE * path->sum + found;
    path->even = USUAL_FADE * path->even + even;
    path->weight = USUAL_FADE * path->weight + 1;
}

static bool is_believed(const struct path *path)
{
    double usual = path->sum / fmax(path->weight, 1), even = path->even / fmax(path->weight, 1);
    return path->exact || (path->windows >= WINDOWS_MIN && usual >= USUAL_MIN &&
                           usual >= USUAL_SHARE * path->best && even >= EVEN_SHARE);
}

/* What is taken away of one channel in another one. */
static void set_leak(struct path *path, const struct leak *leak)
{
    path->leak = *leak;
    if (!(fabsf(leak->gain) <= GAIN_MAX)) /* also of no sound at all */
        path->leak.gain = 0;
}

/* Looks for copies by what a window and those before it have in common. */
static int search_delay(struct separator *s, struct pair *pair, uint32_t a, uint32_t b,
                        struct window window, double energy_a, double energy_b)
{
    float products[LEAK_DELAYS];
    struct leak leak;
    multiply(s, a, b, window, products);
    leak_estimate_add(&pair->estimate, products, energy_a, energy_b);
    for (int i = 0; i < 2; i++)
        if (!pair->paths[i].exact && leak_estimate_find(&pair->estimate, i == 0, &leak))
            set_leak(&pair->paths[i], &leak);
    return largest(products);
}

/* Measures the gain of a window that is all copy. */
static void measure_leak(const struct separator *s, struct path *path, uint32_t soft, uint32_t loud,
                         struct window window, int delay)
{
    window = inner(s, window);
    const float *a = s->tracks[soft].sharp + window.from;
    const float *b = s->tracks[loud].sharp + window.from - delay;
    const struct leak leak = {delay,
                              (float)(product(a, b, window.count) / product(b, b, window.count))};
    set_leak(path, &leak);
}

/* Searches a window of two channels. Whether one is a copy of the other. */
static bool search_pair(struct separator *s, uint32_t a, uint32_t b, uint64_t from, uint64_t to)
{
    struct pair *pair = &s->pairs[a][b];
    double energy_a = energy_of(s, a, from, to), energy_b = energy_of(s, b, from, to);
    double hops = (double)(to - from);
    if (energy_a < hops * noise_at(s, a, to - 1) * ABOVE_NOISE ||
        energy_b < hops * noise_at(s, b, to - 1) * ABOVE_NOISE)
        return false;
    bool b_is_louder = energy_b > energy_a;
    uint32_t soft = b_is_louder ? a : b, loud = b_is_louder ? b : a;
    struct path *path = &pair->paths[b_is_louder ? 0 : 1];
    struct path *back = &pair->paths[b_is_louder ? 1 : 0];
    struct window window = window_of(s, from, to);
    int delay = path->delay;
    double found = correlation(s, soft, loud, window, delay);
    if (found < CERTAIN) {
        int tried = search_delay(s, pair, a, b, window, energy_a, energy_b);
        double there = correlation(s, soft, loud, window, b_is_louder ? tried : -tried);
        if (there > found)
            delay = b_is_louder ? tried : -tried;
        found = fmax(there, found);
    }
    double level = b_is_louder ? energy_a / energy_b : energy_b / energy_a;
    count_search(path, found, level);
    if (found < SEARCH_MIN)
        return false;
    if (found >= CERTAIN)
        measure_leak(s, path, soft, loud, window, delay);
    learn_path(path, delay, found, level);
    if (level * LOUDER > 1) { /* of like level: either may stay */
        count_search(back, found, 1 / level);
        learn_path(back, -delay, found, 1 / level);
    }
    return true;
}

/* ---- Whether the channels hold different sound ---- */

static void count_vote(struct separator *s, bool apart)
{
    bool *vote = &s->vote[s->votes++ % VOTES];
    unsigned kept = s->votes < VOTES ? s->votes : VOTES;
    s->votes_apart += apart;
    if (s->votes > VOTES)
        s->votes_apart -= *vote;
    *vote = apart;
    if (!s->decided && kept >= VOTES_FIRST) {
        s->decided = true;
        s->apart = 2 * s->votes_apart >= kept;
    } else if (s->decided && s->apart && kept - s->votes_apart >= VOTES_CHANGE) {
        s->apart = false;
    } else if (s->decided && !s->apart && s->votes_apart >= VOTES_CHANGE) {
        s->apart = true;
    }
}

/* `same`: for each channel, whether it holds the same as the loudest one. */
static void vote(struct separator *s, const double *energies, uint32_t loudest, const bool *same)
{
    double most = energies[loudest];
    s->loudest = fmax(s->loudest * LOUDEST_FADE, most);
    if (!s->automatic || most < SEARCH_HOPS * SILENCE * ABOVE_NOISE ||
        most < s->loudest * VOTE_SHARE)
        return;
    bool together = false;
    for (uint32_t c = 0; c < s->channels; c++) {
        if (c == loudest || energies[c] * ALIKE < most)
            continue;
        together = same[c];
        if (!together)
            break;
    }
    count_vote(s, !together);
}

static void search_window(struct separator *s, uint64_t from, uint64_t to)
{
    double energies[CHANNELS] = {0};
    bool same[CHANNELS] = {false};
    uint32_t loudest = 0;
    for (uint32_t c = 0; c < s->channels; c++) {
        energies[c] = energy_of(s, c, from, to);
        if (energies[c] > energies[loudest])
            loudest = c;
    }
    for (uint32_t a = 0; a < s->channels; a++)
        for (uint32_t b = a + 1; b < s->channels; b++) {
            bool alike = search_pair(s, a, b, from, to);
            if (a == loudest)
                same[b] = alike;
            if (b == loudest)
                same[a] = alike;
        }
    vote(s, energies, loudest, same);
}

/* ---- What a hop of a channel holds ---- */

/* Whether a hop of channel `soft` with its neighbours is no more than a copy, or, if there is
 * nothing to compare, may be the echo of one. */
static enum content compare_hop(const struct separator *s, const struct path *path, uint32_t soft,
                                uint32_t loud, uint64_t hop)
{
    uint64_t from = hop > 0 ? hop - 1 : 0;
    double energy = energy_of(s, soft, from, hop + 2);
    double copied = path->level * fmax(energy_of(s, loud, from, hop + 2), s->tracks[loud].echo);
    if (!is_believed(path) || s->tracks[soft].energy[hop - s->first] < SILENCE)
        return CONTENT_OWN;
    double found = correlation(s, soft, loud, window_of(s, from, hop + 2), path->delay);
    double share = found / path->best;
    bool copy = path->exact
                    ? share >= EXACT_SHARE * path->best && energy < EXACT_ROOM * copied
                    : share >= COPY_SHARE || (share >= LEVEL_SHARE && energy < LEVEL_ROOM * copied);
    if (copy)
        return CONTENT_COPY;
    return energy < copied ? CONTENT_QUIET : CONTENT_OWN;
}

/* Marks the softer of two channels if it is a copy. Among channels of like level the one stays that
 * was last louder: so a sound does not go to and fro. */
static void sort_pair(struct separator *s, uint32_t a, uint32_t b, uint64_t hop)
{
    struct pair *pair = &s->pairs[a][b];
    uint64_t from = hop > 0 ? hop - 1 : 0;
    double energy_a = energy_of(s, a, from, hop + 2), energy_b = energy_of(s, b, from, hop + 2);
    bool clear = energy_a > LOUDER * energy_b || energy_b > LOUDER * energy_a;
    bool b_is_louder = clear ? energy_b > energy_a : pair->b_is_louder;
    uint32_t soft = b_is_louder ? a : b, loud = b_is_louder ? b : a;
    uint8_t *content = &s->tracks[soft].contents[hop - s->first];
    enum content found = compare_hop(s, &pair->paths[b_is_louder ? 0 : 1], soft, loud, hop);
    if (found == CONTENT_OWN)
        return;
    if (found == CONTENT_COPY)
        pair->b_is_louder = b_is_louder;
    if (*content != CONTENT_COPY)
        *content = (uint8_t)found;
}

static void sort_hop(struct separator *s, uint64_t hop)
{
    size_t at = (size_t)(hop - s->first);
    for (uint32_t c = 0; c < s->channels; c++) {
        struct track *t = &s->tracks[c];
        bool quiet = t->energy[at] < ABOVE_NOISE * t->noise[at];
        t->contents[at] = quiet ? CONTENT_QUIET : CONTENT_OWN;
        t->echo = fmax(t->echo * ECHO, energy_of(s, c, hop > 0 ? hop - 1 : 0, hop + 2));
    }
    for (uint32_t a = 0; a < s->channels; a++)
        for (uint32_t b = a + 1; b < s->channels; b++)
            sort_pair(s, a, b, hop);
}

static enum content content_at(const struct separator *s, uint32_t channel, uint64_t hop)
{
    return hop < s->sorted ? s->tracks[channel].contents[hop - s->first] : CONTENT_QUIET;
}

/* ---- Samples out ---- */

/* Whether the next hop of a channel is silenced. */
static bool is_silenced(struct separator *s, uint32_t channel)
{
    struct track *t = &s->tracks[channel];
    enum content now = content_at(s, channel, s->next);
    uint32_t copies = 0, ahead = 1;
    while (ahead <= AHEAD_HOPS && content_at(s, channel, s->next + ahead) != CONTENT_OWN)
        copies += content_at(s, channel, s->next + ahead++) == CONTENT_COPY;
    /* Among copies one hop that looks like more is a click, or the edge of a sound. */
    if (now == CONTENT_OWN && t->silenced && ahead > AHEAD_HOPS && copies >= COPY_HOPS)
        now = CONTENT_COPY;
    if (now == CONTENT_OWN) {
        t->copies = 0;
        return false;
    }
    if (now == CONTENT_COPY) {
        t->copies++;
        return t->copies + copies >= COPY_HOPS;
    }
    /* What is quiet belongs to the copy before it, but for the start of something of its own. */
    return t->silenced && ahead > AHEAD_HOPS;
}

static void mix_hop(struct separator *s, float *out)
{
    size_t at = (size_t)(s->next - s->first) * HOP;
    for (uint32_t c = 0; c < s->channels; c++)
        for (size_t i = 0; i < HOP; i++)
            s->interleaved[i * s->channels + c] = s->tracks[c].samples[at + i];
    mixer_mix(&s->mixer, s->interleaved, HOP, out);
}

/* Takes what leaks from channel `from` away from `out`, the next hop of `into`. */
static void take_away(const struct separator *s, uint32_t into, uint32_t from, float *out)
{
    const struct path *path =
        into < from ? &s->pairs[into][from].paths[0] : &s->pairs[from][into].paths[1];
    size_t at = (size_t)(s->next - s->first) * HOP, end = (size_t)(s->fed - s->first) * HOP;
    size_t begin = 0, count = HOP;
    int delay = path->leak.delay;
    if (delay > 0 && at < (size_t)delay)
        begin = (size_t)delay - at;
    if (delay < 0 && at + HOP + (size_t)-delay > end)
        count = end - at - (size_t)-delay;
    const float *samples = s->tracks[from].samples + at;
    for (size_t i = begin; i < count; i++)
        out[i] -= path->leak.gain * samples[(ptrdiff_t)i - delay];
}

static bool has_leak(const struct separator *s, uint32_t into, uint32_t from)
{
    const struct path *path =
        into < from ? &s->pairs[into][from].paths[0] : &s->pairs[from][into].paths[1];
    return path->leak.gain != 0 && content_at(s, from, s->next) != CONTENT_COPY;
}

/* The next hop of a channel without what others leak into it. */
static const float *clean_hop(struct separator *s, uint32_t channel, float *out)
{
    const float *samples = s->tracks[channel].samples + (size_t)(s->next - s->first) * HOP;
    for (uint32_t c = 0; c < s->channels; c++) {
        if (c == channel || !has_leak(s, channel, c))
            continue;
        if (samples != out)
            memcpy(out, samples, HOP * sizeof(*out));
        samples = out;
        take_away(s, channel, c, out);
    }
    return samples;
}

/* The next hop of a lane, which is `open` or silent; a change is faded. */
static const float *take_lane(struct separator *s, uint32_t number, bool open)
{
    struct lane *lane = &s->lanes[number];
    bool was_open = s->next > 0 ? lane->open : open;
    lane->open = open;
    if (!open && !was_open)
        return NULL;
    if (number == 0)
        mix_hop(s, lane->buffer);
    const float *samples = number == 0 ? lane->buffer : clean_hop(s, number - 1, lane->buffer);
    if (open && was_open)
        return samples;
    for (size_t i = 0; i < HOP; i++) {
        float rise = i < FADE ? (float)i / FADE : 1;
        lane->buffer[i] = samples[i] * (open ? rise : 1 - rise);
    }
    return lane->buffer;
}

/* Whether there is nothing but zeros in the next hop of a channel. */
static bool is_zero(const struct separator *s, uint32_t channel)
{
    const float *samples = s->tracks[channel].samples + (size_t)(s->next - s->first) * HOP;
    for (size_t i = 0; i < HOP; i++)
        if (samples[i] != 0)
            return false;
    return true;
}

static void take_hop(struct separator *s, struct separator_hop *hop)
{
    *hop = (struct separator_hop){.count = HOP};
    if (s->finished && s->next + 1 == s->fed)
        hop->count = HOP - s->missing;
    if (s->automatic)
        hop->lanes[0] = take_lane(s, 0, !s->apart);
    for (uint32_t c = 0; c < s->channels; c++) {
        s->tracks[c].silenced = is_silenced(s, c);
        hop->lanes[c + 1] = take_lane(s, c + 1, s->apart && !s->tracks[c].silenced);
        if (hop->lanes[c + 1] && is_zero(s, c))
            hop->lanes[c + 1] = NULL;
    }
    s->next++;
}

/* Whether `hops` more than hop `hop` have been fed, or no more will be. */
static bool is_ready(const struct separator *s, uint64_t hop, uint64_t hops)
{
    return s->fed >= hop + hops || (s->finished && s->fed > hop);
}

bool separator_next(struct separator *separator, struct separator_hop *hop)
{
    struct separator *s = separator;
    while (is_ready(s, s->searched, SEARCH_HOPS)) {
        uint64_t to = s->searched + SEARCH_HOPS < s->fed ? s->searched + SEARCH_HOPS : s->fed;
        search_window(s, s->searched, to);
        s->searched = to;
    }
    if (s->finished && !s->decided) {
        s->decided = true;
        s->apart = s->votes > 0 && 2 * s->votes_apart >= s->votes;
    }
    if (!s->finished && (s->fed < START_HOPS || (!s->decided && s->fed - s->next < UNDECIDED_HOPS)))
        return false;
    while (s->sorted <= s->next + AHEAD_HOPS && s->sorted < s->searched &&
           is_ready(s, s->sorted, 3))
        sort_hop(s, s->sorted++);
    if (s->finished ? s->next == s->fed : s->sorted <= s->next + AHEAD_HOPS)
        return false;
    take_hop(s, hop);
    return true;
}
