#include "harness/health/openmetrics/http.hpp"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <type_traits>
#include <utility>

#include "grit_version.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/printable.hpp"
#include "harness/base/shortened.hpp"

namespace grit {
namespace {

// curl/curl.h: its numbers are part of the library's stable interface. Without the header grit needs no libcurl to be
// built.
enum Option : int {
  kWriteData = 10001,
  kUrl = 10002,
  kProxy = 10004,
  kErrorBuffer = 10010,
  kUserAgent = 10018,
  kHttpHeader = 10023,
  kNetrc = 51,
  kFollowLocation = 52,
  kVerifyPeer = 64,
  kFreshConnect = 74,
  kForbidReuse = 75,
  kHttpGet = 80,
  kVerifyHost = 81,
  kNoSignal = 99,
  kTimeoutMs = 155,
  kConnectTimeoutMs = 156,
  kNoProxy = 10177,
  kProtocols = 181,        // until 7.85
  kProtocolsText = 10318,  // from 7.85 on
  kWriteFunction = 20011,
  kMaxFileSize = 30117
};
constexpr int kContentType = 0x100012, kResponseCode = 0x200002;
constexpr long kGlobalDefault = 3, kHttpAndHttps = 3;
constexpr std::size_t kErrorBuffer_bytes = 256;
constexpr int kCouldntConnect = 7, kTimedOut = 28, kFileSizeExceeded = 63;
constexpr std::int64_t kMaxConnect_ns = kNsPerS / 2;

struct Body {
  std::string text{};
  std::size_t most_bytes = 0;
  bool too_large = false;
};

/// Called by the library: no exception may leave it.
std::size_t keep(const char* data, std::size_t size, std::size_t count, void* to) noexcept {
  Body& body = *static_cast<Body*>(to);
  const std::size_t bytes = size * count;
  body.too_large = body.text.size() + bytes > body.most_bytes;
  if (body.too_large) return 0;  // ends the transfer
  body.text.append(data, bytes);
  return bytes;
}

}  // namespace

struct HttpClient::Library {
  int (*global_init)(long) = nullptr;
  void* (*easy_init)() = nullptr;
  int (*setopt)(void*, int, ...) = nullptr;
  int (*perform)(void*) = nullptr;
  int (*getinfo)(void*, int, ...) = nullptr;
  const char* (*strerror)(int) = nullptr;
  void (*cleanup)(void*) = nullptr;
  void* (*append)(void*, const char*) = nullptr;
  void (*free_all)(void*) = nullptr;

  /// False: it has not all of these.
  bool resolve(void* handle) {
    const auto get = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(::dlsym(handle, name));
      return function != nullptr;
    };
    return get(global_init, "curl_global_init") && get(easy_init, "curl_easy_init") &&
           get(setopt, "curl_easy_setopt") && get(perform, "curl_easy_perform") && get(getinfo, "curl_easy_getinfo") &&
           get(strerror, "curl_easy_strerror") && get(cleanup, "curl_easy_cleanup") &&
           get(append, "curl_slist_append") && get(free_all, "curl_slist_free_all");
  }
};

HttpClient::HttpClient(std::unique_ptr<Library> library) : library_(std::move(library)) {}
HttpClient::HttpClient(HttpClient&& other) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&& other) noexcept = default;
HttpClient::~HttpClient() = default;

Result<HttpClient> HttpClient::open(const char* library) {
  void* handle = ::dlopen(library, RTLD_NOW | RTLD_LOCAL);
  auto resolved = std::make_unique<Library>();
  if (handle == nullptr || !resolved->resolve(handle) || resolved->global_init(kGlobalDefault) != 0)
    return unavailable_error(
        fmt::format("{} cannot be opened: install libcurl (Debian: libcurl4, Ubuntu: libcurl4t64), or let the exporter "
                    "write a `file`",
                    library));
  return HttpClient(std::move(resolved));
}

Result<HttpAnswer> HttpClient::get(const HttpUrl& url, std::int64_t limit_ns, std::size_t max_bytes,
                                   bool* refused) const {
  const Library& curl = *library_;
  const std::unique_ptr<void, void (*)(void*)> easy(curl.easy_init(), curl.cleanup);
  if (!easy) return internal_error("libcurl has no memory");
  // As in Prometheus, but plain text first: every exporter has that.
  const std::unique_ptr<void, void (*)(void*)> headers(
      curl.append(nullptr, "Accept: text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0;q=0.5"),
      curl.free_all);
  Body body{.most_bytes = max_bytes};
  std::array<char, kErrorBuffer_bytes> words{};
  const std::string agent = fmt::format("grit/{}", kVersion);
  const long limit_ms = std::max<long>(1, static_cast<long>(limit_ns / kNsPerMs));
  int failed = 0;
  // The function is variadic: each value has to be a long, a pointer or a 64-bit integer, as curl.h says.
  const auto set = [&](Option option, auto value) { failed |= curl.setopt(easy.get(), option, value); };
  set(kUrl, url.text.c_str());
  set(kErrorBuffer, words.data());
  set(kHttpHeader, headers.get());
  set(kUserAgent, agent.c_str());
  set(kHttpGet, 1L);
  set(kFollowLocation, 0L);
  set(kNetrc, 0L);
  set(kVerifyPeer, 1L);
  set(kVerifyHost, 2L);
  set(kFreshConnect, 1L);
  set(kForbidReuse, 1L);
  set(kNoSignal, 1L);
  set(kTimeoutMs, limit_ms);
  set(kConnectTimeoutMs, std::min(limit_ms, static_cast<long>(kMaxConnect_ns / kNsPerMs)));
  // A proxy of the environment would be asked for 127.0.0.1.
  set(kProxy, static_cast<const char*>(""));
  set(kNoProxy, static_cast<const char*>("*"));
  set(kWriteFunction, &keep);
  set(kWriteData, static_cast<void*>(&body));
  set(kMaxFileSize, static_cast<std::int64_t>(max_bytes));
  // Without it also file:, scp:, dict: ... would be on.
  if (curl.setopt(easy.get(), kProtocolsText, static_cast<const char*>("http,https")) != 0)
    set(kProtocols, kHttpAndHttps);
  if (failed != 0) return unavailable_error("this libcurl does not take an option that grit needs");

  const int result = curl.perform(easy.get());
  if (refused != nullptr) *refused = result == kCouldntConnect;
  if (body.too_large || result == kFileSizeExceeded)
    return unavailable_error(fmt::format("{}: larger than {} MiB", url.text, max_bytes >> 20));
  if (result != 0) {
    const std::string why = printable(words[0] != '\0' ? words.data() : curl.strerror(result));
    const std::string_view hint = result == kCouldntConnect ? "; is the exporter running, in this network namespace?"
                                  : result == kTimedOut     ? "; the exporter is too slow, or `limit` too short"
                                                            : "";
    return unavailable_error(fmt::format("{}: {}{}", url.text, why, hint));
  }
  long status = 0;
  const char* type = nullptr;
  curl.getinfo(easy.get(), kResponseCode, &status);
  curl.getinfo(easy.get(), kContentType, &type);
  if (status != 200)
    return unavailable_error(fmt::format("{}: answered with HTTP status {}{}", url.text, status,
                                         status / 100 == 3 ? ", which sends elsewhere" : ""));
  return HttpAnswer{std::move(body.text), type == nullptr ? "" : type};
}

Result<HttpUrl> parse_http_url(std::string_view text) {
  const auto wrong = [&](std::string_view why) {
    return usage_error(fmt::format("`url` \"{}\": {}", shortened(text), why));
  };
  const std::size_t scheme = text.find("://");
  const std::string_view name = text.substr(0, std::min(scheme, text.size()));
  if (scheme == std::string_view::npos || (name != "http" && name != "https"))
    return wrong("it must begin with http:// or https://");
  if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return c <= 0x20 || c >= 0x7f || c == '\\'; }))
    return wrong("it has a blank, a backslash or a character that is not ASCII");
  std::string_view authority = text.substr(scheme + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  if (authority.find('@') != std::string_view::npos) return wrong("a user's name in it would stand in every report");
  std::string_view host = authority, rest;
  if (!authority.empty() && authority.front() == '[') {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return wrong("it has a [ without ]");
    host = authority.substr(1, end - 1), rest = authority.substr(end + 1);
  } else if (const std::size_t colon = authority.find(':'); colon != std::string_view::npos) {
    host = authority.substr(0, colon), rest = authority.substr(colon);
  }
  const auto is_host = [](unsigned char c) { return std::isalnum(c) != 0 || c == '.' || c == '-' || c == ':'; };
  const bool port = rest.empty() || (rest.front() == ':' && rest.size() > 1 && rest.size() <= 6 &&
                                     rest.find_first_not_of("0123456789", 1) == std::string_view::npos);
  if (host.empty() || !std::all_of(host.begin(), host.end(), is_host) || !port)
    return wrong("it must have a host, maybe with :PORT: http://127.0.0.1:9100/metrics");
  return HttpUrl{std::string(text), std::string(host)};
}

bool is_loopback(const HttpUrl& url) {
  if (url.host == "localhost" || url.host == "::1") return true;
  in_addr address{};
  return ::inet_pton(AF_INET, url.host.c_str(), &address) == 1 && (ntohl(address.s_addr) >> 24) == IN_LOOPBACKNET;
}

}  // namespace grit
