"""Python clients for S3: one JSON argument, the result as JSON on file descriptor 3. `null` prints the versions that are there."""
import json
import os
import resource
import sys
import threading
import time


def versions():
    from importlib.metadata import PackageNotFoundError, version
    found = {}
    for name in ('boto3', 's3torchconnector', 's3dlio'):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            pass
    return found


def measure(work, fetch):
    assert len(fetch()) == work['size']
    stop = threading.Event()
    counts = [0] * work['concurrency']

    def run(k):
        while not stop.is_set():
            assert len(fetch()) == work['size']
            counts[k] += 1

    threads = [threading.Thread(target=run, args=(k,)) for k in range(work['concurrency'])]
    for thread in threads:
        thread.start()
    time.sleep(work['seconds'] * 0.3)
    before, start = sum(counts), time.perf_counter()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    time.sleep(work['seconds'])
    elapsed, done = time.perf_counter() - start, sum(counts) - before
    after = resource.getrusage(resource.RUSAGE_SELF)
    stop.set()
    for thread in threads:
        thread.join()
    cpu = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
    return {'rate': done / elapsed, 'cpu': cpu / max(done, 1) * 1e6, 'rss': after.ru_maxrss * 1024}


def boto3(work):
    import boto3
    from botocore.config import Config
    client = boto3.client('s3', endpoint_url=work['endpoint'], region_name='us-east-1', aws_access_key_id='key', aws_secret_access_key='secret',
                          config=Config(s3={'addressing_style': 'path'}, max_pool_connections=work['concurrency']))
    return measure(work, lambda: client.get_object(Bucket='bucket', Key=work['name'])['Body'].read())


def s3torchconnector(work):
    from s3torchconnector._s3client import S3Client
    from s3torchconnector import S3ClientConfig
    client = S3Client('us-east-1', endpoint=work['endpoint'], s3client_config=S3ClientConfig(force_path_style=True, unsigned=True))
    return measure(work, lambda: client.get_object('bucket', work['name']).read())


def s3dlio(work):
    os.environ.update(AWS_ENDPOINT_URL=work['endpoint'], AWS_REGION='us-east-1', AWS_ACCESS_KEY_ID='key', AWS_SECRET_ACCESS_KEY='secret')
    import s3dlio
    return measure(work, lambda: s3dlio.get(f"s3://bucket/{work['name']}"))


work = json.loads(sys.argv[1])
result = versions() if work is None else globals()[work['client']](work)
with os.fdopen(3, 'w') as out:
    json.dump(result, out)
os._exit(0)
