#include "apps/spawner/cgroup.hpp"

#include <cstdio>
#include <memory>
#include <string_view>

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hotwell::spawner {
namespace {

constexpr const char* prefix = "hotwell-";

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

/// Where version 2 is mounted: in a hybrid set-up not at the top. Empty where it is not.
std::string mounted() {
  const File mounts(std::fopen("/proc/self/mounts", "re"), &std::fclose);
  char place[256], type[64];
  while (mounts && std::fscanf(mounts.get(), "%*s %255s %63s %*[^\n]", place, type) == 2)
    if (std::string{type} == "cgroup2") return place;
  return {};
}

/// This process's own, as a path below the mount.
std::string own() {
  const File groups(std::fopen("/proc/self/cgroup", "re"), &std::fclose);
  char line[512];
  while (groups && std::fgets(line, sizeof line, groups.get()) != nullptr) {
    std::string text{line};
    if (!text.starts_with("0::/")) continue;
    text.pop_back();
    return text.substr(3);
  }
  return {};
}

/// Of spawners that were killed. The kernel refuses where somebody is in it.
void remove_left_over(const std::string& parent) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(parent.c_str()), &::closedir);
  while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr)
    if (std::string_view{entry->d_name}.starts_with(prefix)) ::rmdir((parent + "/" + entry->d_name).c_str());
}

}  // namespace

std::string make_cgroup() {
  const std::string place = mounted(), below = own();
  if (place.empty() || below.empty()) return {};
  const std::string parent = place + (below == "/" ? "" : below);
  remove_left_over(parent);
  const std::string folder = parent + "/" + prefix + std::to_string(static_cast<long>(::getpid()));
  if (::mkdir(folder.c_str(), 0700) != 0) return {};
  if (::access((folder + "/cgroup.kill").c_str(), W_OK) == 0) return folder;
  remove_cgroup(folder);
  return {};
}

void remove_cgroup(const std::string& folder) {
  if (!folder.empty()) ::rmdir(folder.c_str());
}

}  // namespace hotwell::spawner
