"""`xver diff --md`: what a branch changes in the data, for a pull request; and the range that it takes."""

from __future__ import annotations

from .workplace import Workplace


def test_a_summary_of_what_a_branch_changed_since_it_began(place: Workplace) -> None:
    place.save("base", d__t_dot_csv="id,y\n1,a\n2,b\n", d__old="1", e__x="1")
    goes = place.git if (place.root / ".git").exists() else place.ok
    goes("switch", "-c", "side")
    place.write(**{f"d__i{n}_dot_png": f"image {n}" for n in range(20)})
    (place.root / "d/old").unlink()
    place.save("side", d__t_dot_csv="id,y\n1,a\n2,c\n3,d\n", new_dot_bin="x")
    goes("switch", "main")
    place.ok("checkout")
    place.save("main went on", e__x="22")
    assert place.ok("diff", "--md", "main...side").splitlines() == [
        "| data | added | changed | deleted | now | size |",
        "|---|--:|--:|--:|---|--:|",
        "| `d` | 20 | 1 | 1 | 21 files  167 B | +153 B |",
        "| `new.bin` | 1 | 0 | 0 | 1 B | +1 B |",
        "",
        "**Tables**",
        "",
        "- `d/t.csv` 1 row added, 1 row changed",
        "",
        "**Images**, 7 of 20",
        "",
        *(f"- `d/i{n}.png` added, +{7 + (n > 9)} B" for n in (0, 11, 14, 17, 2, 5, 8)),
    ]
    assert place.ok("diff", "main...side").splitlines()[-1] == "21 added, 1 changed, 1 deleted"
    assert place.ok("diff", "--md", "side...main").count("`e`") == 1
    assert place.ok("diff", "--md", "main...main") == "No change in the data.\n"
    assert "nothing" in place.fails(3, "diff", "main...nothing")[0]


def test_names_cannot_break_the_table(place: Workplace) -> None:
    place.save("base", d__a="1")
    place.write(**{"a|b`c": "1"})
    place.ok("add", "a|b`c")
    place.ok("commit", "-m", "odd")
    assert r"| a\|b\`c | 1 | 0 | 0 |" in place.ok("diff", "--md", "HEAD~1...HEAD")
