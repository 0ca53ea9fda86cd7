"""An S3 server for tests: moto's, with a bucket and a user, whose signature every request needs.

Arguments: the port on 127.0.0.1, and the file that the user's key is written to when all is there.
"""

import json
import os
import sys
import threading

import boto3
from botocore.config import Config
from moto import settings
from moto.server import ThreadedMotoServer

BUCKET = "files"

port, description = int(sys.argv[1]), sys.argv[2]
endpoint = f"http://127.0.0.1:{port}"
server = ThreadedMotoServer(ip_address="127.0.0.1", port=port)
server.start()


def client(service):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="anybody",
        aws_secret_access_key="anybody",
        config=Config(proxies={}),
    )


client("s3").create_bucket(Bucket=BUCKET)
iam = client("iam")
iam.create_user(UserName="bridgecore")
# What the service needs, and nothing else.
policy = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
            "Resource": f"arn:aws:s3:::{BUCKET}/*",
        }
    ],
}
iam.put_user_policy(UserName="bridgecore", PolicyName="files", PolicyDocument=json.dumps(policy))
key = iam.create_access_key(UserName="bridgecore")["AccessKey"]
# From here on nobody does anything without a key and a signature that is right.
settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
with open(description + ".new", "w") as file:
    json.dump(
        {
            "endpoint": endpoint,
            "bucket": BUCKET,
            "access_key_id": key["AccessKeyId"],
            "secret_access_key": key["SecretAccessKey"],
        },
        file,
    )
os.rename(description + ".new", description)
threading.Event().wait()
