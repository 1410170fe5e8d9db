/// An answer: status, fields, and a body made of parts that are sent without being copied together.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <boost/container/small_vector.hpp>

#include <hotwell/cache.hpp>

#include "server/chunk_source.hpp"

namespace hotwell::server {

/// Bytes [offset, offset + length) of an open file. `object` keeps it open, and knows how to verify it unless the
/// bytes are those of a Growing that its producer has just written.
struct FilePart {
  Object object;
  int fd = -1;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  /// Where the object's content begins in the file; verification counts from there. Nothing: not to be verified.
  std::optional<std::uint64_t> content_begins;
};

using Part = std::variant<std::string, Buffer, FilePart>;
[[nodiscard]] std::uint64_t size_of(const Part& part);

/// Ownership: its parts; holding it keeps what they refer to.
class Answer {
 public:
  explicit Answer(unsigned status_code) : status(status_code) {}

  /// Adds a field. Bytes that could end it early become spaces: values may come from anywhere.
  Answer& field(std::string_view name, std::string_view value);
  /// Room for fields of so many bytes in sum.
  void reserve(std::size_t bytes) { fields_.reserve(bytes); }
  /// A body of text with its Content-Type.
  static Answer text(unsigned status, std::string_view content_type, std::string body);
  static Answer json(unsigned status, std::string body);
  /// RFC 9457 problem JSON with the error's code, and Retry-After where waiting helps.
  static Answer problem(const Error& error);
  static Answer problem(unsigned status, const Error& error);

  [[nodiscard]] std::uint64_t length() const;
  [[nodiscard]] const std::string& fields() const { return fields_; }
  /// False for statuses that never have one.
  [[nodiscard]] bool may_have_body() const { return status >= 200 && status != 204 && status != 304; }

  unsigned status;
  boost::container::small_vector<Part, 1> parts;
  /// A body of unknown length, sent with chunked coding as it comes; then there are no parts.
  std::shared_ptr<ChunkSource> follow;
  /// How a job that the request waited for ended: decides whether the request failed.
  std::optional<Code> job_end;

 private:
  std::string fields_;
};

/// A request failed if its status says so, or its job ended with a code that is not the asker's own fault.
[[nodiscard]] bool counts_as_failure(Code code) noexcept;

}  // namespace hotwell::server
