// What a person can ask of the block store, and how much it may take: --capacity for all folders together, the setting `grant` for one.

import type { StoreControls, StoreStatus } from '../api/store-controls.ts'
import { chargedBytes } from '../blocks/allowances.ts'
import type { SegmentStore } from '../blocks/segment-store.ts'
import type { Index } from '../index/index-store.ts'
import { grantOf } from '../model/folder-settings.ts'
import type { FolderRegistry } from './folder-registry.ts'
import type { EngineWorld } from './parts.ts'

interface StoreDeskParts {
  readonly world: EngineWorld
  readonly index: Index
  readonly store: SegmentStore
  readonly folders: FolderRegistry
  readonly signal: AbortSignal
}

export function storeControls(parts: StoreDeskParts): StoreControls {
  return {
    store: () => describeStore(parts),
    rebuildStore: (signal) => parts.store.rebuild(AbortSignal.any([signal, parts.signal])),
  }
}

function describeStore({ world, index, store, folders }: StoreDeskParts): StoreStatus {
  const totals = store.totals()
  const health = store.health()
  return {
    state: health.state === 'closed' ? 'ok' : health.state,
    blocks: totals.blocks,
    payloadBytes: totals.payloadBytes,
    usedBytes: chargedBytes(totals) + index.folders.entryBytes(),
    diskBytes: totals.diskBytes,
    segments: store.segments().length,
    damaged: store.quarantine().count,
    ...(world.capacityBytes > 0 ? { capacityBytes: world.capacityBytes } : {}),
    folders: folders.members().map(({ record, handle }) => {
      const live = store.totalsOf(record.id)
      const grantBytes = grantOf(index.folders.settings(handle.row))
      return {
        folder: record.name,
        blocks: live.blocks,
        payloadBytes: live.payloadBytes,
        usedBytes: chargedBytes(live) + index.folders.entryBytes(handle.row),
        ...(grantBytes === undefined ? {} : { grantBytes }),
      }
    }),
  }
}
