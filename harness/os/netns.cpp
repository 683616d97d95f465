#include "harness/os/netns.hpp"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>

#include <cstring>
#include <system_error>
#include <thread>

namespace grit {

Result<Fd> open_netns(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd) return usage_error("cannot open the network namespace " + path + ": " + std::strerror(errno));
  if (::ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) return usage_error(path + " is not a network namespace");
  return fd;
}

Status run_in_netns(int netns_fd, const std::function<Status()>& work) {
  Status status;
  try {
    std::thread([&] {
      if (::setns(netns_fd, CLONE_NEWNET) == 0)
        status = work();
      else
        status = unavailable_error(std::string("cannot enter the network namespace: ") + std::strerror(errno) +
                                   ". It needs CAP_SYS_ADMIN over it: run as root, or inside its user namespace");
    }).join();
  } catch (const std::system_error& error) {
    return internal_error(std::string("cannot start a thread: ") + error.what());
  }
  return status;
}

}  // namespace grit
