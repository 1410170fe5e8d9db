#include "engine/result_sinks.hpp"

#include "base/assert.hpp"
#include "cache/tiered_cache.hpp"

namespace hotwell::engine {
namespace {

/// Up to this size a private result goes into memory at once, on the pool's thread.
constexpr std::uint64_t quick_up_to = 64 << 10;

/// Errors: cancelled, which is not the pool's to retry: its job would read the old input under the old key again.
Result<void> check_input(const ResolvedInput& input, Sealing& sealing) {
  auto unchanged = InputOpener::check_unchanged(input);
  if (unchanged) return {};
  sealing.input_changed = true;
  return fail(Code::cancelled, unchanged.error().message);
}

class FileSink final : public Sink {
 public:
  FileSink(std::unique_ptr<cache::CacheWriter> writer, ResolvedInput input, std::shared_ptr<Sealing> sealing)
      : writer_(std::move(writer)), input_(std::move(input)), sealing_(std::move(sealing)) {}

  int fd() const override { return writer_->fd(); }
  Result<void> write(ByteView bytes) override { return writer_->write(bytes); }
  Result<void> advance(std::uint64_t n) override { return writer_->advance(n); }
  bool has_room(std::function<void()> wake) override { return writer_->has_room(std::move(wake)); }
  void set_content_type(std::string content_type) override { writer_->set_content_type(std::move(content_type)); }
  void abandon(Error error) override { writer_->abandon(std::move(error)); }

  Result<void> seal(std::uint64_t size) override {
    if (auto same = check_input(input_, *sealing_); !same) {
      writer_->abandon(same.error());
      return same;
    }
    if (auto sealed = writer_->seal(size); !sealed) return sealed;
    sealing_->object = writer_->object();
    return {};
  }

 private:
  std::unique_ptr<cache::CacheWriter> writer_;
  ResolvedInput input_;
  std::shared_ptr<Sealing> sealing_;
};

class InlineSink final : public Sink {
 public:
  InlineSink(Cache& cache, std::string key, SetOptions options, ResolvedInput input, std::shared_ptr<Sealing> sealing)
      : cache_(cache.impl()),
        key_(std::move(key)),
        options_(std::move(options)),
        input_(std::move(input)),
        sealing_(std::move(sealing)) {}

  int fd() const override { return -1; }
  Result<void> write(ByteView bytes) override {
    text_ += bytes.text();
    return {};
  }
  Result<void> advance(std::uint64_t) override { return {}; }
  void set_content_type(std::string content_type) override { options_.content_type = std::move(content_type); }
  void abandon(Error) override { text_.clear(); }
  bool is_quick(std::uint64_t size) const override { return key_.empty() && size <= quick_up_to; }

  Result<void> seal(std::uint64_t size) override {
    HOTWELL_ASSERT(size == text_.size());
    if (auto same = check_input(input_, *sealing_); !same) return same;
    auto object =
        key_.empty() ? cache_.hold(text_, std::move(options_)) : cache_.store_result(key_, text_, std::move(options_));
    if (!object) return std::unexpected(object.error());
    sealing_->object.emplace(std::move(*object));
    return {};
  }

 private:
  Cache::Impl& cache_;
  const std::string key_;
  SetOptions options_;
  const ResolvedInput input_;
  const std::shared_ptr<Sealing> sealing_;
  std::string text_;
};

}  // namespace

std::unique_ptr<Sink> file_sink(std::unique_ptr<cache::CacheWriter> writer, ResolvedInput input,
                                std::shared_ptr<Sealing> sealing) {
  return std::make_unique<FileSink>(std::move(writer), std::move(input), std::move(sealing));
}

std::unique_ptr<Sink> inline_sink(Cache& cache, std::string key, SetOptions options, ResolvedInput input,
                                  std::shared_ptr<Sealing> sealing) {
  return std::make_unique<InlineSink>(cache, std::move(key), std::move(options), std::move(input), std::move(sealing));
}

}  // namespace hotwell::engine
