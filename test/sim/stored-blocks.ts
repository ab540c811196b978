// What a node's drive has in its block store, read from the segments alone as docs/disk-format.md says: what a copy is worth is decided here,
// without asking the node.

import { bytesKey } from '../../engine/base/bytes.ts'
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
import type { FileData } from './file-data.ts'
import type { SimNode } from './node.ts'

/** Blocks by `bytesKey` of their ids. A node of the simulator is in one folder. */
export type StoredBlocks = ReadonlySet<string>

interface Found {
  /** Where whole puts of each block stand. */
  readonly puts: ReadonlyMap<string, readonly Place[]>
  readonly tombstones: readonly { readonly block: string; readonly kills: Place }[]
  readonly previous: { readonly segment: number; readonly endBytes: number } | undefined
}

const noPlaces: readonly Place[] = []
const known = new WeakMap<FileData, { readonly mark: number; readonly found: Found }>()
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
  const marker = decodeMarker(node.user.read(`${storeDirectory(node)}/store`) ?? new Uint8Array(0))
  if (marker === undefined) return new Set()
  const puts = new Map<string, Place[]>()
  const tombstones: Found['tombstones'][number][] = []
  const ends = new Map<number, number>()
  const all = segmentPaths(node).map((path) => foundIn(node, path, marker.storeId))
  for (const { previous } of all) if (previous !== undefined) ends.set(previous.segment, previous.endBytes)
  // What is behind the end that was acknowledged is void.
  const counts = (place: Place): boolean => place.offset < (ends.get(place.segment) ?? Number.POSITIVE_INFINITY)
  for (const found of all) {
    for (const [block, places] of found.puts) puts.set(block, [...(puts.get(block) ?? noPlaces), ...places.filter(counts)])
    tombstones.push(...found.tombstones)
  }
  for (const { block, kills } of tombstones) {
    const left = puts.get(block)?.filter((place) => !isAtOrBefore(place, kills))
    if (left !== undefined) puts.set(block, left)
  }
  return new Set([...puts].flatMap(([block, places]) => (places.length > 0 ? [block] : [])))
}

function foundIn(node: SimNode, path: string, storeId: Uint8Array): Found {
  const data = node.user.dataAt(path)
  if (data === undefined) return { puts: new Map(), tombstones: [], previous: undefined }
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
  const previous = header === undefined || header.previousSegment === 0 ? undefined : header
  return {
    puts,
    tombstones,
    previous: previous === undefined ? undefined : { segment: previous.previousSegment, endBytes: previous.previousEndBytes },
  }
}
