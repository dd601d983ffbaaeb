"""Writes the inputs that the fuzzers' corpora grew from, the same every time.

    make_seeds.py DIRECTORY     makes DIRECTORY/<fuzzer>/seed-<n> for every fuzzer

A corpus is the least of these and of what a fuzzer has found since that covers as much:
    log_fuzz -max_total_time=600 found/ seeds/log_fuzz tests/fuzz/corpus/log_fuzz
    log_fuzz -set_cover_merge=1 new/ found/ seeds/log_fuzz tests/fuzz/corpus/log_fuzz
With -use_counters=0 it covers as many edges, and takes fewer files: so are those of crash_fuzz,
index_fuzz and repair_fuzz made.
"""

import os
import random
import struct
import sys

CSV = [
    "id,x,y\n1,2,3\n4,5,6\n",
    '"a ""quoted"" name",x\r\n"line\nbreak",2\r\n',
    "x\n\n\n1\n",
    "a,b\n1\n1,2,3\n",
    '"never closed\n1,2\n',
    "\ufeffx,y\n1e308,-inf\n",
    "",
]


def operation(kind, index, name, payload):
    """As src/index/operation.h has it: the header, the name, the rest."""
    body = name + payload
    return struct.pack("<BBHI", kind, len(name), len(body), index) + body


def operations():
    box = struct.pack("<4d", 0, 0, 1, 1)
    value = struct.pack("<Q", 42)
    return [
        operation(1, 1, b"", box + value),
        operation(2, 1, b"", box + value) + operation(3, 1, b"", box + box + value),
        operation(4, 1, b"", b""),
        operation(5, 0, b"offset", b"1234") + operation(6, 0, b"offset", b""),
        operation(7, 0, b"roads", struct.pack("<HBBHH", 2, 8, 0, 8, 0)) + operation(8, 1, b"", b""),
    ]


def images():
    """A plain image of zeros, and the same one packed: as design/file_format.md has it."""
    def image(packing, stored):
        line = struct.pack("<QQQII", 1 << 16, 1, 0, 0, 256 | packing) + bytes(32)
        return (line + stored).ljust(-(-len(line + stored) // 64) * 64, b"\0")

    def packed(stored):
        return struct.pack("<II", len(stored), 0) + stored

    lz4 = bytes([0x1F, 0, 1, 0, 167, 0x50, 0, 0, 0, 0, 0])
    zstd = struct.pack("<IBB", 0xFD2FB528, 0x20, 192) + bytes([0x03, 0x06, 0, 0])
    return [image(0, bytes(192)), image(1, packed(lz4)), image(2, packed(zstd))]


def calls(rng, count):
    """Bytes of which the first of each call says what it is; few kinds, so that runs are long."""
    return bytes(rng.randrange(256) for _ in range(count))


def repairs():
    """Harm to each of the first files: it goes, it is cut off, a byte changes, a checksum is mended
    after that. As tests/fuzz/repair_fuzz.cc reads it."""
    harm = []
    for file in range(16):
        change = bytes([file, 3, 0]) + struct.pack("<HB", 40, 1)
        harm += [
            bytes([file, 0]),
            bytes([file, 1]) + struct.pack("<I", 5000),
            change,
            change + bytes([file, 2]),
        ]
    return [b""] + harm


def seeds():
    rng = random.Random(1)
    random_inputs = [calls(rng, size) for size in (1, 3, 8, 20, 60, 200)]
    return {
        "csv_fuzz": [text.encode() for text in CSV],
        "operations_fuzz": operations(),
        "log_fuzz": random_inputs,
        "superblock_fuzz": random_inputs,
        "manifest_fuzz": random_inputs,
        "table_fuzz": [bytes([flags]) + data for flags in (0, 1, 3) for data in random_inputs],
        "node_fuzz": random_inputs,
        "packed_image_fuzz": images(),
        "repair_fuzz": repairs(),
        "index_fuzz": random_inputs + [bytes([3, 0, 0, 0, 0] * 40)],
        "crash_fuzz": random_inputs + [bytes([11, 19, 2, 1, 2, 3, 0, 27, 7, 40, 0, 5, 9, 15, 3])],
    }


def main():
    for fuzzer, inputs in seeds().items():
        directory = os.path.join(sys.argv[1], fuzzer)
        os.makedirs(directory, exist_ok=True)
        for number, content in enumerate(inputs):
            with open(os.path.join(directory, f"seed-{number}"), "wb") as file:
                file.write(content)


if __name__ == "__main__":
    main()
