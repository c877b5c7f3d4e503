"""Asks the gateway of boto.rs for pictures as a user of boto3 asks an Object Lambda access point."""

import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

client = boto3.client(
    "s3",
    endpoint_url=sys.argv[1],
    region_name="eu-central-1",
    aws_access_key_id="key",
    aws_secret_access_key="secret",
    config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
)
query = ""


def add_query(request, **_):
    if query:
        request.url += ("&" if "?" in request.url else "?") + query


client.meta.events.register("before-sign.s3", add_query)


def get(key="photo.jpg", **arguments):
    answer = client.get_object(Bucket="access-point", Key=key, **arguments)
    return answer, answer["Body"].read()


def refused(ask, status, code, **arguments):
    try:
        ask(**arguments)
    except ClientError as error:
        found = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
        assert found == (status, code), found
    else:
        raise AssertionError(f"{arguments} was not refused")


def head(key="photo.jpg", **arguments):
    return client.head_object(Bucket="access-point", Key=key, **arguments)


original, original_bytes = get()
assert original_bytes[:2] == b"\xff\xd8" and original["ContentLength"] == len(original_bytes)

query = "w=300"
tag = head()["ETag"]
picture, picture_bytes = get()
assert picture["ResponseMetadata"]["HTTPStatusCode"] == 200
assert picture["ContentType"] == "image/jpeg" and picture["CacheControl"] == "public, max-age=2592000"
assert picture["ETag"] == tag != original["ETag"] and picture["Metadata"] == {"title": "A bridge"}
assert 1000 < picture["ContentLength"] == len(picture_bytes) < len(original_bytes)
# Once the picture has been made, its length and type are known.
known = head()
assert known["ContentLength"] == len(picture_bytes) and known["ContentType"] == "image/jpeg", known

part, part_bytes = get(Range="bytes=100-199")
assert part["ResponseMetadata"]["HTTPStatusCode"] == 206 and part_bytes == picture_bytes[100:200]
assert part["ContentRange"] == f"bytes 100-199/{len(picture_bytes)}"
part, part_bytes = get(PartNumber=1)
assert part["PartsCount"] == 1 and part_bytes == picture_bytes
refused(get, 416, "InvalidRange", Range="bytes=99999999-")

for ask in get, head:
    refused(ask, 304, "304", IfNoneMatch=tag)
    refused(ask, 304, "304", IfModifiedSince=picture["LastModified"])
assert get(IfMatch=tag)[1] == picture_bytes
refused(get, 412, "PreconditionFailed", IfMatch='"other"')
refused(head, 412, "412", IfMatch='"other"')
refused(get, 404, "NoSuchKey", key="missing.jpg")
refused(head, 404, "404", key="missing.jpg")

query = "w=abc"
refused(get, 400, "InvalidArgument")

query = ""
listing = client.list_objects_v2(Bucket="access-point")
assert [entry["Key"] for entry in listing["Contents"]] == ["photo.jpg"], listing
