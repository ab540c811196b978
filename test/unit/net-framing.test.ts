// Frames survive any way in which a stream is cut into pieces, and a hostile length costs nothing.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'node:test'
import { concatBytes } from '../../engine/base/bytes.ts'
import { errorCodeOf } from '../../engine/base/errors.ts'
import { encodeFrameHeader, frameBytesLimit, frameChunks, FrameReader } from '../../engine/net/framing.ts'

function drain(reader: FrameReader): Uint8Array[] {
  const frames: Uint8Array[] = []
  for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(frame)
  return frames
}

function codeOf(read: () => unknown): string {
  try {
    read()
  } catch (error) {
    return errorCodeOf(error)
  }
  return 'none'
}

test('frames come out as they went in, however the stream is cut', () => {
  const parts = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 })
  fc.assert(
    fc.property(
      fc.array(parts, { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1 }),
      fc.integer({ min: 1, max: 64 }),
      (frames, cuts, chunkBytes) => {
        const sent = frames.map((frame) => concatBytes(frame))
        const stream = concatBytes(
          frames.flatMap((frame, index) => [...frameChunks(frame, sent[index]?.length ?? 0, chunkBytes)].map((chunk) => chunk.slice())),
        )
        const reader = new FrameReader(2_000)
        const received: Uint8Array[] = []
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const size = cuts[turn % cuts.length] ?? 1
          reader.push(stream.subarray(at, at + size))
          at += size
          received.push(...drain(reader))
        }
        assert.deepEqual(received, sent)
        assert.ok(reader.isEmpty)
        assert.equal(reader.heldBytes, 0)
      },
    ),
  )
})

test('a frame is cut into full chunks that are views of a large part', () => {
  const large = new Uint8Array(1_000).fill(7)
  const chunks = [...frameChunks([Uint8Array.of(1), large], 1_001, 100)]
  assert.deepEqual(
    chunks.map((chunk) => chunk.length),
    [...Array.from({ length: 10 }, () => 100), 3],
  )
  assert.ok(chunks.slice(1).every((chunk) => chunk.buffer === large.buffer))
  assert.deepEqual([...frameChunks([], 0, 100)], [Uint8Array.of(0)])
})

test('a frame over the limit is refused by its length alone', () => {
  for (const frameBytes of [1_001, 70_000, frameBytesLimit]) {
    const reader = new FrameReader(1_000)
    reader.push(encodeFrameHeader(frameBytes))
    assert.equal(
      codeOf(() => reader.next()),
      'FRAME_TOO_LARGE',
      String(frameBytes),
    )
  }
})

test('a length in too many bytes, or with an empty last byte, is refused', () => {
  const cases: readonly (readonly [readonly number[], string])[] = [
    [[0xff, 0xff, 0xff, 0xff], 'FRAME_TOO_LARGE'],
    [[0x80, 0x80, 0x80, 0x80, 0x01], 'FRAME_TOO_LARGE'],
    [[0x80, 0x00], 'PEER_MISBEHAVED'],
    [[0xff, 0x80, 0x00], 'PEER_MISBEHAVED'],
  ]
  for (const [bytes, code] of cases) {
    const reader = new FrameReader(frameBytesLimit)
    reader.push(Uint8Array.from(bytes))
    assert.equal(
      codeOf(() => reader.next()),
      code,
      bytes.join(' '),
    )
  }
})

test('a length that ends exactly at a limit of the encoding reads back', () => {
  for (const frameBytes of [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, frameBytesLimit]) {
    const header = encodeFrameHeader(frameBytes)
    const reader = new FrameReader(frameBytesLimit)
    for (const byte of header) reader.push(Uint8Array.of(byte))
    assert.equal(reader.next()?.length, frameBytes === 0 ? 0 : undefined)
    assert.equal(reader.isEmpty, frameBytes === 0)
  }
})

test('small frames do not keep the packet that they came in, large ones are not copied', () => {
  const packet = new Uint8Array(200_000)
  packet.set(encodeFrameHeader(100))
  packet.set(encodeFrameHeader(100_000), 101)
  const reader = new FrameReader(frameBytesLimit)
  reader.push(packet)
  assert.equal(reader.next()?.buffer.byteLength, 100)
  assert.equal(reader.next()?.buffer, packet.buffer)
})

test('bytes that arrive one by one count for more than one byte each', () => {
  const reader = new FrameReader(1_000)
  for (let index = 0; index < 100; index++) reader.push(Uint8Array.of(0))
  assert.ok(reader.heldBytes > 1_000)
})
