"""A stock aiocometd client holds a chat: python3 cometd.py TRANSPORT URL chat|cut

With `cut` its way to the server is cut for a moment, and something is said meanwhile.
"""

import asyncio
import sys
from urllib.parse import urlsplit

from aiocometd_ng import Client, ConnectionType
from aiohttp import ClientSession

CHANNEL = "/service/chatV2/customer-support"
PATIENCE = 60
TRANSPORT, URL, MODE = sys.argv[1:]


class Way:
    """Carries bytes to the server and back, until it is cut."""

    def __init__(self):
        self.passable = True
        self.writers = set()

    async def open(self):
        listening = await asyncio.start_server(self.carry, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        # aiohttp keeps no cookies of bare addresses.
        return f"http://localhost:{port}{urlsplit(URL).path}"

    def cut(self):
        self.passable = False
        for writer in self.writers:
            writer.transport.abort()

    async def carry(self, reader, writer):
        if not self.passable:
            writer.transport.abort()
            return
        server = urlsplit(URL)
        far_reader, far_writer = await asyncio.open_connection(server.hostname, server.port)
        both = {writer, far_writer}
        self.writers |= both
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
        self.writers -= both


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


async def tell(key, message):
    """Says something in the same chat from elsewhere, straight to the server."""
    async with ClientSession() as http:
        async def post(messages):
            async with http.post(URL, json=messages, headers=headers) as reply:
                return reply.cookies, await reply.json()

        headers = {}
        cookies, hello = await post([{"channel": "/meta/handshake", "version": "1.0"}])
        headers["cookie"] = f"BAYEUX_BROWSER={cookies['BAYEUX_BROWSER'].value}"
        data = {"operation": "sendMessage", "secureKey": key, "message": message}
        said = {"id": "1", "channel": CHANNEL, "clientId": hello[0]["clientId"], "data": data}
        _, replies = await post([said])
        assert any(reply.get("id") == "1" and reply["successful"] for reply in replies), replies


async def chat(way, url):
    # The client waits for a lost connection by a parameter that asyncio has no more: it is told not to wait.
    async with Client(url, ConnectionType(TRANSPORT), connection_timeout=0) as client:
        assert client.connection_type == ConnectionType(TRANSPORT)
        await client.subscribe(CHANNEL)
        await client.publish(CHANNEL, {"operation": "requestChat", "nickname": "Ana"})
        key, seen = None, []
        async for message in client:
            assert message["channel"] == CHANNEL, message
            data = message["data"]
            assert data["statusCode"] == 0, data
            first = key is None
            key = data["secureKey"]
            # After a broken connection an event may come twice, by the same index.
            new = [event for event in data.get("messages", []) if event["index"] > len(seen)]
            seen += new
            assert [event["index"] for event in seen] == list(range(1, len(seen) + 1)), seen
            if first:
                await begin(client, way, key)
            if any(event.get("text") == "the last" for event in new):
                await client.publish(CHANNEL, {"operation": "disconnect", "secureKey": key})
            if data["chatEnded"]:
                break
    assert client.closed
    return [event["text"] for event in seen if event["type"] == "Message"]


async def begin(client, way, key):
    if MODE == "cut":
        way.cut()
        await tell(key, "while you were away")
        way.passable = True
        await tell(key, "the last")
        return
    for message in ["one", "the last"]:
        data = {"operation": "sendMessage", "secureKey": key, "message": message}
        reply = await client.publish(CHANNEL, data)
        assert reply["successful"], reply


async def main():
    way = Way()
    url = await way.open()
    texts = await asyncio.wait_for(chat(way, url), PATIENCE)
    assert texts == ["while you were away" if MODE == "cut" else "one", "the last"], texts
    print("done")


asyncio.run(main())
