"""Packs what was built into Debian packages and looks at them as an administrator would: what is in them, what they
depend on, and whether the daemon runs from there with the configuration that comes along.

    debian_package.py BUILD_DIR CPACK
"""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"$ {' '.join(str(c) for c in command)}\n{done.stdout}\nstatus {done.returncode}")
    return done.stdout


def expect(condition, what):
    if not condition:
        sys.exit(f"expected {what}")


def main():
    build, cpack = sys.argv[1:]
    with tempfile.TemporaryDirectory() as root:
        root = pathlib.Path(root)
        run(cpack, "--config", f"{build}/CPackConfig.cmake", "-B", root / "packages", cwd=root)
        packages = {package.name.split("_")[0]: package for package in (root / "packages").glob("*.deb")}
        expect(sorted(packages) == ["hotwell", "libhotwell-dev"], f"two packages, not {sorted(packages)}")

        for name, package in packages.items():
            run("dpkg-deb", "--raw-extract", package, root / name)
        system = root / "hotwell"
        inside = sorted(str(file.relative_to(system)) for file in system.rglob("*") if file.is_file())
        print("\n".join(inside))
        for file in ("usr/bin/hotwell", "usr/libexec/hotwell/hotwell-spawner", "usr/libexec/hotwell/hotwell-media-worker",
                     "usr/lib/systemd/system/hotwell.service", "etc/hotwell/hotwell.toml", "usr/share/doc/hotwell/copyright"):
            expect(file in inside, f"{file} in the package hotwell")
        expect(not any(file.endswith((".a", ".hpp")) for file in inside), "no library in the package hotwell")
        expect((root / "libhotwell-dev/usr/include/hotwell/hotwell.hpp").is_file(), "headers in libhotwell-dev")
        expect(not (root / "libhotwell-dev/usr/bin").exists(), "no program in libhotwell-dev")
        depends = run("dpkg-deb", "--field", packages["hotwell"], "Depends")
        expect("libavcodec" in depends and "libsqlite3" in depends, f"what the programs link, not {depends}")
        expect((system / "DEBIAN/conffiles").read_text() == "/etc/hotwell/hotwell.toml\n", "the configuration as a conffile")

        environment = {"PATH": os.environ["PATH"], "HOME": str(root)}
        daemon = subprocess.Popen([system / "usr/bin/hotwell", "serve", "--config", system / "etc/hotwell/hotwell.toml",
                                   "--listen", "127.0.0.1:0", "--data", root / "data"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            said = daemon.stdout.readline()
            expect(said.startswith("listening on http://127.0.0.1:"), f"an address, not {said!r}")
            address = said.split()[-1]
            status = run(system / "usr/bin/hotwell", "status", "--server", address, env=environment)
            print(status)
            daemon.send_signal(signal.SIGTERM)
            expect(daemon.wait(60) == 0, "a clean end")
        finally:
            daemon.kill()
            daemon.wait()


main()
