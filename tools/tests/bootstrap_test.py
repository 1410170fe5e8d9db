"""scripts/bootstrap says what is missing and what to do about it. Nothing is installed here: the commands that would look
at the machine or change it are stand-ins."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

BOOTSTRAP = pathlib.Path(__file__).resolve().parent.parent.parent / "scripts" / "bootstrap"


def bootstrap(*groups, installed=(), user=1000, sudo=False):
    """Runs it where only `installed` packages are there; answers how it ended and what it would have run as root."""
    with tempfile.TemporaryDirectory() as folder:
        ran = pathlib.Path(folder, "ran")
        ran.touch()
        commands = {
            "id": f"echo {user}",
            "dpkg-query": "\n".join(f"echo 'ii  {package}'" for package in installed) or "true",
            "apt-get": f'echo "apt-get $*" >>{ran}',
        }
        if sudo:
            commands["sudo"] = f'echo "sudo $*" >>{ran}'
        for name, text in commands.items():
            path = pathlib.Path(folder, name)
            path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
            path.chmod(0o755)
        # The machine's own sudo must not be found: only what the script needs besides is linked in.
        for name in ("bash", "env", "dirname", "comm", "sort", "sed", "wc", "mkdir", "tail", "rm", "chmod", "tee"):
            os.symlink(f"/usr/bin/{name}", pathlib.Path(folder, name))
        copy = pathlib.Path(folder, "scripts", "bootstrap")  # its log goes beside it
        copy.parent.mkdir()
        shutil.copy(BOOTSTRAP, copy)
        done = subprocess.run(["/bin/bash", copy, *groups], env={"PATH": folder}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        return done, ran.read_text()


class Bootstrap(unittest.TestCase):
    def packages(self, *groups):
        done, _ = bootstrap("--list", *groups)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split()

    def test_complete_groups_do_nothing_and_say_nothing(self):
        done, ran = bootstrap("build", "test", installed=self.packages("build", "test"))
        self.assertEqual((done.returncode, done.stdout, done.stderr, ran), (0, "", "", ""))

    def test_without_root_and_sudo_it_names_packages_and_command(self):
        there = [package for package in self.packages("build") if package not in ("cmake", "mold")]
        done, ran = bootstrap("build", installed=there)
        self.assertEqual((done.returncode, ran), (2, ""))
        self.assertIn("missing packages: cmake mold\n", done.stderr)
        self.assertIn("apt-get install --no-install-recommends cmake mold\n", done.stderr)

    def test_packages_of_groups_not_asked_for_are_left_alone(self):
        self.assertNotIn("ffmpeg", self.packages("build", "test"))
        self.assertNotIn("libgtest-dev", self.packages("build"))
        self.assertIn("ffmpeg", self.packages("bench"))

    def test_unknown_groups_are_refused_with_the_known_ones(self):
        done, _ = bootstrap("biuld")
        self.assertEqual(done.returncode, 2)
        self.assertIn('no group "biuld"', done.stderr)
        self.assertIn("build", done.stderr.replace("biuld", ""))

    def test_sudo_is_asked_where_it_answers(self):
        there = [package for package in self.packages("build") if package != "cmake"]
        done, ran = bootstrap("build", installed=there, sudo=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("--no-install-recommends cmake", ran)
        self.assertTrue(all(line.startswith("sudo ") for line in ran.splitlines()), ran)


if __name__ == "__main__":
    unittest.main()
