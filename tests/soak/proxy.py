"""proxy - a network between two programs that can be cut.

    proxy = Proxy("127.1.2.3:10010")
    proxy.address            where to connect instead
    proxy.cut()              nothing passes any more, nobody is told
    proxy.heal(reset=True)   whoever was connected gets a reset
"""

import asyncio
import contextlib
import socket
import struct
import threading

CHUNK = 65536
RESET = struct.pack("ii", 1, 0)  # SO_LINGER


class Proxy:
    def __init__(self, target, host):
        self._target = target.rsplit(":", 1)
        self._passes = None  # an asyncio.Event, while there is a loop
        self._writers = set()
        self._listener = socket.create_server((host, 0), backlog=256)
        self.address = "{}:{}".format(*self._listener.getsockname())
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait()

    def _run(self):
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self):
        self._passes = asyncio.Event()
        self._passes.set()
        self._ended = asyncio.Event()
        server = await asyncio.start_server(self._connected, sock=self._listener)
        self._ready.set()
        await self._ended.wait()
        server.close()
        self._reset()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _connected(self, reader, writer):
        await self._passes.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._writers |= both
        ways = [
            asyncio.ensure_future(self._pass(*way))
            for way in ((reader, far_writer), (far_reader, writer))
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for end in both:
            end.close()
        self._writers -= both

    async def _pass(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._passes.wait()
                writer.write(data)
                await writer.drain()

    def _reset(self):
        for writer in list(self._writers):
            sock = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()

    def _do(self, action):
        self._loop.call_soon_threadsafe(action)

    def cut(self):
        self._do(self._passes.clear)

    def heal(self, reset):
        if reset:
            self._do(self._reset)
        self._do(self._passes.set)

    def close(self):
        self._do(self._ended.set)
        self._thread.join(10)
