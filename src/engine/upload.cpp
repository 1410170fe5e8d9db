#include "engine/upload.hpp"

#include "base/digest.hpp"
#include "engine/input.hpp"

namespace hotwell::engine {
namespace {

class CacheUpload final : public Engine::Upload {
 public:
  explicit CacheUpload(std::unique_ptr<cache::CacheWriter> writer) : writer_(std::move(writer)) {}

  Result<void> write(ByteView bytes) override {
    if (auto written = writer_->write(bytes); !written) return written;
    digest_.add(bytes);
    size_ += bytes.size();
    return {};
  }

  Result<InputUpload> finish(std::string name) override {
    if (auto sealed = writer_->seal(size_); !sealed) return std::unexpected(sealed.error());
    auto file = file_of(writer_->object());
    if (!file) return std::unexpected(file.error());
    // The object keeps the bytes counted for as long as the file is open.
    struct Held {
      Object object;
      std::shared_ptr<const FileHandle> file;
    };
    auto held = std::make_shared<Held>(writer_->object(), std::move(*file));
    std::shared_ptr<const FileHandle> shared{held, held->file.get()};
    return InputUpload{std::move(shared), size_, digest_.hex(), std::move(name)};
  }

 private:
  std::unique_ptr<cache::CacheWriter> writer_;
  base::Sha256 digest_;
  std::uint64_t size_ = 0;
};

}  // namespace

std::unique_ptr<Engine::Upload> receive_upload(std::unique_ptr<cache::CacheWriter> writer) {
  return std::make_unique<CacheUpload>(std::move(writer));
}

}  // namespace hotwell::engine
