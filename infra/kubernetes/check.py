#!/usr/bin/env python3
"""Holds the Helm chart against Helm and Kubernetes: Helm's own linter and template engine, and the schemas of the API.

    check.py CHART

Needs helm-python-sdk and kubernetes-validate from PyPI. A table says which values must give which objects, and which are refused.
"""

import sys

import helm_python as helm
import kubernetes_validate
import yaml

VERSION = "1.32"
BASE = {"source": "s3://my-originals/public"}
ALWAYS = ["ConfigMap", "Deployment", "PodDisruptionBudget", "Service"]
USUAL = [*ALWAYS, "HorizontalPodAutoscaler", "NetworkPolicy", "ServiceAccount"]

# Values, and the kinds of objects that they give.
GOOD = [
    ({}, USUAL),
    ({"autoscaling": {"enabled": False}, "replicas": 3}, [kind for kind in USUAL if kind != "HorizontalPodAutoscaler"]),
    ({"networkPolicy": {"enabled": False}}, [kind for kind in USUAL if kind != "NetworkPolicy"]),
    ({"networkPolicy": {"to": [{"ipBlock": {"cidr": "10.0.0.0/16"}}]}}, USUAL),
    ({"serviceAccount": {"create": False, "name": "reader"}}, [kind for kind in USUAL if kind != "ServiceAccount"]),
    ({"serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/r"}}}, USUAL),
    ({"secret": {"values": {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b: c"}}}, [*USUAL, "Secret"]),
    ({"secret": {"existing": "keys"}}, USUAL),
    ({"config": "deadline = 5\n[presets]\ncard = \"w=300\"\n"}, [*USUAL, "ConfigMap"]),
    ({"source": "/originals", "volume": {"source": {"persistentVolumeClaim": {"claimName": "pictures", "readOnly": True}}}}, USUAL),
    (
        {
            "ingress": {
                "enabled": True,
                "className": "nginx",
                "hosts": [{"host": "images.example.com"}, {"host": "b.example.com", "path": "/img"}],
                "tls": [{"secretName": "tls", "hosts": ["images.example.com"]}],
            }
        },
        [*USUAL, "Ingress"],
    ),
    ({"source": "", "config": "[[sources]]\npath = \"/*\"\nfrom = \"s3://my-originals\"\n"}, [*USUAL, "ConfigMap"]),
    ({"source": "https://cms.example.com/media/"}, USUAL),
    ({"metrics": {"podMonitor": True}}, [*USUAL, "PodMonitor"]),
    ({"metrics": {"enabled": False}}, USUAL),
    ({"settings": {"deadline": 5, "cors": "*", "svg": True}, "env": {"AWS_REGION": "eu-west-1"}}, USUAL),
    ({"workers": 4, "resources": {"limits": {"memory": "3Gi"}}, "nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}]}, USUAL),
]

# Values, and a part of the message that refuses them.
BAD = [
    ({"source": ""}, "source is empty"),
    ({"config": "[[sources]]\npath = \"/*\"\nfrom = \"s3://a\"\n"}, "beside the [[sources]]"),
    ({"source": "bucket"}, "source"),
    ({"workers": 8}, "workers with 512M each"),
    ({"resources": {"limits": {"memory": "1G"}}}, "resources.limits.memory is 1G"),
    ({"memory": {"cache": "1G"}}, "cache"),
    ({"settings": {"workers": 3}}, "invalid propertyName 'workers'"),
    ({"secret": {"existing": "a", "values": {"A": "b"}}}, "choose one"),
    ({"ingress": {"enabled": True}}, "ingress.hosts"),
    ({"replica": 3}, "replica"),
]


def rendered(chart, values):
    chart.validate_schema({**BASE, **values})
    texts = chart.render({**BASE, **values}, name="demo", namespace="images")
    documents = [yaml.safe_load_all(text) for name, text in sorted(texts.items()) if name.endswith(".yaml")]
    return [document for part in documents for document in part if document]


def main(path):
    problems = []
    findings = helm.lint(path, values=BASE)
    problems += [f"lint: {finding}" for finding in messages(findings)]
    objects = 0
    with helm.Chart.load(path) as chart:
        for values, expected in GOOD:
            documents = rendered(chart, values)
            kinds = sorted(document["kind"] for document in documents)
            if kinds != sorted(expected):
                problems.append(f"{values}: gives {kinds}")
            for document in documents:
                objects += 1
                # Not of Kubernetes itself.
                if document["kind"] == "PodMonitor":
                    continue
                try:
                    kubernetes_validate.validate(document, VERSION, strict=True)
                except kubernetes_validate.ValidationError as error:
                    problems.append(f"{values}: {document['kind']}: {error.message}")
            secret = values.get("secret", {}).get("values", {})
            for document in documents:
                if document["kind"] != "Secret" and any(value in yaml.dump(document) for value in secret.values() if len(value) > 3):
                    problems.append(f"{values}: {document['kind']} holds a secret")
        for values, message in BAD:
            try:
                rendered(chart, values)
                problems.append(f"{values}: is not refused")
            except helm.HelmError as error:
                if message not in str(error):
                    problems.append(f"{values}: is refused by {error}")
    for problem in problems:
        print(problem)
    print(f"Helm {helm.helm_sdk_version()}: {len(GOOD)} sets of values give {objects} valid objects, {len(BAD)} are refused, {len(problems)} problems")
    return 1 if problems else 0


def messages(findings):
    """The findings of the linter that are warnings or errors; a missing icon is none."""
    found = findings.get("messages", []) if isinstance(findings, dict) else findings
    return [finding for finding in found if str(finding.get("severity", "")).lower() not in ("info", "1")]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
