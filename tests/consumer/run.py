"""Installs Hotwell into a fresh prefix, builds a project from outside against the package, and runs what it built.

    run.py BUILD_DIR CMAKE [CMAKE_ARGUMENT...]
"""
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = HERE.parent.parent / "examples"


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"$ {' '.join(str(c) for c in command)}\n{done.stdout}\nstatus {done.returncode}")
    return done.stdout


def main():
    build, cmake, *arguments = sys.argv[1:]
    with tempfile.TemporaryDirectory() as root:
        prefix, outside = pathlib.Path(root, "prefix"), pathlib.Path(root, "build")
        run(cmake, "--install", build, "--prefix", prefix)
        run(cmake, "-S", HERE, "-B", outside, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}", f"-DEXAMPLES={EXAMPLES}",
            *arguments)
        run(cmake, "--build", outside)
        # No library of the package's may bring in libav: that is the media worker's alone.
        needed = run("ldd", outside / "engine")
        if "libav" in needed:
            sys.exit(f"a program that embeds the engine needs libav:\n{needed}")
        # The prefix is not the one that the build was configured with, so the programs are told where the helper is.
        environment = dict(os.environ, HOTWELL_SPAWNER=str(prefix / "libexec/hotwell/hotwell-spawner"))
        for example in ("pool", "cache", "monitor", "engine"):
            print(run(sys.executable, EXAMPLES / "check_output.py", outside / example,
                      EXAMPLES / "expected" / f"{example}.txt", env=environment), end="")
        # The installed program finds its helpers by itself, and an installed copy of the licence says under what.
        environment.pop("HOTWELL_SPAWNER")
        print(run(prefix / "bin/hotwell", "doctor", env=environment, cwd=root))
        for name in ("LICENSE", "NOTICE"):
            if not (prefix / "share/doc/hotwell" / name).is_file():
                sys.exit(f"{name} was not installed")


main()
