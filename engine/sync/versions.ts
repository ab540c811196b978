// Current entries as reconcile sees them: the sealed part opened.

import { EngineError } from '../base/errors.ts'
import { openMeta } from '../crypto/seal.ts'
import type { EntryRow } from '../index/entry-table.ts'
import type { Index } from '../index/index-store.ts'
import type { Entry } from '../model/entry.ts'
import { blockListOf, decodeMeta, type Meta } from '../model/meta.ts'
import type { FolderHandle, MetaKey } from './folder-handle.ts'
import type { Version } from './reconcile.ts'

/** undefined when the epoch's key is not known here or the sealed part is not well formed. */
export function openEntryMeta(metaKeys: readonly MetaKey[], entry: Entry): Meta | undefined {
  const key = metaKeys.find(({ epoch }) => epoch === entry.epoch)
  if (key === undefined) return undefined
  try {
    return decodeMeta(openMeta(key.metaKey, entry.entryId, entry.sealed), entry.blocks)
  } catch (error) {
    if (error instanceof EngineError && error.code === 'BAD_ENTRY') return undefined
    throw error
  }
}

export interface OpenedVersion extends Version {
  readonly row: EntryRow
  readonly meta: Meta
}

/** What was checked on receipt is sound here; an entry that cannot be opened is left out. */
export function openVersions(metaKeys: readonly MetaKey[], rows: readonly EntryRow[]): readonly OpenedVersion[] {
  return rows.flatMap((row) => {
    const meta = openEntryMeta(metaKeys, row.entry)
    return meta === undefined ? [] : [versionOf(row, meta)]
  })
}

function versionOf(row: EntryRow, meta: Meta): OpenedVersion {
  const { entry } = row
  return {
    row,
    meta,
    vector: entry.vector,
    contentVector: meta.contentVector ?? entry.vector,
    editor: meta.editor ?? (entry.vector.length === 1 ? entry.vector[0]?.author : undefined),
    contentTimeUs: meta.contentTimeUs ?? meta.mtimeUs,
    state: entry.deleted
      ? undefined
      : {
          path: meta.path,
          kind: meta.kind,
          sizeBytes: meta.sizeBytes,
          mtimeUs: meta.mtimeUs,
          mode: meta.mode,
          chunkClass: meta.chunkClass,
          blocks: blockListOf(entry.blocks, meta),
          linkTarget: meta.linkTarget,
        },
  }
}

/** True while these are still the current versions of their path. */
export function areCurrent(index: Index, { row: folderRow }: Pick<FolderHandle, 'row'>, versions: readonly OpenedVersion[]): boolean {
  const [first] = versions
  if (first === undefined) return false
  const rows = index.entries.siblings(folderRow, first.row.entry.entryId)
  return rows.length === versions.length && versions.every((version) => rows.some((row) => row.rowSeq === version.row.rowSeq))
}
