#include "media/parameters.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <optional>
#include <span>

#include <boost/json.hpp>

namespace hotwell::media {
namespace {

namespace json = boost::json;

/// The members of one payload, by name, with errors that name them.
class Members {
 public:
  static Result<Members> parse(std::string_view text, std::span<const std::string_view> known) {
    Members members;
    if (text.empty()) return members;
    boost::system::error_code wrong;
    json::value value = json::parse(text, wrong);
    if (wrong) return fail(Code::invalid_argument, "the parameters are not JSON: " + wrong.message());
    if (!value.is_object()) return fail(Code::invalid_argument, "the parameters are not a JSON object");
    members.object_ = std::move(value.as_object());
    for (const auto& member : members.object_) {
      if (std::ranges::find(known, std::string_view(member.key())) == known.end()) {
        return fail(Code::invalid_argument, "there is no parameter \"" + std::string(member.key()) + "\"");
      }
    }
    return members;
  }

  /// Absent, null and "" are nothing.
  [[nodiscard]] const json::value* find(std::string_view name) const {
    const json::value* value = object_.if_contains(name);
    if (value == nullptr || value->is_null() || (value->is_string() && value->get_string().empty())) return nullptr;
    return value;
  }

  [[nodiscard]] Result<std::optional<double>> number(std::string_view name) const {
    const json::value* value = find(name);
    if (value == nullptr) return std::optional<double>{};
    double number = 0;
    if (value->is_string()) {
      const json::string& text = value->get_string();
      const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (wrong != std::errc{} || end != text.data() + text.size()) return refuse(name, "a number");
    } else if (value->is_number()) {
      number = value->to_number<double>();
    } else {
      return refuse(name, "a number");
    }
    if (!std::isfinite(number)) return refuse(name, "a number");
    return std::optional<double>{number};
  }

  template <class T>
  [[nodiscard]] Result<void> whole(std::string_view name, double least, double most, T& into) const {
    const auto value = number(name);
    if (!value) return std::unexpected(value.error());
    if (!*value) return {};
    if (**value < least || **value > most || **value != std::floor(**value)) {
      char range[80];
      std::snprintf(range, sizeof range, "a whole number from %.0f to %.0f", least, most);
      return refuse(name, range);
    }
    into = static_cast<T>(**value);
    return {};
  }

  [[nodiscard]] Result<void> seconds(std::string_view name, double& into) const {
    const auto value = number(name);
    if (!value) return std::unexpected(value.error());
    if (!*value) return {};
    if (**value < 0 || **value > 1e7) return refuse(name, "a number of seconds, not negative");
    into = **value;
    return {};
  }

  [[nodiscard]] Result<void> text(std::string_view name, std::string& into) const {
    const json::value* value = find(name);
    if (value == nullptr) return {};
    if (!value->is_string()) return refuse(name, "a string");
    into = std::string(value->get_string());
    return {};
  }

  [[nodiscard]] std::unexpected<Error> refuse(std::string_view name, std::string_view expected) const {
    const json::value* value = object_.if_contains(name);
    const std::string given = value != nullptr ? json::serialize(*value) : "nothing";
    return fail(Code::invalid_argument,
                std::string(name) + " is " + given.substr(0, 100) + ": it has to be " + std::string(expected));
  }

 private:
  json::object object_;
};

Result<void> parse_at(const Members& members, At& at) {
  const json::value* value = members.find("at");
  if (value == nullptr) return {};
  constexpr std::string_view expected = "a number of seconds, not negative, or a percentage from 0% to 100%";
  if (value->is_string() && std::string_view(value->get_string()).ends_with('%')) {
    const std::string_view text = std::string_view(value->get_string());
    double percent = 0;
    const char* end = text.data() + text.size() - 1;
    const auto [stop, wrong] = std::from_chars(text.data(), end, percent);
    if (wrong != std::errc{} || stop != end || !(percent >= 0 && percent <= 100)) return members.refuse("at", expected);
    at = {.percent = percent};
    return {};
  }
  double seconds = 0;
  if (!members.seconds("at", seconds)) return members.refuse("at", expected);
  at = {.seconds = seconds};
  return {};
}

}  // namespace

Result<ThumbnailParameters> parse_thumbnail(std::string_view text) {
  constexpr std::array<std::string_view, 6> names = {"at", "width", "height", "fit", "format", "quality"};
  auto members = Members::parse(text, names);
  if (!members) return std::unexpected(members.error());
  ThumbnailParameters parameters;
  if (auto ok = parse_at(*members, parameters.at); !ok) return std::unexpected(ok.error());
  Box box;
  if (auto ok = members->whole("width", 0, longest_side, box.width); !ok) return std::unexpected(ok.error());
  if (auto ok = members->whole("height", 0, longest_side, box.height); !ok) return std::unexpected(ok.error());
  if (std::int64_t{box.width} * box.height > max_pixels) {
    return members->refuse("width", "such that the picture has 100 megapixels at most");
  }
  if (box.width > 0 || box.height > 0) parameters.box = box;
  std::string fit = "contain";
  if (auto ok = members->text("fit", fit); !ok) return std::unexpected(ok.error());
  if (fit != "contain" && fit != "cover") return members->refuse("fit", "contain or cover");
  parameters.box.fit = fit == "cover" ? Fit::cover : Fit::contain;
  std::string format = "jpeg";
  if (auto ok = members->text("format", format); !ok) return std::unexpected(ok.error());
  if (format == "jpeg" || format == "jpg") {
    parameters.format = StillFormat::jpeg;
  } else if (format == "png") {
    parameters.format = StillFormat::png;
  } else if (format == "webp") {
    parameters.format = StillFormat::webp;
  } else {
    return members->refuse("format", "jpeg, png or webp");
  }
  int quality = 0;
  if (auto ok = members->whole("quality", 0, 100, quality); !ok) return std::unexpected(ok.error());
  if (quality > 0) parameters.quality = quality;
  return parameters;
}

Result<TranscodeParameters> parse_transcode(std::string_view text) {
  constexpr std::array<std::string_view, 10> names = {"format", "video",   "audio",  "width", "height",
                                                      "crf",    "bitrate", "preset", "start", "duration"};
  auto members = Members::parse(text, names);
  if (!members) return std::unexpected(members.error());
  TranscodeParameters p;
  if (auto ok = members->text("format", p.format); !ok) return std::unexpected(ok.error());
  if (p.format != "mp4" && p.format != "webm" && p.format != "mkv")
    return members->refuse("format", "mp4, webm or mkv");
  if (auto ok = members->text("video", p.video); !ok) return std::unexpected(ok.error());
  if (auto ok = members->text("audio", p.audio); !ok) return std::unexpected(ok.error());
  if (p.video == "auto") p.video.clear();
  if (p.audio == "auto") p.audio.clear();
  if (auto ok = members->whole("width", 0, longest_side, p.width); !ok) return std::unexpected(ok.error());
  if (auto ok = members->whole("height", 0, longest_side, p.height); !ok) return std::unexpected(ok.error());
  if (auto ok = members->whole("crf", -1, 63, p.crf); !ok) return std::unexpected(ok.error());
  if (auto ok = members->whole("bitrate", 0, 1e9, p.bitrate); !ok) return std::unexpected(ok.error());
  if (auto ok = members->text("preset", p.preset); !ok) return std::unexpected(ok.error());
  if (auto ok = members->seconds("start", p.start); !ok) return std::unexpected(ok.error());
  if (auto ok = members->seconds("duration", p.duration); !ok) return std::unexpected(ok.error());
  return p;
}

}  // namespace hotwell::media
