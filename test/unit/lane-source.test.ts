// What the side that asks for a lane accepts of a member's answer.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { PeerId } from '../../engine/model/ids.ts'
import { nodeClock } from '../../engine/platform/node-clock.ts'
import { LaneSource } from '../../engine/transfer/lane-source.ts'

for (const [port, isTaken] of [
  [0, true], // it has no lane to give
  [22, false],
  [1023, false],
  [1024, true],
  [65_535, true],
  [65_536, false],
] as const) {
  test(`a member that offers a lane on port ${port} is ${isTaken ? 'heard' : 'refused, and nobody connects there'}`, async () => {
    const ending = new AbortController()
    const ports: number[] = []
    const source = new LaneSource({
      lanes: {
        prepare: () => undefined,
        end: () => undefined,
        take: async (_hosts, terms) => {
          ports.push(terms.port)
          return await Promise.resolve('lane')
        },
      },
      sealKey: new Uint8Array(32),
      network: { peerAddresses: () => ['/ip4/192.0.2.1/tcp/4001'] },
      peer: 'a member' as PeerId, // cast: only a name here
      clock: nodeClock(),
    })
    let answer = false
    const terms = { port, token: new Uint8Array(16), secret: new Uint8Array(32) }
    const using = source.use(() => queueMicrotask(() => (answer = source.answered(terms, ending.signal))), ending.signal)
    await Promise.resolve()
    if (!isTaken) ending.abort() // it would wait a little for another answer
    assert.equal(await using, port !== 0 && isTaken ? 'lane' : undefined)
    assert.deepEqual([answer, ports], [isTaken, port !== 0 && isTaken ? [port] : []])
  })
}
