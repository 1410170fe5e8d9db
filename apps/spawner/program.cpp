#include "apps/spawner/program.hpp"

#include <csignal>
#include <string>

#include <unistd.h>

namespace hotwell::spawner {

void execute(const wire::SpawnRequest& request) {
  std::vector<std::string> texts;
  texts.reserve(request.argv.size() + request.env.size());
  std::vector<char*> argv, env;
  for (const auto text : request.argv) argv.push_back(texts.emplace_back(text).data());
  for (const auto text : request.env) env.push_back(texts.emplace_back(text).data());
  argv.push_back(nullptr);
  env.push_back(nullptr);
  if (!request.directory.empty() && ::chdir(std::string{request.directory}.c_str()) != 0) return;
  environ = env.data();  // execvp searches this PATH
  struct sigaction standard{};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &standard, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execvp(argv.front(), argv.data());
}

}  // namespace hotwell::spawner
