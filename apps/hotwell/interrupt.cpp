#include "apps/hotwell/interrupt.hpp"

#include <csignal>
#include <cstdlib>
#include <initializer_list>

#include <unistd.h>

namespace hotwell::cli {
namespace {

volatile std::sig_atomic_t noted = 0;

extern "C" void on_interrupt(int signal) {
  if (noted != 0) ::_exit(128 + signal);
  noted = 1;
}

}  // namespace

void note_interrupts() {
  struct sigaction action{};
  action.sa_handler = on_interrupt;
  ::sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM}) ::sigaction(signal, &action, nullptr);
}

bool interrupted() { return noted != 0; }

}  // namespace hotwell::cli
