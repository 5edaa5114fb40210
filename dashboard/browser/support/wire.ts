/** Tells of what a page asks by WebRTC, which no browser shows as requests: runs in the page before its own scripts. */

/** What a page calls with +1 for each command and each connection begun, and -1 for each ended. */
export const TELL = 'tellOfWire';

/** Complete in itself, as only its text gets into the page. */
export function watchWire(): void {
  const tell = (globalThis as unknown as { tellOfWire: (what: 'command' | 'way', by: number) => void })
    .tellOfWire;

  const Connection = RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Connection {
    #connecting = true;
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      tell('way', 1);
      this.addEventListener('connectionstatechange', () => {
        if (!['new', 'connecting'].includes(this.connectionState)) this.#end();
      });
    }
    override close(): void {
      super.close();
      this.#end();
    }
    #end(): void {
      if (this.#connecting) tell('way', -1);
      this.#connecting = false;
    }
  };

  /** Commands without an answer, by channel and number of the stream. */
  const open = new Map<RTCDataChannel, Set<number>>();
  // A message begins with its stream (field 1), whose number is a varint in field 1; then headers (2), message (3) or trailers (4).
  const read = (bytes: Uint8Array) => {
    const length = bytes[1] ?? 0;
    let number = 0;
    for (let at = 3; at < 2 + length; at++) number += ((bytes[at] ?? 0) & 0x7f) * 2 ** (7 * (at - 3));
    return { number, field: (bytes[2 + length] ?? 0) >> 3 };
  };
  const end = (channel: RTCDataChannel, number: number) => {
    if (open.get(channel)?.delete(number) === true) tell('command', -1);
  };
  const send = Reflect.get(RTCDataChannel.prototype, 'send') as (data: unknown) => void;
  const watched = function (this: RTCDataChannel, data: ArrayBufferView<ArrayBuffer>) {
    send.call(this, data);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    if (!new TextDecoder().decode(bytes).includes('GenericService/DoCommand')) return;
    const streams = open.get(this) ?? new Set();
    if (!open.has(this)) {
      open.set(this, streams);
      this.addEventListener('message', (event: MessageEvent<ArrayBuffer>) => {
        const { number, field } = read(new Uint8Array(event.data));
        if (field === 4) end(this, number);
      });
      this.addEventListener('close', () => {
        for (const number of streams) end(this, number);
      });
    }
    streams.add(read(bytes).number);
    tell('command', 1);
  };
  Reflect.set(RTCDataChannel.prototype, 'send', watched);
}
