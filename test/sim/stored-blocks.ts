// What a node has in its block store, read from the segments on its drive or the packs in its bucket alone, as docs/disk-format.md says: what a
// copy is worth is decided here, without asking the node.

import { bytesKey, fromHex, fromUtf8 } from '../../engine/base/bytes.ts'
import { claimKey } from '../../engine/blocks/pack-claim.ts'
import { packNumberOf } from '../../engine/blocks/packs.ts'
import {
  decodeMarker,
  decodeRecordHeader,
  decodeSegmentHeader,
  decodeTombstone,
  isAtOrBefore,
  isPayloadWhole,
  recordHeaderBytes,
  recordMagicFirstByte,
  recordOverheadBytes,
  recordTypes,
  segmentHeaderBytes,
  type Place,
} from '../../engine/blocks/record.ts'
import { blockIdOf } from '../../engine/crypto/seal.ts'
import type { SimBucket } from './bucket.ts'
import type { FileData } from './file-data.ts'
import type { SimNode } from './node.ts'

/** Blocks by `bytesKey` of their ids. A node of the simulator is in one folder. */
export type StoredBlocks = ReadonlySet<string>

interface Found {
  /** Where whole puts of each block stand. */
  readonly puts: ReadonlyMap<string, readonly Place[]>
  readonly tombstones: readonly { readonly block: string; readonly kills: Place }[]
  /** What was acknowledged when this was begun. */
  readonly previous: { readonly segment: number; readonly endBytes: number }
}

const noPrevious = { segment: 0, endBytes: 0 }

const noPlaces: readonly Place[] = []
const known = new WeakMap<FileData, { readonly mark: number; readonly found: Found }>()
/** Of packs, which never change. */
const knownPacks = new WeakMap<Uint8Array, Found>()
const segmentName = /^(\d{10})\.segment$/

export function storeDirectory(node: SimNode): string {
  return `${node.homePath}/segments`
}

/** The paths of its segments, in order. */
export function segmentPaths(node: SimNode): readonly string[] {
  const directory = storeDirectory(node)
  if (node.user.lstat(directory) === undefined) return []
  const names = node.user.list(directory).map(({ name }) => name)
  return names
    .filter((name) => segmentName.test(name))
    .toSorted()
    .map((name) => `${directory}/${name}`)
}

/** Blocks that are whole and that nobody removed. Every payload is compared with its id. */
export function storedBlocks(node: SimNode): StoredBlocks {
  return livingIn(node, false)
}

/** … and those of a write that was given up, which nobody was promised: they are void as soon as the next write says so. */
export function storedOrVoid(node: SimNode): StoredBlocks {
  return livingIn(node, true)
}

function livingIn(node: SimNode, withVoid: boolean): StoredBlocks {
  const puts = new Map<string, Place[]>()
  const tombstones: Found['tombstones'][number][] = []
  const { found: all, counts } = node.bucket === undefined ? inSegments(node) : inPacks(node.bucket)
  for (const found of all) {
    for (const [block, places] of found.puts) {
      puts.set(block, [...(puts.get(block) ?? noPlaces), ...places.filter((place) => withVoid || counts(place))])
    }
    tombstones.push(...found.tombstones)
  }
  for (const { block, kills } of tombstones) {
    const left = puts.get(block)?.filter((place) => !isAtOrBefore(place, kills))
    if (left !== undefined) puts.set(block, left)
  }
  return new Set([...puts].flatMap(([block, places]) => (places.length > 0 ? [block] : [])))
}

/** What is found where, and whether what stands at a place counts. */
interface FoundAll {
  readonly found: readonly Found[]
  readonly counts: (place: Place) => boolean
}

/** What is behind the end that was acknowledged is void. */
function inSegments(node: SimNode): FoundAll {
  const marker = decodeMarker(node.user.read(`${storeDirectory(node)}/store`) ?? new Uint8Array(0))
  if (marker === undefined) return { found: [], counts: () => false }
  const found = segmentPaths(node).map((path) => foundIn(node, path, marker.storeId))
  const ends = new Map<number, number>()
  for (const { previous } of found) if (previous.segment > 0) ends.set(previous.segment, previous.endBytes)
  return { found, counts: (place) => place.offset < (ends.get(place.segment) ?? Number.POSITIVE_INFINITY) }
}

/** A pack is void when the next one says that another one was acknowledged before it. */
function inPacks({ objects }: SimBucket): FoundAll {
  const storeId = storeIdIn(objects)
  if (storeId === undefined) return { found: [], counts: () => false }
  const packs = [...objects].flatMap(([key, bytes]) => {
    const number = packNumberOf(key)
    return number === undefined ? [] : [{ number, found: packIn(bytes, number, storeId) }]
  })
  const inOrder = packs.toSorted((left, right) => left.number - right.number)
  const dead = new Set(
    inOrder.flatMap(({ number }, at) => {
      const next = inOrder[at + 1]
      return next !== undefined && next.found.previous.segment < number ? [number] : []
    }),
  )
  const found = inOrder.map((pack) => (dead.has(pack.number) ? { ...pack.found, tombstones: [] } : pack.found))
  return { found, counts: ({ segment }) => !dead.has(segment) }
}

function storeIdIn(objects: ReadonlyMap<string, Uint8Array>): Uint8Array | undefined {
  const claim: unknown = JSON.parse(fromUtf8(objects.get(claimKey) ?? new Uint8Array(0)) || '{}')
  if (typeof claim !== 'object' || claim === null || !('store' in claim) || typeof claim.store !== 'string') return undefined
  return fromHex(claim.store)
}

function packIn(bytes: Uint8Array, number: number, storeId: Uint8Array): Found {
  const found = knownPacks.get(bytes) ?? readSegment(bytes, number, storeId)
  knownPacks.set(bytes, found)
  return found
}

function foundIn(node: SimNode, path: string, storeId: Uint8Array): Found {
  const data = node.user.dataAt(path)
  if (data === undefined) return { puts: new Map(), tombstones: [], previous: noPrevious }
  const remembered = known.get(data)
  if (remembered?.mark === data.mark()) return remembered.found
  const segment = Number(segmentName.exec(path.slice(path.lastIndexOf('/') + 1))?.[1])
  const found = readSegment(data.view(), segment, storeId)
  known.set(data, { mark: data.mark(), found })
  return found
}

function readSegment(bytes: Uint8Array, segment: number, storeId: Uint8Array): Found {
  const puts = new Map<string, Place[]>()
  const tombstones: Found['tombstones'][number][] = []
  const header = decodeSegmentHeader(bytes)
  for (let offset = segmentHeaderBytes; offset + recordOverheadBytes <= bytes.length;) {
    const place = { segment, offset }
    const record = decodeRecordHeader(bytes.subarray(offset), storeId, place)
    const end = record === undefined ? bytes.length + 1 : offset + recordOverheadBytes + record.lengthBytes
    if (record === undefined || end > bytes.length) {
      const next = bytes.indexOf(recordMagicFirstByte, offset + 1)
      offset = next < 0 ? bytes.length : next
      continue
    }
    const payloadAt = offset + recordHeaderBytes
    const block = bytesKey(record.id)
    if (isPayloadWhole(bytes.subarray(payloadAt, end))) {
      const payload = bytes.subarray(payloadAt, payloadAt + record.lengthBytes)
      if (record.type === recordTypes.put && bytesKey(blockIdOf(payload)) === block)
        puts.set(block, [...(puts.get(block) ?? noPlaces), place])
      const kills = record.type === recordTypes.tombstone ? decodeTombstone(payload) : undefined
      if (kills !== undefined) tombstones.push({ block, kills })
    }
    offset = end
  }
  return {
    puts,
    tombstones,
    previous: header === undefined ? noPrevious : { segment: header.previousSegment, endBytes: header.previousEndBytes },
  }
}
