// SPDX-License-Identifier: MIT
/* Recordings of every kind, made here in a folder that is removed again. */
#include "tests/unit/common/expect.h"

#include <CUnit/Basic.h>
#include <FLAC/stream_encoder.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <hearken/hearken.h>
#include <math.h>
#include <pthread.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void add_sound_source_tests(void);

#define RATE    16000
#define SECONDS 2
#define COUNT   (RATE * SECONDS)

static char folder[512];
static char path[640];
static int16_t tone[COUNT];

static int set_up(void)
{
    const char *parent = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%.400s/hearken-source-XXXXXX",
             parent && *parent ? parent : "/tmp");
    for (size_t i = 0; i < COUNT; i++)
        tone[i] = (int16_t)(8000 * sin(0.1 * (double)i));
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_one(const char *name, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(name);
}

static int tear_down(void)
{
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *path_of(const char *name)
{
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static const char *write_file(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(path_of(name), "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    EXPECT_EQUAL(fwrite(bytes, 1, size, file), size);
    EXPECT_EQUAL(fclose(file), 0);
    return path;
}

static size_t read_file(const char *name, uint8_t **bytes)
{
    FILE *file = fopen(path_of(name), "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    *bytes = malloc(1 << 20);
    size_t size = fread(*bytes, 1, 1 << 20, file);
    fclose(file);
    return size;
}

/* Seconds of the tone, on each channel, as libsndfile writes it. */
static bool write_long_sound(const char *name, int format, int rate, int channels, size_t seconds)
{
    SF_INFO info = {.samplerate = rate, .channels = channels, .format = format};
    if (!sf_format_check(&info))
        return false;
    SNDFILE *file = sf_open(path_of(name), SFM_WRITE, &info);
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    size_t frames = (size_t)rate * seconds;
    float *samples = malloc(frames * (size_t)channels * sizeof(*samples));
    for (size_t i = 0; i < frames * (size_t)channels; i++)
        samples[i] =
            (float)(8000 / 32768.0 * sin(0.1 * RATE / rate * (double)(i / (size_t)channels)));
    EXPECT_EQUAL(sf_writef_float(file, samples, (sf_count_t)frames), (sf_count_t)frames);
    sf_close(file);
    free(samples);
    return true;
}

static bool write_sound(const char *name, int format, int rate, int channels)
{
    return write_long_sound(name, format, rate, channels, SECONDS);
}

/* ---- Reading ---- */

struct sound {
    float *samples; /* freed by the next read_all */
    size_t count;
    double duration;
    int result; /* of open, or of the last read */
    struct hearken_error error;
    size_t warnings;
    struct hearken_source_warning warning; /* the first, whose message is in `text` */
    char text[512];
};

static struct sound sound;

/* Reads the source to its end. */
static void read_source(struct hearken_source *source)
{
    static const size_t pieces[] = {1, 1000, 7, 5000, 100000};
    sound.duration = hearken_source_duration(source);
    for (size_t round = 0;; round++) {
        size_t piece = pieces[round % 5];
        sound.samples = realloc(sound.samples, (sound.count + piece) * sizeof(*sound.samples));
        long count = hearken_source_read(source, sound.samples + sound.count, piece, &sound.error);
        if (count <= 0) {
            sound.result = (int)count;
            /* The end, or what went wrong, stays. */
            EXPECT_EQUAL(hearken_source_read(source, &(float){0}, 1, NULL), count);
            break;
        }
        CU_ASSERT_FATAL((size_t)count <= piece);
        sound.count += (size_t)count;
    }
    struct hearken_source_warning warning;
    while (hearken_source_warning(source, sound.warnings, &warning)) {
        if (sound.warnings++ > 0)
            continue;
        sound.warning = warning;
        snprintf(sound.text, sizeof(sound.text), "%s", warning.message);
    }
    hearken_source_destroy(source);
}

static struct hearken_source_options raw_options(const struct hearken_audio_format *raw)
{
    struct hearken_source_options options;
    hearken_source_options_init(&options);
    options.raw = raw;
    return options;
}

static void read_all(const char *name, const struct hearken_audio_format *raw)
{
    struct hearken_source *source;
    free(sound.samples);
    memset(&sound, 0, sizeof(sound));
    const struct hearken_source_options options = raw_options(raw);
    sound.result = hearken_source_open(name, &options, &source, &sound.error);
    if (sound.result == 0)
        read_source(source);
}

/* Its root mean square over that of the tone. */
static double level(void)
{
    double sum = 0;
    for (size_t i = 0; i < sound.count; i++)
        sum += (double)sound.samples[i] * sound.samples[i];
    return sqrt(sum / (double)(sound.count ? sound.count : 1)) / (8000.0 / 32768 * sqrt(0.5));
}

/* The largest difference from the first samples of the tone. */
static double difference(void)
{
    double worst = 0;
    for (size_t i = 0; i < sound.count && i < COUNT; i++)
        worst = fmax(worst, fabs((double)sound.samples[i] - tone[i] / 32768.0));
    return worst;
}

/* Root mean square of the difference in the second half second, where codecs have settled. */
static double noise(void)
{
    double sum = 0;
    for (size_t i = RATE / 2; i < RATE && i < sound.count; i++)
        sum += pow((double)sound.samples[i] - tone[i] / 32768.0, 2);
    return sqrt(sum / (RATE / 2.0));
}

static bool holds(const char *text, const char *part)
{
    bool found = strstr(text, part);
    if (!found)
        printf("\n    no \"%s\" in: %s\n", part, text);
    return found;
}

static bool says(const char *part)
{
    return holds(sound.error.message, part);
}

/* Read to the end, with one warning that says so. */
static bool warns(const char *part, bool lossy)
{
    EXPECT_EQUAL(sound.result, 0);
    EXPECT_EQUAL(sound.warnings, 1);
    EXPECT_EQUAL(sound.warning.lossy, lossy);
    return holds(sound.text, part);
}

/* The largest difference from the tone in these samples, if it begins at `start`. */
static double difference_in(size_t from, size_t to, size_t start)
{
    double worst = 0;
    CU_ASSERT_FATAL(to <= sound.count && to - start <= COUNT);
    for (size_t i = from; i < to; i++)
        worst = fmax(worst, fabs((double)sound.samples[i] - tone[i - start] / 32768.0));
    return worst;
}

/* ---- WAV by hand ---- */

struct wav {
    uint8_t bytes[COUNT * 2 + 4096];
    size_t size;
};

static void put(struct wav *wav, const void *bytes, size_t size)
{
    memcpy(wav->bytes + wav->size, bytes, size);
    wav->size += size;
}

static void put_chunk(struct wav *wav, const char *id, uint32_t size)
{
    uint8_t length[4] = {(uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16),
                         (uint8_t)(size >> 24)};
    put(wav, id, 4);
    put(wav, length, 4);
}

static void put_header(struct wav *wav, uint32_t riff_size)
{
    wav->size = 0;
    put_chunk(wav, "RIFF", riff_size);
    put(wav, "WAVE", 4);
    put_chunk(wav, "fmt ", 16);
    put(wav, "\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0", 16);
}

/* The tone behind a header that says `data_size`. */
static struct wav *make_wav(uint32_t riff_size, uint32_t data_size)
{
    struct wav *wav = malloc(sizeof(*wav));
    put_header(wav, riff_size);
    put_chunk(wav, "LIST", 5);
    put(wav, "INFO!\0", 6);
    put_chunk(wav, "data", data_size);
    put(wav, tone, sizeof(tone));
    return wav;
}

static void check_tone(size_t count)
{
    EXPECT_EQUAL(sound.result, 0);
    EXPECT_EQUAL(sound.count, count);
    EXPECT_EQUAL(difference(), 0);
}

static const struct {
    uint32_t riff_size, data_size;
    double stated; /* seconds on a pipe */
} headers[] = {
    {36 + sizeof(tone), sizeof(tone), SECONDS},
    {0, 0, -1},
    {36, 0, -1},
    {UINT32_MAX, UINT32_MAX, -1},
    {0x7ffff024, 0x7ffff000, -1},
    {0x80000024, 0x80000000, -1},
    {100, 0x7fffffff, -1},
    {36, sizeof(tone) + 44, SECONDS + 22.0 / RATE}, /* with the header counted in */
};
#define HEADER_COUNT (sizeof(headers) / sizeof(headers[0]))

static void test_wav_lengths(void)
{
    for (size_t i = 0; i < HEADER_COUNT; i++) {
        struct wav *wav = make_wav(headers[i].riff_size, headers[i].data_size);
        read_all(write_file("lengths.wav", wav->bytes, wav->size), NULL);
        check_tone(COUNT);
        EXPECT_EQUAL(sound.warnings, 0);
        EXPECT_EQUAL(sound.duration, SECONDS);
        free(wav);
    }
}

static void test_wav_with_chunks_behind(void)
{
    struct wav *wav = make_wav(0, sizeof(tone) - 8200);
    wav->size -= 8200;
    put_chunk(wav, "LIST", 8000);
    wav->size += 8000;
    put_chunk(wav, "id3 ", 3);
    put(wav, "ID3", 4);
    read_all(write_file("behind.wav", wav->bytes, wav->size), NULL);
    check_tone(COUNT - 4100);
    EXPECT_EQUAL(sound.warnings, 0);
    free(wav);
}

/* A recorder that was ended before it wrote its header again. */
static void test_wav_longer_than_it_says(void)
{
    struct wav *wav = make_wav(1036, 1000);
    read_all(write_file("longer.wav", wav->bytes, wav->size), NULL);
    check_tone(COUNT);
    EXPECT_EQUAL(sound.warnings, 0);
    free(wav);
}

/* The 32 bits of a size wrap round at 4 GiB: the file is a hole for the most part. */
static void test_wav_beyond_4_gib(void)
{
    struct wav *wav = make_wav(sizeof(tone), sizeof(tone));
    read_all(write_file("large.wav", wav->bytes, wav->size), NULL);
    EXPECT_EQUAL(truncate(path_of("large.wav"), (off_t)(wav->size + (1ull << 32))), 0);
    struct hearken_source *source;
    EXPECT_EQUAL_FATAL(hearken_source_open(path, NULL, &source, NULL), 0);
    EXPECT_EQUAL(hearken_source_duration(source), SECONDS + 0x1p31 / RATE);
    hearken_source_destroy(source);
    free(wav);
    unlink(path_of("large.wav"));
}

static void test_truncated_wav(void)
{
    struct wav *wav = make_wav(36 + sizeof(tone), sizeof(tone));
    read_all(write_file("cut.wav", wav->bytes, wav->size - 1001), NULL);
    check_tone(COUNT - 501);
    CU_ASSERT(warns("cut.wav: ends too early, at 1.97 s", true));
    EXPECT_EQUAL(sound.warning.seconds, (COUNT - 501) / (double)RATE);
    read_all(write_file("cut.wav", wav->bytes, wav->size - sizeof(tone)), NULL);
    check_tone(0);
    CU_ASSERT(warns("cut.wav: ends too early, at 0.00 s", true));
    read_all(write_file("cut.wav", wav->bytes, 30), NULL);
    EXPECT_EQUAL(sound.result, -EINVAL);
    CU_ASSERT(says("cut.wav: cannot be read as audio") && says("data") && says("expected"));
    free(wav);
}

static void test_long_wav_header(void)
{
    size_t size = 300000;
    uint8_t *bytes = calloc(1, size + sizeof(tone) + 100);
    struct wav *head = malloc(sizeof(*head));
    put_header(head, 0);
    put_chunk(head, "id3 ", (uint32_t)size - 1); /* odd: a zero byte follows */
    memcpy(bytes, head->bytes, head->size);
    size_t at = head->size + size;
    head->size = 0;
    put_chunk(head, "data", sizeof(tone));
    memcpy(bytes + at, head->bytes, 8);
    memcpy(bytes + at + 8, tone, sizeof(tone));
    read_all(write_file("long.wav", bytes, at + 8 + sizeof(tone)), NULL);
    check_tone(COUNT);
    free(head);
    free(bytes);
}

/* ---- What libsndfile writes ---- */

static void test_containers(void)
{
    static const struct {
        const char *name;
        int format;
        double tolerance;
    } cases[] = {
        {"16.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 3e-5},
        {"24.wav", SF_FORMAT_WAVEX | SF_FORMAT_PCM_24, 3e-5},
        {"32.wav", SF_FORMAT_WAVEX | SF_FORMAT_PCM_32, 3e-5},
        {"8.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_U8, 4e-3},
        {"float.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 3e-5},
        {"double.wav", SF_FORMAT_WAV | SF_FORMAT_DOUBLE, 3e-5},
        {"alaw.wav", SF_FORMAT_WAV | SF_FORMAT_ALAW, 4e-3},
        {"mulaw.wav", SF_FORMAT_WAV | SF_FORMAT_ULAW, 4e-3},
        {"ima.wav", SF_FORMAT_WAV | SF_FORMAT_IMA_ADPCM, 5e-3},
        {"ms.wav", SF_FORMAT_WAV | SF_FORMAT_MS_ADPCM, 5e-3},
        {"gsm.wav", SF_FORMAT_WAV | SF_FORMAT_GSM610, 3e-2},
        {"big.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16 | SF_ENDIAN_BIG, 3e-5},
        {"rf64.wav", SF_FORMAT_RF64 | SF_FORMAT_PCM_16, 3e-5},
        {"w64.w64", SF_FORMAT_W64 | SF_FORMAT_PCM_16, 3e-5},
        {"flac.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 3e-5},
        {"aiff.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 3e-5},
        {"au.au", SF_FORMAT_AU | SF_FORMAT_PCM_16, 3e-5},
        {"caf.caf", SF_FORMAT_CAF | SF_FORMAT_PCM_16, 3e-5},
        {"vorbis.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 5e-3},
        {"opus.opus", SF_FORMAT_OGG | SF_FORMAT_OPUS, 1e-2},
        {"mp3.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 1e-2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!write_sound(cases[i].name, cases[i].format, RATE, 1)) {
            printf("(no %s) ", cases[i].name);
            continue;
        }
        read_all(path_of(cases[i].name), NULL);
        EXPECT_EQUAL(sound.result, 0);
        /* Codecs that work on blocks fill the last one. */
        CU_ASSERT(sound.count >= COUNT && sound.count <= COUNT + 1152);
        CU_ASSERT(fabs(sound.duration - SECONDS) <= 0.08);
        CU_ASSERT(fabs(level() - 1) < 0.05);
        CU_ASSERT(noise() < cases[i].tolerance);
    }
}

static void test_rates_and_channels(void)
{
    static const int rates[] = {8000, 11025, 22050, 44100, 48000, 96000};
    static const int channels[] = {2, 6, 64};
    for (size_t r = 0; r < 6; r++)
        for (size_t c = 0; c < 3; c++) {
            write_sound("rates.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, rates[r], channels[c]);
            read_all(path_of("rates.wav"), NULL);
            EXPECT_EQUAL(sound.result, 0);
            EXPECT_EQUAL(sound.count, COUNT);
            EXPECT_EQUAL(sound.duration, SECONDS);
            CU_ASSERT(noise() < 1e-4);
        }
    write_sound("rates.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 44100, 2);
    read_all(path_of("rates.flac"), NULL);
    EXPECT_EQUAL(sound.result, 0);
    EXPECT_EQUAL(sound.count, COUNT);
    CU_ASSERT(noise() < 1e-4);
}

static void test_formats_out_of_range(void)
{
    write_sound("range.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 500, 1);
    read_all(path_of("range.wav"), NULL);
    EXPECT_EQUAL(sound.result, -EINVAL);
    CU_ASSERT(says("range.wav: has a rate of 500 Hz: expected 1000 to 768000"));
    write_sound("range.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, 65);
    read_all(path_of("range.wav"), NULL);
    EXPECT_EQUAL(sound.result, -EINVAL);
    CU_ASSERT(says("range.wav: has 65 channels: expected 1 to 64"));
    write_sound("range.au", SF_FORMAT_AU | SF_FORMAT_PCM_16, 800000, 1);
    read_all(path_of("range.au"), NULL);
    EXPECT_EQUAL(sound.result, -EINVAL);
    CU_ASSERT(says("a rate of 800000 Hz"));
}

/* ---- Pipes ---- */

/* Writes bytes to a pipe, in small pieces, while another thread reads. */
struct feeder {
    pthread_t thread;
    int fd;
    const uint8_t *bytes;
    size_t size;
};

static void *feed(void *context)
{
    struct feeder *feeder = context;
    for (size_t at = 0; at < feeder->size;) {
        size_t piece = 1 + at / 2;
        piece = piece < 4001 ? piece : 4001;
        piece = piece < feeder->size - at ? piece : feeder->size - at;
        ssize_t count = write(feeder->fd, feeder->bytes + at, piece);
        if (count < 0)
            break;
        at += (size_t)count;
    }
    close(feeder->fd);
    return NULL;
}

/* Puts `fd` in the place of standard input, or back; returns what was there. */
static int exchange_input(int fd)
{
    int before = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        close(STDIN_FILENO);
    else
        dup2(fd, STDIN_FILENO);
    return before;
}

static void read_pipe(const uint8_t *bytes, size_t size, const struct hearken_audio_format *raw)
{
    int ends[2];
    EXPECT_EQUAL_FATAL(pipe2(ends, O_CLOEXEC), 0);
    struct feeder feeder = {.fd = ends[1], .bytes = bytes, .size = size};
    int before = exchange_input(ends[0]);
    close(ends[0]);
    EXPECT_EQUAL_FATAL(pthread_create(&feeder.thread, NULL, feed, &feeder), 0);
    read_all("-", raw);
    exchange_input(before);
    if (before >= 0)
        close(before);
    pthread_join(feeder.thread, NULL);
}

/* ---- Sound from a reader ---- */

struct memory {
    const uint8_t *bytes;
    uint64_t size;
    uint64_t fails_at; /* reading there fails */
};

/* At most 1000 bytes at a time. */
static long read_memory(void *context, uint64_t offset, void *bytes, size_t size)
{
    const struct memory *memory = context;
    if (offset >= memory->fails_at)
        return -EIO;
    if (offset >= memory->size)
        return 0;
    size_t count = size < 1000 ? size : 1000;
    count = count < memory->size - offset ? count : (size_t)(memory->size - offset);
    memcpy(bytes, memory->bytes + offset, count);
    return (long)count;
}

static void read_reader(const struct memory *memory, const struct hearken_audio_format *raw)
{
    struct hearken_reader reader = {.context = (void *)memory, .read = read_memory};
    struct hearken_source *source;
    free(sound.samples);
    memset(&sound, 0, sizeof(sound));
    const struct hearken_source_options options = raw_options(raw);
    sound.result = hearken_source_open_reader(&reader, "upload", &options, &source, &sound.error);
    if (sound.result == 0)
        read_source(source);
}

/* ---- Damage ---- */

/* What is before and behind is there, each in its place. */
static void test_damaged_flac(void)
{
    static const size_t sizes[] = {1, 300, 1500};
    for (size_t i = 0; i < 3; i++) {
        uint8_t *bytes;
        write_sound("damaged.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, RATE, 1);
        size_t size = read_file("damaged.flac", &bytes);
        for (size_t k = 0; k < sizes[i]; k++)
            bytes[size / 2 + k] ^= 0x5a;
        read_all(write_file("damaged.flac", bytes, size), NULL);
        CU_ASSERT(warns("damaged.flac: is damaged at 0.", true));
        CU_ASSERT(sound.warning.seconds > 0.5 && sound.warning.seconds < 1.1);
        EXPECT_EQUAL(sound.count, COUNT);
        CU_ASSERT(difference_in(0, RATE / 2, 0) < 1e-3);
        CU_ASSERT(difference_in(COUNT * 7 / 8, COUNT, 0) < 1e-3);
        free(bytes);
    }
}

static void test_truncated_flac(void)
{
    uint8_t *bytes;
    write_sound("cut.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, RATE, 1);
    size_t size = read_file("cut.flac", &bytes) * 3 / 5;
    read_all(write_file("cut.flac", bytes, size), NULL);
    CU_ASSERT(warns("cut.flac: ends too early, at 1.02 s (its header states more)", true));
    CU_ASSERT(sound.count > 4096 && sound.count < COUNT);
    CU_ASSERT(difference() < 1e-3);
    /* Before the sync code of a block: what there is, is whole. */
    while (size > 0 && memcmp(bytes + size, "\xff\xf8", 2) != 0)
        size--;
    read_all(write_file("cut.flac", bytes, size), NULL);
    CU_ASSERT(warns("ends too early", true));
    CU_ASSERT(sound.count > 4096 && sound.count % 4096 == 0);
    /* As an encoder leaves it that writes to a pipe: without a length. */
    memset(bytes + 22, 0, 4);
    bytes[21] &= 0xf0;
    read_all(write_file("cut.flac", bytes, size), NULL);
    EXPECT_EQUAL(sound.result, 0);
    EXPECT_EQUAL(sound.warnings, 0);
    CU_ASSERT(sound.count > 4096 && sound.count % 4096 == 0);
    read_all(write_file("cut.flac", bytes, size - 900), NULL);
    CU_ASSERT(warns("ends too early", true));
    free(bytes);
}

static const struct {
    const char *name;
    int format;
} lossy[] = {
    {"lossy.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS},
    {"lossy.opus", SF_FORMAT_OGG | SF_FORMAT_OPUS},
    {"lossy.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III},
};
#define LOSSY_COUNT (sizeof(lossy) / sizeof(lossy[0]))

/* Pages of Ogg hold up to seconds of sound: those that are damaged are lost as a whole. */
static void test_hole(void)
{
    for (size_t i = 0; i < LOSSY_COUNT; i++) {
        uint8_t *bytes;
        if (!write_long_sound(lossy[i].name, lossy[i].format, RATE, 1, 10 * SECONDS)) {
            printf("(no %s) ", lossy[i].name);
            continue;
        }
        size_t size = read_file(lossy[i].name, &bytes);
        for (size_t k = size / 2; k < size / 2 + size / 20; k++)
            bytes[k] = (uint8_t)((k * k * 2654435761u) >> 13);
        read_all(write_file(lossy[i].name, bytes, size), NULL);
        CU_ASSERT(warns("is damaged at ", true));
        CU_ASSERT(sound.warning.seconds > 4 && sound.warning.seconds < 11);
        CU_ASSERT(sound.count > 7 * COUNT && sound.count <= 10 * COUNT + 1152);
        CU_ASSERT(level() > 0.85 && level() < 1.05);
        free(bytes);
    }
}

static void test_truncated_lossy(void)
{
    for (size_t i = 0; i < LOSSY_COUNT; i++) {
        uint8_t *bytes;
        if (!write_sound(lossy[i].name, lossy[i].format, RATE, 1))
            continue;
        size_t size = read_file(lossy[i].name, &bytes);
        read_all(write_file(lossy[i].name, bytes, size - 50), NULL);
        CU_ASSERT(warns(": ends too early, at ", true));
        CU_ASSERT(sound.count < COUNT + 1152);
        free(bytes);
    }
}

/* ---- Joined ---- */

static size_t append(const char *name, const char *other)
{
    uint8_t *first, *second;
    size_t size = read_file(name, &first), more = read_file(other, &second);
    CU_ASSERT_FATAL(size + more <= 1 << 20);
    memcpy(first + size, second, more);
    write_file(name, first, size + more);
    free(first);
    free(second);
    return size;
}

/* Also where the second is of another rate and channel count. */
static void test_joined(void)
{
    static const struct {
        const char *name;
        int format;
    } cases[] = {
        {"joined.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16},
        {"joined.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16},
        {"joined.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS},
        {"joined.opus", SF_FORMAT_OGG | SF_FORMAT_OPUS},
        {"joined.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int rate = RATE; rate <= 48000; rate += 32000) {
            if (!write_sound(cases[i].name, cases[i].format, RATE, 1))
                continue;
            write_sound("second", cases[i].format, rate, rate / RATE == 3 ? 2 : 1);
            append(cases[i].name, "second");
            read_all(path_of(cases[i].name), NULL);
            EXPECT_EQUAL(sound.result, 0);
            EXPECT_EQUAL(sound.warnings, 0);
            CU_ASSERT(sound.count >= 2 * COUNT && sound.count <= 2 * COUNT + 2304);
            CU_ASSERT(fabs(level() - 1) < 0.05);
        }
    }
}

/* FLAC in Ogg, and a chain of two. */
static void write_ogg_flac(const char *name, long serial)
{
    FLAC__StreamEncoder *encoder = FLAC__stream_encoder_new();
    FLAC__stream_encoder_set_ogg_serial_number(encoder, serial);
    FLAC__stream_encoder_set_sample_rate(encoder, RATE);
    FLAC__stream_encoder_set_channels(encoder, 1);
    FLAC__stream_encoder_set_bits_per_sample(encoder, 16);
    EXPECT_EQUAL_FATAL(FLAC__stream_encoder_init_ogg_file(encoder, path_of(name), NULL, NULL),
                       FLAC__STREAM_ENCODER_INIT_STATUS_OK);
    FLAC__int32 *samples = malloc(COUNT * sizeof(*samples));
    for (size_t i = 0; i < COUNT; i++)
        samples[i] = tone[i];
    CU_ASSERT(FLAC__stream_encoder_process_interleaved(encoder, samples, COUNT));
    CU_ASSERT(FLAC__stream_encoder_finish(encoder));
    FLAC__stream_encoder_delete(encoder);
    free(samples);
}

static void test_flac_in_ogg(void)
{
    write_ogg_flac("flac.oga", 1);
    read_all(path_of("flac.oga"), NULL);
    check_tone(COUNT);
    EXPECT_EQUAL(sound.warnings, 0);
    EXPECT_EQUAL(sound.duration, SECONDS);
    write_ogg_flac("second", 2);
    append("flac.oga", "second");
    read_all(path_of("flac.oga"), NULL);
    check_tone(2 * COUNT);
    EXPECT_EQUAL(difference_in(COUNT, 2 * COUNT, COUNT), 0);
    EXPECT_EQUAL(sound.warnings, 0);
}

/* ---- Junk in front ---- */

static void test_junk_in_front(void)
{
    static const struct {
        const char *name;
        int format;
    } cases[] = {
        {"junk.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16},
        {"junk.wav", SF_FORMAT_WAV | SF_FORMAT_ULAW},
        {"junk.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16},
        {"junk.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16},
        {"junk.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS},
        {"junk.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III},
    };
    static const struct {
        const char *bytes;
        size_t size, zeros; /* behind */
        bool aiff;
    } junk[] = {
        {"\n", 1, 0, true},
        {"\xef\xbb\xbf\r\n", 5, 0, true},
        {"", 0, 2048, true},
        {"ID3\3\0\0\0\0\0\0", 10, 5000, false},
        {"ID3\3\0\0\0\0\0\4TEXT", 14, 0, false},
        {"\1\2\3 HTTP/1.0 200 OK\r\n\r\n", 23, 0, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t k = 0; k < sizeof(junk) / sizeof(junk[0]); k++) {
            uint8_t *bytes;
            if (!write_sound(cases[i].name, cases[i].format, RATE, 1) ||
                (cases[i].format >> 16 == SF_FORMAT_AIFF >> 16 && !junk[k].aiff) ||
                ((cases[i].format & SF_FORMAT_SUBMASK) == SF_FORMAT_ULAW && !junk[k].aiff))
                continue;
            size_t size = read_file(cases[i].name, &bytes), front = junk[k].size + junk[k].zeros;
            uint8_t *shifted = calloc(1, size + front);
            memcpy(shifted, junk[k].bytes, junk[k].size);
            memcpy(shifted + front, bytes, size);
            read_all(write_file(cases[i].name, shifted, size + front), NULL);
            EXPECT_EQUAL(sound.result, 0);
            EXPECT_EQUAL(sound.warnings, 0);
            CU_ASSERT(sound.count >= COUNT && sound.count <= COUNT + 1152);
            CU_ASSERT(fabs(level() - 1) < 0.05);
            read_pipe(shifted, size + front, NULL);
            EXPECT_EQUAL(sound.result, 0);
            CU_ASSERT(sound.count >= COUNT && sound.count <= COUNT + 1152);
            free(shifted);
            free(bytes);
        }
    }
}

/* ---- Scale and channels ---- */

static void test_scale_of_floats(void)
{
    static const double scales[] = {1, 32768, 8388608, 2147483648.0};
    for (size_t i = 0; i < 4; i++) {
        float *samples = malloc(COUNT * sizeof(*samples));
        for (size_t k = 0; k < COUNT; k++)
            samples[k] = (float)(tone[k] / 32768.0 * scales[i]);
        SF_INFO info = {
            .samplerate = RATE, .channels = 1, .format = SF_FORMAT_WAV | SF_FORMAT_FLOAT};
        SNDFILE *file = sf_open(path_of("scale.wav"), SFM_WRITE, &info);
        EXPECT_EQUAL(sf_writef_float(file, samples, COUNT), COUNT);
        sf_close(file);
        read_all(path_of("scale.wav"), NULL);
        check_tone(COUNT);
        CU_ASSERT(i == 0 ? sound.warnings == 0 : warns("scale.wav: has floating point", false));
        free(samples);
    }
}

/* The tone, `factor` times as loud; with one block of it as it is if `loud`. */
static void read_quiet(double factor, bool loud)
{
    SF_INFO info = {.samplerate = RATE, .channels = 1, .format = SF_FORMAT_WAV | SF_FORMAT_FLOAT};
    float *samples = malloc(COUNT * sizeof(*samples));
    for (size_t i = 0; i < COUNT; i++)
        samples[i] = (float)(tone[i] / 32768.0 * (loud && i >= COUNT - 800 ? 1 : factor));
    SNDFILE *file = sf_open(path_of("quiet.wav"), SFM_WRITE, &info);
    EXPECT_EQUAL(sf_writef_float(file, samples, COUNT), COUNT);
    sf_close(file);
    read_all(path_of("quiet.wav"), NULL);
    EXPECT_EQUAL(sound.result, 0);
    EXPECT_EQUAL(sound.count, COUNT);
    EXPECT_EQUAL(sound.warnings, 0);
    free(samples);
}

/* The tone's root mean square is -15.3 dBFS. */
static void test_quiet_recordings(void)
{
    const double rms = 8000.0 / 32768 * sqrt(0.5);
    read_quiet(0.01, false); /* quiet, but loud enough */
    CU_ASSERT(fabs(level() / 0.01 - 1) < 1e-3);
    read_quiet(0.003, false);
    CU_ASSERT(fabs(level() * rms / 0.05 - 1) < 0.02);
    read_quiet(1e-5, false); /* 40 dB at most */
    CU_ASSERT(fabs(level() / 1e-3 - 1) < 1e-3);
    read_quiet(0, false);
    EXPECT_EQUAL(level(), 0);
    read_quiet(0.002, true); /* somebody is loud in it */
    CU_ASSERT(fabs((double)sound.samples[1000] / (tone[1000] / 32768.0 * 0.002) - 1) < 1e-3);
}

static void test_channels_that_cancel(void)
{
    struct hearken_audio_format format = {RATE, 2, HEARKEN_SAMPLE_S16};
    int16_t *stereo = malloc(2 * sizeof(tone));
    for (size_t i = 0; i < COUNT; i++) {
        stereo[2 * i] = (int16_t)(-tone[i] / 2);
        stereo[2 * i + 1] = tone[i] / 2;
    }
    read_all(write_file("cancel", stereo, 2 * sizeof(tone)), &format);
    CU_ASSERT(warns("cancel: its channels cancel each other from 0.10 s on", false));
    EXPECT_EQUAL(sound.count, COUNT);
    CU_ASSERT(fabs(level() - 0.5) < 0.02);
    free(stereo);
}

/* ---- Damage to the beginning ---- */

/* No beginning of any file may do harm. */
static void test_every_beginning(void)
{
    static const struct {
        const char *name;
        int format;
    } cases[] = {
        {"cut.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16},
        {"cut.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS},
        {"cut.opus", SF_FORMAT_OGG | SF_FORMAT_OPUS},
        {"cut.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III},
        {"cut.wav", SF_FORMAT_WAV | SF_FORMAT_IMA_ADPCM},
        {"cut.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t *bytes;
        if (!write_sound(cases[i].name, cases[i].format, RATE, 1))
            continue;
        size_t size = read_file(cases[i].name, &bytes);
        for (size_t part = 0; part < size; part += 1 + part / 3) {
            read_all(write_file(cases[i].name, bytes, part), NULL);
            CU_ASSERT(sound.result == 0 || sound.result == -EINVAL || sound.result == -EIO);
            CU_ASSERT(sound.result == 0 || says(cases[i].name));
            CU_ASSERT(sound.count <= COUNT + 1152);
        }
        free(bytes);
    }
}

/* ---- Not audio ---- */

static void test_not_audio(void)
{
    read_all(path_of("missing.wav"), NULL);
    EXPECT_EQUAL(sound.result, -ENOENT);
    CU_ASSERT(says("missing.wav: No such file"));

    read_all(folder, NULL);
    EXPECT_EQUAL(sound.result, -EISDIR);
    CU_ASSERT(says("is a directory: expected an audio file"));

    read_all(write_file("empty.wav", "", 0), NULL);
    EXPECT_EQUAL(sound.result, -EINVAL);
    CU_ASSERT(says("empty.wav: is empty: expected audio"));

    read_all(write_file("notes.wav", "To whom it may concern\n", 23), NULL);
    EXPECT_EQUAL(sound.result, -EINVAL);
    CU_ASSERT(says("notes.wav: is text: expected WAV, FLAC"));

    read_all(write_file("song.m4a",
                        "\0\0\0\x20"
                        "ftypM4A \0\0\0\0",
                        16),
             NULL);
    EXPECT_EQUAL(sound.result, -EINVAL);
    CU_ASSERT(says("song.m4a: is an MP4 file"));

    uint8_t random[2000];
    for (size_t i = 0; i < sizeof(random); i++)
        random[i] = (uint8_t)((i * i * 2654435761u) >> 13 & 0x7f);
    read_all(write_file("noise.wav", random, sizeof(random)), NULL);
    EXPECT_EQUAL(sound.result, -EINVAL);
    CU_ASSERT(says("noise.wav: cannot be read as audio (") && says("raw PCM with its format"));
}

static void test_no_permission(void)
{
    write_file("secret.wav", "RIFF", 4);
    EXPECT_EQUAL(chmod(path_of("secret.wav"), 0), 0);
    if (access(path, R_OK) == 0) {
        printf("(skipped: this user may read everything) ");
        return;
    }
    read_all(path, NULL);
    EXPECT_EQUAL(sound.result, -EACCES);
    CU_ASSERT(says("secret.wav: Permission denied"));
}

/* A message has room for what is wrong, however long the path. */
static void test_long_path(void)
{
    char deep[3000];
    memset(deep, 'x', sizeof(deep));
    for (size_t i = 0; i < sizeof(deep); i += 100)
        deep[i] = '/';
    strcpy(deep + sizeof(deep) - 10, "/none.wav");
    read_all(deep, NULL);
    EXPECT_EQUAL(sound.result, -ENOENT);
    CU_ASSERT(says("/none.wav: No such file"));
    EXPECT_EQUAL(strncmp(sound.error.message, "...xx", 5), 0);

    /* Its front is not cut off inside a character. */
    for (size_t length = 600; length < 602; length++) {
        memset(deep, 0, sizeof(deep));
        for (size_t i = 0; i < 300; i++)
            memcpy(deep + i * 2, "\xc3\xa9", 2);
        memset(deep + 600, 'x', length - 600);
        read_all(deep, NULL);
        CU_ASSERT(says("...\xc3\xa9"));
    }
}

/* ---- Raw ---- */

static void test_raw(void)
{
    struct hearken_audio_format format = {RATE, 1, HEARKEN_SAMPLE_S16};
    read_all(write_file("raw", tone, sizeof(tone) - 1), &format);
    check_tone(COUNT - 1);
    EXPECT_EQUAL(sound.duration, (COUNT - 1.0) / RATE);

    format = (struct hearken_audio_format){RATE / 2, 2, HEARKEN_SAMPLE_S16};
    int16_t *stereo = malloc(sizeof(tone));
    for (size_t i = 0; i < COUNT / 2; i++)
        stereo[2 * i] = stereo[2 * i + 1] = tone[2 * i];
    read_all(write_file("raw", stereo, sizeof(tone)), &format);
    EXPECT_EQUAL(sound.result, 0);
    EXPECT_EQUAL(sound.count, COUNT);
    CU_ASSERT(fabs(level() - 1) < 0.01);
    free(stereo);

    read_all(write_file("raw", "", 0), &format);
    EXPECT_EQUAL(sound.result, 0);
    EXPECT_EQUAL(sound.count, 0);
    EXPECT_EQUAL(sound.duration, 0);

    read_all(folder, &format);
    EXPECT_EQUAL(sound.result, -EISDIR);
    format.channels = 65;
    read_all(path_of("raw"), &format);
    EXPECT_EQUAL(sound.result, -EINVAL);
    CU_ASSERT(says("raw PCM with 65 channels: expected 1 to 64"));
}

/* ---- Sound through pipes ---- */

static void test_wav_through_a_pipe(void)
{
    for (size_t i = 0; i < HEADER_COUNT; i++) {
        struct wav *wav = make_wav(headers[i].riff_size, headers[i].data_size);
        read_pipe(wav->bytes, wav->size, NULL);
        check_tone(COUNT);
        EXPECT_EQUAL(sound.duration, headers[i].stated);
        free(wav);
    }
}

static void test_containers_through_a_pipe(void)
{
    static const int formats[] = {
        SF_FORMAT_FLAC | SF_FORMAT_PCM_16, SF_FORMAT_OGG | SF_FORMAT_VORBIS,
        SF_FORMAT_WAV | SF_FORMAT_ULAW,    SF_FORMAT_AIFF | SF_FORMAT_PCM_16,
        SF_FORMAT_AU | SF_FORMAT_PCM_16,
    };
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        uint8_t *bytes;
        CU_ASSERT_TRUE_FATAL(write_sound("piped", formats[i], RATE, 1));
        size_t size = read_file("piped", &bytes);
        read_pipe(bytes, size, NULL);
        EXPECT_EQUAL(sound.result, 0);
        EXPECT_EQUAL(sound.count, COUNT);
        CU_ASSERT(fabs(level() - 1) < 0.05);
        free(bytes);
    }
}

static void test_raw_through_a_pipe(void)
{
    struct hearken_audio_format format = {RATE, 1, HEARKEN_SAMPLE_S16};
    read_pipe((const uint8_t *)tone, sizeof(tone), &format);
    check_tone(COUNT);
    CU_ASSERT(sound.duration < 0);
}

/* A reader gives what the file gives. */
static void test_containers_from_a_reader(void)
{
    static const int formats[] = {
        SF_FORMAT_WAV | SF_FORMAT_PCM_16,  SF_FORMAT_FLAC | SF_FORMAT_PCM_16,
        SF_FORMAT_OGG | SF_FORMAT_VORBIS,  SF_FORMAT_WAV | SF_FORMAT_ULAW,
        SF_FORMAT_AIFF | SF_FORMAT_PCM_16,
    };
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        uint8_t *bytes;
        CU_ASSERT_TRUE_FATAL(write_sound("read", formats[i], RATE, 1));
        size_t size = read_file("read", &bytes);
        read_all(path_of("read"), NULL);
        float *samples = sound.samples;
        sound.samples = NULL;
        read_reader(&(struct memory){.bytes = bytes, .size = size, .fails_at = UINT64_MAX}, NULL);
        EXPECT_EQUAL(sound.result, 0);
        EXPECT_EQUAL_FATAL(sound.count, COUNT);
        EXPECT_EQUAL(memcmp(sound.samples, samples, COUNT * sizeof(*samples)), 0);
        free(samples);
        free(bytes);
    }
}

static void test_quiet_sound_from_a_reader(void)
{
    uint8_t *bytes;
    read_quiet(0.003, false);
    size_t size = read_file("quiet.wav", &bytes);
    double file = level();
    read_reader(&(struct memory){.bytes = bytes, .size = size, .fails_at = UINT64_MAX}, NULL);
    EXPECT_EQUAL(sound.count, COUNT);
    EXPECT_EQUAL(level(), file);
    free(bytes);
}

static void test_readers_that_fail(void)
{
    struct hearken_audio_format format = {RATE, 1, HEARKEN_SAMPLE_S16};
    struct memory memory = {.bytes = (const uint8_t *)tone, .size = sizeof(tone)};
    read_reader(&memory, NULL);
    EXPECT_EQUAL(sound.result, -EIO);
    EXPECT_CONTAINS(sound.error.message, "upload: ");
    memory.fails_at = 2000;
    read_reader(&memory, &format);
    EXPECT_EQUAL(sound.result, 0);
    EXPECT_EQUAL(sound.count, 1000);
    EXPECT_EQUAL(sound.warnings, 1);
    memory = (struct memory){.fails_at = UINT64_MAX};
    read_reader(&memory, NULL);
    EXPECT_EQUAL(sound.result, -EINVAL);
    EXPECT_CONTAINS(sound.error.message, "upload: is empty");
    struct hearken_source *source;
    EXPECT_EQUAL(hearken_source_open_reader(NULL, "upload", NULL, &source, &sound.error), -EINVAL);
}

static void test_nothing_through_a_pipe(void)
{
    read_pipe((const uint8_t *)"", 0, NULL);
    EXPECT_EQUAL(sound.result, -EINVAL);
    CU_ASSERT(says("standard input: is empty"));
    read_pipe((const uint8_t *)"hello, hello\n", 13, NULL);
    EXPECT_EQUAL(sound.result, -EINVAL);
    CU_ASSERT(says("standard input: is text"));
}

/* libsndfile must find its beginning where the reading begins. */
static void test_redirected_container(void)
{
    uint8_t *bytes;
    write_sound("redirected", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, RATE, 1);
    size_t size = read_file("redirected", &bytes);
    uint8_t *shifted = calloc(1, size + 100);
    memcpy(shifted + 100, bytes, size);
    int fd = open(write_file("redirected", shifted, size + 100), O_RDONLY | O_CLOEXEC);
    EXPECT_EQUAL(lseek(fd, 100, SEEK_SET), 100);
    int before = exchange_input(fd);
    read_all("-", NULL);
    exchange_input(before);
    EXPECT_EQUAL(sound.result, 0);
    EXPECT_EQUAL(sound.count, COUNT);
    close(before);
    close(fd);
    free(shifted);
    free(bytes);
}

/* Standard input that is a file, from its start and from further on. */
static void test_redirected_input(void)
{
    struct wav *wav = make_wav(0, sizeof(tone));
    uint8_t *shifted = malloc(wav->size + 10);
    memcpy(shifted, "skip these", 10);
    memcpy(shifted + 10, wav->bytes, wav->size);
    for (off_t start = 0; start <= 10; start += 10) {
        int fd = open(write_file("redirected", shifted + 10 - start, wav->size + (size_t)start),
                      O_RDONLY | O_CLOEXEC);
        EXPECT_EQUAL(lseek(fd, start, SEEK_SET), start);
        int before = exchange_input(fd);
        read_all("-", NULL);
        exchange_input(before);
        check_tone(COUNT);
        close(before);
        close(fd);
    }
    test_redirected_container();
    int before = exchange_input(-1);
    read_all("-", NULL);
    exchange_input(before);
    close(before);
    EXPECT_EQUAL(sound.result, -EBADF);
    CU_ASSERT(says("standard input: "));
    free(shifted);
    free(wav);
}

/* What is written to a pipe comes out before more is written: live sound does not wait. Through a
 * FIFO, whose path is opened like a file's. */
struct half {
    char fifo[640];
    int fd; /* left open */
};

static void *write_first_half(void *context)
{
    struct half *half = context;
    half->fd = open(half->fifo, O_WRONLY | O_CLOEXEC);
    struct wav *wav = make_wav(UINT32_MAX, UINT32_MAX);
    size_t size = wav->size - sizeof(tone) / 2;
    EXPECT_EQUAL(write(half->fd, wav->bytes, size), (ssize_t)size);
    free(wav);
    return NULL;
}

static void test_live_sound(void)
{
    struct half half = {.fd = -1};
    snprintf(half.fifo, sizeof(half.fifo), "%s", path_of("fifo"));
    EXPECT_EQUAL_FATAL(mkfifo(half.fifo, 0600), 0);
    pthread_t writer;
    EXPECT_EQUAL_FATAL(pthread_create(&writer, NULL, write_first_half, &half), 0);
    struct hearken_source *source;
    EXPECT_EQUAL_FATAL(hearken_source_open(half.fifo, NULL, &source, NULL), 0);
    float *samples = malloc(COUNT * sizeof(*samples));
    size_t count = 0;
    while (count < COUNT / 2) {
        long more = hearken_source_read(source, samples + count, COUNT - count, NULL);
        CU_ASSERT_FATAL(more > 0);
        count += (size_t)more;
    }
    EXPECT_EQUAL(count, COUNT / 2);
    pthread_join(writer, NULL);
    close(half.fd);
    EXPECT_EQUAL(hearken_source_read(source, samples, COUNT, NULL), 0);
    hearken_source_destroy(source);
    free(samples);
}

/* A pipe that does not block, as one that a terminal or an event loop shares. */
static void test_input_that_does_not_block(void)
{
    struct wav *wav = make_wav(0, 0);
    int ends[2];
    EXPECT_EQUAL_FATAL(pipe2(ends, O_CLOEXEC), 0);
    EXPECT_EQUAL(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    struct feeder feeder = {.fd = ends[1], .bytes = wav->bytes, .size = wav->size};
    int before = exchange_input(ends[0]);
    EXPECT_EQUAL_FATAL(pthread_create(&feeder.thread, NULL, feed, &feeder), 0);
    read_all("-", NULL);
    exchange_input(before);
    close(before);
    close(ends[0]);
    pthread_join(feeder.thread, NULL);
    check_tone(COUNT);
    free(wav);
}

/* ---- Channels ---- */

/* The tone in channel `loud` of 16 bits at `rate`; silence in the others. */
static const char *write_one_loud(const char *name, int rate, int channels, int loud)
{
    SF_INFO info = {
        .samplerate = rate, .channels = channels, .format = SF_FORMAT_WAV | SF_FORMAT_PCM_16};
    SNDFILE *file = sf_open(path_of(name), SFM_WRITE, &info);
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    size_t frames = (size_t)rate * SECONDS;
    int16_t *samples = calloc(frames * (size_t)channels, sizeof(*samples));
    for (size_t i = 0; i < frames; i++)
        samples[i * (size_t)channels + (size_t)loud] =
            (int16_t)(8000 * sin(0.1 * RATE / rate * (double)i));
    EXPECT_EQUAL(sf_writef_short(file, samples, (sf_count_t)frames), (sf_count_t)frames);
    sf_close(file);
    free(samples);
    return path;
}

/* Reads one channel of a recording that gives `channels` into `sound`. */
static void read_channel(const char *name, const struct hearken_audio_format *raw,
                         uint32_t channels, uint32_t channel)
{
    static float block[700 * 64];
    struct hearken_source *source;
    free(sound.samples);
    memset(&sound, 0, sizeof(sound));
    const struct hearken_source_options options = raw_options(raw);
    sound.result = hearken_source_open(name, &options, &source, &sound.error);
    EXPECT_EQUAL_FATAL(sound.result, 0);
    EXPECT_EQUAL(hearken_source_channels(source), channels);
    EXPECT_EQUAL(hearken_source_channels(source), channels);
    EXPECT_EQUAL_FATAL(hearken_source_separate(source, channels, &sound.error), 0);
    long count;
    while ((count = hearken_source_read(source, block, 700, &sound.error)) > 0) {
        sound.samples =
            realloc(sound.samples, (sound.count + (size_t)count) * sizeof(*sound.samples));
        for (long i = 0; i < count; i++)
            sound.samples[sound.count++] = block[(size_t)i * channels + channel];
    }
    sound.result = (int)count;
    EXPECT_EQUAL(hearken_source_separate(source, channels, &sound.error), -EINVAL);
    EXPECT_CONTAINS(sound.error.message, "before the first read");
    hearken_source_destroy(source);
}

static void test_separate_channels(void)
{
    static const int rates[] = {16000, 44100}, channels[] = {2, 64};
    for (int i = 0; i < 4; i++) {
        int count = channels[i / 2], loud = count - 1;
        const char *name = write_one_loud("apart.wav", rates[i % 2], count, loud);
        for (int channel = 0; channel<count; channel += count> 2 ? 21 : 1) {
            read_channel(name, NULL, (uint32_t)count, (uint32_t)channel);
            EXPECT_EQUAL(sound.count, COUNT);
            EXPECT_CLOSE(level(), channel == loud ? 1 : 0, 0.01);
        }
    }
}

/* A part with other channels than the first is mixed, and in each channel. */
static void test_channels_that_change(void)
{
    uint8_t *first, *second;
    write_sound("one.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, RATE, 2);
    size_t length = read_file("one.flac", &first);
    write_sound("two.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, RATE, 1);
    size_t more = read_file("two.flac", &second);
    memcpy(first + length, second, more);
    const char *name = write_file("both.flac", first, length + more);
    for (uint32_t channel = 0; channel < 2; channel++) {
        read_channel(name, NULL, 2, channel);
        EXPECT_EQUAL(sound.count, 2 * COUNT);
        EXPECT_CLOSE(level(), 1, 0.01);
    }
    free(first);
    free(second);
}

static void test_counting_channels(void)
{
    const struct hearken_audio_format raw = {RATE, 3, HEARKEN_SAMPLE_S16};
    const struct hearken_source_options options = raw_options(&raw);
    struct hearken_source *source;
    struct hearken_error error = {""};
    read_channel(write_file("raw", tone, 3000), &raw, 3, 1);
    EXPECT_EQUAL(sound.count, 500);
    EXPECT_EQUAL_FATAL(hearken_source_open(write_file("none", "", 0), &options, &source, NULL), 0);
    EXPECT_EQUAL(hearken_source_channels(source), 0);
    EXPECT_EQUAL(hearken_source_read(source, &(float){0}, 1, NULL), 0);
    hearken_source_destroy(source);
    EXPECT_EQUAL_FATAL(hearken_source_open(write_file("raw", tone, 3000), &options, &source, NULL),
                       0);
    EXPECT_EQUAL(hearken_source_separate(source, 1, &error), -EINVAL);
    EXPECT_EQUAL(hearken_source_separate(source, 65, &error), -EINVAL);
    EXPECT_CONTAINS(error.message, "65 channels to tell apart: expected 2 to 64");
    hearken_source_destroy(source);
}

static int finish(void)
{
    free(sound.samples);
    sound.samples = NULL;
    return tear_down();
}

void add_sound_source_tests(void)
{
    CU_pSuite suite = CU_add_suite("source", set_up, finish);
    CU_add_test(suite, "WAV of every stated length", test_wav_lengths);
    CU_add_test(suite, "containers from a reader", test_containers_from_a_reader);
    CU_add_test(suite, "quiet sound from a reader", test_quiet_sound_from_a_reader);
    CU_add_test(suite, "readers that fail", test_readers_that_fail);
    CU_add_test(suite, "WAV with chunks behind", test_wav_with_chunks_behind);
    CU_add_test(suite, "WAV longer than it says", test_wav_longer_than_it_says);
    CU_add_test(suite, "WAV beyond 4 GiB", test_wav_beyond_4_gib);
    CU_add_test(suite, "truncated WAV", test_truncated_wav);
    CU_add_test(suite, "long WAV header", test_long_wav_header);
    CU_add_test(suite, "containers", test_containers);
    CU_add_test(suite, "rates and channels", test_rates_and_channels);
    CU_add_test(suite, "formats out of range", test_formats_out_of_range);
    CU_add_test(suite, "damaged FLAC", test_damaged_flac);
    CU_add_test(suite, "truncated FLAC", test_truncated_flac);
    CU_add_test(suite, "a hole", test_hole);
    CU_add_test(suite, "truncated Ogg and MP3", test_truncated_lossy);
    CU_add_test(suite, "joined files", test_joined);
    CU_add_test(suite, "FLAC in Ogg", test_flac_in_ogg);
    CU_add_test(suite, "junk in front", test_junk_in_front);
    CU_add_test(suite, "scale of floating point", test_scale_of_floats);
    CU_add_test(suite, "quiet recordings", test_quiet_recordings);
    CU_add_test(suite, "channels that cancel", test_channels_that_cancel);
    CU_add_test(suite, "every beginning of a file", test_every_beginning);
    CU_add_test(suite, "not audio", test_not_audio);
    CU_add_test(suite, "no permission", test_no_permission);
    CU_add_test(suite, "long path", test_long_path);
    CU_add_test(suite, "raw PCM", test_raw);
    CU_add_test(suite, "WAV through a pipe", test_wav_through_a_pipe);
    CU_add_test(suite, "containers through a pipe", test_containers_through_a_pipe);
    CU_add_test(suite, "raw PCM through a pipe", test_raw_through_a_pipe);
    CU_add_test(suite, "nothing through a pipe", test_nothing_through_a_pipe);
    CU_add_test(suite, "redirected input", test_redirected_input);
    CU_add_test(suite, "live sound", test_live_sound);
    CU_add_test(suite, "input that does not block", test_input_that_does_not_block);
    CU_add_test(suite, "channels apart", test_separate_channels);
    CU_add_test(suite, "channels that change", test_channels_that_change);
    CU_add_test(suite, "counting channels", test_counting_channels);
}
