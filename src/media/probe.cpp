#include <algorithm>
#include <cmath>
#include <string>

#include <boost/json.hpp>

extern "C" {
#include <libavutil/channel_layout.h>
#include <libavutil/pixdesc.h>
}

#include "media/operations.hpp"
#include "media/plain_json.hpp"

namespace hotwell::media {
namespace {

namespace json = boost::json;

/// Files up to this size are read through where their header does not say how long they play.
constexpr std::int64_t measured_size = 256LL << 20;

/// Tags are whatever bytes somebody wrote; JSON is UTF-8. What is not becomes U+FFFD.
std::string as_utf8(std::string_view text) {
  std::string clean;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80                   ? 1
                               : lead >= 0xc2 && lead < 0xe0 ? 2
                               : lead >= 0xe0 && lead < 0xf0 ? 3
                               : lead >= 0xf0 && lead < 0xf5 ? 4
                                                             : 0;
    bool valid = length > 0 && i + length <= text.size();
    for (std::size_t k = 1; valid && k < length; ++k) valid = (static_cast<unsigned char>(text[i + k]) & 0xc0U) == 0x80;
    if (valid && length > 2) {
      // No overlong forms, no surrogates, nothing beyond U+10FFFF.
      const auto second = static_cast<unsigned char>(text[i + 1]);
      valid = !((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0) ||
                (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second >= 0x90));
    }
    if (valid) {
      clean.append(text.substr(i, length));
      i += length;
    } else {
      clean += "\xef\xbf\xbd";
      ++i;
    }
  }
  return clean;
}

json::object tags_of(const AVDictionary* metadata) {
  json::object tags;
  const AVDictionaryEntry* entry = nullptr;
  while ((entry = av_dict_get(metadata, "", entry, AV_DICT_IGNORE_SUFFIX)) != nullptr) {
    if (std::string_view(entry->key) != "language") tags[as_utf8(entry->key)] = as_utf8(entry->value);
  }
  return tags;
}

/// To the microsecond: what is beyond is noise of the conversion.
double seconds(std::int64_t ticks, AVRational base) {
  return std::round(static_cast<double>(ticks) * av_q2d(base) * 1e6) / 1e6;
}

void put_name(json::object& into, std::string_view key, const char* name) {
  if (name != nullptr && std::string_view(name) != "unknown") into[key] = name;
}

std::string_view type_name(AVMediaType type) {
  const char* name = av_get_media_type_string(type);
  return name != nullptr ? name : "unknown";
}

/// The mean rate, unless it is above the highest that the time stamps allow: then the container guessed.
AVRational frame_rate_of(const AVStream& stream) {
  const AVRational mean = stream.avg_frame_rate;
  const AVRational most = stream.r_frame_rate;
  if (mean.num <= 0) return most;
  if (most.num > 0 && av_q2d(mean) > av_q2d(most) * 1.01) return most;
  return mean;
}

void put_video(json::object& into, const Input& input, const AVStream& stream, Orientation orientation) {
  const AVCodecParameters& codec = *stream.codecpar;
  into["width"] = codec.width;
  into["height"] = codec.height;
  const Ratio aspect = sample_aspect_of(input, stream, nullptr);
  into["sample_aspect_ratio"] = std::to_string(aspect.num) + ":" + std::to_string(aspect.den);
  const Size shown = shown_size({codec.width, codec.height}, aspect, orientation);
  into["display_width"] = shown.width;
  into["display_height"] = shown.height;
  into["rotation"] = orientation.clockwise();
  into["mirrored"] = orientation.mirrored();
  const AVRational rate = frame_rate_of(stream);
  const bool footage = !input.still() && (stream.disposition & AV_DISPOSITION_ATTACHED_PIC) == 0;
  if (footage && rate.num > 0 && rate.den > 0) {
    into["frame_rate"] = std::round(av_q2d(rate) * 1e6) / 1e6;
    into["frame_rate_exact"] = std::to_string(rate.num) + "/" + std::to_string(rate.den);
  }
  if (stream.nb_frames > 0) into["frames"] = stream.nb_frames;
  const auto format = static_cast<AVPixelFormat>(codec.format);
  if (const AVPixFmtDescriptor* description = av_pix_fmt_desc_get(format); description != nullptr) {
    into["pixel_format"] = description->name;
    into["bit_depth"] = description->comp[0].depth;
  }
  json::object colour;
  put_name(colour, "primaries", av_color_primaries_name(codec.color_primaries));
  put_name(colour, "transfer", av_color_transfer_name(codec.color_trc));
  put_name(colour, "space", av_color_space_name(codec.color_space));
  put_name(colour, "range", av_color_range_name(codec.color_range));
  into["colour"] = std::move(colour);
}

void put_audio(json::object& into, const AVCodecParameters& codec) {
  into["sample_rate"] = codec.sample_rate;
  into["channels"] = codec.ch_layout.nb_channels;
  char layout[64] = {};
  if (av_channel_layout_describe(&codec.ch_layout, layout, sizeof layout) > 0) into["channel_layout"] = layout;
  put_name(into, "sample_format", av_get_sample_fmt_name(static_cast<AVSampleFormat>(codec.format)));
  const int depth = codec.bits_per_raw_sample > 0 ? codec.bits_per_raw_sample : codec.bits_per_coded_sample;
  if (depth > 0) into["bit_depth"] = depth;
}

json::object describe(const Input& input, const AVStream& stream, Orientation orientation) {
  const AVCodecParameters& codec = *stream.codecpar;
  json::object into;
  into["index"] = stream.index;
  into["type"] = type_name(codec.codec_type);
  into["codec"] = avcodec_get_name(codec.codec_id);
  put_name(into, "profile", avcodec_profile_name(codec.codec_id, codec.profile));
  if (codec.codec_type == AVMEDIA_TYPE_VIDEO) put_video(into, input, stream, orientation);
  if (codec.codec_type == AVMEDIA_TYPE_AUDIO) put_audio(into, codec);
  if (codec.bit_rate > 0) into["bit_rate"] = codec.bit_rate;
  if (stream.start_time != AV_NOPTS_VALUE && !input.still())
    into["start_time"] = seconds(stream.start_time, stream.time_base);
  const double length = stream.duration != AV_NOPTS_VALUE ? seconds(stream.duration, stream.time_base) : 0;
  if (length > 0 && !input.still() && input.declared_duration() != AV_NOPTS_VALUE) into["duration"] = length;
  const AVDictionaryEntry* language = av_dict_get(stream.metadata, "language", nullptr, 0);
  if (language != nullptr && std::string_view(language->value) != "und") into["language"] = as_utf8(language->value);
  into["default"] = (stream.disposition & AV_DISPOSITION_DEFAULT) != 0;
  into["attached_picture"] = (stream.disposition & AV_DISPOSITION_ATTACHED_PIC) != 0;
  into["tags"] = tags_of(stream.metadata);
  return into;
}

json::array chapters_of(const AVFormatContext& format) {
  json::array chapters;
  for (unsigned i = 0; i < format.nb_chapters; ++i) {
    const AVChapter& chapter = *format.chapters[i];
    json::object into;
    into["start"] = seconds(chapter.start, chapter.time_base);
    into["end"] = seconds(chapter.end, chapter.time_base);
    if (const AVDictionaryEntry* title = av_dict_get(chapter.metadata, "title", nullptr, 0); title != nullptr) {
      into["title"] = as_utf8(title->value);
    }
    chapters.push_back(std::move(into));
  }
  return chapters;
}

bool knows_its_size(const AVFormatContext& format) {
  for (unsigned i = 0; i < format.nb_streams; ++i) {
    const AVCodecParameters& codec = *format.streams[i]->codecpar;
    if (codec.codec_type == AVMEDIA_TYPE_VIDEO && codec.width > 0) return true;
  }
  return false;
}

/// The EXIF orientation of a picture, which only its decoder sees. Errors: the picture's, where even its size is
/// unknown without decoding it (damaged, too large).
Result<Orientation> still_orientation(OpenInput& open) {
  const bool size_known = knows_its_size(open.input->format());
  const AVCodecID codec = open.input->format().streams[0]->codecpar->codec_id;
  if (size_known && codec != AV_CODEC_ID_MJPEG) return Orientation{};
  auto reader = open.reader();
  if (!reader) return std::unexpected(reader.error());
  const auto frame = (*reader)->frame_at(0);
  if (!frame) {
    if (size_known && frame.error().code == Code::corrupt_input) return Orientation{};
    return std::unexpected(frame.error());
  }
  const AVFrameSideData* matrix = av_frame_get_side_data(*frame, AV_FRAME_DATA_DISPLAYMATRIX);
  if (matrix == nullptr || matrix->size < 9 * sizeof(std::int32_t)) return Orientation{};
  return orientation_of(reinterpret_cast<const std::int32_t*>(matrix->data));
}

/// Microseconds, or AV_NOPTS_VALUE.
Result<std::int64_t> duration_of(OpenInput& open) {
  const std::int64_t declared = open.input->declared_duration();
  const bool video = open.input->best_stream(AVMEDIA_TYPE_VIDEO) >= 0;
  if (open.input->still() || declared != AV_NOPTS_VALUE || !video || open.input->size() > measured_size)
    return declared;
  auto reader = open.reader();
  if (!reader) return std::int64_t{AV_NOPTS_VALUE};  // what cannot be decoded can still be described
  return (*reader)->find_end();
}

Result<std::string> describe(OpenInput& open) {
  const Input& input = *open.input;
  const AVFormatContext& format = input.format();
  Orientation picture;
  if (input.still()) {
    const auto orientation = still_orientation(open);
    if (!orientation) return std::unexpected(orientation.error());
    picture = *orientation;
  }
  const auto duration = duration_of(open);
  if (!duration) return std::unexpected(duration.error());
  json::object into;
  into["container"] = format.iformat->name;
  into["container_name"] = format.iformat->long_name;
  into["size"] = input.size();
  into["duration"] = nullptr;
  into["bit_rate"] = nullptr;
  if (*duration > 0 && !std::string_view(format.iformat->name).ends_with("_pipe")) {
    const double length = seconds(*duration, AV_TIME_BASE_Q);
    into["duration"] = length;
    into["bit_rate"] = std::llround(static_cast<double>(input.size()) * 8 / length);
    into["start_time"] = seconds(input.start_time(), AV_TIME_BASE_Q);
  }
  json::array streams;
  for (unsigned i = 0; i < format.nb_streams; ++i) {
    const AVStream& stream = *format.streams[i];
    streams.push_back(describe(input, stream, input.still() ? picture : orientation_of(stream)));
  }
  into["streams"] = std::move(streams);
  into["chapters"] = chapters_of(format);
  into["tags"] = tags_of(format.metadata);
  return plain_json(into);
}

}  // namespace

Result<worker::Reply> probe(worker::Task& task, WarmInputs& inputs) {
  auto input = inputs.take(task);
  if (!input) return std::unexpected(input.error());
  auto text = describe(*input);
  if (!text) return std::unexpected(text.error());
  inputs.keep(std::move(*input));
  return worker::Reply::inline_text("application/json", std::move(*text));
}

}  // namespace hotwell::media
