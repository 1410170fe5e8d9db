/// The frames protocol between engine and worker, as values: one datagram is one message, bytes in, values out, no
/// sockets. docs/formats/worker-protocol.md is the description for people who write a worker.
///
/// Invariants: encode() of a message within the limits below decodes to the same message; decode() of any bytes
/// answers a message or an error and reads nothing outside them. Text members are views: into what the caller
/// encodes, or into the datagram that was decoded, which must outlive them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include <hotwell/body.hpp>
#include <hotwell/result.hpp>

namespace hotwell::wire {

inline constexpr std::uint8_t frames_version = 1;
/// Payloads and inline results up to this size travel in the datagram; larger ones in a descriptor.
inline constexpr std::size_t inline_limit = std::size_t{64} << 10;
/// No datagram is longer.
inline constexpr std::size_t frame_limit = std::size_t{128} << 10;
/// No message carries more descriptors.
inline constexpr std::size_t descriptor_limit = 64;
/// Bounds of the short texts: operation, content type; input identity; error message.
inline constexpr std::size_t name_limit = 255;
inline constexpr std::size_t identity_limit = 4096;
inline constexpr std::size_t message_limit = 4096;
/// The descriptor that a worker finds its socket at.
inline constexpr int worker_descriptor = 3;

/// Which attempt of which job a message is about. Attempts are never reused, so that late words about an older one
/// can be told apart.
struct AttemptRef {
  std::uint64_t job = 0;
  std::uint32_t attempt = 0;
  friend bool operator==(const AttemptRef&, const AttemptRef&) = default;
};

/// Worker to engine, first: it is ready for work.
struct Hello {
  std::uint32_t window = 1;  ///< how many jobs may be handed over at once
  std::string_view name;     ///< the program's own words, for logs
  friend bool operator==(const Hello&, const Hello&) = default;
};
/// Engine to worker: do this. Descriptors, in this order: the payload (if payload_in_descriptor), the output (if
/// has_output), the inputs.
struct JobMessage {
  AttemptRef ref;
  bool has_output = false;
  bool payload_in_descriptor = false;
  std::uint32_t inputs = 0;
  std::uint64_t time_left_ns = 0;  ///< until the attempt is stopped; 0: no limit
  std::string_view operation;
  std::string_view input_identity;
  std::string_view payload;
  std::uint32_t linger_us = 0;  ///< how long looking for the next message may go on before sleeping for it
  friend bool operator==(const JobMessage&, const JobMessage&) = default;
};
/// Worker to engine: a job that was handed over while another one ran begins now.
struct Started {
  AttemptRef ref;
  friend bool operator==(const Started&, const Started&) = default;
};
struct Progress {
  AttemptRef ref;
  std::uint32_t millionths = 0;
  friend bool operator==(const Progress&, const Progress&) = default;
};
/// Output bytes [0, size) are final.
struct Advance {
  AttemptRef ref;
  std::uint64_t size = 0;
  std::string_view content_type;
  friend bool operator==(const Advance&, const Advance&) = default;
};
/// A sign of life.
struct Beat {
  AttemptRef ref;
  friend bool operator==(const Beat&, const Beat&) = default;
};
/// Engine to worker: end this attempt soon.
struct Cancel {
  AttemptRef ref;
  friend bool operator==(const Cancel&, const Cancel&) = default;
};
/// Worker to engine: done. Either `text` is the whole result, or `size` bytes were written to the output; where the job
/// had none, to a file in memory whose descriptor comes along.
struct Done {
  AttemptRef ref;
  bool is_inline = false;
  std::uint64_t size = 0;
  std::string_view content_type;
  std::string_view text;
  bool in_descriptor = false;
  friend bool operator==(const Done&, const Done&) = default;
};
/// Worker to engine: the attempt failed.
struct Failed {
  AttemptRef ref;
  Code code = Code::internal;
  std::string_view message;
  friend bool operator==(const Failed&, const Failed&) = default;
};
/// Engine to worker: no more jobs; exit.
struct Bye {
  friend bool operator==(const Bye&, const Bye&) = default;
};

/// Engine to worker, if at all before everything else: how it is to confine itself. It is in the socket before the
/// worker starts.
struct Settings {
  enum class Sandbox : std::uint8_t { as_built, off, on };
  Sandbox sandbox = Sandbox::as_built;
  std::uint64_t memory_limit = 0;  ///< bytes beyond what it has at its start; 0: as built
  friend bool operator==(const Settings&, const Settings&) = default;
};

using Message = std::variant<Hello, JobMessage, Started, Progress, Advance, Beat, Cancel, Done, Failed, Bye, Settings>;

/// Replaces `out` by the message's datagram; reuses its capacity.
void encode(const Message& message, std::string& out);
/// Errors: invalid_argument, saying what is wrong with the datagram.
[[nodiscard]] Result<Message> decode(ByteView datagram);

}  // namespace hotwell::wire
