/// hotwell-sample-clip: writes a clip whose every frame shows its own number.
#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>

extern "C" {
#include <libavutil/log.h>
}

#include "examples/sample_clip/clip.hpp"

namespace {

/// "640x360" or "4:3": two positive numbers around `separator`.
bool parse_pair(const std::string& text, char separator, int& first, int& second) {
  char middle = 0;
  char rest = 0;
  return std::sscanf(text.c_str(), "%d%c%d%c", &first, &middle, &second, &rest) == 3 && middle == separator &&
         first > 0 && second > 0;
}

}  // namespace

int main(int argc, char** argv) {
  av_log_set_level(AV_LOG_ERROR);
  hotwell::sample::ClipOptions options;
  std::string file;
  std::string size = "640x360";
  std::string sar = "1:1";
  int rotate = 0;
  bool mirror = false;
  bool no_audio = false;
  bool no_video = false;
  CLI::App app{"Writes a test clip whose every frame shows its own number."};
  app.add_option("OUT", file, "the file to write: .mp4, .mkv or .webm")->required();
  app.add_option("--seconds", options.seconds, "how long it lasts")->capture_default_str();
  app.add_option("--size", size, "WIDTHxHEIGHT as shown")->capture_default_str();
  app.add_option("--fps", options.fps, "frames a second")->capture_default_str();
  app.add_option("--gop", options.gop_seconds, "seconds between key frames")->capture_default_str();
  app.add_option("--b-frames", options.b_frames, "most B-frames in a row")->capture_default_str();
  app.add_option("--rotate", rotate, "store it turned; players turn it back by this many degrees clockwise")
      ->check(CLI::IsMember({0, 90, 180, 270}));
  app.add_flag("--mirror", mirror, "... and then mirror it, left to right");
  app.add_option("--sar", sar, "sample aspect ratio, NUM:DEN")->capture_default_str();
  app.add_option("--encoder", options.encoder, "libav's name of the video encoder")->capture_default_str();
  app.add_option("--pixel-format", options.pixel_format, "libav's name, planar YUV")->capture_default_str();
  app.add_flag("--vfr", options.variable_rate, "every third frame is shown twice as long");
  app.add_flag("--no-audio", no_audio, "without the tone");
  app.add_flag("--no-video", no_video, "the tone alone");
  CLI11_PARSE(app, argc, argv);
  if (!parse_pair(size, 'x', options.width, options.height) ||
      !parse_pair(sar, ':', options.sar_num, options.sar_den)) {
    std::fprintf(stderr, "hotwell-sample-clip: --size wants WIDTHxHEIGHT and --sar NUM:DEN\n");
    return 2;
  }
  // EXIF's numbers of a turn by 0, 90, 180 and 270 degrees, plain and with a mirror.
  constexpr int plain[] = {1, 6, 3, 8};
  constexpr int mirrored[] = {2, 5, 4, 7};
  options.orientation = (mirror ? mirrored : plain)[rotate / 90];
  options.audio = !no_audio;
  options.video = !no_video;
  if (auto written = hotwell::sample::write_clip(file, options); !written) {
    std::fprintf(stderr, "hotwell-sample-clip: %s\n", to_string(written.error()).c_str());
    return written.error().code == hotwell::Code::invalid_argument ? 2 : 1;
  }
  return 0;
}
