#include "server/answer.hpp"

#include <algorithm>

#include <boost/beast/http/status.hpp>

#include "server/json_writer.hpp"

namespace hotwell::server {

std::uint64_t size_of(const Part& part) {
  struct Size {
    std::uint64_t operator()(const std::string& text) const { return text.size(); }
    std::uint64_t operator()(const Buffer& buffer) const { return buffer.size(); }
    std::uint64_t operator()(const FilePart& file) const { return file.length; }
  };
  return std::visit(Size{}, part);
}

Answer& Answer::field(std::string_view name, std::string_view value) {
  fields_ += name;
  fields_ += ": ";
  const auto begin = fields_.size();
  fields_ += value;
  std::replace_if(
      fields_.begin() + static_cast<std::ptrdiff_t>(begin), fields_.end(),
      [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }, ' ');
  fields_ += "\r\n";
  return *this;
}

Answer Answer::text(unsigned status, std::string_view content_type, std::string body) {
  Answer answer(status);
  answer.field("Content-Type", content_type).field("X-Content-Type-Options", "nosniff");
  if (!body.empty()) answer.parts.emplace_back(std::move(body));
  return answer;
}

Answer Answer::json(unsigned status, std::string body) {
  auto answer = text(status, "application/json", std::move(body));
  answer.field("Cache-Control", "no-store");
  return answer;
}

Answer Answer::problem(const Error& error) {
  return problem(static_cast<unsigned>(info(error.code).http_status), error);
}

Answer Answer::problem(unsigned status, const Error& error) {
  JsonWriter json;
  json.begin_object().member("type", "about:blank");
  const auto title = boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(status));
  json.member("title", std::string_view(title.data(), title.size())).member("status", status);
  json.member("detail", std::string_view(error.message)).member("code", to_string(error.code)).end_object();
  auto answer = text(status, "application/problem+json", json.take());
  answer.field("Cache-Control", "no-store");
  if (error.code == Code::overloaded) answer.field("Retry-After", "1");
  if (error.code == Code::draining) answer.field("Retry-After", "5");
  if (status == 401) answer.field("WWW-Authenticate", "Bearer");
  return answer;
}

std::uint64_t Answer::length() const {
  std::uint64_t total = 0;
  for (const auto& part : parts) total += size_of(part);
  return total;
}

bool counts_as_failure(Code code) noexcept {
  switch (code) {
    case Code::invalid_argument:
    case Code::not_found:
    case Code::outside_root:
    case Code::too_large:
    case Code::unsupported_media:
    case Code::corrupt_input:
    case Code::input_changed:
    case Code::cancelled: return false;
    default: return true;
  }
}

}  // namespace hotwell::server
