// Pool, cache and monitor as one engine: asking for a job is a look-up that may start work.
#include <iostream>

#include <hotwell/engine.hpp>

int main() {
  hotwell::Config config;
  config.data_dir = "data";
  config.media = false;  // no built-in media operations in this one
  config.operations = {{.name = "upper",
                        .kind = hotwell::WorkerKind::command,
                        .argv = {"tr", "a-z", "A-Z"},
                        .stdin_is_input = true,
                        .content_type = "text/plain"}};
  hotwell::Engine engine{config};

  if (auto stored = engine.cache().set("notes", "asked twice, made once\n"); !stored) {
    std::cerr << to_string(stored.error()) << '\n';
    return 1;
  }

  for (int asked = 1; asked <= 2; ++asked) {
    auto job = engine.run({.operation = "upper", .input = hotwell::InputObject{"notes"}});
    if (!job) {
      std::cerr << to_string(job.error()) << '\n';
      return 1;
    }
    if (job->error) {
      std::cerr << to_string(*job->error) << '\n' << job->stderr_tail;
      return 1;
    }
    auto text = engine.result(job->id);
    if (!text) {
      std::cerr << to_string(text.error()) << '\n';
      return 1;
    }
    std::cout << (job->result->cached ? "cached: " : "made: ") << text->bytes().text();
  }
  std::cout << engine.pool().stats().jobs.total << " job ran\n";
  return 0;
}
