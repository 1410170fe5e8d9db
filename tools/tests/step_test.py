"""tools/step is quiet when all is well, and shows what a person needs when it is not."""
import pathlib
import subprocess
import tempfile
import unittest

STEP = pathlib.Path(__file__).resolve().parent.parent / "step"


def step(command):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([STEP, "build", "building", "sh", "-c", command], cwd=folder, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        return done, pathlib.Path(folder, "build/logs/build.log").read_text(encoding="utf-8")


class Step(unittest.TestCase):
    def test_a_quick_success_says_nothing(self):
        done, log = step("echo compiling")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.assertEqual(log, "compiling\n")

    def test_a_failure_shows_its_errors_and_where_its_log_is(self):
        done, _ = step("echo 'a.cpp:1:2: error: no such thing'; seq 100; exit 3")
        self.assertEqual(done.returncode, 3)
        self.assertIn("a.cpp:1:2: error: no such thing", done.stderr)
        self.assertIn("\n100\n", done.stderr)
        self.assertIn("build/logs/build.log", done.stderr)
        self.assertIn("status 3", done.stderr)


if __name__ == "__main__":
    unittest.main()
