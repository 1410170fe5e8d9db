"""tools/check-layers finds what it is there to find."""
import pathlib
import subprocess
import tempfile
import unittest

CHECK = pathlib.Path(__file__).resolve().parent.parent / "check-layers"


def check(files):
    """Runs check-layers over a tree of {name: text}."""
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return subprocess.run([CHECK, root], capture_output=True, text=True)


class Layers(unittest.TestCase):
    def refused(self, name, include, rule):
        done = check({name: f"#pragma once\n{include}\n"})
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertTrue(done.stdout.startswith(f"{name}:2: "), done.stdout)
        self.assertIn(rule, done.stdout)

    def accepted(self, name, include):
        done = check({name: include + "\n"})
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)

    def test_up_is_refused(self):
        self.refused("src/pool/plan.hpp", '#include "engine/flight.hpp"', "engine is above or beside it")
        self.refused("src/base/log.cpp", '#include "host/clock.hpp"', "host is above or beside it")
        self.refused("src/pool/plan.cpp", "#include <hotwell/engine.hpp>", "engine is above or beside it")

    def test_sideways_is_refused(self):
        self.refused("src/cache/tier.hpp", "#  include <hotwell/pool.hpp>", "pool is above or beside it")
        self.refused("src/monitor/window.cpp", '#include "cache/tier.hpp"', "cache is above or beside it")
        self.refused("include/hotwell/cache.hpp", "#include <hotwell/monitor.hpp>", "monitor is above or beside it")

    def test_down_and_itself_are_accepted(self):
        self.accepted("src/engine/flight.cpp", '#include "engine/flight.hpp"\n#include "pool/plan.hpp"\n#include <vector>')
        self.accepted("src/server/routes.cpp", "#include <hotwell/engine.hpp>\n#include <boost/asio.hpp>")
        self.accepted("apps/hotwell/main.cpp", '#include "server/server.hpp"')

    def test_twins_are_for_tests_alone(self):
        self.refused("src/pool/plan.cpp", '#include "sim/clock.hpp"', "for tests alone")
        self.refused("apps/hotwell/main.cpp", '#include "sim/clock.hpp"', "for tests alone")
        self.accepted("src/pool/plan_test.cpp", '#include "sim/clock.hpp"')
        self.accepted("tests/integration/pool_test.cpp", '#include "sim/clock.hpp"')

    def test_public_headers_and_examples_see_public_headers_alone(self):
        self.refused("include/hotwell/pool.hpp", '#include "base/log.hpp"', "public header")
        self.refused("examples/pool.cpp", '#include "base/log.hpp"', "public headers alone")
        self.accepted("examples/pool.cpp", "#include <hotwell/pool.hpp>")

    def test_the_two_spellings_are_kept(self):
        self.refused("src/pool/plan.cpp", '#include "plan.hpp"', 'written from src/')
        self.refused("src/pool/plan.cpp", '#include "hotwell/pool.hpp"', "<hotwell/pool.hpp>")
        self.refused("src/pool/plan.cpp", "#include <base/log.hpp>", "in quotes")

    def test_what_has_no_layer_is_asked_for(self):
        self.refused("src/utils/all.cpp", '#include "base/log.hpp"', "src/utils has no layer")
        self.refused("src/pool/plan.cpp", "#include <hotwell/extra.hpp>", "has no layer")

    def test_an_empty_tree_is_no_success(self):
        self.assertEqual(check({}).returncode, 2)


if __name__ == "__main__":
    unittest.main()
