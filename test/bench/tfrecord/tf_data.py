"""tf.data over one TFRecord file, at its best: whole batches parsed at once, AUTOTUNE, prefetch.

Byte features stay strings, which spares it the decode_raw that a dense batch needs. Writes JSON to file descriptor 3.
"""
import json
import os
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
import tensorflow as tf

work = json.loads(sys.argv[1])
if work is None:
    os.write(3, json.dumps({"version": tf.__version__}).encode())
    sys.exit(0)

x = tf.io.FixedLenFeature([work["length"]], tf.float32) if work["dtype"] == "float32" else tf.io.FixedLenFeature([], tf.string)
spec = {work["feature"]: x, "label": tf.io.FixedLenFeature([], tf.int64)}
dataset = (
    tf.data.TFRecordDataset(work["path"])
    .batch(128)
    .map(lambda records: tf.io.parse_example(records, spec), num_parallel_calls=tf.data.AUTOTUNE)
    .prefetch(tf.data.AUTOTUNE)
)
times = []
for _ in range(4):
    start = time.perf_counter()
    rows = 0
    for batch in dataset:
        rows += int(batch["label"].shape[0])
    times.append(time.perf_counter() - start)
    assert rows == work["count"], rows
times = sorted(times[1:])
os.write(3, json.dumps({"rate": work["bytes"] / times[len(times) // 2]}).encode())
