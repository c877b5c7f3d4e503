#!/usr/bin/env python3
"""Reads the recipes for ECS, Cloud Run and Fly, and holds them against what the platforms and the program take.

    check.py IMAGE_ORIGIN

The template for ECS goes through cfn-lint beside this. Here the variables of each recipe are settings that the program takes, the
port is the one it listens on, memory is enough for what the settings allow, and the other two files have the fields of their platforms.
Needs PyYAML.
"""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent

# Knative's Service as Cloud Run reads it (https://cloud.google.com/run/docs/reference/yaml/v1), as far as the recipe goes.
CLOUD_RUN = {
    "apiVersion": str, "kind": str,
    "metadata": {"name": str, "annotations": dict},
    "spec": {"template": {
        "metadata": {"annotations": dict},
        "spec": {
            "containerConcurrency": int, "timeoutSeconds": int,
            "containers": [{
                "image": str, "args": list, "ports": [{"name": str, "containerPort": int}], "env": list,
                "resources": {"limits": {"cpu": str, "memory": str}},
                "startupProbe": {"httpGet": {"path": str}, "periodSeconds": int, "failureThreshold": int},
            }],
        },
    }},
}

# https://fly.io/docs/reference/configuration/
FLY = {
    "app": str, "primary_region": str, "kill_signal": str, "kill_timeout": str, "build": {"image": str}, "env": dict,
    "processes": {"app": str},
    "http_service": {
        "internal_port": int, "force_https": bool, "auto_stop_machines": str, "auto_start_machines": bool,
        "min_machines_running": int, "processes": list,
        "concurrency": {"type": str, "soft_limit": int, "hard_limit": int},
        "checks": [{"method": str, "path": str, "interval": str, "timeout": str, "grace_period": str}],
    },
    "vm": [{"size": str, "memory": str}],
}


class CloudFormation(yaml.SafeLoader):
    """Short forms of CloudFormation's functions, as text."""


CloudFormation.add_multi_constructor("!", lambda loader, name, node: f"<{name}>")


def differences(document, shape, place):
    """Where a document is not of a shape: a type, the fields of an object, or those of each item of a list."""
    if isinstance(shape, type):
        return [] if type(document) is shape else [f"{place}: is no {shape.__name__}"]
    if isinstance(shape, list):
        if not isinstance(document, list) or not document:
            return [f"{place}: is no list"]
        return [found for i, item in enumerate(document) for found in differences(item, shape[0], f"{place}[{i}]")]
    if not isinstance(document, dict):
        return [f"{place}: is no object"]
    names = [f"{place}.{name}: is missing" for name in shape.keys() - document.keys()]
    names += [f"{place}.{name}: is no field" for name in document.keys() - shape.keys()]
    return names + [found for name in shape.keys() & document.keys() for found in differences(document[name], shape[name], f"{place}.{name}")]


def megabytes(text):
    units = {"M": 1, "G": 1000, "Mi": 1.048576, "Gi": 1073.741824, "gb": 1000, "": 1}
    number = text.rstrip("MGigb")
    return float(number) * units[text[len(number):]]


def recipe_problems(program, name, variables, memory, port):
    """What is wrong with the variables of a recipe, for a container of so many megabytes and with this port."""
    problems = [] if port == 8080 else [f"{name}: the port is {port}, and the image listens on 8080"]
    text = {key: value if isinstance(value, str) and not value.startswith("<") else "s3://bucket" for key, value in variables.items()}
    checked = subprocess.run([program, "config", "check"], env={"PATH": os.environ["PATH"], **text}, capture_output=True, text=True)
    if checked.returncode != 0:
        problems.append(f"{name}: {checked.stderr.strip()}")
    setting = lambda key: megabytes(text[f"IMAGE_ORIGIN_{key}"])
    needed = int(text["IMAGE_ORIGIN_WORKERS"]) * setting("REQUEST_MEMORY") + setting("DOWNLOAD_MEMORY") + setting("CACHE") + 50
    if needed > memory:
        problems.append(f"{name}: the settings allow {needed:.0f} MB, and the container has {memory:.0f}")
    return problems


def main(program):
    template = yaml.load((FOLDER / "ecs.yaml").read_text(), CloudFormation)
    task = template["Resources"]["Task"]["Properties"]
    [container] = task["ContainerDefinitions"]
    variables = {item["Name"]: item["Value"] for item in container["Environment"]}
    problems = recipe_problems(program, "ecs", variables, float(task["Memory"]), container["PortMappings"][0]["ContainerPort"])

    run = yaml.safe_load((FOLDER / "cloud-run.yaml").read_text())
    problems += differences(run, CLOUD_RUN, "cloud-run")
    [container] = run["spec"]["template"]["spec"]["containers"]
    variables = {item["name"]: item.get("value", "from a secret") for item in container["env"]}
    problems += recipe_problems(program, "cloud-run", variables, megabytes(container["resources"]["limits"]["memory"]), container["ports"][0]["containerPort"])

    fly = tomllib.loads((FOLDER / "fly.toml").read_text())
    problems += differences(fly, FLY, "fly")
    problems += recipe_problems(program, "fly", fly["env"], megabytes(fly["vm"][0]["memory"]), fly["http_service"]["internal_port"])

    for problem in problems:
        print(problem)
    print(f"recipes for ECS, Cloud Run and Fly: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
