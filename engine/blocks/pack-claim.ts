// Whose place in a bucket this is. The object `store.json` says which store is there and which node it belongs to: without it an empty
// bucket is no store that lost everything, and two nodes never write to one store. The home keeps the id of its store beside the index.

import { equalBytes, fromHex, toHex } from '../base/bytes.ts'
import type { Random } from '../base/clock.ts'
import { EngineError } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import type { Objects } from '../base/objects.ts'
import { readMarkerFile, writeMarkerFile } from './marker-file.ts'
import { storeIdBytes } from './record.ts'
import { isFaultOf } from './retrying-objects.ts'

export const claimKey = 'store.json'
const claimFormat = 1
const claimBytesMax = 4096
const localName = 'bucket'

export interface Claim {
  readonly storeId: Uint8Array
  /** The peer id of the node that may write. */
  readonly owner: string
  /** What people call that node. */
  readonly node: string
}

export interface ClaimParts {
  readonly objects: Objects
  readonly files: Files
  /** In the home; there. */
  readonly directory: string
  readonly random: Random
  readonly owner: string
  readonly node: string
  /** Take a store over from the node that it belongs to. */
  readonly takeOver: boolean
}

/**
 * The id of the store, made when neither the bucket nor this home knows of one. Throws `STORE_OFFLINE` when the home knows of a store that
 * is not there, `STORE_IN_USE`, `STORE_CORRUPT`, `VERSION_UNSUPPORTED`, ObjectsError, FilesError.
 */
export async function claimStore(parts: ClaimParts, signal: AbortSignal): Promise<Uint8Array> {
  const { objects, files, directory, random, owner, node, takeOver } = parts
  const known = readLocal(files, directory)
  const claim = await readClaim(objects, signal)
  if (claim === undefined) {
    if (known !== undefined) throw absentError(objects.place)
    const storeId = random.bytes(storeIdBytes)
    await writeClaim(objects, { storeId, owner, node }, true, signal)
    await writeMarkerFile(files, directory, localName, storeId)
    return storeId
  }
  if (known !== undefined && !equalBytes(known, claim.storeId)) {
    throw new EngineError(
      'STORE_OFFLINE',
      `opening the block store ${objects.place}: the store there is another one than this home has its blocks in; give the place that was given before`,
    )
  }
  if (claim.owner !== owner) {
    if (!takeOver) throw inUseError(objects.place, claim)
    await writeClaim(objects, { storeId: claim.storeId, owner, node }, false, signal)
  }
  if (known === undefined) await writeMarkerFile(files, directory, localName, claim.storeId)
  return claim.storeId
}

/** Throws unless the store is still there and still this node's: what `claimStore` throws. */
export async function checkClaim(objects: Objects, storeId: Uint8Array, owner: string, signal: AbortSignal): Promise<void> {
  const claim = await readClaim(objects, signal)
  if (claim === undefined || !equalBytes(claim.storeId, storeId)) throw absentError(objects.place)
  if (claim.owner !== owner) throw inUseError(objects.place, claim)
}

/**
 * Written only where there is none, and read again: a server that does not know how to write only then has taken the last of two who came
 * at the same moment.
 */
async function writeClaim(objects: Objects, claim: Claim, isNew: boolean, signal: AbortSignal): Promise<void> {
  try {
    await objects.put(claimKey, encodeClaim(claim), isNew, signal)
  } catch (error) {
    if (!isFaultOf(error, 'exists')) throw error
  }
  const now = await readClaim(objects, signal)
  if (now === undefined) throw absentError(objects.place)
  if (now.owner !== claim.owner || !equalBytes(now.storeId, claim.storeId)) throw inUseError(objects.place, now)
}

async function readClaim(objects: Objects, signal: AbortSignal): Promise<Claim | undefined> {
  const bytes = await objects.get(claimKey, undefined, claimBytesMax, signal)
  return bytes === undefined ? undefined : decodeClaim(bytes, objects.place)
}

function encodeClaim({ storeId, owner, node }: Claim): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify({ holdfast: claimFormat, store: toHex(storeId), owner, node })}\n`)
}

function decodeClaim(bytes: Uint8Array, place: string): Claim {
  const text = new TextDecoder().decode(bytes)
  const fields = parseObject(text)
  const { holdfast, store, owner, node } = fields
  if (typeof holdfast === 'number' && holdfast !== claimFormat) {
    throw new EngineError(
      'VERSION_UNSUPPORTED',
      `opening the block store: ${claimKey} in ${place} has format ${holdfast}, this program knows ${claimFormat}; use a newer Holdfast`,
    )
  }
  const storeId = typeof store === 'string' ? fromHex(store) : undefined
  if (holdfast === undefined || storeId?.length !== storeIdBytes || typeof owner !== 'string' || typeof node !== 'string') {
    throw new EngineError(
      'STORE_CORRUPT',
      `opening the block store: ${claimKey} in ${place} is none of Holdfast's; give a prefix of its own, or bring the object back`,
    )
  }
  return { storeId, owner, node }
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return {}
  }
}

function readLocal(files: Files, directory: string): Uint8Array | undefined {
  return readMarkerFile(files, `${directory}/${localName}`, 'remove it when the --store given is the one that this home had before')
}

function absentError(place: string): EngineError {
  return new EngineError(
    'STORE_OFFLINE',
    `opening the block store ${place}: there is no store, though this home had one there; if it was moved, or the bucket replaced, bring it back. Nothing is taken for lost`,
  )
}

function inUseError(place: string, { node }: Claim): EngineError {
  return new EngineError(
    'STORE_IN_USE',
    `opening the block store ${place}: it belongs to the node "${node}", and two nodes cannot share one; give a prefix of its own. If that node's home is gone for good, start once with --take-over`,
  )
}
