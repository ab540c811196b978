// Whom to ask for which block, and when to ask somebody else too. Pure.

import type { BlockRef } from '../model/entry.ts'
import type { PeerId } from '../model/ids.ts'
import { requestIdsMax } from './blocks-frames.ts'

/** A member as a source. */
export interface Candidate {
  readonly peer: PeerId
  /** Asked for and not there yet. */
  readonly bytesUnderWay: number
  /** undefined where nothing is known of it. */
  readonly bytesPerSecond: number | undefined
}

export interface Request {
  readonly peer: PeerId
  /** Places of the blocks in the list that was given. */
  readonly places: readonly number[]
  readonly bytes: number
}

/** Of whom nothing is known: fast enough to be tried, slow enough not to be given everything. */
const unknownBytesPerSecond = 4 * 1024 * 1024
/** One request asks for what takes about this long: several are under way anyhow, and what turns out slow holds up little. */
const requestMs = 4000
const requestBytesMin = 64 * 1024
const requestBytesUnknown = 512 * 1024
const requestBytesMax = 2 * 1024 * 1024
/** Sooner nobody is taken for slow: a member may have to seal what it reads, on a busy machine. */
const patienceMsMin = 3000
/** So many times as long as expected. */
const patienceFactor = 4

export function expectedMs({ bytesUnderWay, bytesPerSecond }: Candidate, bytes: number): number {
  return ((bytesUnderWay + bytes) / (bytesPerSecond ?? unknownBytesPerSecond)) * 1000
}

/** How long a request of so many bytes may take before somebody else is asked too. */
export function patienceMs(candidate: Candidate, bytes: number): number {
  return Math.max(patienceMsMin, patienceFactor * expectedMs(candidate, bytes))
}

/** Deals blocks out, each to the member that is expected to have it here soonest. Blocks without candidates are left out. */
export function deal(
  blocks: readonly { readonly place: number; readonly block: BlockRef; readonly candidates: readonly PeerId[] }[],
  known: ReadonlyMap<PeerId, Candidate>,
): readonly Request[] {
  const loads = new Map([...known].map(([peer, candidate]) => [peer, { ...candidate }]))
  const requests: { readonly peer: PeerId; readonly places: number[]; bytes: number }[] = []
  const open = new Map<PeerId, (typeof requests)[number]>()
  for (const { place, block, candidates } of blocks) {
    const load = soonest(candidates, loads, block.storedBytes)
    if (load === undefined) continue
    load.bytesUnderWay += block.storedBytes
    const request = open.get(load.peer)
    if (request !== undefined && request.bytes < requestBytes(load) && request.places.length < requestIdsMax) {
      request.places.push(place)
      request.bytes += block.storedBytes
      continue
    }
    const next = { peer: load.peer, places: [place], bytes: block.storedBytes }
    open.set(load.peer, next)
    requests.push(next)
  }
  return requests
}

function soonest<Load extends Candidate>(peers: readonly PeerId[], loads: ReadonlyMap<PeerId, Load>, bytes: number): Load | undefined {
  let best: { readonly load: Load; readonly ms: number } | undefined
  for (const peer of peers) {
    const load = loads.get(peer)
    if (load === undefined) continue
    const ms = expectedMs(load, bytes)
    if (best === undefined || ms < best.ms) best = { load, ms }
  }
  return best?.load
}

function requestBytes({ bytesPerSecond }: Candidate): number {
  if (bytesPerSecond === undefined) return requestBytesUnknown
  return Math.min(requestBytesMax, Math.max(requestBytesMin, (bytesPerSecond * requestMs) / 1000))
}
