"""tools/run-tests counts what ctest says, and never calls a run good that was not."""
import pathlib
import subprocess
import tempfile
import unittest

RUN = pathlib.Path(__file__).resolve().parent.parent / "run-tests"


def run(*tests):
    """Runs run-tests over CTest tests: (name, shell command[, skip expression])."""
    with tempfile.TemporaryDirectory() as root:
        lines = []
        for name, command, *skip in tests:
            lines.append(f'add_test({name} "/bin/sh" "-c" [==[{command}]==])')
            if skip:
                lines.append(f'set_tests_properties({name} PROPERTIES SKIP_REGULAR_EXPRESSION [==[{skip[0]}]==])')
        pathlib.Path(root, "CTestTestfile.cmake").write_text("\n".join(lines) + "\n", encoding="utf-8")
        done = subprocess.run([RUN, root, "--jobs", "2"], capture_output=True, text=True, cwd=root)
        return done.returncode, done.stdout.splitlines(), done


class Counting(unittest.TestCase):
    def test_all_passed(self):
        status, lines, done = run(("a", "true"), ("b", "true"))
        self.assertEqual((status, lines[-1]), (0, "2 passed, 0 failed"), done)

    def test_a_failure_is_shown_whole_and_fails_the_run(self):
        status, lines, done = run(("good", "true"), ("bad", "echo this is why; exit 3"))
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed"), done)
        self.assertIn("this is why", lines)
        self.assertIn("    failed: bad", lines)

    def test_skipped_tests_are_counted_apart(self):
        status, lines, done = run(("good", "true"), ("absent", "echo '[  SKIPPED ] no data here'", r"\[  SKIPPED \]"))
        self.assertEqual((status, lines[-1]), (0, "1 passed, 0 failed, 1 skipped"), done)

    def test_a_test_that_cannot_start_failed(self):
        with tempfile.TemporaryDirectory() as root:
            pathlib.Path(root, "CTestTestfile.cmake").write_text('add_test(gone "/no/such/program")\n', encoding="utf-8")
            done = subprocess.run([RUN, root], capture_output=True, text=True, cwd=root)
        self.assertEqual((done.returncode, done.stdout.splitlines()[-1]), (1, "0 passed, 1 failed"), done)

    def test_a_crash_failed(self):
        status, lines, done = run(("crash", "kill -SEGV $$"), ("good", "true"))
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed"), done)

    def test_no_test_is_no_success(self):
        status, lines, done = run()
        self.assertEqual(status, 1, done)


if __name__ == "__main__":
    unittest.main()
