// Who really has a block, from the drives alone: in a block store, or in a file whose range seals to the block's id. And what was taken from a
// store by an accident, which nobody can know before it has looked.

import { bytesKey } from '../../engine/base/bytes.ts'
import { blockOverheadBytes, resealBlockInto } from '../../engine/crypto/seal.ts'
import type { FileData } from './file-data.ts'
import type { KnownBlock, KnownFile } from './knowledge.ts'
import type { SimNode } from './node.ts'
import { storedBlocks, type StoredBlocks } from './stored-blocks.ts'

/** How a block was lost: with the whole store, which the node sees when it starts, or by bytes that changed, which nobody sees who does not read them. */
export type LossKind = 'store' | 'bits'

export interface Loss {
  readonly kind: LossKind
  readonly atUs: number
  /** Of the last receipt that the node had signed. */
  readonly edition: number
}

const ranges = new WeakMap<FileData, { readonly mark: number; readonly known: Map<string, boolean> }>()

/** Whether the file holds the block where the entry says. */
function isInFile(data: FileData, { block, key, offset, lengthBytes }: KnownBlock): boolean {
  if (data.sizeBytes < offset + lengthBytes || key.length === 0) return false
  const mark = data.mark()
  let remembered = ranges.get(data)
  if (remembered?.mark !== mark) ranges.set(data, (remembered = { mark, known: new Map() }))
  const name = `${block} ${offset}`
  const known = remembered.known.get(name)
  if (known !== undefined) return known
  const sealed = new Uint8Array(lengthBytes + blockOverheadBytes)
  const isThere = bytesKey(resealBlockInto(sealed, 0, key, data.view().slice(offset, offset + lengthBytes))) === block
  remembered.known.set(name, isThere)
  return isThere
}

export class Holdings {
  readonly #losses = new Map<SimNode, Map<string, Loss>>()

  stored(node: SimNode): StoredBlocks {
    return storedBlocks(node)
  }

  /** Whether the file has the block under its own name. */
  hasInPlace(node: SimNode, { path }: Pick<KnownFile, 'path'>, block: KnownBlock): boolean {
    const data = path === '' ? undefined : node.user.dataAt(`${node.folderPath}/${path}`)
    return data !== undefined && isInFile(data, block)
  }

  /** Whether the node's drive has the block, of a file as readers know it. */
  has(node: SimNode, file: Pick<KnownFile, 'path'>, block: KnownBlock): boolean {
    if (this.hasInPlace(node, file, block)) return true
    if (this.stored(node).has(block.block)) return true
    // Moved by somebody, or put aside: under any name, as long as it is there.
    return node.user.walk(node.folderPath).some((other) => {
      const data = node.user.dataAt(other)
      return data !== undefined && data.sizeBytes >= block.offset + block.lengthBytes && isInFile(data, block)
    })
  }

  /** Does `accident` to a node's store and notes what it took. */
  afflict(node: SimNode, fault: { readonly kind: LossKind; readonly edition: number; readonly atUs: number }, accident: () => void): void {
    const before = this.stored(node)
    accident()
    const after = this.stored(node)
    const losses = this.#losses.get(node) ?? new Map<string, Loss>()
    for (const block of before) if (!after.has(block)) losses.set(block, fault)
    this.#losses.set(node, losses)
  }

  /** What an accident took and nobody has put back. */
  lossOf(node: SimNode, block: string): Loss | undefined {
    return this.#losses.get(node)?.get(block)
  }

  /** What is there again was put back. */
  forgetMended(node: SimNode): void {
    const losses = this.#losses.get(node)
    if (losses === undefined || losses.size === 0) return
    const stored = this.stored(node)
    for (const block of losses.keys()) if (stored.has(block)) losses.delete(block)
  }
}
