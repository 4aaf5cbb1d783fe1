"""The generated definitions."""

import pathlib

import yaml

from siterecovery.kubevirt.crds import generate, kinds, schema

FOLDER = pathlib.Path(__file__).parents[4] / "deploy" / "crds"


def every(node, path=""):
    """(path, node) of each dictionary in a schema."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from every(value, f"{path}.{key}")
    elif isinstance(node, list):
        for item in node:
            yield from every(item, path)


def schemas():
    for name, kind in kinds.KINDS.items():
        found = schema.definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        yield from ((f"{name}{path}", node) for path, node in every(found))


def test_the_files_people_apply_are_what_the_models_say():
    """`deploy/crds` holds exactly what the generator writes today."""
    assert {path.name: path.read_text() for path in FOLDER.glob("*.yaml")} == generate.rendered()


def test_the_documented_files_and_names_are_there():
    """protection-group-crd.yaml and failover-crd.yaml define the two documented names, with their short names."""
    names = {
        file: yaml.safe_load((FOLDER / file).read_text()) for file in ("protection-group-crd.yaml", "failover-crd.yaml")
    }
    assert [found["metadata"]["name"] for found in names.values()] == [
        "protectiongroups.siterecovery.trilio.io",
        "failovers.siterecovery.trilio.io",
    ]
    assert [found["spec"]["names"]["shortNames"] for found in names.values()] == [["pg"], ["fo"]]


def test_every_list_has_an_end():
    """Each list says how many items it holds and how they are merged."""
    lists = {path: node for path, node in schemas() if node.get("type") == "array"}
    assert lists
    assert [
        path for path, node in lists.items() if "maxItems" not in node or "x-kubernetes-list-type" not in node
    ] == []


def test_schemas_are_structural():
    """No reference, union or default that is null is left for the API server to refuse."""
    bad = [
        path
        for path, node in schemas()
        if {"$ref", "anyOf", "$defs"} & node.keys() or ("default" in node and node["default"] is None)
    ]
    assert bad == []


def test_the_generator_writes_where_it_is_told(tmp_path, capsys):
    """`python -m siterecovery.kubevirt.crds FOLDER` writes all kinds there and names the files."""
    assert generate.main([str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == set(generate.rendered())
    assert str(tmp_path / "failover-crd.yaml") in capsys.readouterr().out
