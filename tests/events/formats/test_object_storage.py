"""Logs in S3, read from a server on this machine that speaks its protocol."""

import gzip
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from ruleforge.errors import OutsideError
from ruleforge.events.formats import read_batches, read_requests

LINE = b'198.51.100.7 - - [10/Oct/2099:13:55:36 +0000] "GET /shop?id=1 HTTP/1.1" 200 12 "-" "agent/1.0"\n'


@pytest.fixture
def bucket(monkeypatch):
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="logs")
    yield client
    server.stop()


@pytest.mark.filterwarnings("default")  # of the client's own libraries
def test_logs_are_read_from_a_bucket_as_from_a_file(bucket):
    bucket.put_object(Bucket="logs", Key="2099/access.log", Body=LINE * 1000)
    bucket.put_object(Bucket="logs", Key="2099/access.log.gz", Body=gzip.compress(LINE * 1000))
    for key in ("2099/access.log", "2099/access.log.gz"):
        path = Path(f"s3://logs/{key}")
        assert sum(batch.num_rows for batch in read_batches(path)) == 1000
        assert next(read_requests(path)).id == f"{path.name}:1"
    with pytest.raises(OutsideError, match="RF501"):
        list(read_requests(Path("s3://logs/missing")))
