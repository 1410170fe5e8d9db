#include "media/testing/fake_task.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "base/assert.hpp"

namespace hotwell::media::testing {

FakeTask::FakeTask(std::string operation, std::string payload, const std::filesystem::path& input, std::string identity)
    : operation_(std::move(operation)), payload_(std::move(payload)), identity_(std::move(identity)) {
  has_input_ = !input.empty();
  if (has_input_) {
    input_ = FileHandle{open(input.c_str(), O_RDONLY | O_CLOEXEC)};
    HOTWELL_ASSERT(input_);
  }
  output_ = FileHandle{memfd_create("output", MFD_CLOEXEC)};
  HOTWELL_ASSERT(output_);
}

FakeTask::~FakeTask() = default;

int FakeTask::input(std::size_t index) const {
  HOTWELL_ASSERT(index < input_count());
  return input_.get();
}

FileHandle FakeTask::take_input(std::size_t index) {
  HOTWELL_ASSERT(index < input_count() && input_);
  return std::move(input_);
}

void FakeTask::advance(std::uint64_t n) {
  if (content_type_.empty()) typed_in_time_ = false;
  advances_.push_back(n);
  if (on_advance_) on_advance_(n);
}

void FakeTask::set_content_type(std::string_view content_type) { content_type_ = content_type; }

bool FakeTask::cancelled() { return cancel_when_ != nullptr && cancel_when_(); }

std::string FakeTask::written() const {
  struct stat status{};
  HOTWELL_ASSERT(fstat(output_.get(), &status) == 0);
  std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
  HOTWELL_ASSERT(pread(output_.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  return bytes;
}

}  // namespace hotwell::media::testing
