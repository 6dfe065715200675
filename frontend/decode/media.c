// SPDX-License-Identifier: MIT
#include "frontend/decode/media.h"

#include "include/internal/utf8.h"

#include <errno.h>
#include <hearken/hearken.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avstring.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IO_BYTES 65536

/* Containers of sound. Nothing in the list opens other files: no playlists, no image sequences. */
#define FORMATS                                                                                    \
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,dtshd,eac3,flac,flv,iff,loas,m4a,matroska,mp3,"   \
    "mpc,mpc8,mpeg,mpegts,ogg,rm,tak,tta,voc,w64,wav,wv"

/* Codecs of sound. */
#define CODECS                                                                                     \
    "aac,aac_latm,ac3,eac3,dca,truehd,mlp,alac,ape,amrnb,amrwb,atrac1,atrac3,atrac3p,cook,flac,"   \
    "g723_1,g729,gsm,gsm_ms,ilbc,mace3,mace6,mp1,mp1float,mp2,mp2float,mp3,mp3float,mpc7,mpc8,"    \
    "nellymoser,g722,g726,g726le,"                                                                 \
    "opus,qcelp,evrc,qdm2,qdmc,ra_144,ra_288,ralf,sipr,speex,tak,truespeech,tta,vorbis,wavpack,"   \
    "wmalossless,wmapro,wmav1,wmav2,wmavoice,adpcm_ima_qt,"                                        \
    "adpcm_ima_wav,adpcm_ima_oki,adpcm_ms,adpcm_swf,adpcm_yamaha,adpcm_ct,dsd_lsbf,dsd_msbf,"      \
    "dsd_lsbf_planar,dsd_msbf_planar,pcm_alaw,pcm_mulaw,pcm_s8,pcm_s8_planar,pcm_u8,pcm_s16be,"    \
    "pcm_s16le,pcm_s16be_planar,pcm_s16le_planar,pcm_u16be,pcm_u16le,pcm_s24be,pcm_s24le,"         \
    "pcm_s24le_planar,pcm_u24be,pcm_u24le,pcm_s32be,pcm_s32le,pcm_s32le_planar,pcm_u32be,"         \
    "pcm_u32le,pcm_s64be,pcm_s64le,pcm_f32be,pcm_f32le,pcm_f64be,pcm_f64le,pcm_dvd,pcm_bluray,"    \
    "pcm_vidc,pcm_lxf"

/* A step in the times of the container below this is rounding. */
#define GAP_SECONDS 0.1

/* A recording that ends this much before what its track states was cut off. */
#define SHORT_SECONDS 0.5

struct media {
    int input;
    uint64_t size, at;
    AVFormatContext *format;
    AVIOContext *io;
    AVCodecContext *codec;
    AVStream *stream; /* the chosen one */
    AVPacket *packet;
    AVFrame *frame;
    SwrContext *converter; /* NULL: the frames are interleaved floats */
    int converter_type;    /* of the samples, rate and channels it was made for */
    int converter_rate, converter_channels;
    float *samples; /* [samples_room] */
    size_t samples_room;
    double seconds;    /* of sound, and of gaps, that were given */
    double pause;      /* seconds before the next frame */
    bool drained;      /* the demuxer has ended */
    bool damaged;      /* since the last block */
    char log[116];     /* the last complaint of the libraries */
    char damage[116];  /* of the block */
    char failure[116]; /* of the demuxer, at the end; "": it is a good one */
};

/* ---- The libraries ---- */

/* The libraries' log has no context but the object that complains. */
static struct media *media_of(void *object)
{
    const AVClass *class = object ? *(AVClass **)object : NULL;
    if (class && class == avformat_get_class())
        return ((AVFormatContext *)object)->opaque;
    if (class && class == avcodec_get_class())
        return ((AVCodecContext *)object)->opaque;
    return NULL;
}

static void keep_complaint(void *object, int level, const char *format, va_list arguments)
{
    struct media *media = level <= AV_LOG_ERROR ? media_of(object) : NULL;
    if (!media)
        return;
    vsnprintf(media->log, sizeof(media->log), format, arguments);
    media->log[strcspn(media->log, "\r\n")] = '\0';
    utf8_clean(media->log);
}

static int read_input(void *context, uint8_t *bytes, int size)
{
    struct media *media = context;
    ssize_t count = pread(media->input, bytes, (size_t)size, (off_t)media->at);
    if (count < 0)
        return AVERROR(errno);
    media->at += (uint64_t)count;
    return count == 0 ? AVERROR_EOF : (int)count;
}

static int64_t seek_input(void *context, int64_t offset, int whence)
{
    struct media *media = context;
    int64_t from = whence == SEEK_CUR ? (int64_t)media->at : 0;
    if (whence & AVSEEK_SIZE)
        return (int64_t)media->size;
    if ((whence & ~AVSEEK_FORCE) == SEEK_END)
        from = (int64_t)media->size;
    if (offset < -from || offset > INT64_MAX - from)
        return AVERROR(EINVAL);
    media->at = (uint64_t)(from + offset);
    return (int64_t)media->at;
}

/* A file names another one: it is not opened. */
static int refuse_other(AVFormatContext *format, AVIOContext **io, const char *url, int flags,
                        AVDictionary **options)
{
    (void)format, (void)io, (void)url, (void)flags, (void)options;
    return AVERROR(EPERM);
}

/* ---- Opening ---- */

static int fail(const struct media *media, int code, char *reason, size_t size)
{
    char text[64] = "";
    av_strerror(code, text, sizeof(text));
    if (strstr(media->log, "moov atom not found"))
        snprintf(reason, size, "it has no index (moov): it was cut off, or never finished");
    else
        snprintf(reason, size, "%s", media->log[0] ? media->log : text);
    return code == AVERROR(ENOMEM) ? -ENOMEM : -EINVAL;
}

static int open_container(struct media *media)
{
    media->format = avformat_alloc_context();
    uint8_t *buffer = av_malloc(IO_BYTES);
    media->io = buffer
                    ? avio_alloc_context(buffer, IO_BYTES, 0, media, read_input, NULL, seek_input)
                    : NULL;
    if (!media->format || !media->io) {
        if (!media->io)
            av_free(buffer);
        return AVERROR(ENOMEM);
    }
    media->format->opaque = media;
    media->format->pb = media->io;
    media->format->io_open = refuse_other;
    media->format->format_whitelist = av_strdup(FORMATS);
    media->format->codec_whitelist = av_strdup(CODECS);
    media->format->protocol_whitelist = av_strdup("");
    if (!media->format->format_whitelist || !media->format->codec_whitelist ||
        !media->format->protocol_whitelist)
        return AVERROR(ENOMEM);
    return avformat_open_input(&media->format, NULL, NULL, NULL); /* frees it on failure */
}

static bool is_audio(const AVStream *stream)
{
    return stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
}

/* Only sound is read, and looked at to find its parameters. */
static void discard_others(const AVFormatContext *format)
{
    for (unsigned i = 0; i < format->nb_streams; i++)
        if (!is_audio(format->streams[i]))
            format->streams[i]->discard = AVDISCARD_ALL;
}

static AVStream *choose_stream(const AVFormatContext *format, unsigned track, unsigned *count)
{
    AVStream *chosen = NULL;
    *count = 0;
    for (unsigned i = 0; i < format->nb_streams; i++) {
        AVStream *stream = format->streams[i];
        if (!is_audio(stream))
            continue;
        ++*count;
        bool preferred = track == 0 && (stream->disposition & AV_DISPOSITION_DEFAULT) &&
                         !(chosen && (chosen->disposition & AV_DISPOSITION_DEFAULT));
        if (*count == track || (track == 0 && !chosen) || preferred)
            chosen = stream;
    }
    return chosen;
}

static int open_stream(struct media *media, unsigned track, char *reason, size_t size)
{
    unsigned count;
    media->stream = choose_stream(media->format, track, &count);
    if (!media->stream && count == 0)
        snprintf(reason, size, "it has no audio track");
    else if (!media->stream)
        snprintf(reason, size, "it has no audio track %u, expected 1 to %u", track, count);
    if (!media->stream)
        return -EINVAL;
    for (unsigned i = 0; i < media->format->nb_streams; i++)
        if (media->format->streams[i] != media->stream)
            media->format->streams[i]->discard = AVDISCARD_ALL;
    const AVCodecParameters *parameters = media->stream->codecpar;
    const AVCodec *codec = avcodec_find_decoder(parameters->codec_id);
    if (!codec || !av_match_list(codec->name, CODECS, ',')) {
        snprintf(reason, size, "its codec, %s, cannot be decoded",
                 avcodec_get_name(parameters->codec_id));
        return -EINVAL;
    }
    media->codec = avcodec_alloc_context3(codec);
    if (!media->codec)
        return -ENOMEM;
    media->codec->opaque = media;
    media->codec->thread_count = 1;
    media->codec->pkt_timebase = media->stream->time_base;
    media->codec->codec_whitelist = av_strdup(CODECS);
    int result = avcodec_parameters_to_context(media->codec, parameters);
    if (result >= 0)
        result = avcodec_open2(media->codec, codec, NULL);
    return result < 0 ? fail(media, result, reason, size) : 0;
}

int media_open(int input, uint64_t size, unsigned track, struct media **media, char *reason,
               size_t reason_size)
{
    struct media *opened = calloc(1, sizeof(*opened));
    snprintf(reason, reason_size, "out of memory");
    if (!opened)
        return -ENOMEM;
    opened->input = input;
    opened->size = size;
    av_log_set_callback(keep_complaint);
    int result = open_container(opened);
    if (result >= 0) {
        discard_others(opened->format);
        result = avformat_find_stream_info(opened->format, NULL);
    }
    if (result < 0)
        result = fail(opened, result, reason, reason_size);
    else
        result = open_stream(opened, track, reason, reason_size);
    opened->packet = av_packet_alloc();
    opened->frame = av_frame_alloc();
    if (result == 0 && (!opened->packet || !opened->frame))
        result = -ENOMEM;
    opened->log[0] = '\0';
    if (result < 0)
        media_close(opened);
    else
        *media = opened;
    return result;
}

void media_close(struct media *media)
{
    if (!media)
        return;
    av_packet_free(&media->packet);
    av_frame_free(&media->frame);
    swr_free(&media->converter);
    avcodec_free_context(&media->codec);
    avformat_close_input(&media->format);
    if (media->io)
        av_freep(&media->io->buffer);
    avio_context_free(&media->io);
    free(media->samples);
    free(media);
}

/* ---- Tracks ---- */

/* What the container states, not what a demuxer guesses from the bit rate; negative: nothing. */
static double seconds_of(const AVFormatContext *format, const AVStream *stream)
{
    if (format->duration_estimation_method == AVFMT_DURATION_FROM_BITRATE)
        return -1;
    if (stream->duration != AV_NOPTS_VALUE && stream->duration > 0)
        return (double)stream->duration * av_q2d(stream->time_base);
    return format->duration > 0 ? (double)format->duration / AV_TIME_BASE : -1;
}

static void describe(const AVFormatContext *format, const AVStream *stream,
                     struct sound_track *track)
{
    const AVDictionaryEntry *language = av_dict_get(stream->metadata, "language", NULL, 0);
    const AVCodecDescriptor *codec = avcodec_descriptor_get(stream->codecpar->codec_id);
    const char *profile =
        avcodec_profile_name(stream->codecpar->codec_id, stream->codecpar->profile);
    *track = (struct sound_track){
        .rate = stream->codecpar->sample_rate > 0 ? (uint32_t)stream->codecpar->sample_rate : 0,
        .channels = stream->codecpar->ch_layout.nb_channels > 0
                        ? (uint32_t)stream->codecpar->ch_layout.nb_channels
                        : 0,
        .seconds = seconds_of(format, stream),
    };
    snprintf(track->container, sizeof(track->container), "%s",
             format->iformat->long_name ? format->iformat->long_name : format->iformat->name);
    snprintf(track->codec, sizeof(track->codec), "%s%s%s%s", codec ? codec->name : "unknown",
             profile ? " (" : "", profile ? profile : "", profile ? ")" : "");
    if (language && strcmp(language->value, "und") != 0) {
        snprintf(track->language, sizeof(track->language), "%s", language->value);
        utf8_clean(track->language);
    }
}

bool media_track(const struct media *media, size_t index, struct sound_track *track)
{
    size_t count = 0;
    for (unsigned i = 0; i < media->format->nb_streams; i++) {
        const AVStream *stream = media->format->streams[i];
        if (!is_audio(stream) || count++ < index)
            continue;
        describe(media->format, stream, track);
        track->chosen = stream == media->stream;
        return true;
    }
    return false;
}

/* ---- Reading ---- */

/* A telephone that hears nobody sends frames of comfort noise, or of nothing, for which FFmpeg has
 * only errors: RFC 4867, table 1a. They last 20 ms as the others do. */
static bool is_pause(const struct media *media)
{
    enum AVCodecID codec = media->codec->codec_id;
    const AVPacket *packet = media->packet;
    if ((codec != AV_CODEC_ID_AMR_NB && codec != AV_CODEC_ID_AMR_WB) || packet->size < 1)
        return false;
    int type = packet->data[0] >> 3 & 15;
    return type >= (codec == AV_CODEC_ID_AMR_NB ? 8 : 9);
}

/* Passes the next packet of the track to the decoder, or its end. */
static void feed(struct media *media)
{
    int result = av_read_frame(media->format, media->packet);
    if (result < 0) {
        if (result == AVERROR(EIO) && avio_feof(media->io) && !media->log[0])
            snprintf(media->failure, sizeof(media->failure), "it ends within a packet");
        else if (result != AVERROR_EOF || media->log[0])
            fail(media, result, media->failure, sizeof(media->failure));
        media->drained = true;
        avcodec_send_packet(media->codec, NULL);
        return;
    }
    if (media->packet->stream_index == media->stream->index) {
        if ((media->packet->flags & AV_PKT_FLAG_CORRUPT) && avio_feof(media->io))
            snprintf(media->failure, sizeof(media->failure), "it ends within a packet");
        else if (media->packet->flags & AV_PKT_FLAG_CORRUPT)
            media->damaged = true;
        if (is_pause(media))
            media->pause += 0.02;
        else if (avcodec_send_packet(media->codec, media->packet) < 0)
            media->damaged = true;
    }
    av_packet_unref(media->packet);
}

/* Makes the converter fit the frame. */
static int use_converter(struct media *media, const AVFrame *frame)
{
    int channels = frame->ch_layout.nb_channels;
    if (media->converter_type == frame->format && media->converter_rate == frame->sample_rate &&
        media->converter_channels == channels)
        return 0;
    swr_free(&media->converter);
    media->converter_channels = 0; /* fits nothing, until it is made */
    if (frame->format != AV_SAMPLE_FMT_FLT &&
        !(frame->format == AV_SAMPLE_FMT_FLTP && channels == 1)) {
        AVChannelLayout layout = {.order = AV_CHANNEL_ORDER_UNSPEC, .nb_channels = channels};
        int result =
            swr_alloc_set_opts2(&media->converter, &layout, AV_SAMPLE_FMT_FLT, frame->sample_rate,
                                &layout, frame->format, frame->sample_rate, 0, NULL);
        if (result < 0 || (result = swr_init(media->converter)) < 0)
            return result;
    }
    media->converter_type = frame->format;
    media->converter_rate = frame->sample_rate;
    media->converter_channels = channels;
    return 0;
}

/* The frame as interleaved floats. */
static int convert(struct media *media, const AVFrame *frame, struct media_block *block)
{
    if (use_converter(media, frame) < 0)
        return -ENOMEM;
    if (!media->converter) {
        block->samples = (const float *)frame->extended_data[0];
        return 0;
    }
    size_t count = (size_t)frame->nb_samples * (size_t)frame->ch_layout.nb_channels;
    if (count > media->samples_room) {
        float *grown = realloc(media->samples, count * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        media->samples = grown;
        media->samples_room = count;
    }
    uint8_t *out = (uint8_t *)media->samples;
    int result = swr_convert(media->converter, &out, frame->nb_samples,
                             (const uint8_t **)frame->extended_data, frame->nb_samples);
    if (result != frame->nb_samples)
        return -ENOMEM;
    block->samples = media->samples;
    return 0;
}

/* Frames that are missing before this one by its time, counted from the start of the container: of
 * a track that begins later than the picture, and where a recorder paused. */
static uint64_t gap_before(const struct media *media, const AVFrame *frame)
{
    int64_t time = frame->best_effort_timestamp;
    uint64_t pause = (uint64_t)llround(media->pause * frame->sample_rate);
    if (time == AV_NOPTS_VALUE || pause > 0)
        return pause;
    double start = media->format->start_time != AV_NOPTS_VALUE
                       ? (double)media->format->start_time / AV_TIME_BASE
                       : 0;
    double gap = (double)time * av_q2d(media->stream->time_base) - start - media->seconds;
    return gap > GAP_SECONDS ? (uint64_t)fmin(gap * frame->sample_rate, 0x1p40) : 0;
}

static bool is_possible(const AVFrame *frame)
{
    return frame->nb_samples > 0 && frame->sample_rate >= (int)HEARKEN_RATE_MIN &&
           frame->sample_rate <= (int)HEARKEN_RATE_MAX && frame->ch_layout.nb_channels >= 1 &&
           frame->ch_layout.nb_channels <= (int)HEARKEN_CHANNELS_MAX;
}

/* Whether the track ends before the time that it states itself; a container states that of its
 * longest track. */
static bool is_cut_off(const struct media *media)
{
    const AVFormatContext *format = media->format;
    double stated = seconds_of(format, media->stream);
    bool own = format->nb_streams == 1 || media->stream->duration != AV_NOPTS_VALUE;
    return own && stated > 0 && media->seconds + media->pause < stated - SHORT_SECONDS;
}

static void note_damage(struct media *media, struct media_block *block, const char *otherwise)
{
    snprintf(media->damage, sizeof(media->damage), "%s", media->log[0] ? media->log : otherwise);
    media->log[0] = '\0';
    media->damaged = false;
    block->damage = media->damage;
}

static void end(struct media *media, struct media_block *block)
{
    if (media->failure[0] || is_cut_off(media)) {
        note_damage(media, block, media->failure[0] ? media->failure : "its container states more");
        block->short_end = true;
    } else if (media->damaged) {
        note_damage(media, block, "cannot be decoded");
    }
}

int media_read(struct media *media, struct media_block *block)
{
    AVFrame *frame = media->frame;
    *block = (struct media_block){0};
    for (;;) {
        av_frame_unref(frame);
        int result = avcodec_receive_frame(media->codec, frame);
        if (result == 0 && is_possible(frame))
            break;
        if (result < 0 && media->drained) {
            end(media, block);
            return 0;
        }
        if (result < 0 && result != AVERROR(EAGAIN))
            media->damaged = true;
        if (result < 0)
            feed(media);
    }
    block->rate = (uint32_t)frame->sample_rate;
    block->channels = (uint32_t)frame->ch_layout.nb_channels;
    block->frames = (size_t)frame->nb_samples;
    block->lost = gap_before(media, frame);
    media->pause = 0;
    media->seconds += (double)(block->lost + block->frames) / block->rate;
    if (media->damaged)
        note_damage(media, block, "cannot be decoded");
    return convert(media, frame, block);
}
