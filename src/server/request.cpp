#include "server/request.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <boost/beast/http/error.hpp>

namespace hotwell::server {

std::string_view Request::field(http::field name) const {
  const auto found = std::ranges::find(fields_, name, &Field::id);
  return found == fields_.end() ? std::string_view{} : view(found->value);
}

std::size_t Request::count(http::field name) const {
  return static_cast<std::size_t>(std::ranges::count(fields_, name, &Field::id));
}

std::string Request::joined(http::field name) const {
  std::string list;
  for (const auto& field : fields_) {
    if (field.id != name) continue;
    if (!list.empty()) list += ", ";
    list += view(field.value);
  }
  return list;
}

void Request::for_each(const std::function<void(std::string_view, std::string_view)>& visit) const {
  for (const auto& field : fields_) visit(view(field.name), view(field.value));
}

Request::Slice Request::keep(std::string_view text) {
  const Slice slice{static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(text.size())};
  text_ += text;
  return slice;
}

void Request::clear() {
  text_.clear();
  fields_.clear();
}

class RequestParser::Parser final : public http::basic_parser<true> {
 public:
  explicit Parser(Request& request) : request_(request) {
    header_limit(head_limit);
    body_limit(boost::none);  // each route has its own
  }

  const BodyBytes* body = nullptr;
  std::optional<Error> refusal;

 private:
  using error_code = boost::system::error_code;
  using view = boost::beast::string_view;
  static std::string_view std_view(view text) { return {text.data(), text.size()}; }

  void on_request_impl(http::verb method, view method_text, view target, int version, error_code&) override {
    request_.method_ = method;
    request_.method_text_ = request_.keep(std_view(method_text));
    request_.target_ = request_.keep(std_view(target));
    request_.version_ = version;
  }
  void on_response_impl(int, view, int, error_code&) override {}
  void on_field_impl(http::field id, view name, view value, error_code&) override {
    if (is_header_done()) return;  // a trailer may not change what was decided by the head
    const auto name_slice = request_.keep(std_view(name));
    request_.fields_.push_back({id, name_slice, request_.keep(std_view(value))});
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(view bytes, error_code& ec) override { return receive(bytes, ec); }
  void on_chunk_header_impl(std::uint64_t, view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, view bytes, error_code& ec) override { return receive(bytes, ec); }
  void on_finish_impl(error_code&) override {}

  std::size_t receive(view bytes, error_code& ec) {
    if (auto taken = (*body)(ByteView(bytes.data(), bytes.size())); !taken) {
      refusal = taken.error();
      ec = http::error::end_of_stream;  // any: `refusal` is what counts
      return 0;
    }
    return bytes.size();
  }

  Request& request_;
};

RequestParser::RequestParser() { reset(); }
RequestParser::~RequestParser() = default;

void RequestParser::reset() {
  request_.clear();
  if (!parser_) {
    parser_ = std::make_unique<Parser>(request_);
    return;
  }
  // Beast's parsers parse one message; the next one's takes the same place.
  std::destroy_at(parser_.get());
  std::construct_at(parser_.get(), request_);
}

RequestParser::Progress RequestParser::take(std::string_view& bytes, const BodyBytes& body) {
  parser_->body = &body;
  const bool had_head = parser_->is_header_done();
  while (!parser_->is_done()) {
    boost::system::error_code ec;
    const auto taken = parser_->put(boost::asio::const_buffer(bytes.data(), bytes.size()), ec);
    bytes.remove_prefix(taken);
    if (parser_->refusal) {
      error_ = std::move(*parser_->refusal);
      return Progress::refused;
    }
    if (ec == http::error::need_more) return Progress::need_more;
    if (ec) {
      status_ = ec == http::error::header_limit ? 431 : ec == http::error::bad_version ? 505 : 400;
      error_ = Error{Code::invalid_argument, ec == http::error::header_limit
                                                 ? fmt::format("the request's head is larger than {} bytes", head_limit)
                                                 : fmt::format("this is not an HTTP request: {}", ec.message())};
      return Progress::failed;
    }
    if (!had_head && parser_->is_header_done()) break;
    if (bytes.empty() && !parser_->is_done()) return Progress::need_more;
  }
  if (!had_head) {
    // A coding that is not chunked would leave the body's end to guesswork.
    if (request_.has(http::field::transfer_encoding) && (!parser_->chunked() || request_.version() < 11)) {
      status_ = 501;
      error_ = Error{Code::invalid_argument, fmt::format("expected the transfer coding \"chunked\", got \"{}\"",
                                                         request_.field(http::field::transfer_encoding))};
      return Progress::failed;
    }
    return Progress::head;
  }
  return Progress::complete;
}

bool RequestParser::began() const { return parser_->got_some(); }
bool RequestParser::head_done() const { return parser_->is_header_done(); }
bool RequestParser::complete() const { return parser_->is_done(); }
bool RequestParser::keep_alive() const { return parser_->keep_alive(); }
bool RequestParser::has_body() const { return !parser_->is_done(); }

std::optional<std::uint64_t> RequestParser::content_length() const {
  const auto length = parser_->content_length();
  return length ? std::optional<std::uint64_t>(*length) : std::nullopt;
}

}  // namespace hotwell::server
