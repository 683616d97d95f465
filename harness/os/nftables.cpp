#include "harness/os/nftables.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <nftables/libnftables.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"
#include "harness/base/json.hpp"
#include "harness/os/capability.hpp"
#include "harness/os/netlink.hpp"

namespace grit {
namespace {

constexpr int kDraws = 1'000'000;  // the resolution of a share

/// What goes into the text of a command must not be able to be anything else than a name.
bool plain_interface(const std::string& name) {
  return !name.empty() && name.size() < IFNAMSIZ && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.' || c == '@';
  });
}

bool is_address(int family, const std::string& text) {
  in6_addr parsed{};
  return ::inet_pton(family, text.c_str(), &parsed) == 1;
}

std::vector<std::string> of_family(int family, const std::vector<std::string>& addresses) {
  std::vector<std::string> some;
  std::copy_if(addresses.begin(), addresses.end(), std::back_inserter(some),
               [&](const std::string& one) { return is_address(family, one); });
  std::sort(some.begin(), some.end());
  some.erase(std::unique(some.begin(), some.end()), some.end());
  return some;
}

/// libnftables opens its socket without FD_CLOEXEC: a program that we start would inherit it and keep the table alive.
void close_nft_sockets_on_exec() {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", ignored)) {
    const int fd = std::atoi(entry.path().filename().c_str());
    int domain = 0;
    int protocol = 0;
    socklen_t size = sizeof domain;
    if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_NETLINK) continue;
    size = sizeof protocol;
    if (::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0 || protocol != NETLINK_NETFILTER) continue;
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
}

Status check_rule(const DropRule& rule) {
  if (!plain_interface(rule.interface)) return usage_error("'" + rule.interface + "' is no name of an interface");
  for (const std::string& peer : rule.peers)
    if (!is_address(AF_INET, peer) && !is_address(AF_INET6, peer))
      return usage_error("'" + peer + "' is no IP address");
  if (!(rule.share > 0 && rule.share <= 1)) return usage_error("the share of packets to drop must be above 0, up to 1");
  return {};
}

void add_counts(const Json& listing, DropCounts& counts) {
  for (const Json& item : listing.value("nftables", Json::array())) {
    if (!item.contains("rule")) continue;
    ++counts.rules;
    for (const Json& expression : item["rule"].value("expr", Json::array())) {
      if (!expression.is_object() || !expression.contains("counter")) continue;
      counts.packets += expression["counter"].value("packets", std::int64_t{0});
      counts.bytes += expression["counter"].value("bytes", std::int64_t{0});
    }
  }
}

}  // namespace

void DropTable::ContextDeleter::operator()(nft_ctx* context) const { nft_ctx_free(context); }

Result<std::string> seen_as(const std::string& interface) {
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_TRY(const auto link, netlink.find_link(interface));
  if (!link) return interface;
  std::string name = link->name;
  for (int above = link->master_ifindex; above != 0;) {
    GRIT_TRY(const auto master, netlink.find_link(above));
    if (!master || (master->kind != "bond" && master->kind != "team" && master->kind != "bridge")) break;
    name = master->name;
    above = master->master_ifindex;
  }
  return name;
}

Result<DropTable> DropTable::open(const std::vector<DropRule>& rules) {
  // nft_ctx_new() ends the process when it gets no socket, so that is tried first.
  if (const Fd probe(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER)); !probe)
    return unavailable_error("this kernel has no nftables (module nf_tables)");
  if (!has_capability(CAP_NET_ADMIN))  // libnftables itself would print that, past everybody
    return unavailable_error("nftables: it needs CAP_NET_ADMIN in this network namespace: run as root");
  nft_ctx* context = nft_ctx_new(NFT_CTX_DEFAULT);
  if (context == nullptr) return internal_error("libnftables gives no context");
  DropTable table(context, fmt::format("grit_{}_{}", ::getpid(), monotonic_ns()));
  close_nft_sockets_on_exec();
  nft_ctx_output_set_flags(context, NFT_CTX_OUTPUT_JSON);
  if (nft_ctx_buffer_output(context) != 0 || nft_ctx_buffer_error(context) != 0)
    return internal_error("libnftables: out of memory");
  GRIT_CHECK(table.prepare(rules));
  GRIT_CHECK(table.exists());  // a context's first command takes twice as long as the others: here, not in install()
  return table;
}

Status DropTable::prepare(const std::vector<DropRule>& rules) {
  commands_ = fmt::format("add table inet {} {{ flags owner; }}\n", name_);
  // Priority -300 (raw): before connection tracking, which must not learn of packets that never arrived.
  for (const char* hook : {"input", "output"})
    commands_ += fmt::format("add chain inet {} {} {{ type filter hook {} priority -300; policy accept; }}\n", name_,
                             hook, hook);
  for (const DropRule& rule : rules) {
    GRIT_CHECK(check_rule(rule));
    GRIT_TRY(const std::string interface, seen_as(rule.interface));
    const auto draws = std::clamp(std::lround(rule.share * kDraws), 1L, static_cast<long>(kDraws));
    const std::string drawn = draws == kDraws ? "" : fmt::format("numgen random mod {} < {} ", kDraws, draws);
    const auto add = [&](const std::string& match) {
      commands_ +=
          fmt::format("add rule inet {} {} {} \"{}\" {}{}counter drop\n", name_, rule.incoming ? "input" : "output",
                      rule.incoming ? "iifname" : "oifname", interface, match, drawn);
      ++kernel_rules_;
    };
    if (rule.peers.empty()) add("");
    for (const bool v4 : {true, false})
      if (const auto peers = of_family(v4 ? AF_INET : AF_INET6, rule.peers); !peers.empty())
        add(fmt::format("{} {} {{ {} }} ", v4 ? "ip" : "ip6", rule.incoming ? "saddr" : "daddr",
                        fmt::join(peers, ", ")));
  }
  return {};
}

Status DropTable::run(const std::string& commands) {
  nft_ctx_get_output_buffer(context_.get());  // nothing of an earlier command
  if (nft_run_cmd_from_buffer(context_.get(), commands.c_str()) == 0) {
    nft_ctx_get_error_buffer(context_.get());  // reading it empties it
    return {};
  }
  const std::string words = nft_ctx_get_error_buffer(context_.get());
  const std::string first = words.substr(0, words.find('\n'));
  // libnftables hands on no error number, only strerror(3)'s words for it.
  const auto says = [&](int error) { return words.find(std::strerror(error)) != std::string::npos; };
  if (says(EPERM))
    return unavailable_error("nftables: " + first + ": needs CAP_NET_ADMIN in the node's network namespace");
  if (says(EOPNOTSUPP)) return unavailable_error("nftables: " + first);
  return internal_error("nftables: " + first);
}

Result<bool> DropTable::exists() {
  // As text: libnftables 1.0.6 writes rubbish for the flag `owner` when it lists tables as JSON.
  nft_ctx_output_set_flags(context_.get(), 0);
  const Status listed = run("list tables inet\n");
  nft_ctx_output_set_flags(context_.get(), NFT_CTX_OUTPUT_JSON);
  GRIT_CHECK(listed);
  std::istringstream lines(nft_ctx_get_output_buffer(context_.get()));
  for (std::string line; std::getline(lines, line);)
    if (line == "table inet " + name_) return true;
  return false;
}

// One batch: the kernel takes all of it or nothing.
Status DropTable::install() { return run(commands_); }

Status DropTable::try_out() {
  nft_ctx_set_dry_run(context_.get(), true);  // the batch is checked by the kernel and then aborted, nft(8) --check
  const Status tried = run(commands_);
  nft_ctx_set_dry_run(context_.get(), false);
  return tried;
}

Status DropTable::remove() {
  const Status removed = run(fmt::format("delete table inet {}\n", name_));
  if (removed) return {};
  GRIT_TRY(const bool still_there, exists());
  return still_there ? removed : Status{};
}

Result<std::optional<DropCounts>> DropTable::read() {
  DropCounts counts;
  for (const char* chain : {"input", "output"}) {  // by chain, see exists()
    if (const Status listed = run(fmt::format("list chain inet {} {}\n", name_, chain)); !listed) {
      GRIT_TRY(const bool there, exists());
      if (!there) return std::nullopt;
      return tl::make_unexpected(listed.error());
    }
    const Json listing = Json::parse(nft_ctx_get_output_buffer(context_.get()), nullptr, false);
    if (!listing.is_object()) return internal_error("nftables: the listing is no JSON");
    add_counts(listing, counts);
  }
  return counts;
}

}  // namespace grit
