// An exporter's page, by libcurl, which is opened when it is needed: who needs none must not have it, and the processes
// that lock their memory must not have its libraries mapped.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "harness/base/result.hpp"

namespace grit {

struct HttpUrl {
  std::string text{};
  std::string host{};  // a name or an address, without the brackets of IPv6
};

/// Error (usage): it is no http:// or https:// URL of a host, or has a user's name or a password in it.
Result<HttpUrl> parse_http_url(std::string_view text);

/// Is it this machine by its very text: "localhost", ::1 or 127.x.y.z?
bool is_loopback(const HttpUrl& url);

struct HttpAnswer {
  std::string body{};
  std::string content_type{};
};

class HttpClient {
 public:
  /// Opens the library, and keeps it. Error (unavailable): it cannot be opened; says what to install.
  static Result<HttpClient> open(const char* library = "libcurl.so.4");
  HttpClient(HttpClient&& other) noexcept;
  HttpClient& operator=(HttpClient&& other) noexcept;
  ~HttpClient();

  /// By GET, over a new connection. No redirection is followed, no proxy asked, nothing decompressed; a certificate is
  /// verified. Error (unavailable): no answer of status 200 within the time, or one above `max_bytes`; `refused`, when
  /// given, says whether it is because there is nobody to connect to.
  [[nodiscard]] Result<HttpAnswer> get(const HttpUrl& url, std::int64_t limit_ns, std::size_t max_bytes,
                                       bool* refused = nullptr) const;

 private:
  struct Library;
  explicit HttpClient(std::unique_ptr<Library> library);
  std::unique_ptr<Library> library_;
};

}  // namespace grit
