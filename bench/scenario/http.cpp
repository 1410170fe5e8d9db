/// An HTTP client that costs as little as one can: one keep-alive connection, one request at a time.
///
///   hotwell-bench-http HOST PORT       reads targets from standard input, one a line; for each it gets the whole
///   answer and
///                                      prints: STATUS BYTES NANOSECONDS CACHE-STATUS
#include <chrono>
#include <exception>
#include <iostream>
#include <string>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

int main(int argc, char** argv) try {
  namespace asio = boost::asio;
  namespace http = boost::beast::http;
  if (argc != 3) throw std::runtime_error("say HOST and PORT");
  asio::io_context context;
  asio::ip::tcp::socket socket(context);
  asio::connect(socket, asio::ip::tcp::resolver(context).resolve(argv[1], argv[2]));
  socket.set_option(asio::ip::tcp::no_delay(true));

  boost::beast::flat_buffer buffer;
  for (std::string target; std::getline(std::cin, target);) {
    http::request<http::empty_body> request{http::verb::get, target, 11};
    request.set(http::field::host, std::string(argv[1]) + ":" + argv[2]);
    const auto began = std::chrono::steady_clock::now();
    http::write(socket, request);
    http::response_parser<http::string_body> parser;
    parser.body_limit(1ULL << 32);
    http::read(socket, buffer, parser);
    const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - began;
    const auto& response = parser.get();
    std::cout << response.result_int() << ' ' << response.body().size() << ' ' << took.count() << ' '
              << response["Cache-Status"] << std::endl;
  }
} catch (const std::exception& error) {
  std::cerr << "hotwell-bench-http: " << error.what() << '\n';
  return 1;
}
