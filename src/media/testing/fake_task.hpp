/// A worker::Task without an engine: the input is a file, the output one that is gone with the task, and everything
/// that a handler says is written down.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <hotwell/worker.hpp>

namespace hotwell::media::testing {

class FakeTask final : public worker::Task {
 public:
  /// `payload` is JSON. Without an input path there is no input.
  FakeTask(std::string operation, std::string payload, const std::filesystem::path& input = {},
           std::string identity = {});
  ~FakeTask() override;

  [[nodiscard]] std::string_view operation() const override { return operation_; }
  [[nodiscard]] std::string_view payload() const override { return payload_; }
  [[nodiscard]] std::size_t input_count() const override { return has_input_ ? 1 : 0; }
  [[nodiscard]] int input(std::size_t index) const override;
  [[nodiscard]] FileHandle take_input(std::size_t index) override;
  [[nodiscard]] std::string_view input_identity() const override { return identity_; }
  [[nodiscard]] int output() override { return output_.get(); }
  void advance(std::uint64_t n) override;
  void set_content_type(std::string_view content_type) override;
  void progress(double fraction) override { progress_.push_back(fraction); }
  [[nodiscard]] bool cancelled() override;

  /// The output goes here instead, say to a device that is always full.
  void write_to(FileHandle output) { output_ = std::move(output); }
  /// cancelled() is true once `when` is.
  void cancel_when(std::function<bool()> when) { cancel_when_ = std::move(when); }
  /// Called at every advance.
  void on_advance(std::function<void(std::uint64_t)> listener) { on_advance_ = std::move(listener); }

  /// What was written so far.
  [[nodiscard]] std::string written() const;
  [[nodiscard]] const std::vector<std::uint64_t>& advances() const { return advances_; }
  [[nodiscard]] const std::vector<double>& progresses() const { return progress_; }
  [[nodiscard]] const std::string& content_type() const { return content_type_; }
  /// Whether the type was known when bytes were first declared final.
  [[nodiscard]] bool typed_in_time() const { return typed_in_time_; }

 private:
  std::string operation_, payload_, identity_;
  bool has_input_ = false;
  FileHandle input_, output_;
  std::function<bool()> cancel_when_;
  std::function<void(std::uint64_t)> on_advance_;
  std::vector<std::uint64_t> advances_;
  std::vector<double> progress_;
  std::string content_type_;
  bool typed_in_time_ = true;
};

}  // namespace hotwell::media::testing
