#!/usr/bin/env python3
"""What is linked into certlet, from `cargo metadata` and Cargo.lock.

  dependencies.py notice [--check]   writes NOTICE: each crate with its licence, and the texts of the licences. --check: says whether it would differ
  dependencies.py sbom OUT           writes a CycloneDX 1.6 document. The same sources give the same bytes: it has no time and no random number
"""
import json
import pathlib
import re
import subprocess
import sys
import tomllib
import uuid

PROJECT = pathlib.Path(__file__).resolve().parents[2]
# What a release is built for: their dependencies differ in some crates.
TARGETS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"]
END_OF_APACHE = "END OF TERMS AND CONDITIONS"
TEXTS = re.compile(r"^(licen[cs]e|copying|notice|copyright|unlicense)", re.IGNORECASE)


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], cwd=PROJECT, check=True, capture_output=True, text=True).stdout


def needed_by(kinds):
    """The crates that certlet needs, and those that they need, by kinds of dependencies ("normal,build"), as {id: package}, {id: ids that it
    needs}, the id of certlet. `cargo tree` knows which are compiled; `cargo metadata` also has optional ones that nothing enables."""
    packages, edges, root = {}, {}, None
    for target in TARGETS:
        tree = cargo("tree", "--all-features", "--locked", "--edges", kinds, "--prefix", "none", "--format", "{p}", "--target", target)
        compiled = {tuple(line.split()[:2]) for line in tree.splitlines() if line}
        found = json.loads(cargo("metadata", "--all-features", "--format-version=1", "--locked", "--filter-platform", target))
        here = {package["id"]: package for package in found["packages"] if (package["name"], "v" + package["version"]) in compiled}
        packages |= here
        for node in found["resolve"]["nodes"]:
            if node["id"] in here:
                wanted = (dependency for dependency in node["deps"] if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]))
                edges.setdefault(node["id"], set()).update(dependency["pkg"] for dependency in wanted if dependency["pkg"] in here)
        root = found["resolve"]["root"]
    return packages, edges, root


def ordered(packages):
    return sorted(packages, key=lambda package: (package["name"], package["version"]))


def licence(package):
    # Old crates separate alternatives by a slash.
    return (package["license"] or "see its text").replace("/", " OR ")


def texts(package):
    folder = pathlib.Path(package["manifest_path"]).parent
    files = [path for path in folder.iterdir() if path.is_file() and TEXTS.match(path.name)]
    # Of alternatives we take the Apache License, whose text is the same for all.
    expression = licence(package)
    if " OR " in expression and "AND" not in expression and "Apache-2.0" in expression:
        apache = [path for path in files if re.search("apache|notice|copyright", path.name, re.IGNORECASE)]
        files = apache if any("apache" in path.name.lower() for path in apache) else files
    # A crate that brings sources in another language has their licence in their folder.
    files += folder.glob("*/COPYING")
    for path in sorted(files, key=lambda path: path.name.lower()):
        text = path.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n").strip("\n")
        if "Apache License" in text[:400] and END_OF_APACHE in text and "apache" in path.name.lower():
            text = text[: text.index(END_OF_APACHE) + len(END_OF_APACHE)]  # an appendix says how to apply it
        yield text


def notice():
    packages, _, root = needed_by("normal")
    foreign = ordered(package for id, package in packages.items() if id != root)
    lines = [
        "certlet",
        "",
        "certlet is licensed under the Apache License 2.0 (LICENSE). Its program contains the crates below, each under its own licence.",
        "Written by deploy/release/dependencies.py: do not edit. `make notice` writes it anew.",
        "",
        "Crates",
        "======",
        "",
    ]
    lines += [f"{package['name']} {package['version']}: {licence(package)}" for package in foreign]
    # Many crates have the same text, but for blanks and punctuation.
    shared = {}
    for package in foreign:
        for text in texts(package):
            key = re.sub(r"\W+", " ", text.replace("https://", "http://")).strip()
            shared.setdefault(key, (text, []))[1].append(f"{package['name']} {package['version']}")
    lines += ["", "Texts", "====="]
    for text, users in shared.values():
        body = "\n".join(line.rstrip() for line in text.split("\n"))
        lines += ["", "-" * 80, "Of " + ", ".join(dict.fromkeys(users)) + ":", "", body]
    return "\n".join(lines) + "\n"


def component(package, checksums):
    name, version = package["name"], package["version"]
    reference = f"pkg:cargo/{name}@{version}"
    described = {
        "type": "library",
        "bom-ref": reference,
        "name": name,
        "version": version,
        "scope": "required",
        "licenses": [{"expression": licence(package)}],
        "purl": reference,
    }
    if package["description"]:
        described["description"] = " ".join(package["description"].split())
    if (name, version) in checksums:
        described["hashes"] = [{"alg": "SHA-256", "content": checksums[name, version]}]
    if package["repository"]:
        described["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return described


def sbom():
    packages, edges, root = needed_by("normal,build")
    lock = tomllib.loads((PROJECT / "Cargo.lock").read_text())
    checksums = {(entry["name"], entry["version"]): entry["checksum"] for entry in lock["package"] if "checksum" in entry}
    reference = {id: f"pkg:cargo/{package['name']}@{package['version']}" for id, package in packages.items()}
    own = component(packages[root], checksums) | {"type": "application"}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # Derived from what it is about, so that the same release has the same one.
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(sorted(reference.values())))}",
        "version": 1,
        "metadata": {"component": own},
        "components": [component(package, checksums) for package in ordered(package for id, package in packages.items() if id != root)],
        "dependencies": sorted(
            ({"ref": reference[id], "dependsOn": sorted(reference[needed] for needed in needs)} for id, needs in edges.items()),
            key=lambda entry: entry["ref"],
        ),
    }
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main(arguments):
    match arguments:
        case ["notice"]:
            (PROJECT / "NOTICE").write_text(notice(), encoding="utf-8")
        case ["notice", "--check"]:
            if (PROJECT / "NOTICE").read_text(encoding="utf-8") != notice():
                sys.exit("NOTICE is not what Cargo.lock says: run `make notice`")
        case ["sbom", out]:
            pathlib.Path(out).write_text(sbom(), encoding="utf-8")
        case _:
            sys.exit(__doc__)


main(sys.argv[1:])
