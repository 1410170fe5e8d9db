/// hotwell-media-worker: libav in a process of its own, serving jobs on the socket that the spawner left it.
/// With --codecs it says instead which codecs this libav has, for `hotwell doctor`.
#include <cstdio>
#include <string_view>

extern "C" {
#include <libavcodec/avcodec.h>
}

#include <hotwell/worker.hpp>

#include "media/handlers.hpp"

namespace {

void print_codecs() {
  std::printf("decoders:");
  for (const char* name : {"h264", "hevc", "vp8", "vp9", "libdav1d", "mpeg4", "mpeg2video", "prores", "aac", "mp3",
                           "opus", "vorbis", "flac", "mjpeg", "png", "webp"})
    if (avcodec_find_decoder_by_name(name)) std::printf(" %s", name);
  std::printf("\nencoders:");
  for (const char* name : {"libx264", "libx265", "libvpx", "libvpx-vp9", "libaom-av1", "libsvtav1", "aac", "libopus",
                           "libmp3lame", "libvorbis", "flac", "mjpeg", "png", "libwebp"})
    if (avcodec_find_encoder_by_name(name)) std::printf(" %s", name);
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--codecs") {
    print_codecs();
    return 0;
  }
  // Media files are hostile input.
  return hotwell::worker::serve(hotwell::media::handlers(), {.sandbox = hotwell::worker::Sandbox{}});
}
