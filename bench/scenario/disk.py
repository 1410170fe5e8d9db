"""The disk tier beside RocksDB, LMDB, SQLite, a file per object and npm's cacache: runs hotwell-bench-disk, and makes the
table's rows. cacache is installed into a temporary folder, where npm is there and reaches its registry."""
import json
import pathlib
import shutil
import subprocess

import media

HERE = pathlib.Path(__file__).resolve().parent

HEADER = ["what", "Hotwell", "beside", "ratio", "goal"]
SIZES = {"1024": "1 KiB", "65536": "64 KiB"}
PEERS = ("rocksdb", "lmdb", "sqlite", "file")
GOALS = {  # size: get beside, put beside
    "1024": ("at most 0.5x rocksdb", "at least 3x rocksdb"),
    "65536": ("at most 0.2x rocksdb, 1.2x file", "at least 5x rocksdb"),
}


def cacache(folder):
    """None where it cannot be had."""
    if not shutil.which("npm") or not shutil.which("node"):
        return None
    folder.mkdir()
    done = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "cacache@18"], cwd=folder, check=False)
    if done.returncode != 0:
        return None
    shutil.copy(HERE / "cacache.mjs", folder)
    return json.loads(subprocess.run(["node", "cacache.mjs", "cache"], cwd=folder, check=True, capture_output=True,
                                     text=True).stdout)


def measure(bin_dir, folder):
    """None where the peers' libraries were not there to build it with."""
    program = bin_dir / "hotwell-bench-disk"
    if not program.exists():
        return None
    figures = json.loads(media.run(program, folder / "disk").stdout)
    figures["cacache"] = cacache(folder / "npm")
    return figures


def rows(figures, seconds):
    """`seconds` writes a time for people."""
    def beside(case, one):
        return ", ".join(f"{peer} {one(case[peer])}" for peer in PEERS)

    made = []
    for size, name in SIZES.items():
        case = figures["objects"][size]
        get, put = ({peer: case[peer][what] for peer in case} for what in ("get", "put_per_second"))
        get_goal, put_goal = GOALS[size]
        made += [
            [f"get {name}, p50", seconds(get["hotwell"]), beside(get, seconds),
             f"{get['hotwell'] / get['rocksdb']:.2f}x rocksdb, {get['hotwell'] / get['file']:.2f}x file", get_goal],
            [f"put {name}", f"{put['hotwell']:,.0f}/s", beside(put, lambda rate: f"{rate:,.0f}/s"),
             f"{put['hotwell'] / put['rocksdb']:.2f}x rocksdb", put_goal],
        ]
    if node := figures["cacache"]:
        ours = figures["objects"]["65536"]["hotwell"]
        for what, took in (("get", ours["get"]), ("put", 1 / ours["put_per_second"])):
            made.append([f"{what} 64 KiB", seconds(took), f"cacache {seconds(node[what])}",
                         f"{node[what] / took:.0f}x as fast", "at least 20x"])
    fill, churn, reopen = figures["fill"], figures["churn"], figures["reopen"]
    return made + [
        [f"fill {fill['bytes'] / 2**30:.0f} GiB by 64 KiB", seconds(fill["hotwell"]),
         f"plain sequential write {seconds(fill['plain'])}", f"{fill['plain'] / fill['hotwell']:.2f}x of its speed",
         "at least 0.9x"],
        ["write amplification, churning", f"{churn['amplification']:.2f}",
         f"by pages that became dirty {churn['dirtied_amplification']:.2f}", "", "at most 1.3"],
        ["full 1 GiB after kill -9, first hit", seconds(reopen["first_hit"]), f"rocksdb {seconds(reopen['rocksdb'])}",
         f"{reopen['first_hit'] / reopen['rocksdb']:.2f}x", "within 100 ms"],
        ["full 1 GiB after kill -9, all found", seconds(reopen["whole"]), f"rocksdb {seconds(reopen['rocksdb'])}",
         f"{reopen['whole'] / reopen['rocksdb']:.2f}x", "within 1 s, at most 1x"],
        ["index in memory", f"{reopen['index_bytes_an_entry']:.1f} bytes an entry", "", "", "at most 12"],
    ]
