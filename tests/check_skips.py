#!/usr/bin/env python3
"""Fails when CTest skipped a test that has no reason in the list: check_skips.py TESTS.xml ALLOWED_SKIPS.txt

Also prints CTest's figures, and fails when no test ran at all.
"""

import sys
import xml.etree.ElementTree as ElementTree


def main(report, allowed_file):
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    allowed = {}
    with open(allowed_file, encoding="utf-8") as lines:
        for line in lines:
            name, _, reason = line.strip().partition(" ")
            if name and not name.startswith("#"):
                allowed[name] = reason.strip()

    def skipped(case):
        return case.get("status") in ("notrun", "disabled") or case.find("skipped") is not None

    names = [case.get("name") for case in cases if skipped(case)]
    failed = sum(case.get("status") == "fail" for case in cases)
    print(f"{len(cases)} tests, {failed} failed, {len(names)} skipped")
    unexplained = [name for name in names if not allowed.get(name)]
    for name in names:
        print(f"  skipped: {name}: {allowed.get(name) or 'NO REASON GIVEN'}")
    return 1 if unexplained or not cases else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
