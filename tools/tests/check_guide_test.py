"""tools/check-guide finds snippets that no example holds."""
import pathlib
import subprocess
import tempfile
import unittest

CHECK = pathlib.Path(__file__).resolve().parent.parent / "check-guide"
EXAMPLE = "int main() {\n  Pool pool;\n\n  if (pool) {\n    use(pool);\n  }\n}\n"


def check(page):
    with tempfile.TemporaryDirectory() as root:
        for name, text in {"examples/pool.cpp": EXAMPLE, "docs/guide/pool.md": page}.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return subprocess.run([CHECK, root], capture_output=True, text=True)


class Guide(unittest.TestCase):
    def test_a_part_of_an_example_is_accepted_at_any_indentation(self):
        self.assertEqual(check("# Pool\n```cpp\nPool pool;\n\nif (pool) {\n  use(pool);\n}\n```\n").returncode, 0)

    def test_what_no_example_says_is_found_with_its_place(self):
        done = check("# Pool\n\n```cpp\nPool pool;\nif (pool) {\n```\n")
        self.assertEqual(done.returncode, 1)
        self.assertTrue(done.stdout.startswith("docs/guide/pool.md:3: "), done.stdout)

    def test_a_different_shape_is_found(self):
        self.assertEqual(check("```cpp\nif (pool) {\nuse(pool);\n}\n```\n").returncode, 1)

    def test_other_languages_are_left_alone(self):
        self.assertEqual(check("```sh\nmake demo\n```\n").returncode, 0)


if __name__ == "__main__":
    unittest.main()
