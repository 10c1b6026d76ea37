"""A Kafka client that shares no code with ours, for the tests.

    kafka.py read SERVERS TOPIC     prints every record that the topic has, a line of JSON each
    kafka.py write SERVERS TOPIC    writes a record for each such line on standard input, in order

A record: {"partition": 0, "timestamp": 0, "key": HEX or null, "value": HEX or null, "headers": [[NAME, HEX], ...]}; what is written
goes where its key belongs, now.
"""

import asyncio
import json
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer


def hexadecimal(data):
    return None if data is None else data.hex()


def raw(text):
    return None if text is None else bytes.fromhex(text)


async def read(servers, topic):
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=servers, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                for record in records:
                    print(json.dumps({
                        "partition": record.partition,
                        "timestamp": record.timestamp,
                        "key": hexadecimal(record.key),
                        "value": hexadecimal(record.value),
                        "headers": [[name, hexadecimal(value)] for name, value in record.headers],
                    }))
    finally:
        await consumer.stop()


async def write(servers, topic):
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all")
    await producer.start()
    try:
        sent = []
        for line in sys.stdin:
            record = json.loads(line)
            headers = [(name, raw(value)) for name, value in record["headers"]]
            sent.append(await producer.send(topic, raw(record["value"]), raw(record["key"]), headers=headers))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


if __name__ == "__main__":
    command, servers, topic = sys.argv[1:]
    asyncio.run({"read": read, "write": write}[command](servers, topic))
