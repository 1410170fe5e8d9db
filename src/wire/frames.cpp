#include "wire/frames.hpp"

#include "wire/bytes.hpp"

namespace hotwell::wire {
namespace {

enum class Type : std::uint8_t {
  hello = 1,
  job,
  started,
  progress,
  advance,
  beat,
  cancel,
  done,
  failed,
  bye,
  settings
};

constexpr std::uint16_t flag_output = 1;
constexpr std::uint16_t flag_payload_descriptor = 2;
constexpr std::uint16_t flag_inline = 4;
constexpr std::uint16_t flag_result_descriptor = 8;

/// The 16 bytes that every message begins with.
void header(Writer& out, Type type, AttemptRef ref = {}, std::uint16_t flags = 0) {
  out.number(static_cast<std::uint8_t>(type));
  out.number(frames_version);
  out.number(flags);
  out.number(ref.attempt);
  out.number(ref.job);
}

struct Encoder {
  Writer out;

  void operator()(const Hello& m) {
    header(out, Type::hello);
    out.number(m.window);
    out.text(m.name);
  }
  void operator()(const JobMessage& m) {
    header(out, Type::job, m.ref,
           static_cast<std::uint16_t>((m.has_output ? flag_output : 0) |
                                      (m.payload_in_descriptor ? flag_payload_descriptor : 0)));
    out.number(m.time_left_ns);
    out.number(m.inputs);
    out.text(m.operation);
    out.text(m.input_identity);
    out.text(m.payload);
    out.number(m.linger_us);
  }
  void operator()(const Started& m) { header(out, Type::started, m.ref); }
  void operator()(const Progress& m) {
    header(out, Type::progress, m.ref);
    out.number(m.millionths);
  }
  void operator()(const Advance& m) {
    header(out, Type::advance, m.ref);
    out.number(m.size);
    out.text(m.content_type);
  }
  void operator()(const Beat& m) { header(out, Type::beat, m.ref); }
  void operator()(const Cancel& m) { header(out, Type::cancel, m.ref); }
  void operator()(const Done& m) {
    header(
        out, Type::done, m.ref,
        static_cast<std::uint16_t>((m.is_inline ? flag_inline : 0) | (m.in_descriptor ? flag_result_descriptor : 0)));
    out.number(m.size);
    out.text(m.content_type);
    out.text(m.text);
  }
  void operator()(const Failed& m) {
    header(out, Type::failed, m.ref);
    out.text(to_string(m.code));
    out.text(m.message);
  }
  void operator()(const Bye&) { header(out, Type::bye); }
  void operator()(const Settings& m) {
    header(out, Type::settings);
    out.number(static_cast<std::uint32_t>(m.sandbox));
    out.number(m.memory_limit);
  }
};

template <class Number>
std::string digits(Number number) {
  return std::to_string(static_cast<unsigned long long>(number));
}

std::unexpected<Error> malformed(std::string what) {
  return fail(Code::invalid_argument, "malformed frame: " + std::move(what));
}

/// Members are initialized in order, so a message's fields are read by its initializer list.
Result<Message> body(Type type, AttemptRef ref, std::uint16_t flags, Reader& in) {
  switch (type) {
    case Type::hello: return Hello{in.number<std::uint32_t>(), in.text()};
    case Type::job: {
      JobMessage m{.ref = ref,
                   .has_output = (flags & flag_output) != 0,
                   .payload_in_descriptor = (flags & flag_payload_descriptor) != 0};
      m.time_left_ns = in.number<std::uint64_t>();
      m.inputs = in.number<std::uint32_t>();
      m.operation = in.text();
      m.input_identity = in.text();
      m.payload = in.text();
      m.linger_us = in.number<std::uint32_t>();
      if (m.inputs > descriptor_limit - 2) return malformed(digits(m.inputs) + " inputs");
      return m;
    }
    case Type::started: return Started{ref};
    case Type::progress: {
      const Progress m{ref, in.number<std::uint32_t>()};
      if (m.millionths > 1'000'000) return malformed("a progress of " + digits(m.millionths) + " millionths");
      return m;
    }
    case Type::advance: return Advance{ref, in.number<std::uint64_t>(), in.text()};
    case Type::beat: return Beat{ref};
    case Type::cancel: return Cancel{ref};
    case Type::done:
      return Done{.ref = ref,
                  .is_inline = (flags & flag_inline) != 0,
                  .size = in.number<std::uint64_t>(),
                  .content_type = in.text(),
                  .text = in.text(),
                  .in_descriptor = (flags & flag_result_descriptor) != 0};
    case Type::failed: {
      const std::string_view name = in.text();
      const std::string_view message = in.text();
      if (!in.ok()) return Failed{};
      const auto code = parse_code(name);
      if (!code) return malformed("unknown error code \"" + std::string{name.substr(0, 40)} + "\"");
      return Failed{ref, *code, message};
    }
    case Type::bye: return Bye{};
    case Type::settings: {
      const auto sandbox = in.number<std::uint32_t>();
      if (sandbox > static_cast<std::uint32_t>(Settings::Sandbox::on))
        return malformed("a sandbox of " + digits(sandbox));
      return Settings{static_cast<Settings::Sandbox>(sandbox), in.number<std::uint64_t>()};
    }
  }
  return malformed("unknown type " + digits(type));
}

}  // namespace

void encode(const Message& message, std::string& out) {
  out.clear();
  std::visit(Encoder{Writer{out}}, message);
}

Result<Message> decode(ByteView datagram) {
  if (datagram.size() > frame_limit) return malformed(digits(datagram.size()) + " bytes");
  Reader in{datagram.text()};
  const auto type = in.number<std::uint8_t>();
  const auto version = in.number<std::uint8_t>();
  const auto flags = in.number<std::uint16_t>();
  const auto attempt = in.number<std::uint32_t>();
  const auto job = in.number<std::uint64_t>();
  if (!in.ok()) return malformed(digits(datagram.size()) + " bytes, shorter than its header");
  if (version != frames_version)
    return malformed("protocol version " + digits(version) + ", expected " + digits(frames_version));
  auto message = body(static_cast<Type>(type), {job, attempt}, flags, in);
  if (message && !in.ok()) return malformed("type " + digits(type) + " ends before its last field");
  return message;
}

}  // namespace hotwell::wire
