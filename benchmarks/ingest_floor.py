"""What ingest cannot be faster than here: paho and SQLite with the cloud's work left out, for benchmarks.ingest.

A process that takes the same messages over paho, hands them to its main thread, decodes them, writes the very rows that
the cloud wrote for them into the same tables, batch by batch and durably, and acknowledges then. The rows are made
beforehand and given to sqlite3 as they are: nothing is understood, decided, worded or fingerprinted, no id is made, and
nothing is looked up.
"""

import argparse
import queue
import time
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from cloud_stub.contract.messages import Interaction, decode
from cloud_stub.serve import BATCH
from cloud_stub.stores import sqlite
from cloud_stub.stores.repository import Stores
from cloud_stub.stores.tables import RECORDS, STORES, directive, seen

Rows = list[tuple[str, list[tuple[object, ...]]]]
"""Statements, and the rows of each in the order in which the interactions came."""


def main() -> None:
    """Take so many messages, and print when the last one was committed, and the processor time until then."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("interactions", type=int)
    parser.add_argument("stored", type=Path, help="a data folder in which the cloud has stored them")
    parser.add_argument("empty", type=Path, help="a folder for the same rows")
    options = parser.parse_args()
    Stores(options.empty).close()
    rows = written(files(options.stored))
    write(options.port, options.interactions, rows, files(options.empty))


def files(data: Path) -> sqlite.Files:
    """The stores of a data folder, as the cloud opens them."""
    return sqlite.Files({store: data / "cloud" / f"{store}.db" for store in STORES})


def written(stores: sqlite.Files) -> Rows:
    """What the cloud wrote of interactions."""
    found = []
    for table in (*RECORDS.values(), seen, directive):
        name = f'"{"main" if table.schema == STORES[0] else table.schema}"."{table.name}"'
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        places = ", ".join("?" for _ in table.columns)
        rows = stores.connection.execute(f"SELECT {columns} FROM {name} ORDER BY interaction").fetchall()  # noqa: S608
        if rows:
            found.append((f"INSERT INTO {name} ({columns}) VALUES ({places}) ON CONFLICT DO NOTHING", rows))  # noqa: S608
    stores.close()
    return found


def write(port: int, number: int, rows: Rows, stores: sqlite.Files) -> None:
    """Subscribe, say so on standard output, and write of the rows as large a part as the messages are of all."""
    arrived: queue.SimpleQueue[mqtt.MQTTMessage] = queue.SimpleQueue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="floor", protocol=mqtt.MQTTv311, manual_ack=True)
    client.on_connect = lambda *_: client.subscribe("echo/v1/+/event/#", qos=1)
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.on_message = lambda _client, _userdata, message: arrived.put(message)
    client.connect("127.0.0.1", port)
    client.loop_start()
    done = 0
    while done < number:
        batch = [arrived.get()]
        while len(batch) < BATCH and arrived.qsize():
            batch.append(arrived.get_nowait())
        for message in batch:
            decode(Interaction, message.payload)
        with stores.writing() as connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement, some in rows:
                first, last = (len(some) * place // number for place in (done, done + len(batch)))
                connection.executemany(statement, some[first:last])
            connection.execute("COMMIT")
        for message in batch:
            client.ack(message.mid, message.qos)
        done += len(batch)
    print(time.monotonic(), time.process_time(), flush=True)
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main()
